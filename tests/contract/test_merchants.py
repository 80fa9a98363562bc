"""Merchants: their hashed API keys and their settings."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from payments_sandbox.domain.errors import Conflict, NotFound
from payments_sandbox.domain.merchant import AmountRule, ApiKey, Merchant, Settings
from payments_sandbox.services.merchants import hash_of
from payments_sandbox.services.ports import Merchants
from tests.contract.entries import ACME, OTHER
from tests.unit.examples import MILLISECOND
from tests.unit.stand_ins import NOW

CHANGED = Settings(AmountRule.CENTS, test_cards_only=True, retention_days=90)


async def add(merchants: Merchants, key_id: str, merchant_id: str = ACME, **later: float) -> ApiKey:
    """Add a key made so much later, whose secret is its id."""
    key = ApiKey(key_id, merchant_id, NOW + timedelta(**later))
    await merchants.add_key(key, hash_of(key_id))
    return key


async def owner(merchants: Merchants, key_id: str) -> Merchant:
    """Return the merchant that the key leads to."""
    merchant_id = await merchants.merchant_id_by_key(hash_of(key_id))
    assert merchant_id is not None
    merchant = await merchants.merchant(merchant_id)
    assert merchant_id == merchant.merchant_id
    return merchant


async def change_settings(merchants: Merchants, change: Callable[[Settings], Settings]) -> Merchant:
    """Change the settings as they are by now."""
    return await merchants.change(ACME, lambda one: replace(one, settings=change(one.settings)))


async def test_an_unknown_key(merchants: Merchants) -> None:
    """A key nobody has is nobody's, until somebody is given it."""
    await add(merchants, "one")

    assert await merchants.merchant_id_by_key(hash_of("two")) is None

    await add(merchants, "two")
    assert await merchants.merchant_id_by_key(hash_of("two")) is not None


async def test_a_new_key_makes_its_merchant(merchants: Merchants) -> None:
    """A merchant begins with its first key and the settings everyone begins with."""
    await add(merchants, "one")

    assert Merchant(ACME, Settings()) == await owner(merchants, "one")


@pytest.mark.parametrize(("key_id", "secret"), [("one", "two"), ("two", "one")])
async def test_a_key_that_is_there(merchants: Merchants, key_id: str, secret: str) -> None:
    """A key whose id or secret is taken is refused, and nothing of it is kept."""
    first = await add(merchants, "one")

    with pytest.raises(Conflict):
        await merchants.add_key(ApiKey(key_id, ACME, NOW), hash_of(secret))

    assert [first] == await merchants.keys(ACME)
    assert await merchants.merchant_id_by_key(hash_of("two")) is None


async def test_several_keys(merchants: Merchants) -> None:
    """All keys of a merchant lead to it, and another merchant's to that one."""
    await add(merchants, "one")
    await add(merchants, "two")
    await add(merchants, "three", OTHER)

    owners = [await owner(merchants, name) for name in ("one", "two", "three")]

    assert [one.merchant_id for one in owners] == [ACME, ACME, OTHER]


@pytest.mark.parametrize("settings", [CHANGED, Settings(), Settings(retention_days=1)])
async def test_settings(merchants: Merchants, settings: Settings) -> None:
    """What was saved is what every key of the merchant finds."""
    await add(merchants, "one")
    await add(merchants, "two")
    await change_settings(merchants, lambda _: CHANGED)
    assert Merchant(ACME, CHANGED) == await owner(merchants, "one")

    await change_settings(merchants, lambda _: settings)

    assert Merchant(ACME, settings) == await owner(merchants, "one")
    assert Merchant(ACME, settings) == await owner(merchants, "two")


async def test_two_changes_at_a_time(merchants: Merchants) -> None:
    """Changes made at the same moment build on each other: neither undoes the other."""
    await add(merchants, "one")
    changes: list[Callable[[Settings], Settings]] = [
        lambda settings: replace(settings, amount_rule=AmountRule.CENTS),
        lambda settings: replace(settings, test_cards_only=True),
        lambda settings: replace(settings, retention_days=90),
    ]

    made = await asyncio.gather(*(change_settings(merchants, one) for one in changes))

    assert Merchant(ACME, CHANGED) == await owner(merchants, "one")
    assert Merchant(ACME, CHANGED) in made


async def test_settings_are_ones_own(merchants: Merchants) -> None:
    """One merchant's settings leave another's alone."""
    await add(merchants, "one")
    await add(merchants, "two", OTHER)

    await change_settings(merchants, lambda _: CHANGED)

    assert Merchant(OTHER, Settings()) == await owner(merchants, "two")


async def test_another_key_keeps_the_settings(merchants: Merchants) -> None:
    """A further key does not set the merchant back."""
    await add(merchants, "one")
    await change_settings(merchants, lambda _: CHANGED)

    await add(merchants, "two")

    assert Merchant(ACME, CHANGED) == await owner(merchants, "two")


async def test_keys_oldest_first(merchants: Merchants) -> None:
    """Keys are listed by age, to the millisecond, with nobody else's among them."""
    third = await add(merchants, "a", hours=1)
    first = await add(merchants, "b")
    second = await add(merchants, "c", milliseconds=1)
    await add(merchants, "d", OTHER)

    assert [first, second, third] == await merchants.keys(ACME)
    assert await merchants.keys("nobody") == []


async def test_revoked_at_once(merchants: Merchants) -> None:
    """A revoked key opens nothing from then on; its neighbours do, and the list shows both."""
    gone = await add(merchants, "gone")
    stays = await add(merchants, "stays", hours=1)
    assert await merchants.merchant_id_by_key(hash_of("gone")) is not None

    await merchants.revoke_key(ACME, "gone", NOW + MILLISECOND)

    assert await merchants.merchant_id_by_key(hash_of("gone")) is None
    assert await merchants.merchant_id_by_key(hash_of("stays")) is not None
    assert [replace(gone, revoked_at=NOW + MILLISECOND), stays] == await merchants.keys(ACME)


async def test_revoked_once(merchants: Merchants) -> None:
    """Revoking a key again changes nothing: it ended when it ended."""
    key = await add(merchants, "one")
    await merchants.revoke_key(ACME, "one", NOW)

    await merchants.revoke_key(ACME, "one", NOW + timedelta(days=1))

    assert [replace(key, revoked_at=NOW)] == await merchants.keys(ACME)


@pytest.mark.parametrize(("merchant_id", "key_id"), [(ACME, "two"), (OTHER, "one"), ("", "")])
async def test_no_such_key_to_revoke(merchants: Merchants, merchant_id: str, key_id: str) -> None:
    """A key that is not there, or another merchant's, is not found and lives on."""
    await add(merchants, "one")

    with pytest.raises(NotFound):
        await merchants.revoke_key(merchant_id, key_id, NOW)

    assert await merchants.merchant_id_by_key(hash_of("one")) is not None


async def test_many_at_once(merchants: Merchants) -> None:
    """Keys added at the same moment are all there, under one merchant."""
    names = [f"key {number:02}" for number in range(50)]

    await asyncio.gather(*(add(merchants, name) for name in names))

    assert names == [one.key_id for one in await merchants.keys(ACME)]


async def test_nobody(merchants: Merchants) -> None:
    """Who has no key is no merchant, also beside others, until there is one of that name."""
    await add(merchants, "one")
    for merchant_id in (OTHER, "", ACME.upper(), f"{ACME} "):
        with pytest.raises(NotFound):
            await merchants.merchant(merchant_id)

    await add(merchants, "two", OTHER)

    assert Merchant(OTHER, Settings()) == await merchants.merchant(OTHER)


async def test_settings_of_nobody(merchants: Merchants) -> None:
    """An unknown merchant has no settings to change."""
    with pytest.raises(NotFound):
        await merchants.change("nobody", lambda one: one)
