"""The audit: everything a merchant's books say, derived anew from its log and compared."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple, Protocol

from payments_sandbox.domain.merchant import Merchant
from payments_sandbox.domain.settlement import Account, Settlement
from payments_sandbox.services.auditor import Auditor, Batch, Check, Record
from payments_sandbox.services.ports import Clock, Merchants
from payments_sandbox.services.settlement_ports import SettlementFilter, Settlements

WITHIN = timedelta(seconds=20)
PAGE = 100


class History(NamedTuple):
    """A payment's head and its log, as they are stored."""

    head: Record
    log: Sequence[Record]


class Traffic(NamedTuple):
    """What became of a merchant's events."""

    deliveries: Mapping[str, int]
    """How many are in each state."""
    stray: Sequence[str]
    """The ids of those that are in none: pending and never due, or settled and still due."""
    after_mark: int
    """Entries of the log above the last that is known to have been made into deliveries."""


class Trail(Protocol):
    """What an audit reads; every method may raise LedgerUnavailable."""

    def histories(self, merchant_id: str) -> AsyncIterator[Sequence[History]]:
        """Yield pages of all payments, each with its log as of one moment."""
        ...

    async def traffic(self, merchant_id: str) -> Traffic:
        """Return what became of the merchant's events."""
        ...


class Report(NamedTuple):
    """What an audit found."""

    complete: bool
    """Whether all was looked at; an audit that ran out of time tells of what it saw."""
    payments: int
    transactions: int
    checks: Sequence[Check]

    @property
    def holds(self) -> bool:
        """Whether every check held."""
        return not any(one.faults for one in self.checks)


def _heard_by_nobody(_: int) -> None: ...


class Audit:
    """The use case of looking at everything."""

    def __init__(
        self, merchants: Merchants, settlements: Settlements, trail: Trail, clock: Clock
    ) -> None:
        self._merchants = merchants
        self._settlements = settlements
        self._trail = trail
        self._clock = clock

    async def run(
        self,
        merchant_id: str,
        within: timedelta | None = WITHIN,
        on_page: Callable[[int], None] = _heard_by_nobody,
    ) -> Report:
        """Look at all that the merchant has, telling how many payments each page has.

        Batches and accounts are read before payments: what was closed by then stands in the log.
        Raise NotFound.
        """
        began = self._clock.now()
        merchant = await self._merchants.merchant(merchant_id)
        accounts = await self._settlements.accounts(merchant_id)
        batches = await self._closed(merchant_id)
        auditor, payments, is_complete = Auditor(), 0, True
        async for page in self._trail.histories(merchant_id):
            for head, log in page:
                auditor.payment(head, log)
            payments += len(page)
            on_page(len(page))
            if within is not None and self._clock.now() - began > within:
                is_complete = False
                break
        checks = [*auditor.checks, await self._events(merchant_id)]
        if is_complete:
            checks += await self._books(merchant, accounts, batches, auditor)
        return Report(is_complete, payments, sum(auditor.types.values()), checks)

    async def _closed(self, merchant_id: str) -> list[Settlement]:
        """Return all closed batches, oldest first."""
        found: list[Settlement] = []
        before: str | None = None
        while True:
            page, before = await self._settlements.settlements(
                merchant_id, SettlementFilter(), before=before, limit=PAGE
            )
            found += [one for one in page if one.closed_at is not None]
            if before is None:
                return found[::-1]

    async def _books(
        self,
        merchant: Merchant,
        accounts: Sequence[Account],
        batches: Sequence[Settlement],
        auditor: Auditor,
    ) -> list[Check]:
        # Where payments expire, some that a batch took may be gone.
        is_whole = merchant.settings.retention_days is None
        lines = Check("settlements_in_log_are_lines")
        totals = Check("batch_totals_are_lines")
        for batch in batches:
            lines.looked_at += 1
            totals.looked_at += 1
            summed, kept = await self._summed(batch), batch.totals
            logged = auditor.batches[batch.settlement_id]
            if logged != summed and (is_whole or logged.payments >= summed.payments):
                lines.fault(batch.settlement_id)
            added = (summed.gross, summed.refunded, summed.fees)
            if (kept.gross, kept.refunded, kept.fees) != added:
                totals.fault(batch.settlement_id)
        chain = Check("batches_carry_forward")
        for account in accounts:
            own = [one for one in batches if _is_of(one, account)]
            # Where batches expire, the first that is kept tells what those before it left.
            kept = own[0].brought_forward if own else account.carried_forward
            _follow(chain, account, own, 0 if is_whole else kept, is_whole=is_whole)
        checks = [lines, totals, chain]
        return [*checks, _balanced(accounts, batches, auditor)] if is_whole else checks

    async def _summed(self, batch: Settlement) -> Batch:
        summed = Batch(batch.currency)
        async for line in self._settlements.lines(batch):
            one = line.totals
            summed.add(line.payment_id, line.seq, one.gross, one.refunded, one.fees)
        return summed

    async def _events(self, merchant_id: str) -> Check:
        traffic = await self._trail.traffic(merchant_id)
        check = Check("every_event_delivered_dead_or_pending")
        check.looked_at = sum(traffic.deliveries.values())
        check.figures = {**traffic.deliveries, "after_relay_mark": traffic.after_mark}
        for one in traffic.stray:
            check.fault(one)
        return check


def _is_of(batch: Settlement, account: Account) -> bool:
    """Tell whether the batch was closed when its account was read."""
    return (
        batch.currency == account.currency
        and batch.settlement_id != account.batch_id
        and account.last_day is not None
        and batch.business_day <= account.last_day
    )


def _follow(
    check: Check,
    account: Account,
    batches: Sequence[Settlement],
    carried: int,
    *,
    is_whole: bool,
) -> None:
    """Follow what each batch of an account left to the next."""
    for batch in batches:
        check.looked_at += 1
        if batch.brought_forward != carried:
            check.fault(batch.settlement_id)
        carried = min(batch.totals.net + carried, 0)
    if account.carried_forward != carried:
        check.fault(account.currency)
    payouts = {one.settlement_id: one.amount for one in account.in_transit}
    paid_out = sum(one.payout for one in batches if one.settlement_id not in payouts)
    # Where batches expire, those that are kept are not all that were paid.
    if account.paid_out < paid_out or (is_whole and account.paid_out != paid_out):
        check.fault(account.currency)
    for batch in batches:
        is_on_its_way = batch.settlement_id in payouts
        if is_on_its_way and payouts[batch.settlement_id] != batch.payout:
            check.fault(batch.settlement_id)
        if not is_on_its_way and batch.payout and batch.paid_at is None:
            check.fault(batch.settlement_id)


def _balanced(
    accounts: Sequence[Account], batches: Sequence[Settlement], auditor: Auditor
) -> Check:
    """Add up the books: in each currency all accounts together are zero."""
    check = Check("postings_sum_to_zero")
    kept = {one.currency: one for one in accounts}
    for currency, book in sorted(auditor.books.items()):
        account = kept.get(currency, Account("", currency))
        closed = {one.settlement_id for one in batches if _is_of(one, account)}
        taken = auditor.open_batches(currency, closed)
        standing = {
            "card_network": book.refunded - book.captured,
            "merchant_pending": book.captured - book.refunded - book.settled,
            "merchant_available": account.carried_forward
            + (taken.gross - taken.refunded - taken.fees),
            "fees": account.totals.fees + taken.fees,
            "in_transit": sum(one.amount for one in account.in_transit),
            "merchant_bank": account.paid_out,
        }
        check.looked_at += 1
        check.figures |= {f"{currency}.{name}": amount for name, amount in standing.items()}
        if sum(standing.values()):
            check.fault(currency)
    return check
