"""Fills an empty ledger file with a believable month, by the real use cases on a clock of its own.

All is done in one order, so the same plan writes the same log, whatever machine it is on.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from payments_sandbox.adapters.sqlite_deliveries import SqliteDeliveries
from payments_sandbox.adapters.sqlite_file import held, open_ledger_file
from payments_sandbox.adapters.sqlite_merchants import SqliteMerchants
from payments_sandbox.adapters.sqlite_settlements import SqliteSettlements
from payments_sandbox.domain.operations import Capture, Operation, Refund, Void
from payments_sandbox.domain.times import iso_of
from payments_sandbox.domain.transaction import Transaction, TransactionStatus, TransactionType
from payments_sandbox.domain.void_capture import VoidCapture
from payments_sandbox.entrypoints.seed_ledger import LedgerAhead, SeededIds, SimulatedClock
from payments_sandbox.entrypoints.seed_plan import Act, Plan, Step
from payments_sandbox.services.merchants import LOCAL_MERCHANT, Tenancy
from payments_sandbox.services.payments import Payments, Request
from payments_sandbox.services.ports import LedgerRefused, Secrets
from payments_sandbox.services.settlement_ports import SettlementFilter
from payments_sandbox.services.sweep import Sweep

RELAYED_AT_ONCE = 1_000
_NO_HURRY = timedelta(days=1)


class Passed(NamedTuple):
    """How far the writing has come."""

    steps: int
    of: int
    at: datetime


@dataclass(slots=True)
class Tally:
    """What was written in one currency; amounts in minor units."""

    payments: int = 0
    declined: int = 0
    captured: int = 0
    refunded: int = 0
    batches: int = 0
    paid_out: int = 0


Progress = Callable[[Passed], None]


def seed(path: Path, plan: Plan, progress: Progress) -> dict[str, Tally]:
    """Write the plan into the file, and return what was written, by currency.

    Raise LedgerRefused where it cannot be opened, is served, or has a past.
    """
    with held(path):
        return asyncio.run(_seed(path, plan, open_ledger_file(path), progress))


async def _seed(path: Path, plan: Plan, secrets: Secrets, progress: Progress) -> dict[str, Tally]:
    clock = SimulatedClock(plan.begins_at)
    ledger = LedgerAhead(path, clock)
    try:
        writer = _Writer(plan, ledger, clock, secrets)
        await writer.begin(path)
        steps = plan.steps()
        for done, step in enumerate(steps, 1):
            clock.at = step.at
            await writer.do(step)
            progress(Passed(done, len(steps), step.at))
        await writer.end()
        return dict(sorted(writer.tallies.items()))
    finally:
        await ledger.close()


class _Writer:
    """Does the steps, one after the other."""

    def __init__(
        self, plan: Plan, ledger: LedgerAhead, clock: SimulatedClock, secrets: Secrets
    ) -> None:
        self.tallies: dict[str, Tally] = {}
        self._plan = plan
        self._ledger = ledger
        self._merchants = SqliteMerchants(ledger)
        self._settlements = SqliteSettlements(ledger, clock)
        self._deliveries = SqliteDeliveries(ledger, clock)
        self._clock = clock
        ids = SeededIds(plan.seed, clock)
        self._tenancy = Tenancy(self._merchants, clock, ids)
        self._payments = Payments(ledger, self._merchants, clock, ids, secrets)
        self._sweep = Sweep(ledger, self._merchants, self._settlements, clock)
        self._payment_ids: dict[int, str] = {}
        self._capture_ids: dict[int, str] = {}

    async def begin(self, path: Path) -> None:
        """Have a merchant in a file without a past; raise LedgerRefused."""
        if self._deliveries.logged_after(0, 1):
            raise LedgerRefused(
                f"{path} has payments already, and a month is seeded into an empty ledger alone."
                " Choose another --data, or delete its data first: POST /sandbox/reset."
            )
        await self._tenancy.ensure_local_key()
        merchant = await self._merchants.merchant(LOCAL_MERCHANT)
        if merchant.clock_offset:
            raise LedgerRefused(
                f"the clock of the merchant {LOCAL_MERCHANT!r} in {path} was moved. Choose another"
                " --data, or set it back first: POST /sandbox/reset."
            )

    async def do(self, step: Step) -> None:
        """Do one thing; what follows upon an authorization that was declined is left out."""
        if step.act is Act.SWEEP:
            await self._do_what_is_due()
        elif step.act is Act.AUTHORIZE:
            await self._authorize(step.number)
        elif step.number in self._payment_ids:
            await self._execute(step, self._operation(step, self._payment_ids[step.number]))

    async def end(self) -> None:
        """Finish what waits, and have no webhooks sent for what is past."""
        await self._ledger.flush()
        for account in await self._settlements.accounts(LOCAL_MERCHANT):
            self._tally(account.currency).paid_out = account.paid_out
        before, everything = "", SettlementFilter()
        while before is not None:
            found, before = await self._settlements.settlements(
                LOCAL_MERCHANT, everything, before=before or None, limit=RELAYED_AT_ONCE
            )
            for batch in found:
                self._tally(batch.currency).batches += 1
        position = 0
        while logged := self._deliveries.logged_after(position, RELAYED_AT_ONCE):
            position = logged[-1].position
        await self._deliveries.relay([], position)

    async def _authorize(self, number: int) -> None:
        order = self._plan.order(number)
        request = Request(LOCAL_MERCHANT, "authorize", f"seed {number}", "")
        transaction = (await self._payments.authorize(order, request)).transaction
        tally = self._tally(order.currency)
        tally.payments += 1
        if transaction.status is TransactionStatus.APPROVED:
            self._payment_ids[number] = transaction.payment_id
        else:
            tally.declined += 1

    def _operation(self, step: Step, payment_id: str) -> Operation:
        match step.act:
            case Act.CAPTURE:
                return Capture(payment_id, step.amount)
            case Act.REFUND:
                return Refund(payment_id, amount=step.amount)
            case Act.VOID_CAPTURE:
                return VoidCapture(payment_id, self._capture_ids[step.number])
            case _:
                return Void(payment_id)

    async def _execute(self, step: Step, operation: Operation) -> None:
        key = f"seed {step.number} at {iso_of(step.at)}"
        request = Request(LOCAL_MERCHANT, step.act.name, key, "")
        self._count(step, (await self._payments.execute(operation, request)).transaction)

    def _count(self, step: Step, transaction: Transaction) -> None:
        tally = self._tally(transaction.currency)
        if transaction.status is TransactionStatus.FAILED:
            return
        if transaction.type is TransactionType.CAPTURE:
            tally.captured += transaction.amount
            self._capture_ids[step.number] = transaction.transaction_id
        elif transaction.type is TransactionType.REFUND:
            tally.refunded += transaction.amount
        elif step.act is Act.VOID_CAPTURE:
            tally.captured -= transaction.amount

    async def _do_what_is_due(self) -> None:
        await self._ledger.flush()
        await self._sweep.run(LOCAL_MERCHANT, self._clock.now(), _NO_HURRY)

    def _tally(self, currency: str) -> Tally:
        return self.tallies.setdefault(currency, Tally())
