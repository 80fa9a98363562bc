"""What settlement needs from the outside; payments and the log are in `ports`.

Every method of a store may raise LedgerUnavailable; other errors are named where they occur.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from payments_sandbox.domain.batch import Move
from payments_sandbox.domain.payment import Payment
from payments_sandbox.domain.settlement import Account, BatchState, Line, Settlement, Totals
from payments_sandbox.domain.transaction import Transaction


class Settled(NamedTuple):
    """A payment after its settlement, the transaction of that, and its line in the batch."""

    payment: Payment
    transactions: Sequence[Transaction]
    """The settlement last; before it an expiry that was due."""
    line: Line


@dataclass(frozen=True, slots=True)
class SettlementFilter:
    """Which batches to list; None does not narrow."""

    currency: str | None = None
    state: BatchState | None = None


class SettlementPage(NamedTuple):
    """Some batches, newest first, and where the next page starts: below that place."""

    settlements: Sequence[Settlement]
    next_before: str | None


class Settlements(Protocol):
    """Where batches, their lines and accounts are kept, and what is due is found."""

    @property
    def writes_at_once(self) -> int:
        """How many calls of `settle` for one batch do not get into each other's way."""
        ...

    async def due(self, merchant_id: str, up_to: datetime, limit: int) -> list[Payment]:
        """Return payments that something is due for at that moment, the longest due first.

        Fewer than `limit` are all there are, as far as the ledger knows by now.
        """
        ...

    async def next_due(self, merchant_id: str) -> datetime | None:
        """Return the earliest moment at which something is due for a payment, or None."""
        ...

    async def pending(self, merchant_id: str) -> Mapping[str, int]:
        """Return for each currency what is captured less refunded and in no batch yet."""
        ...

    async def accounts(self, merchant_id: str) -> list[Account]:
        """Return the merchant's accounts as they are now, by currency."""
        ...

    async def settlement(self, merchant_id: str, settlement_id: str) -> Settlement:
        """Return a batch as it is now; raise NotFound."""
        ...

    async def settlements(
        self, merchant_id: str, wanted: SettlementFilter, *, before: str | None, limit: int
    ) -> SettlementPage:
        """Return batches below the place `before`, newest first (see `listed_at`).

        A page may be short, even empty, and still have a next one.
        """
        ...

    async def open(self, settlement: Settlement, account: Account) -> None:
        """Keep a new batch, and its account that follows the one that is there.

        Raise LostRace if it does not, or the batch is there.
        """
        ...

    async def settle(self, settlement: Settlement, some: Sequence[Settled]) -> list[Settled]:
        """Write heads, transactions and lines of those whose heads are the ones they follow.

        Each whole or not at all; return those that were written. Raise LostRace, with some
        written perhaps, if the batch is not open.
        """
        ...

    async def begin_closing(self, settlement: Settlement) -> None:
        """Have an open batch take no more; raise LostRace if it is not open."""
        ...

    async def move(self, move: Move) -> None:
        """Write a batch, its account and transaction, all or nothing.

        Raise LostRace if the batch or the account is not the one that they follow.
        """
        ...

    def lines(self, settlement: Settlement) -> AsyncIterator[Line]:
        """Yield a batch's lines in the order of their payments, a page at a time."""
        ...

    async def totals(self, settlement: Settlement) -> Totals:
        """Return what the batch's lines add up to, as of now."""
        ...


def listed_at(settlement: Settlement) -> str:
    """Return a batch's place in the list: by its business day, then by currency."""
    return f"{settlement.business_day.isoformat()}#{settlement.currency}"
