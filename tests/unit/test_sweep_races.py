"""Sweeps that race each other, lose, or are killed: each thing is done once between them."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from payments_sandbox.adapters.sqlite_merchants import SqliteMerchants
from payments_sandbox.adapters.sqlite_settlements import SqliteSettlements
from payments_sandbox.domain.event import EventType
from payments_sandbox.domain.operations import Capture
from payments_sandbox.domain.settlement import BatchState, Totals
from payments_sandbox.domain.transaction import TransactionType
from payments_sandbox.services.sweep import PAGE, Sweep
from tests.unit.examples import CUTOFF, DAY, EXPIRY_AT, MERCHANT_ID, MILLISECOND
from tests.unit.ledgers import opened_at
from tests.unit.shop import ALL_DAY, Killed, Pages, Shop, in_step, lose, names_of
from tests.unit.stand_ins import ManualClock

PAYOUT_AT = CUTOFF + DAY
SETTLED, CLOSED, PAID = "transaction_settled", "settlement_closed", "settlement_paid"
WRITES = ["open", "settle", "begin_closing", "move", "move"]


@pytest_asyncio.fixture
async def rivals(
    tmp_path: Path, shop: Shop, request: pytest.FixtureRequest
) -> AsyncGenerator[list[Sweep]]:
    """Yield sweeps of three processes on the shop's file; the parameter is the size of a page."""
    pace = Pages(getattr(request, "param", PAGE))
    async with AsyncExitStack() as opened:
        found = [shop.sweep_over(shop.settlements, page=pace.page)]
        for _ in range(2):
            clock = ManualClock()
            ledger = await opened.enter_async_context(opened_at(tmp_path, clock))
            settlements = SqliteSettlements(ledger, clock)
            found.append(Sweep(ledger, SqliteMerchants(ledger), settlements, clock, pace))
        yield found


async def assert_settled_once(shop: Shop, captures: int) -> None:
    """Check that every capture is in exactly one batch, and that nothing was said twice."""
    taken = [transaction_id for _, transaction_id in await shop.taken()]
    batches = await shop.batches()
    said = Counter((one.subject_id, one.seq) for one in await shop.log())

    assert captures == len(taken) == len(set(taken))
    assert set(said.values()) == {1}
    assert [one.totals for one in batches] == await shop.totals()
    assert {one.state for one in batches} == {BatchState.PAID}
    account = await shop.account()
    assert account.totals.captures == captures
    assert account.paid_out == sum(one.payout for one in batches)
    assert (account.due_at, account.batch_id) == (None, None)


async def paid_out(shop: Shop) -> None:
    """Have everything done, as a rival would in the meantime."""
    rival = SqliteSettlements(shop.ledger, shop.clock)
    sweep = shop.sweep_over(rival)
    await sweep.run(MERCHANT_ID, PAYOUT_AT, ALL_DAY)


async def test_runs_at_once(shop: Shop, rivals: list[Sweep]) -> None:
    """Of runs at once, each in a process of its own, one settles each capture."""
    captures = 150
    await shop.sell_many(captures, 100)

    runs = await asyncio.gather(
        *(rival.run(MERCHANT_ID, PAYOUT_AT + 2 * DAY, ALL_DAY) for rival in rivals)
    )

    await assert_settled_once(shop, captures)
    assert all(run.complete for run in runs)
    assert sum(run.counts.get(EventType.TRANSACTION_SETTLED, 0) for run in runs) == captures


@pytest.mark.parametrize("rivals", [1, 3], indirect=True)
async def test_runs_page_by_page(shop: Shop, rivals: list[Sweep]) -> None:
    """However small the pages, and however they mingle, each capture is settled once."""
    captures = 10
    await shop.sell_many(captures, 100)
    merchant = await shop.merchant()

    for _ in range(60):
        await asyncio.gather(*(rival.step(merchant, PAYOUT_AT + 2 * DAY) for rival in rivals))

    await assert_settled_once(shop, captures)


async def test_captures_meanwhile(shop: Shop, rivals: list[Sweep]) -> None:
    """What is captured while sweeps race at the cut-off is settled too, now or a day later."""
    await shop.sell_many(20, 100)
    merchant = await shop.merchant()
    shop.clock.at = CUTOFF - MILLISECOND

    await asyncio.gather(
        in_step(rivals, merchant, PAYOUT_AT + 2 * DAY), *(shop.sell(50) for _ in range(20))
    )
    await in_step(rivals, merchant, PAYOUT_AT + 9 * DAY)

    await assert_settled_once(shop, 40)


async def test_expiries_at_once(shop: Shop, rivals: list[Sweep]) -> None:
    """An authorization expires once, however many sweeps and callers find it overdue."""
    payments = [await shop.authorize() for _ in range(10)]
    merchant = await shop.merchant()
    shop.clock.at = EXPIRY_AT

    captures, _ = await asyncio.gather(
        asyncio.gather(*(shop.execute(Capture(one)) for one in payments[:5])),
        in_step(rivals, merchant, EXPIRY_AT),
    )

    assert {one.error_code for one in captures} == {"authorization_expired"}
    for payment_id in payments:
        _, transactions = await shop.ledger.history(MERCHANT_ID, payment_id)
        assert [one.type for one in transactions].count(TransactionType.EXPIRY) == 1


@pytest.mark.parametrize("number", range(1, len(WRITES) + 1))
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_killed_at_each_write(shop: Shop, number: int, *, after: bool) -> None:
    """A run that ends before or after any write is completed by the next, to the same books."""
    await shop.sell_many(3)
    if after:
        shop.settlements.killed_after = number
    else:
        shop.settlements.killed_before = number

    with pytest.raises(Killed):
        await shop.run(PAYOUT_AT)
    assert shop.settlements.writes == WRITES[:number]
    await shop.run(PAYOUT_AT)

    await assert_settled_once(shop, 3)
    assert (await shop.totals()) == [Totals(captures=3, gross=3000, fees=177)]
    assert Counter(names_of((await shop.log())[6:])) == {
        SETTLED: 3,
        CLOSED: 1,
        PAID: 1,
    }


@pytest.mark.parametrize("write", ["open", "settle", "begin_closing", "move"])
@pytest.mark.parametrize("times", [1, 3])
async def test_a_lost_race_is_no_fault(shop: Shop, write: str, times: int) -> None:
    """A run that loses a race looks again, and goes on with what is left."""
    await shop.sell_many(3)
    shop.settlements.rivals[write] = [lose] * times

    progress = await shop.run(PAYOUT_AT)

    assert progress.complete
    await assert_settled_once(shop, 3)


@pytest.mark.parametrize("write", ["settle", "begin_closing", "move"])
async def test_a_rival_does_all_of_it(shop: Shop, write: str) -> None:
    """Where a rival has done everything by the time of a write, nothing is done again."""
    await shop.sell_many(3)

    async def rival() -> None:
        await paid_out(shop)

    shop.settlements.rivals[write] = [rival]

    assert (await shop.run(PAYOUT_AT)).complete
    await assert_settled_once(shop, 3)
    assert len(await shop.batches()) == 1


async def test_a_rival_does_all_of_it_after_a_page_is_read(shop: Shop) -> None:
    """A page whose payments a rival has settled opens no batch with nothing in it."""
    await shop.sell_many(3)

    async def rival() -> None:
        await paid_out(shop)

    shop.settlements.rivals["due"] = [rival]
    await shop.run(PAYOUT_AT)

    assert len(await shop.batches()) == 1


async def test_a_rival_pays_out(shop: Shop) -> None:
    """A payout that a rival has made is not made again."""
    await shop.sell()
    await shop.run(CUTOFF)

    async def rival() -> None:
        await paid_out(shop)

    shop.settlements.rivals["move"] = [rival]
    progress = await shop.run(PAYOUT_AT)

    assert (progress.complete, progress.happened) == (True, [])
    await assert_settled_once(shop, 1)


async def test_a_batch_that_a_rival_opens(shop: Shop) -> None:
    """Who finds the batch opened meanwhile settles into that one."""
    await shop.sell_many(3)
    merchant = await shop.merchant()

    async def rival() -> None:
        settlements = SqliteSettlements(shop.ledger, shop.clock)
        await shop.sweep_over(settlements, page=1).step(merchant, CUTOFF)

    shop.settlements.rivals["open"] = [rival]
    await shop.run(PAYOUT_AT)

    assert len(await shop.batches()) == 1
    await assert_settled_once(shop, 3)


async def test_a_batch_that_is_closing(shop: Shop) -> None:
    """What is late for a batch that closes waits for its closing, and goes into the next."""
    await shop.sell(100)
    shop.settlements.killed_before = 4
    with pytest.raises(Killed):
        await shop.run(CUTOFF)
    shop.clock.at = CUTOFF - MILLISECOND
    await shop.sell(200)

    progress = await shop.run(CUTOFF)

    assert names_of(progress.happened) == [CLOSED, SETTLED]
    assert [one.state for one in await shop.batches()] == ["closed", "open"]
    assert [one.gross for one in await shop.totals()] == [100, 200]


async def test_a_batch_that_closes_while_it_settles(shop: Shop) -> None:
    """A page that finds its batch closing is settled into the next one."""
    await shop.sell(100)

    async def rival() -> None:
        (batch,) = await shop.batches()
        await SqliteSettlements(shop.ledger, shop.clock).begin_closing(batch)

    shop.settlements.rivals["settle"] = [rival]
    await shop.run(CUTOFF + 3 * DAY)

    assert [one.totals.captures for one in await shop.batches()] == [0, 1]
    assert (await shop.account()).paid_out == 67


async def test_an_expiry_that_somebody_overtakes(shop: Shop) -> None:
    """Who acts on an overdue payment has applied its expiry; the sweep leaves it."""
    await shop.authorize()
    shop.ledger.losses = 1

    progress = await shop.run(EXPIRY_AT)

    assert progress.complete
    assert names_of(progress.happened) == ["authorization_expired"]


async def test_a_refund_while_a_page_is_settled(shop: Shop) -> None:
    """A payment that is refunded between reading and writing is settled in the next step."""
    sale = await shop.sell(1000)
    await shop.sell(500)

    async def rival() -> None:
        await shop.refund(sale, 100)

    shop.settlements.rivals["settle"] = [rival]
    progress = await shop.run(CUTOFF)

    assert names_of(progress.happened) == [SETTLED, SETTLED, CLOSED]
    assert (await shop.totals()) == [Totals(2, 1, 1500, 100, 104)]
