"""What the sandbox keeps of batches, balances and postings, held against the model."""

from collections import Counter, defaultdict
from collections.abc import Collection

from payments_sandbox.domain.event import Logged
from payments_sandbox.domain.identifiers import event_id_of
from payments_sandbox.domain.postings import BookAccount, postings_of
from payments_sandbox.domain.settlement import Line, Settlement
from payments_sandbox.services.audit import Audit
from payments_sandbox.services.clocks import Clocks
from payments_sandbox.services.merchants import MerchantTime
from payments_sandbox.services.ports import Clock
from payments_sandbox.services.settlement import SettlementDesk
from payments_sandbox.services.settlement_ports import SettlementFilter
from payments_sandbox.services.sweep import Sweep
from tests.property.homes import Home
from tests.property.model import Expected, item_of
from tests.property.settling import Balance, Batch, Books

BATCHES_PAGE = 2
Told = tuple[object, ...]


class Bookkeeping:
    """The use cases of settlement in one process, and everything they say."""

    def __init__(self, home: Home, clock: Clock, merchant_id: str) -> None:
        sweep = Sweep(home.ledger, home.merchants, home.settlements, clock)
        self.clocks = Clocks(home.merchants, sweep, clock)
        self.desk = SettlementDesk(home.settlements, sweep, MerchantTime(home.merchants, clock))
        self._audit = Audit(home.merchants, home.settlements, home.trail, clock)
        self._home = home
        self._merchant_id = merchant_id

    async def check(self, books: Books, payments: Collection[Expected]) -> None:
        """Compare batches, lines and balances with the model, and the books with themselves."""
        report = await self._audit.run(self._merchant_id, within=None)
        assert report.holds, [one for one in report.checks if one.faults]
        assert await self._batches() == _told(books)
        balances = {
            one.currency: Balance(
                one.pending, one.available, one.in_transit, one.paid_out, one.fees
            )
            for one in await self.desk.balances(self._merchant_id)
        }
        expected = books.balances(payments)
        assert expected == {currency: one for currency, one in balances.items() if any(one)}
        standing = _standing(await self._log(payments))
        for currency, one in balances.items():
            captured = sum(sum(each.captured.values()) for each in _in(payments, currency))
            refunded = sum(sum(each.refunded.values()) for each in _in(payments, currency))
            assert standing[currency] == Counter(
                {
                    BookAccount.CARD_NETWORK: refunded - captured,
                    BookAccount.MERCHANT_PENDING: one.pending,
                    BookAccount.MERCHANT_AVAILABLE: one.available,
                    BookAccount.FEES: one.fees,
                    BookAccount.IN_TRANSIT: one.in_transit,
                    BookAccount.MERCHANT_BANK: one.paid_out,
                }
            )

    async def _batches(self) -> dict[str, list[Told]]:
        """Return all batches with their lines, by currency, oldest first."""
        batches: dict[str, list[Told]] = {}
        for one in await self._found():
            lines = [line async for line in self.desk.lines(one)]
            batches.setdefault(one.currency, []).append(_kept(one, lines))
        return batches

    async def _found(self) -> list[Settlement]:
        """Return all batches, oldest first."""
        found: list[Settlement] = []
        before: str | None = None
        while True:
            page, before = await self.desk.page(
                self._merchant_id, SettlementFilter(), before=before, limit=BATCHES_PAGE
            )
            found += page
            if before is None:
                return found[::-1]

    async def _log(self, payments: Collection[Expected]) -> list[Logged]:
        """Return everything that happened to payments and batches."""
        ledger, merchant_id, found = self._home.ledger, self._merchant_id, list[Logged]()
        for one in payments:
            found += (await ledger.history(merchant_id, one.auth_id))[1]
        for batch in await self._found():
            for seq in range(1, batch.version + 1):
                event_id = event_id_of(batch.settlement_id, seq)
                found.append(await ledger.event(merchant_id, event_id))
        return found


def _in(payments: Collection[Expected], currency: str) -> list[Expected]:
    return [one for one in payments if one.currency == currency]


def _standing(log: list[Logged]) -> defaultdict[str, Counter[BookAccount]]:
    """Return what the log moved to each account, by currency."""
    standing: defaultdict[str, Counter[BookAccount]] = defaultdict(Counter)
    for one in log:
        for posting in postings_of(one):
            accounts = standing[posting.currency]
            assert posting.amount >= 0
            accounts[posting.source] -= posting.amount
            accounts[posting.target] += posting.amount
    return standing


def _told(books: Books) -> dict[str, list[Told]]:
    return {currency: [_foreseen(one) for one in kept] for currency, kept in books.batches.items()}


def _foreseen(batch: Batch) -> Told:
    is_over = batch.state != "open"
    lines = {(*place, items) for place, items in batch.lines.items()}
    counted = Counter(amount > 0 for _, amount, _ in batch.items)
    return (
        batch.day,
        batch.closes_at,
        batch.pays_on,
        batch.state,
        (counted[True], counted[False], *batch.sums, batch.net),
        batch.brought,
        (batch.closes_at if is_over else None, batch.state == "paid"),
        (max(batch.left, 0), min(batch.left, 0)) if is_over else None,
        lines,
    )


def _kept(one: Settlement, lines: list[Line]) -> Told:
    totals = one.totals
    return (
        one.business_day,
        one.closes_at,
        one.payout_date,
        one.state,
        (
            totals.captures,
            totals.refunds,
            totals.gross,
            totals.refunded,
            totals.fees,
            totals.net,
        ),
        one.brought_forward,
        (one.closed_at, one.paid_at is not None),
        (one.payout, one.carried_forward) if one.closed_at else None,
        {(line.payment_id, line.seq, tuple(map(item_of, line.items))) for line in lines},
    )
