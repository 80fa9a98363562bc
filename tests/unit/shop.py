"""A merchant that sells and is settled with: the way from a capture to its payout, for one test.

The batches are the real ones; a rival may be let in before a write.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NoReturn

from payments_sandbox.adapters.sqlite_merchants import SqliteMerchants
from payments_sandbox.adapters.sqlite_settlements import SqliteSettlements
from payments_sandbox.domain.batch import Move
from payments_sandbox.domain.event import Logged, event_type_of
from payments_sandbox.domain.merchant import Merchant
from payments_sandbox.domain.operations import Capture, Operation, Refund
from payments_sandbox.domain.payment import Payment
from payments_sandbox.domain.settlement import Account, Line, Settlement, Totals
from payments_sandbox.domain.transaction import Transaction
from payments_sandbox.services.merchants import MerchantTime
from payments_sandbox.services.payments import Payments, Request
from payments_sandbox.services.ports import LostRace
from payments_sandbox.services.settlement_ports import Settled, SettlementFilter
from payments_sandbox.services.sweep import PAGE, FullPace, Progress, Sweep
from tests.unit.examples import AUTHORIZE, MERCHANT_ID
from tests.unit.ledgers import ContendedLedger
from tests.unit.requests import request
from tests.unit.stand_ins import ManualClock

ALL_DAY = timedelta(days=1)
EVERY_BATCH = SettlementFilter()
Rival = Callable[[], Awaitable[object]]


async def lose() -> NoReturn:
    """Be beaten by a rival whose write leaves no trace."""
    raise LostRace


class Pages(FullPace):
    """Has a sweep take its time, in pages of a size."""

    def __init__(self, page: int) -> None:
        self.page = page


class Killed(Exception):
    """The process ends here."""


class ContendedSettlements(SqliteSettlements):
    """The real batches; before a write a rival may come, before or after it the process may end."""

    def __init__(self, ledger: ContendedLedger, clock: ManualClock) -> None:
        super().__init__(ledger, clock)
        self.rivals: dict[str, list[Rival]] = {}
        """Who comes before the next writes of a kind."""
        self.killed_before: int | None = None
        self.killed_after: int | None = None
        """The number of the write, from 1 on, that the process ends at."""
        self.writes: list[str] = []

    async def due(self, merchant_id: str, up_to: datetime, limit: int) -> list[Payment]:
        """Read what is due, and let the rival come before anything is done about it."""
        due = await super().due(merchant_id, up_to, limit)
        await self._rival("due")
        return due

    async def open(self, settlement: Settlement, account: Account) -> None:
        """Let the rival come first."""
        async with self._contended("open"):
            await super().open(settlement, account)

    async def settle(self, settlement: Settlement, some: Sequence[Settled]) -> list[Settled]:
        """Let the rival come first."""
        async with self._contended("settle"):
            return await super().settle(settlement, some)

    async def begin_closing(self, settlement: Settlement) -> None:
        """Let the rival come first."""
        async with self._contended("begin_closing"):
            await super().begin_closing(settlement)

    async def move(self, move: Move) -> None:
        """Let the rival come first."""
        async with self._contended("move"):
            await super().move(move)

    @asynccontextmanager
    async def _contended(self, kind: str) -> AsyncGenerator[None]:
        self.writes.append(kind)
        if len(self.writes) == self.killed_before:
            raise Killed
        await self._rival(kind)
        yield
        if len(self.writes) == self.killed_after:
            raise Killed

    async def _rival(self, kind: str) -> None:
        rivals = self.rivals.get(kind)
        if rivals:
            await rivals.pop(0)()


@dataclass
class Shop:
    """What one merchant does, and what became of it."""

    payments: Payments
    ledger: ContendedLedger
    merchants: SqliteMerchants
    settlements: ContendedSettlements
    sweep: Sweep
    time: MerchantTime
    clock: ManualClock
    _asked: int = 0

    async def authorize(self, amount: int = 1000, currency: str = "USD") -> str:
        """Authorize an amount and return the payment's id."""
        operation = replace(AUTHORIZE, amount=amount, currency=currency)
        outcome = await self.payments.authorize(operation, self._request("authorize"))
        return outcome.transaction.payment_id

    async def execute(self, operation: Operation) -> Transaction:
        """Do something to a payment and return the transaction that answers it."""
        outcome = await self.payments.execute(operation, self._request("operation"))
        return outcome.transaction

    async def sell_many(self, count: int, amount: int = 1000, currency: str = "USD") -> None:
        """Make so many sales at once."""
        await asyncio.gather(*(self.sell(amount, currency) for _ in range(count)))

    async def sell(self, amount: int = 1000, currency: str = "USD") -> Transaction:
        """Authorize and capture an amount; return the capture."""
        return await self.execute(Capture(await self.authorize(amount, currency)))

    async def refund(self, capture: Transaction, amount: int | None = None) -> Transaction:
        """Refund some of a capture."""
        return await self.execute(Refund(capture.payment_id, capture.transaction_id, amount))

    def sweep_over(self, settlements: SqliteSettlements, page: int = PAGE) -> Sweep:
        """Return another sweep of the shop's ledger."""
        return Sweep(self.ledger, self.merchants, settlements, self.clock, Pages(page))

    async def run(self, up_to: datetime, within: timedelta = ALL_DAY) -> Progress:
        """Do what is due up to a moment."""
        return await self.sweep.run(MERCHANT_ID, up_to, within)

    async def merchant(self) -> Merchant:
        """Return the merchant."""
        return await self.merchants.merchant(MERCHANT_ID)

    async def payment(self, one: Transaction) -> Payment:
        """Return the payment of a transaction."""
        return await self.ledger.payment(MERCHANT_ID, one.payment_id)

    async def batches(self) -> list[Settlement]:
        """Return all batches, the oldest first, each with what its lines add up to."""
        page = await self.settlements.settlements(
            MERCHANT_ID, EVERY_BATCH, before=None, limit=10_000
        )
        return list(page.settlements[::-1])

    async def lines(self, batch: Settlement) -> list[Line]:
        """Return a batch's lines."""
        return [one async for one in self.settlements.lines(batch)]

    async def taken(self) -> list[tuple[str, str]]:
        """Return each batch with each capture and refund that it took."""
        return [
            (batch.settlement_id, item.transaction_id)
            for batch in await self.batches()
            for line in await self.lines(batch)
            for item in line.items
        ]

    async def totals(self) -> list[Totals]:
        """Return what each batch's lines add up to."""
        return [await self.settlements.totals(one) for one in await self.batches()]

    async def account(self, currency: str = "USD") -> Account:
        """Return the merchant's account in a currency."""
        accounts = await self.settlements.accounts(MERCHANT_ID)
        return next(one for one in accounts if one.currency == currency)

    async def log(self) -> list[Logged]:
        """Return all that stands in the merchant's log, the oldest first."""
        page = await self.ledger.events(MERCHANT_ID, before=None, after="", limit=100_000)
        return list(page.transactions)

    def _request(self, operation: str) -> Request:
        self._asked += 1
        return request(operation, f"key {self._asked}")


async def in_step(rivals: Sequence[Sweep], merchant: Merchant, up_to: datetime) -> int:
    """Let the sweeps take steps at once until nothing is due; return how many rounds that took."""
    for rounds in range(1_000):
        steps = await asyncio.gather(*(one.step(merchant, up_to) for one in rivals))
        if not any(steps):
            return rounds
    raise AssertionError("they never come to an end")


def names_of(some: Sequence[Logged]) -> list[str]:
    """Return the names of the events that these are."""
    return [event_type_of(one) for one in some]
