"""Settlement over several days: what waits, what comes late, and what is carried forward."""

from dataclasses import replace
from datetime import date, time, timedelta

from payments_sandbox.domain.calendar import SettlementDays
from payments_sandbox.domain.settlement import BatchState
from tests.unit.examples import CUTOFF, DAY, EXPIRY_AT, MERCHANT_ID, MILLISECOND, NOW, SETTINGS
from tests.unit.ledgers import set_to
from tests.unit.shop import Shop, names_of

SETTLED, CLOSED, PAID = "transaction_settled", "settlement_closed", "settlement_paid"


async def test_a_batch_a_day(shop: Shop) -> None:
    """Each business day has its batch, with what was captured on it, and a payout a day later."""
    for amount in (100, 200, 300):
        await shop.sell(amount)
        await shop.run(shop.clock.at + DAY)
        shop.clock.pass_by(DAY)
    await shop.run(shop.clock.at + DAY)

    batches = await shop.batches()
    assert [one.totals.gross for one in batches] == [100, 200, 300]
    assert [one.business_day for one in batches] == [date(2026, 3, day) for day in (1, 2, 3)]
    assert {one.state for one in batches} == {BatchState.PAID}
    assert (await shop.account()).paid_out == sum(one.payout for one in batches) == 492


async def test_a_month_of_sales(shop: Shop) -> None:
    """Over month ends and weekends each capture is in the batch of its business day."""
    weekdays = replace(SETTINGS, settlement_days=SettlementDays.WEEKDAYS)
    await set_to(shop.merchants, MERCHANT_ID, weekdays)
    sold: dict[str, date] = {}
    for _ in range(35):
        await shop.run(shop.clock.at)
        sale = await shop.sell()
        sold[sale.transaction_id] = weekdays.calendar.business_day(shop.clock.at)
        shop.clock.pass_by(DAY)
    await shop.run(shop.clock.at + 10 * DAY)

    days = {one.settlement_id: one.business_day for one in await shop.batches()}
    taken = await shop.taken()
    assert sold == {transaction_id: days[batch_id] for batch_id, transaction_id in taken}
    assert len(sold) == len(taken)
    assert all(day.weekday() < 5 for day in days.values())
    assert len(days) == len(set(days.values())) == 26


async def test_a_refund_after_settlement(shop: Shop) -> None:
    """It is taken from the next batch."""
    sale = await shop.sell(1000)
    await shop.run(CUTOFF)
    shop.clock.at = CUTOFF
    await shop.refund(sale, 400)
    await shop.sell(2000)

    await shop.run(CUTOFF + DAY)

    assert [one.net for one in await shop.totals()] == [941, 1512]


async def test_carried_forward(shop: Shop) -> None:
    """A batch below zero pays nothing out, stays closed, and the next ones make up for it."""
    sale = await shop.sell(1000)
    await shop.run(CUTOFF + DAY)
    shop.clock.at = CUTOFF + DAY
    await shop.refund(sale)
    for amount in (500, 2000):
        await shop.run(shop.clock.at + DAY)
        shop.clock.pass_by(DAY)
        await shop.sell(amount)
    await shop.run(shop.clock.at + 30 * DAY)

    batches = await shop.batches()
    assert [one.totals.net for one in batches] == [941, -1000, 455, 1912]
    assert [one.brought_forward for one in batches] == [0, 0, -1000, -545]
    assert [one.payout for one in batches] == [941, 0, 0, 1367]
    assert [one.state for one in batches] == ["paid", "closed", "closed", "paid"]
    account = await shop.account()
    assert (account.carried_forward, account.in_transit, account.paid_out) == (0, (), 2308)


async def test_late_captures_roll_on(shop: Shop) -> None:
    """What is written after its batch has closed joins the batch of the next business day."""
    await shop.sell(100)
    await shop.run(CUTOFF)
    shop.clock.at = CUTOFF - MILLISECOND
    late = await shop.sell(200)

    first = await shop.run(CUTOFF)
    shop.clock.at = CUTOFF + timedelta(hours=1)
    await shop.sell(300)
    await shop.run(CUTOFF + DAY)

    batches = await shop.batches()
    assert names_of(first.happened) == [SETTLED]
    assert [one.totals.gross for one in batches] == [100, 500]
    assert [one.closes_at for one in batches] == [CUTOFF, CUTOFF + DAY]
    assert (batches[1].settlement_id, late.transaction_id) in await shop.taken()


async def test_a_cutoff_that_moves_forward(shop: Shop) -> None:
    """A merchant who moves the cut-off settles no refund before its capture, and nothing twice."""
    sale = await shop.sell(1000)
    sooner = replace(SETTINGS, settlement_cutoff=time(18))
    await set_to(shop.merchants, MERCHANT_ID, sooner)
    await shop.refund(sale, 400)
    early = await shop.sell(500)

    await shop.run(NOW.replace(hour=18))
    (first,) = await shop.batches()
    assert [one for _, one in await shop.taken()] == [early.transaction_id]
    await shop.run(CUTOFF + 5 * DAY)

    batches = await shop.batches()
    assert [(one.totals.captures, one.totals.refunds) for one in batches] == [(1, 0), (1, 1)]
    assert [one.business_day for one in batches] == [date(2026, 3, 1), date(2026, 3, 2)]
    assert (first.closes_at, batches[1].closes_at) == (
        NOW.replace(hour=18),
        (NOW + DAY).replace(hour=18),
    )


async def test_days_that_nobody_swept(shop: Shop) -> None:
    """A run that comes days late puts each day's captures into that day's batch."""
    for amount in (100, 200, 300):
        await shop.sell(amount)
        shop.clock.pass_by(DAY)

    progress = await shop.run(CUTOFF + 10 * DAY)

    batches = await shop.batches()
    assert [one.totals.gross for one in batches] == [100, 200, 300]
    assert [one.closes_at for one in batches] == [CUTOFF, CUTOFF + DAY, CUTOFF + 2 * DAY]
    moments = [one.created_at for one in progress.happened]
    assert sorted(moments) == moments


async def test_all_in_order_of_time(shop: Shop) -> None:
    """An expiry after the cut-off comes after the closing and the payout of its batch."""
    await shop.authorize()
    await shop.sell()

    progress = await shop.run(EXPIRY_AT)

    assert names_of(progress.happened) == [SETTLED, CLOSED, PAID, "authorization_expired"]


async def test_nothing_is_in_a_batch_that_closed_before(shop: Shop) -> None:
    """A merchant who had holidays and gave them up has captures of two cut-offs at once."""
    holidays = tuple(date(2026, 3, day) for day in range(1, 8))
    await set_to(shop.merchants, MERCHANT_ID, replace(SETTINGS, settlement_holidays=holidays))
    await shop.sell(100)
    await set_to(shop.merchants, MERCHANT_ID, SETTINGS)
    await shop.sell(200)

    await shop.run(NOW + 30 * DAY)

    assert [one.totals.gross for one in await shop.batches()] == [200, 100]
