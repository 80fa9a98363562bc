"""What happens to a batch stands in the log among what happens to payments."""

import pytest

from payments_sandbox.domain.batch import closed
from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.event import EventType, Logged, event_type_of
from payments_sandbox.domain.identifiers import event_id_of
from payments_sandbox.domain.settlement import BatchTransaction
from payments_sandbox.services.ports import LostRace
from tests.contract.batches import (
    DAY,
    TODAY,
    account,
    batch,
    captured,
    close_batch,
    open_batch,
    pay_batch,
    settled,
)
from tests.contract.entries import ACME, OTHER
from tests.contract.homes import Home
from tests.contract.test_events import id_of, newest_first, oldest_first
from tests.unit.examples import MILLISECOND
from tests.unit.stand_ins import ManualClock

STORY = [
    EventType.PAYMENT_AUTHORIZED,
    EventType.PAYMENT_CAPTURED,
    EventType.TRANSACTION_SETTLED,
    EventType.SETTLEMENT_CLOSED,
    EventType.PAYMENT_AUTHORIZED,
    EventType.PAYMENT_CAPTURED,
    EventType.SETTLEMENT_PAID,
]


async def happen(home: Home, clock: ManualClock, merchant_id: str = ACME) -> list[Logged]:
    """Have a payment settled and its batch paid out, amid others; return the log of it."""
    into = await open_batch(home, batch(merchant_id=merchant_id))
    payment = await captured(home, 1 if merchant_id == ACME else 11, merchant_id=merchant_id)
    clock.pass_by(MILLISECOND)
    await home.settlements.settle(into, [settled(payment, into)])
    clock.pass_by(MILLISECOND)
    into = await close_batch(home, into)
    clock.pass_by(MILLISECOND)
    await captured(home, 2 if merchant_id == ACME else 12, merchant_id=merchant_id)
    clock.pass_by(MILLISECOND)
    await pay_batch(home, into)
    clock.pass_by(MILLISECOND)
    return await oldest_first(home.ledger, 100, merchant_id=merchant_id)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_followed(home: Home, clock: ManualClock, limit: int) -> None:
    """A batch's events are followed in both directions, among those of payments."""
    log = await happen(home, clock)

    if limit > 2:  # what was written at one moment has an order of its own
        assert sorted(STORY) == sorted(event_type_of(one) for one in log)
    assert log == await oldest_first(home.ledger, limit)
    assert log[::-1] == await newest_first(home.ledger, limit)
    assert [place for place, one in enumerate(log) if isinstance(one, BatchTransaction)] == [3, 6]


async def test_from_each(home: Home, clock: ManualClock) -> None:
    """From a batch's event one comes to all that are older, and to all that are newer."""
    log = await happen(home, clock)

    for place, one in enumerate(log):
        older = await home.ledger.events(ACME, before=id_of(one), after=None, limit=100)
        newer = await home.ledger.events(ACME, before=None, after=id_of(one), limit=100)

        assert log[:place][::-1] == [*older.transactions]
        assert log[place + 1 :] == [*newer.transactions]


async def test_by_id(home: Home, clock: ManualClock) -> None:
    """Each event is found by its id, with the batch as it was then."""
    log = await happen(home, clock)

    for one in log:
        assert one == await home.ledger.event(ACME, event_id_of(one.subject_id, one.seq))
    closing, payout = [one for one in log if isinstance(one, BatchTransaction)]
    assert (closing.seq, payout.seq) == (1, 2)
    assert closing.settlement.paid_at is None
    assert payout.settlement == await home.settlements.settlement(ACME, payout.subject_id)


async def test_of_another_merchant(home: Home, clock: ManualClock) -> None:
    """Another merchant's events of batches are not there."""
    log = await happen(home, clock, OTHER)

    assert len(log) == len(STORY)
    assert await oldest_first(home.ledger, 100) == []
    for one in log:
        with pytest.raises(NotFound):
            await home.ledger.event(ACME, id_of(one))
        with pytest.raises(NotFound):
            await home.ledger.events(ACME, before=None, after=id_of(one), limit=1)


async def test_no_such_event(home: Home, clock: ManualClock) -> None:
    """Of a batch there is no event before it closes, and none by another's number."""
    one = await open_batch(home)
    for seq in (1, 2):
        with pytest.raises(NotFound):
            await home.ledger.event(ACME, event_id_of(one.settlement_id, seq))

    await close_batch(home, one)

    clock.pass_by(MILLISECOND)
    assert len(await oldest_first(home.ledger, 10)) == 1
    with pytest.raises(NotFound):
        await home.ledger.event(ACME, event_id_of(one.settlement_id, 2))


async def test_a_lost_race_is_no_event(home: Home, clock: ManualClock) -> None:
    """What was refused is not in the log."""
    one = await open_batch(home)
    other = await open_batch(home, batch(TODAY + DAY))
    move = closed(one, await account(home), await home.settlements.totals(one))
    with pytest.raises(LostRace):
        await home.settlements.move(move)

    clock.pass_by(MILLISECOND)

    assert await oldest_first(home.ledger, 10) == []
    assert other == await home.settlements.settlement(ACME, other.settlement_id)
