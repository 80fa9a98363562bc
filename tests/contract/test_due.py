"""What is due: found in the order of time, however late an index is."""

from datetime import timedelta

import pytest

from payments_sandbox.domain.operations import Capture, Refund, Void
from payments_sandbox.domain.payment import Payment
from payments_sandbox.services.settlement_ports import Settlements
from tests.contract.batches import DAY, LATER, captured, open_batch, settled
from tests.contract.entries import ACME, OTHER, auth_id, done, keep, new
from tests.contract.homes import Home
from tests.contract.test_deliveries import delivery, event_id
from tests.unit.examples import CUTOFF, EXPIRY_AT, MILLISECOND
from tests.unit.stand_ins import NOW, ManualClock

HOUR = timedelta(hours=1)


@pytest.fixture
def settlements(home: Home) -> Settlements:
    """Return the settlements under test."""
    return home.settlements


async def keep_some(home: Home) -> list[Payment]:
    """Keep payments that fall due one after the other, and return them in that order.

    Others stand between them that nothing is due for, or that are another merchant's.
    """
    due: list[Payment] = []
    for number, days in enumerate((5, 1, 9, 0, 3, 7, 2)):
        at = NOW + days * DAY + number * MILLISECOND
        due.append(await captured(home, number, at=at))
        due.append(await keep(home.ledger, new(number + 100, at=at)))
        voided = await keep(home.ledger, new(number + 200, at=at))
        await keep(home.ledger, done(voided, Void(voided.payment_id), at=at))
        await captured(home, number + 300, merchant_id=OTHER, at=at)
    return sorted(due, key=lambda one: (one.due_at or NOW, one.payment_id))


async def test_nothing(settlements: Settlements) -> None:
    """Where nothing is, nothing is due or pending."""
    assert await settlements.due(ACME, LATER, 10) == []
    assert await settlements.next_due(ACME) is None
    assert await settlements.pending(ACME) == {}


@pytest.mark.parametrize("limit", [1, 2, 13, 14, 15, 100])
async def test_in_order(home: Home, settlements: Settlements, limit: int) -> None:
    """The longest due come first, no more than are asked for, and fewer only if that is all."""
    payments = await keep_some(home)

    assert payments[:limit] == await settlements.due(ACME, LATER, limit)
    assert payments[0].due_at == await settlements.next_due(ACME)


async def test_up_to(home: Home, settlements: Settlements) -> None:
    """What falls due at the moment itself is due, and what does a millisecond later is not."""
    await captured(home, 1)
    await keep(home.ledger, new(2))

    assert await settlements.due(ACME, CUTOFF - MILLISECOND, 10) == []
    assert [auth_id(1)] == [one.payment_id for one in await settlements.due(ACME, CUTOFF, 10)]
    assert len(await settlements.due(ACME, EXPIRY_AT - MILLISECOND, 10)) == 1
    assert len(await settlements.due(ACME, EXPIRY_AT, 10)) == 2


async def test_every_moment_of_a_payment(home: Home, settlements: Settlements) -> None:
    """A payment is due at its next moment, again after that was done, and in the end no more."""
    into = await open_batch(home)
    payment = await captured(home, 1, 300)
    assert await settlements.next_due(ACME) == CUTOFF

    (written,) = await settlements.settle(into, [settled(payment, into)])

    assert await settlements.due(ACME, EXPIRY_AT - MILLISECOND, 10) == []
    assert [written.payment] == await settlements.due(ACME, EXPIRY_AT, 10)
    assert await settlements.next_due(ACME) == EXPIRY_AT
    await keep(home.ledger, done(written.payment, Void(auth_id(1)), at=CUTOFF))
    assert await settlements.next_due(ACME) is None


async def test_more_than_a_page(home: Home, settlements: Settlements) -> None:
    """However many are due, all are found; deliveries that are due are none of them."""
    payments = [await keep(home.ledger, new(number, at=NOW - HOUR)) for number in range(130)]
    await home.deliveries.add([delivery(event_id(number)) for number in range(130)])
    last = await keep(home.ledger, new(1_000, at=NOW))

    assert payments[:64] == await settlements.due(ACME, LATER, 64)
    assert [*payments, last] == await settlements.due(ACME, LATER, 1_000)


async def test_a_late_index(home: Home, settlements: Settlements) -> None:
    """A payment that an index still names, but nothing is due for any more, is not due."""
    over = await keep(home.ledger, new(1))
    await keep(home.ledger, done(over, Void(over.payment_id)))
    await home.misplace(over.payment_id, NOW - DAY)
    later = await keep(home.ledger, new(2, at=NOW + DAY))
    await home.misplace(later.payment_id, NOW - HOUR)
    first = await keep(home.ledger, new(3))

    assert [first, later] == await settlements.due(ACME, LATER, 10)
    assert [first] == await settlements.due(ACME, EXPIRY_AT, 10)
    assert await settlements.next_due(ACME) == EXPIRY_AT
    assert await settlements.pending(ACME) == {"USD": 0}


async def test_a_page_of_what_is_late(home: Home, settlements: Settlements) -> None:
    """However much an index names in vain, what is due behind it is found."""
    for number in range(110):
        over = await keep(home.ledger, new(number))
        await keep(home.ledger, done(over, Void(over.payment_id)))
        await home.misplace(over.payment_id, NOW - DAY)
    due = await keep(home.ledger, new(1_000))

    assert [due] == await settlements.due(ACME, LATER, 1)
    assert await settlements.next_due(ACME) == EXPIRY_AT


async def test_after_retention(home: Home, settlements: Settlements, clock: ManualClock) -> None:
    """What has expired is due no more."""
    await captured(home, 1, expires_at=NOW + HOUR)
    kept = await captured(home, 2, at=NOW + HOUR)
    clock.pass_by(HOUR)

    assert [kept] == await settlements.due(ACME, LATER, 10)
    assert await settlements.next_due(ACME) == CUTOFF


async def test_pending(home: Home, settlements: Settlements) -> None:
    """Pending is what is captured less refunded and in no batch yet, by currency."""
    into = await open_batch(home)
    await captured(home, 1, 300)
    euros = await captured(home, 2, 500, currency="EUR")
    await captured(home, 3, 1000, merchant_id=OTHER)
    taken = await captured(home, 4, 70)
    assert await settlements.pending(ACME) == {"USD": 370, "EUR": 500}

    (taken, _, _), *_ = await settlements.settle(into, [settled(taken, into)])
    await keep(home.ledger, done(euros, Refund(auth_id(2), amount=200)))
    assert await settlements.pending(ACME) == {"USD": 300, "EUR": 300}

    await keep(home.ledger, done(taken, Refund(auth_id(4)), at=CUTOFF))
    assert await settlements.pending(ACME) == {"USD": 230, "EUR": 300}
    assert await settlements.pending(OTHER) == {"USD": 1000}


async def test_pending_below_zero(home: Home, settlements: Settlements) -> None:
    """With more refunded than captured, pending is below zero."""
    into = await open_batch(home)
    payment = await captured(home, 1)
    (after, _, _), *_ = await settlements.settle(into, [settled(payment, into)])

    await keep(home.ledger, done(after, Refund(auth_id(1), amount=400), at=CUTOFF))

    assert await settlements.pending(ACME) == {"USD": -400}


async def test_pending_of_many(home: Home, settlements: Settlements) -> None:
    """However many payments there are, all are added up."""
    for number in range(130):
        payment = await keep(home.ledger, new(number))
        await keep(home.ledger, done(payment, Capture(payment.payment_id, number + 1)))

    assert await settlements.pending(ACME) == {"USD": 130 * 131 // 2}
