"""Settlement as its merchant sees it: batches, their lines, and balances on the way to the bank."""

from dataclasses import replace

import pytest

from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.fees import FeeOnRefund
from payments_sandbox.domain.settlement import BatchState, Totals
from payments_sandbox.domain.void_capture import VoidCapture
from payments_sandbox.services.settlement import Balance, SettlementDesk
from payments_sandbox.services.settlement_ports import SettlementFilter, listed_at
from tests.unit.examples import CUTOFF, DAY, MERCHANT_ID, NOW, OTHER_ID, SETTINGS
from tests.unit.ledgers import set_to
from tests.unit.shop import EVERY_BATCH, Killed, Shop, names_of

PAYOUT_AT = CUTOFF + DAY


@pytest.fixture
def desk(shop: Shop) -> SettlementDesk:
    """Return the use cases under test."""
    return SettlementDesk(shop.settlements, shop.sweep, shop.time)


async def balance(desk: SettlementDesk) -> Balance:
    """Return the merchant's only balance."""
    (one,) = await desk.balances(MERCHANT_ID)
    return one


async def killed(shop: Shop, at: int) -> None:
    """Have a run end before its write of that number."""
    shop.settlements.killed_before = at
    with pytest.raises(Killed):
        await shop.run(CUTOFF)


async def test_a_run(desk: SettlementDesk, shop: Shop) -> None:
    """A run does what is due by now, and nothing before its time."""
    await shop.sell()
    early = await desk.run(MERCHANT_ID)
    shop.clock.at = CUTOFF

    progress = await desk.run(MERCHANT_ID)

    assert early.happened == []
    assert names_of(progress.happened) == ["transaction_settled", "settlement_closed"]
    with pytest.raises(NotFound):
        await desk.run("nobody")


async def test_balances_from_sale_to_payout(desk: SettlementDesk, shop: Shop) -> None:
    """Money is pending, then available, then in transit, then paid out; in sum it is the same."""
    assert await desk.balances(MERCHANT_ID) == []
    await shop.sell(1000)
    assert await balance(desk) == Balance("USD", 1000, 0, 0, 0, 0)
    await killed(shop, 3)
    assert await balance(desk) == Balance("USD", 0, 941, 0, 0, 59)
    await shop.run(CUTOFF)
    assert await balance(desk) == Balance("USD", 0, 0, 941, 0, 59)
    await shop.run(PAYOUT_AT)

    assert await balance(desk) == Balance("USD", 0, 0, 0, 941, 59)


async def test_balances_while_a_batch_closes(desk: SettlementDesk, shop: Shop) -> None:
    """Between taking no more and being summed up, a batch's money is available still."""
    await shop.sell(1000)
    await killed(shop, 4)

    (batch,) = (await desk.page(MERCHANT_ID, EVERY_BATCH, before=None, limit=10)).settlements
    assert batch.state is BatchState.CLOSING
    assert await balance(desk) == Balance("USD", 0, 941, 0, 0, 59)


async def test_balances_below_zero(desk: SettlementDesk, shop: Shop) -> None:
    """A refund after the payout is pending below zero, then owed until new sales make up for it."""
    await set_to(shop.merchants, MERCHANT_ID, replace(SETTINGS, fee_on_refund=FeeOnRefund.RETURNED))
    sale = await shop.sell(1000)
    await shop.run(PAYOUT_AT)
    shop.clock.at = PAYOUT_AT
    await shop.refund(sale)
    assert await balance(desk) == Balance("USD", -1000, 0, 0, 941, 59)
    await shop.run(PAYOUT_AT + DAY)
    assert await balance(desk) == Balance("USD", 0, -941, 0, 941, 0)
    shop.clock.at = PAYOUT_AT + DAY
    await shop.sell(2000)
    assert await balance(desk) == Balance("USD", 2000, -941, 0, 941, 0)

    await shop.run(PAYOUT_AT + 9 * DAY)

    assert await balance(desk) == Balance("USD", 0, 0, 0, 1912, 88)


async def test_balances_of_each_currency(desk: SettlementDesk, shop: Shop) -> None:
    """Each currency is for itself, whether anything of it is settled or only pending."""
    await shop.sell(1000, "USD")
    await shop.run(CUTOFF)
    await shop.sell(500, "JPY")
    voided = await shop.sell(700, "EUR")
    await shop.execute(VoidCapture(voided.payment_id, voided.transaction_id))

    balances = {one.currency: one for one in await desk.balances(MERCHANT_ID)}

    assert balances["JPY"] == Balance("JPY", 500, 0, 0, 0, 0)
    assert balances["USD"] == Balance("USD", 0, 0, 941, 0, 59)
    assert balances.get("EUR", Balance("EUR", 0, 0, 0, 0, 0)) == Balance("EUR", 0, 0, 0, 0, 0)
    assert [*balances] == sorted(balances)
    assert await desk.balances(OTHER_ID) == []


async def test_a_batch(desk: SettlementDesk, shop: Shop) -> None:
    """An open batch shows what it has taken by now, a closed one what it closed with."""
    await shop.sell(1000)
    await killed(shop, 3)
    (stored,) = await shop.batches()
    taken = Totals(captures=1, gross=1000, fees=59)

    open_batch = await desk.one(MERCHANT_ID, stored.settlement_id)
    await shop.run(PAYOUT_AT)
    paid_batch = await desk.one(MERCHANT_ID, stored.settlement_id)

    assert stored.totals == Totals()
    assert open_batch == replace(stored, totals=taken)
    assert (paid_batch.state, paid_batch.totals) == (BatchState.PAID, taken)


async def test_what_another_merchant_has(desk: SettlementDesk, shop: Shop) -> None:
    """Another merchant's batch is as unknown as one that never was."""
    await shop.sell()
    await shop.run(CUTOFF)
    (batch,) = await shop.batches()

    for merchant_id, settlement_id in [(OTHER_ID, batch.settlement_id), (MERCHANT_ID, "stl_x")]:
        with pytest.raises(NotFound):
            await desk.one(merchant_id, settlement_id)
    page = await desk.page(OTHER_ID, EVERY_BATCH, before=None, limit=10)
    assert page == ([], None)


async def test_pages(desk: SettlementDesk, shop: Shop) -> None:
    """Batches come newest first, page by page, those that are open with what they took."""
    for _ in range(3):
        await shop.sell(1000)
        await shop.sell(500, "EUR")
        await shop.run(shop.clock.at + DAY)
        shop.clock.pass_by(DAY)
    found, before, pages = list[tuple[str, str]](), None, 0
    while pages == 0 or before is not None:
        page = await desk.page(MERCHANT_ID, EVERY_BATCH, before=before, limit=4)
        found += [(one.business_day.isoformat(), one.currency) for one in page.settlements]
        before, pages = page.next_before, pages + 1

    assert pages == 2
    assert found == [
        (f"2026-03-0{day}", currency) for day in (3, 2, 1) for currency in ("USD", "EUR")
    ]


async def test_filters(desk: SettlementDesk, shop: Shop) -> None:
    """A list may be narrowed to a currency or a state."""
    await shop.sell(1000)
    await shop.sell(500, "EUR")
    await killed(shop, 5)
    for wanted, expected in [
        (SettlementFilter(currency="EUR"), ["EUR"]),
        (SettlementFilter(currency="JPY"), []),
        (SettlementFilter(state=BatchState.OPEN), ["USD", "EUR"]),
        (SettlementFilter("USD", BatchState.OPEN), ["USD"]),
        (SettlementFilter("USD", BatchState.PAID), []),
    ]:
        page = await desk.page(MERCHANT_ID, wanted, before=None, limit=10)

        assert [one.currency for one in page.settlements] == expected
        assert [one.totals.captures for one in page.settlements] == [1] * len(expected)


async def test_lines(desk: SettlementDesk, shop: Shop) -> None:
    """A batch's lines are those of its payments, in the same order every time."""
    for amount in (100, 200, 300):
        await shop.sell(amount)
    await shop.run(CUTOFF)
    (batch,) = await shop.batches()

    first = [one async for one in desk.lines(batch)]
    second = [one async for one in desk.lines(batch)]

    assert first == second
    assert [one.totals.gross for one in first] == [100, 200, 300]
    assert {one.settlement_id for one in first} == {batch.settlement_id}
    assert listed_at(batch) == f"{NOW.date().isoformat()}#USD"
