"""Merchants' clocks: kept with their settings, and apart from real time in the life of a key."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.merchant import ApiKey, Merchant, Settings
from payments_sandbox.domain.operations import Capture
from payments_sandbox.services.merchants import hash_of
from payments_sandbox.services.ports import KeySpent, Ledger, Merchants, Spent
from tests.contract.entries import ACME, OTHER, auth_id, done, keep, key, new
from tests.contract.homes import Home
from tests.unit.examples import MILLISECOND
from tests.unit.stand_ins import NOW, ManualClock

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AHEAD = 30 * DAY
"""How far the merchant's clock is ahead when the key is spent."""


async def add(merchants: Merchants, merchant_id: str = ACME, name: str = "one") -> None:
    """Add a key of a merchant, and the merchant if it is new."""
    await merchants.add_key(ApiKey(name, merchant_id, NOW), hash_of(name))


async def test_merchants(merchants: Merchants) -> None:
    """All merchants are listed by their ids, however many keys they have."""
    assert await merchants.merchants() == []
    for place, merchant_id in enumerate((OTHER, ACME, "zoo", ACME, OTHER)):
        await add(merchants, merchant_id, f"{place}")

    assert await merchants.merchants() == [ACME, OTHER, "zoo"]


async def test_many_merchants(merchants: Merchants) -> None:
    """Merchants that are made at the same moment are all listed, changed or not."""
    names = [f"merchant {number:02}" for number in range(40)]

    await asyncio.gather(*(add(merchants, name, name) for name in names))
    await merchants.change(names[3], lambda one: one.moved_to(NOW + DAY, NOW))

    assert names == await merchants.merchants()


async def test_a_clock(merchants: Merchants) -> None:
    """A clock that was moved is where it was moved to, to the millisecond, and nobody else's."""
    await add(merchants)
    await add(merchants, OTHER, "two")
    to = NOW + 400 * DAY + MILLISECOND

    moved = await merchants.change(ACME, lambda one: one.moved_to(to, NOW))

    assert to == moved.now(NOW)
    assert moved == await merchants.merchant(ACME)
    assert Merchant(OTHER, Settings()) == await merchants.merchant(OTHER)


async def test_resets_are_counted(merchants: Merchants) -> None:
    """A reset sets the clock back and is counted; the settings stay."""
    await add(merchants)
    settings = Settings(retention_days=7)
    await merchants.change(
        ACME, lambda one: replace(one.moved_to(NOW + DAY, NOW), settings=settings)
    )

    for _ in range(2):
        await merchants.change(ACME, lambda one: one.reset())

    assert Merchant(ACME, settings, resets=2) == await merchants.merchant(ACME)


async def test_another_key_leaves_the_clock(merchants: Merchants) -> None:
    """A further key does not set the clock back."""
    await add(merchants)
    moved = await merchants.change(ACME, lambda one: one.moved_to(NOW + DAY, NOW).reset())

    await add(merchants, ACME, "two")

    assert moved == await merchants.merchant(ACME)


async def test_two_changes_at_a_time(merchants: Merchants) -> None:
    """Of clock and settings changed at the same moment, neither undoes the other."""
    await add(merchants)
    settings = Settings(fee_rate_bps=1)

    await asyncio.gather(
        merchants.change(ACME, lambda one: one.moved_to(NOW + DAY, NOW)),
        merchants.change(ACME, lambda one: replace(one, settings=settings)),
        merchants.change(ACME, lambda one: one.moved_to(NOW + 2 * DAY, NOW)),
    )

    assert Merchant(ACME, settings, clock_offset=2 * DAY) == await merchants.merchant(ACME)


async def test_a_change_that_fails(merchants: Merchants) -> None:
    """What a change raises is raised, and nothing is changed."""
    await add(merchants)

    def fail(_: Merchant) -> Merchant:
        raise NotFound

    with pytest.raises(NotFound):
        await merchants.change(ACME, fail)

    assert Merchant(ACME, Settings()) == await merchants.merchant(ACME)


async def test_with_payment(home: Home) -> None:
    """A merchant and a payment of it are read together, each as it is now."""
    await add(home.merchants)
    payment = await keep(home.ledger, new())
    assert (Merchant(ACME, Settings()), payment) == await home.merchants.with_payment(
        ACME, payment.payment_id
    )

    payment = await keep(home.ledger, done(payment, Capture(payment.payment_id)))
    merchant = await home.merchants.change(ACME, lambda one: one.moved_to(NOW + DAY, NOW))

    assert (merchant, payment) == await home.merchants.with_payment(ACME, payment.payment_id)


@pytest.mark.parametrize("payment_id", ["", "auth_", auth_id(2), auth_id(3), f"{auth_id(1)} "])
async def test_with_no_such_payment(home: Home, payment_id: str) -> None:
    """A payment that is not there, or another merchant's, is not found."""
    for number, merchant_id in enumerate((ACME, OTHER), start=1):
        await add(home.merchants, merchant_id, merchant_id)
        await keep(home.ledger, new(number, merchant_id=merchant_id))

    with pytest.raises(NotFound):
        await home.merchants.with_payment(ACME, payment_id)


async def test_with_a_payment_of_nobody(home: Home) -> None:
    """Who is no merchant has no payment."""
    payment = await keep(home.ledger, new())

    with pytest.raises(NotFound):
        await home.merchants.with_payment(ACME, payment.payment_id)


async def test_with_a_payment_that_expired(home: Home, clock: ManualClock) -> None:
    """A payment is read to its last millisecond in real time, and from `expires_at` on not."""
    await add(home.merchants)
    payment = await keep(home.ledger, new(expires_at=NOW + DAY))
    clock.at = NOW + DAY - MILLISECOND
    await home.merchants.with_payment(ACME, payment.payment_id)

    clock.at = NOW + DAY

    with pytest.raises(NotFound):
        await home.merchants.with_payment(ACME, payment.payment_id)


@pytest.mark.parametrize(
    ("real_at", "spent_at", "lives"),
    [
        (NOW, NOW + AHEAD, True),
        # Alive as long as both clocks say so,
        (NOW + DAY - MILLISECOND, NOW + AHEAD + DAY - MILLISECOND, True),
        # over as soon as the merchant's has moved on,
        (NOW, NOW + AHEAD + DAY, False),
        (NOW + HOUR, NOW + AHEAD + DAY, False),
        # or once real time has, wherever the merchant's is by then.
        (NOW + DAY, NOW + AHEAD + DAY - MILLISECOND, False),
        (NOW + DAY, NOW, False),
        # A merchant's clock that was set back by a reset does not end it.
        (NOW, NOW, True),
    ],
)
async def test_two_clocks(
    ledger: Ledger, clock: ManualClock, real_at: datetime, spent_at: datetime, *, lives: bool
) -> None:
    """A key's life ends on the merchant's clock or in real time, whichever comes first."""
    change = new(1)
    forgotten_at = NOW + DAY
    spending = key(at=NOW + AHEAD, life=DAY, forgotten_at=forgotten_at)
    await ledger.append(change.payment, change.transactions, spending)
    spent = Spent(spending.fingerprint, change.transactions[0])
    clock.at = real_at
    again = key(body="another", at=spent_at, forgotten_at=real_at + DAY)

    assert (spent if lives else None) == await ledger.spent(again)
    if lives:
        with pytest.raises(KeySpent) as caught:
            await keep(ledger, new(2), again)
        assert spent == caught.value.spent
    else:
        await keep(ledger, new(2), again)
        second = await ledger.spent(again)
        assert second is not None
        assert auth_id(2) == second.transaction.payment_id


async def test_a_long_life_on_the_merchants_clock(ledger: Ledger, clock: ManualClock) -> None:
    """Real time that is far behind the merchant's does not keep a key beyond its life there."""
    await keep(ledger, new(1), key(at=NOW, forgotten_at=NOW + DAY))
    moved = NOW + DAY
    await keep(ledger, new(2), key(at=moved, forgotten_at=NOW + DAY))

    clock.at = NOW + DAY - MILLISECOND

    spent = await ledger.spent(key(at=moved + DAY - MILLISECOND))
    assert spent is not None
    assert auth_id(2) == spent.transaction.payment_id


async def test_forgotten_with_its_payment(ledger: Ledger, clock: ManualClock) -> None:
    """A key is forgotten when its payment is, on real time, though it would live longer."""
    await keep(ledger, new(1, expires_at=NOW + HOUR), key(at=NOW + AHEAD, forgotten_at=NOW + DAY))
    clock.at = NOW + HOUR

    assert await ledger.spent(key(at=NOW + AHEAD)) is None
    await keep(ledger, new(2), key(at=NOW + AHEAD, forgotten_at=NOW + DAY))


async def test_purge_keeps_real_time(home: Home, clock: ManualClock) -> None:
    """A key that is over on the merchant's clock is deleted when real time has come, not before."""
    await keep(home.ledger, new(1), key(at=NOW - AHEAD, forgotten_at=NOW + DAY))

    assert await home.purge() == 0

    clock.at = NOW + DAY
    assert await home.purge() == 1
