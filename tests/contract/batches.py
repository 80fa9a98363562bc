"""What the contract's tests settle: payments that are due, batches, and the accounts of both."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from payments_sandbox.domain.batch import closed, opened, paid
from payments_sandbox.domain.identifiers import settlement_id_of
from payments_sandbox.domain.operations import Capture
from payments_sandbox.domain.payment import Payment, advance
from payments_sandbox.domain.settlement import (
    Account,
    BatchState,
    Line,
    Settlement,
    line_of,
    settle,
)
from payments_sandbox.services.settlement_ports import Settled, SettlementFilter
from tests.contract.entries import ACME, PAGES_MAX, done, keep, new
from tests.contract.homes import Home
from tests.unit.examples import CUTOFF
from tests.unit.stand_ins import NOW

DAY = timedelta(days=1)
TODAY = NOW.date()
EVERY_BATCH = SettlementFilter()
LATER = NOW + 365 * DAY
"""When all that was authorized or captured is due."""


def batch(
    day: date = TODAY,
    *,
    currency: str = "USD",
    merchant_id: str = ACME,
    expires_at: datetime | None = None,
) -> Settlement:
    """Return a new batch of a business day that ends at midnight."""
    closes_at = datetime.combine(day + DAY, time(0), UTC)
    return Settlement(
        settlement_id=settlement_id_of(closes_at, merchant_id, currency, day.isoformat()),
        merchant_id=merchant_id,
        currency=currency,
        business_day=day,
        closes_at=closes_at,
        payout_date=day + 2 * DAY,
        created_at=closes_at,
        expires_at=expires_at,
    )


async def account(home: Home, currency: str = "USD", merchant_id: str = ACME) -> Account:
    """Return an account as it is now."""
    accounts = await home.settlements.accounts(merchant_id)
    kept = (one for one in accounts if one.currency == currency)
    return next(kept, Account(merchant_id, currency))


async def open_batch(home: Home, one: Settlement | None = None) -> Settlement:
    """Open a batch in its account."""
    one = one or batch()
    before = await account(home, one.currency, one.merchant_id)
    await home.settlements.open(one, opened(before, one))
    return one


async def close_batch(home: Home, one: Settlement) -> Settlement:
    """Close an open batch with what its lines add up to."""
    settlements = home.settlements
    await settlements.begin_closing(one)
    closing = replace(one, state=BatchState.CLOSING)
    before = await account(home, one.currency, one.merchant_id)
    move = closed(closing, before, await settlements.totals(closing))
    await settlements.move(move)
    return move.settlement


async def pay_batch(home: Home, one: Settlement) -> Settlement:
    """Pay a closed batch out."""
    move = paid(one, await account(home, one.currency, one.merchant_id))
    await home.settlements.move(move)
    return move.settlement


async def captured(  # noqa: PLR0913 - what tells one payment from another
    home: Home,
    number: int = 1,
    amount: int | None = None,
    *,
    merchant_id: str = ACME,
    currency: str = "USD",
    at: datetime = NOW,
    expires_at: datetime | None = None,
) -> Payment:
    """Keep a payment and a capture of it, of all of it if no amount is said."""
    change = new(number, merchant_id=merchant_id, currency=currency, at=at, expires_at=expires_at)
    payment = await keep(home.ledger, change)
    return await keep(home.ledger, done(payment, Capture(payment.payment_id, amount), at=at))


def settled(payment: Payment, into: Settlement, cutoff: datetime = CUTOFF) -> Settled:
    """Return the payment with what a cut-off takes settled into a batch, after what was due."""
    after, due = advance(payment, cutoff)
    after, transactions = settle(after, into.settlement_id, cutoff)
    return Settled(after, (*due, *transactions), line_of(after, transactions[-1]))


async def lines_of(home: Home, one: Settlement) -> list[Line]:
    """Return all lines of a batch."""
    return [line async for line in home.settlements.lines(one)]


async def batches_of(
    home: Home,
    wanted: SettlementFilter = EVERY_BATCH,
    *,
    merchant_id: str = ACME,
    limit: int = 100,
) -> list[Settlement]:
    """Follow the pages to the end and return all batches they hold."""
    found: list[Settlement] = []
    before: str | None = None
    for _ in range(PAGES_MAX):
        page = await home.settlements.settlements(merchant_id, wanted, before=before, limit=limit)
        assert len(page.settlements) <= limit
        found += page.settlements
        before = page.next_before
        if before is None:
            return found
    raise AssertionError("the pages do not end")
