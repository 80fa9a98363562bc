"""Runs of the sweep: step by step, in pages, within a time, and told to whoever waits."""

from datetime import datetime, timedelta

import pytest

from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.event import EventType
from payments_sandbox.domain.identifiers import event_id_of
from payments_sandbox.services.sweep import EVENTS_START, PAGE
from tests.unit.examples import (
    CUTOFF,
    DAY,
    EXPIRY_AT,
    MERCHANT_ID,
    MILLISECOND,
    NOW,
)
from tests.unit.shop import ALL_DAY, Shop, names_of

PAYOUT_AT = CUTOFF + DAY
SECOND = timedelta(seconds=1)
SETTLED, CLOSED, PAID = "transaction_settled", "settlement_closed", "settlement_paid"
EXPIRED = "authorization_expired"


async def test_run_twice(shop: Shop) -> None:
    """The same run again finds nothing to do, and leaves nothing."""
    await shop.sell_many(3)
    await shop.run(PAYOUT_AT)
    before = await shop.log()

    again = await shop.run(PAYOUT_AT)

    assert (again.complete, again.happened, again.counts) == (True, [], {})
    assert before == await shop.log()
    assert again.events_cursor == event_id_of(before[-1].subject_id, before[-1].seq)


async def test_the_events_of_a_run(shop: Shop) -> None:
    """Who follows the events from the cursor on sees all that happened, and nothing else."""
    assert (await shop.run(NOW)).events_cursor == EVENTS_START
    await shop.sell_many(2)

    progress = await shop.run(PAYOUT_AT)

    page = await shop.ledger.events(
        MERCHANT_ID, before=None, after=progress.events_cursor, limit=100
    )
    assert list(progress.happened) == list(page.transactions)
    assert progress.counts == {
        EventType.TRANSACTION_SETTLED: 2,
        EventType.SETTLEMENT_CLOSED: 1,
        EventType.SETTLEMENT_PAID: 1,
    }


async def test_more_than_a_page(shop: Shop) -> None:
    """A batch takes as many payments as there are, a page at a time."""
    count = PAGE + 2
    await shop.sell_many(count, 100)

    progress = await shop.run(CUTOFF)

    (batch,) = await shop.batches()
    assert (batch.totals.captures, batch.totals.gross) == (count, count * 100)
    first, *settling, closing, last = shop.settlements.writes
    assert (first, closing, last) == ("open", "begin_closing", "move")
    assert len(settling) > 1
    assert set(settling) == {"settle"}
    assert progress.counts[EventType.TRANSACTION_SETTLED] == count


async def test_the_first_hundred_things(shop: Shop) -> None:
    """A run lists the first hundred things, and counts all of them."""
    await shop.sell_many(110, 100)

    progress = await shop.run(CUTOFF)

    assert progress.happened == (await shop.log())[-111:-11]
    assert progress.counts == {
        EventType.TRANSACTION_SETTLED: 110,
        EventType.SETTLEMENT_CLOSED: 1,
    }


async def test_a_run_stops_in_time(shop: Shop) -> None:
    """A run that has no time left says how far it came; the same run again completes it."""
    await shop.sell_many(2)

    async def pass_by(_: datetime) -> None:
        shop.clock.pass_by(SECOND)

    first = await shop.sweep.run(MERCHANT_ID, PAYOUT_AT, SECOND / 2, pass_by)
    second = await shop.sweep.run(MERCHANT_ID, PAYOUT_AT, SECOND, pass_by)
    third = await shop.run(PAYOUT_AT)

    assert (first.complete, first.reached) == (False, CUTOFF - MILLISECOND)
    assert names_of(first.happened) == [SETTLED, SETTLED]
    assert (second.complete, second.reached) == (False, PAYOUT_AT - MILLISECOND)
    assert names_of(second.happened) == [CLOSED, PAID]
    assert (third.complete, third.reached, third.happened) == (True, PAYOUT_AT, [])


async def test_without_any_time(shop: Shop) -> None:
    """A run makes one step at least, so that who repeats it gets to the end."""
    await shop.sell()

    progress = await shop.run(PAYOUT_AT, timedelta(0))

    assert progress.complete


async def test_who_is_told_of_each_step(shop: Shop) -> None:
    """After each step it is told how far that came, and at last that all is done."""
    await shop.sell()
    told: list[datetime] = []

    async def note(at: datetime) -> None:
        told.append(at)

    await shop.sweep.run(MERCHANT_ID, PAYOUT_AT + DAY, ALL_DAY, note)

    steps = [CUTOFF, CUTOFF, PAYOUT_AT]
    assert told == [*(one - MILLISECOND for one in steps), PAYOUT_AT + DAY]


async def test_a_run_into_the_past(shop: Shop) -> None:
    """A run up to a moment that is over has reached the present all the same."""
    progress = await shop.run(NOW - DAY)

    assert (progress.complete, progress.reached) == (True, NOW)


async def test_nobodys_run(shop: Shop) -> None:
    """Who is no merchant has no runs."""
    with pytest.raises(NotFound):
        await shop.sweep.run("nobody", CUTOFF, ALL_DAY)


async def test_one_step_at_a_time(shop: Shop) -> None:
    """A step is one page or one move; after the last there is none."""
    await shop.sell_many(3)
    merchant = await shop.merchant()

    sweep = shop.sweep_over(shop.settlements, page=2)
    steps = [await sweep.step(merchant, PAYOUT_AT) for _ in range(5)]

    assert [one and (one.at, len(one.happened)) for one in steps] == [
        (CUTOFF, 2),
        (CUTOFF, 1),
        (CUTOFF, 1),
        (PAYOUT_AT, 1),
        None,
    ]


async def test_what_is_due_next(shop: Shop) -> None:
    """The next thing is a payment's or a batch's, whichever comes first."""
    merchant = await shop.merchant()
    assert await shop.sweep.next_due(MERCHANT_ID) is None
    assert not await shop.sweep.is_due(merchant, NOW + 400 * DAY)

    await shop.authorize()
    assert await shop.sweep.next_due(MERCHANT_ID) == EXPIRY_AT
    await shop.sell()
    assert await shop.sweep.next_due(MERCHANT_ID) == CUTOFF
    await shop.run(CUTOFF)

    assert await shop.sweep.next_due(MERCHANT_ID) == PAYOUT_AT
    assert not await shop.sweep.is_due(merchant, PAYOUT_AT - MILLISECOND)
    assert await shop.sweep.is_due(merchant, PAYOUT_AT)


async def test_who_asks_is_told_from_what_happens_by_itself(shop: Shop) -> None:
    """Others give way to what a merchant asks for, so expiry and settlement do not count."""
    asked: list[str] = []
    shop.ledger.on_asked = lambda: asked.append("asked")

    await shop.sell()
    await shop.authorize()
    await shop.run(EXPIRY_AT)

    assert asked == ["asked"] * 3
