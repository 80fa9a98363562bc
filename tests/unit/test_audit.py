"""The audit over a real ledger: a shop's books hold, and what is changed behind them is named."""

import sqlite3
from dataclasses import replace
from datetime import timedelta

import pytest

from payments_sandbox.adapters.sqlite_trail import SqliteTrail
from payments_sandbox.services.audit import Audit, Report
from tests.unit.examples import CUTOFF, DAY, MERCHANT_ID, SETTINGS
from tests.unit.ledgers import set_to
from tests.unit.shop import Shop

CHAIN, ZERO = "batches_carry_forward", "postings_sum_to_zero"
LINES, TOTALS = "settlements_in_log_are_lines", "batch_totals_are_lines"


async def audited(shop: Shop, within: timedelta | None = None) -> Report:
    """Return what an audit of the shop finds."""
    trail = SqliteTrail(shop.ledger, shop.clock)
    return await Audit(shop.merchants, shop.settlements, trail, shop.clock).run(MERCHANT_ID, within)


def faulty(report: Report) -> set[str]:
    """Return the names of the checks that do not hold."""
    return {one.name for one in report.checks if one.faults}


async def busy(shop: Shop) -> None:
    """Have a negative batch carried forward, one paid out, one in transit and one open."""
    sale = await shop.sell(1000)
    await shop.sell(500, "EUR")
    await shop.run(CUTOFF)
    shop.clock.at = CUTOFF
    await shop.refund(sale)
    await shop.run(CUTOFF + DAY)
    shop.clock.at = CUTOFF + DAY
    await shop.sell(5000)
    await shop.run(CUTOFF + 2 * DAY)
    shop.clock.at = CUTOFF + 2 * DAY
    await shop.sell(700)


async def behind_its_back(shop: Shop, statement: str) -> None:
    """Change the file as no rule would."""

    def write(connection: sqlite3.Connection) -> None:
        assert connection.execute(statement).rowcount

    await shop.ledger.writer.run(write)


async def test_a_shop_in_order(shop: Shop) -> None:
    """Everything holds before anything is settled, and at every stage after."""
    assert (await audited(shop)).holds
    await busy(shop)
    report = await audited(shop)

    assert faulty(report) == set()
    assert (report.complete, report.payments) == (True, 4)
    figures = next(one.figures for one in report.checks if one.name == ZERO)
    assert figures["USD.merchant_pending"] == 700
    assert figures["USD.in_transit"] == 5000 - 175 - 1000
    assert sum(amount for name, amount in figures.items() if name.startswith("USD.")) == 0


SET = "UPDATE {table} SET body = CAST(json_set(CAST(body AS TEXT), {change}) AS BLOB) WHERE {row}"
DELIVERY = (
    "INSERT INTO deliveries (delivery_id, merchant_id, endpoint_id, listed_at, version, state,"
    " body) SELECT 'dlv', merchant_id, 'ep', '', 1, 'pending', x'' FROM merchants"
    " WHERE merchant_id = 'default'"
)
USD = "currency = 'USD'"
CHANGES = {
    "a line that is gone": (
        "DELETE FROM settlement_lines WHERE refunds = 0 AND gross = 1000",
        {LINES, TOTALS},
    ),
    "another debt": (
        SET.format(table="accounts", change="'$.carried_forward', -5", row=USD),
        {CHAIN, ZERO},
    ),
    "a payout that is gone": (
        SET.format(table="accounts", change="'$.in_transit', json('[]')", row=USD),
        {CHAIN, ZERO},
    ),
    "another payout": (
        SET.format(table="accounts", change="'$.in_transit[0].amount', 1", row=USD),
        {CHAIN, ZERO},
    ),
    "money that was never paid out": (
        SET.format(table="accounts", change="'$.paid_out', 1", row=USD),
        {CHAIN, ZERO},
    ),
    "something brought forward": (
        SET.format(
            table="settlements", change="'$.brought_forward', -7", row=f"{USD} AND state = 'paid'"
        ),
        {CHAIN},
    ),
    "a delivery that is never due": (
        DELIVERY,
        {"every_event_delivered_dead_or_pending"},
    ),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_what_is_changed_is_named(shop: Shop, change: str) -> None:
    """Each change of the file shows in the check that it breaks."""
    statement, names = CHANGES[change]
    await busy(shop)
    await behind_its_back(shop, statement)

    assert faulty(await audited(shop)) == names


async def test_payments_that_expired(shop: Shop) -> None:
    """With a retention, what a batch took and is gone is no fault, and sums are not asked."""
    await set_to(shop.merchants, MERCHANT_ID, replace(SETTINGS, retention_days=1))
    await shop.sell(1000)
    await shop.run(CUTOFF + DAY)
    shop.clock.at = CUTOFF + 3 * DAY
    report = await audited(shop)

    assert (report.holds, report.payments) == (True, 0)
    assert ZERO not in {one.name for one in report.checks}


async def test_a_line_too_few_with_retention(shop: Shop) -> None:
    """Even where payments expire, a batch has a line for each settlement that is there."""
    await set_to(shop.merchants, MERCHANT_ID, replace(SETTINGS, retention_days=30))
    await shop.sell(1000)
    await shop.run(CUTOFF)
    await behind_its_back(shop, "DELETE FROM settlement_lines")

    assert faulty(await audited(shop)) == {LINES, TOTALS}


async def test_many_batches(shop: Shop) -> None:
    """More batches than a page has are all looked at."""
    sales = 105
    for _ in range(sales):
        await shop.sell()
        shop.clock.pass_by(DAY)
    await shop.run(shop.clock.at)
    report = await audited(shop)

    assert report.holds
    assert [one.looked_at for one in report.checks if one.name in {LINES, TOTALS, CHAIN}] == [
        sales
    ] * 3


async def test_an_audit_without_time(shop: Shop) -> None:
    """An audit that may take no time tells of what it saw, and that this is not all."""
    await busy(shop)
    report = await audited(shop, within=timedelta(microseconds=-1))

    assert (report.complete, report.holds, report.payments) == (False, True, 4)
    assert CHAIN not in {one.name for one in report.checks}
