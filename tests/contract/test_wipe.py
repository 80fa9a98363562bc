"""Wiping: all of a merchant's data go, a little at a time, and nobody else's."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from payments_sandbox.adapters import dynamodb_wipe, sqlite_purge
from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.merchant import ApiKey
from payments_sandbox.domain.operations import Capture
from payments_sandbox.domain.payment import Payment
from payments_sandbox.domain.settlement import Account, Settlement
from payments_sandbox.services.merchants import hash_of
from payments_sandbox.services.ports import LostRace
from payments_sandbox.services.webhook_ports import DeliveryFilter
from tests.contract.batches import (
    LATER,
    TODAY,
    account,
    batch,
    batches_of,
    captured,
    close_batch,
    lines_of,
    open_batch,
    settled,
)
from tests.contract.entries import ACME, OTHER, done, keep, key, listed, new
from tests.contract.homes import Home
from tests.contract.test_deliveries import delivery, event_id
from tests.contract.test_endpoints import endpoint
from tests.contract.test_events import oldest_first
from tests.unit.examples import MILLISECOND
from tests.unit.stand_ins import NOW, ManualClock

CALLS_MAX = 200


class Kept(NamedTuple):
    """All that is to be seen of a merchant's data."""

    payments: list[Payment]
    events: list[Any]
    deliveries: list[Any]
    batches: list[Settlement]
    lines: list[Any]
    accounts: list[Account]
    due: list[Payment]


async def kept_of(home: Home, merchant_id: str) -> Kept:
    """Return all that is to be seen of a merchant's data."""
    batches = await batches_of(home, merchant_id=merchant_id)
    page = await home.deliveries.deliveries(merchant_id, DeliveryFilter(), before=None, limit=100)
    return Kept(
        await listed(home.ledger, merchant_id=merchant_id),
        await oldest_first(home.ledger, 100, merchant_id=merchant_id),
        [*page.deliveries],
        batches,
        [line for one in batches for line in await lines_of(home, one)],
        await home.settlements.accounts(merchant_id),
        await home.settlements.due(merchant_id, LATER, 100),
    )


def numbers_of(merchant_id: str) -> Iterator[int]:
    """Yield the numbers of a merchant's payments."""
    return iter(range(10) if merchant_id == ACME else range(100, 110))


async def fill(home: Home, clock: ManualClock, merchant_id: str = ACME) -> list[Settlement]:
    """Keep a bit of everything; return the batches."""
    numbers = numbers_of(merchant_id)
    await home.merchants.add_key(ApiKey(merchant_id, merchant_id, NOW), hash_of(merchant_id))
    await home.endpoints.change_endpoints(merchant_id, lambda _: (endpoint(1),))
    batches: list[Settlement] = []
    for place, currency in enumerate(("USD", "EUR")):
        into = await open_batch(home, batch(currency=currency, merchant_id=merchant_id))
        payments = [
            await captured(home, next(numbers), merchant_id=merchant_id, currency=currency)
            for _ in range(3)
        ]
        await home.settlements.settle(into, [settled(one, into) for one in payments])
        batches.append(into if place else await close_batch(home, into))
    for number in numbers:
        await keep(home.ledger, new(number, merchant_id=merchant_id), key(f"{number}"))
        await home.deliveries.add([delivery(event_id(number), merchant_id=merchant_id)])
    clock.pass_by(MILLISECOND)
    return batches


async def wipe(home: Home, merchant_id: str = ACME) -> int:
    """Wipe until nothing is left; return how many calls deleted something."""
    for calls in range(CALLS_MAX):
        if await home.ledger.wipe(merchant_id) == 0:
            return calls
    raise AssertionError("wiping does not end")


async def test_all_of_it(home: Home, clock: ManualClock) -> None:
    """Payments, events, deliveries, batches, lines and accounts are gone; then it rests."""
    batches = await fill(home, clock)
    before = await kept_of(home, ACME)
    assert all(before)

    await wipe(home)

    assert not any(await kept_of(home, ACME))
    assert await home.ledger.wipe(ACME) == 0
    assert await home.settlements.pending(ACME) == {}
    for one in batches:
        assert await lines_of(home, one) == []
        with pytest.raises(NotFound):
            await home.settlements.settlement(ACME, one.settlement_id)
    for one in before.payments:
        with pytest.raises(NotFound):
            await home.ledger.history(ACME, one.payment_id)
    for one in before.events:
        with pytest.raises(NotFound):
            await home.ledger.transaction(ACME, one.transaction_id)


async def test_of_another_merchant_nothing(home: Home, clock: ManualClock) -> None:
    """Another merchant keeps all it has."""
    await fill(home, clock)
    await fill(home, clock, OTHER)
    before = await kept_of(home, OTHER)
    assert all(before)

    await wipe(home)

    assert before == await kept_of(home, OTHER)
    for one in before.payments:
        assert one == (await home.ledger.history(OTHER, one.payment_id))[0]


async def test_what_stays(home: Home, clock: ManualClock) -> None:
    """Settings, clock, keys and endpoints stay."""
    await fill(home, clock)
    merchant = await home.merchants.change(ACME, lambda one: one.moved_to(NOW + (LATER - NOW), NOW))

    await wipe(home)

    assert merchant == await home.merchants.merchant(ACME)
    assert [one.key_id for one in await home.merchants.keys(ACME)] == [ACME]
    assert await home.merchants.merchant_id_by_key(hash_of(ACME)) == ACME
    assert (endpoint(1),) == await home.endpoints.endpoints(ACME)


async def test_nothing_to_wipe(home: Home) -> None:
    """Of who has nothing, nothing is deleted."""
    assert await home.ledger.wipe(ACME) == 0


async def test_a_little_at_a_time(
    home: Home, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call deletes a bounded amount, and all calls together all."""
    monkeypatch.setattr(sqlite_purge, "PURGE_MAX", 2)
    for name in ("LISTED_MAX", "BATCHES_MAX", "LINES_MAX"):
        monkeypatch.setattr(dynamodb_wipe, name, 2 if name == "LINES_MAX" else 1)
    batches = await fill(home, clock)

    assert await wipe(home) > 3

    assert not any(await kept_of(home, ACME))
    for one in batches:
        assert await lines_of(home, one) == []


async def test_many(home: Home) -> None:
    """However many there are, all go."""
    for number in range(130):
        await keep(home.ledger, new(number))

    await wipe(home)

    assert await listed(home.ledger) == []


async def test_what_keys_stand_for(home: Home, clock: ManualClock) -> None:
    """A key that was spent on what is gone stands for nothing."""
    await fill(home, clock)
    assert await home.ledger.spent(key("9")) is not None

    await wipe(home)

    assert await home.ledger.spent(key("9")) is None


async def test_nothing_follows_what_is_gone(home: Home, clock: ManualClock) -> None:
    """A write that follows what was wiped loses its race and brings nothing back."""
    _, still_open = await fill(home, clock)
    before = await kept_of(home, ACME)
    one = next(iter(before.due))
    change = done(one, Capture(one.payment_id, 1))
    currency = await account(home, "EUR")

    await wipe(home)

    with pytest.raises(LostRace):
        await keep(home.ledger, change)
    with pytest.raises(LostRace):
        await home.settlements.settle(still_open, [settled(change.payment, still_open)])
    with pytest.raises(LostRace):
        await home.settlements.begin_closing(still_open)
    with pytest.raises(LostRace):
        await home.deliveries.replace(before.deliveries[0].leased(NOW))
    assert currency.version > 0
    assert not any(await kept_of(home, ACME))


async def test_begun_anew(home: Home, clock: ManualClock) -> None:
    """After a wipe all can be as it was before."""
    await fill(home, clock)
    await wipe(home)

    into = await open_batch(home, batch(TODAY))
    one = settled(await captured(home, 1), into)
    assert [one] == await home.settlements.settle(into, [one])
    await close_batch(home, into)

    clock.pass_by(MILLISECOND)
    kept = await kept_of(home, ACME)
    assert [one.payment] == kept.payments
    assert len(kept.events) == 4
