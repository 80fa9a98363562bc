"""What a seeded month is written through: a clock, ids and a ledger that repeat on any machine."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from sqlite3 import Error as SqliteError

from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.domain.identifiers import core_of
from payments_sandbox.domain.payment import Payment
from payments_sandbox.domain.transaction import Transaction
from payments_sandbox.entrypoints.wiring import end_process
from payments_sandbox.services.ports import IdempotencyKey

TOGETHER_MAX = 256


class SimulatedClock:
    """A clock that stands where it is set."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        """Return the time that was set."""
        return self.at

    async def pause(self, up_to_s: float) -> None:
        """Let others run."""
        del up_to_s
        await asyncio.sleep(0)


class SeededIds:
    """Ids of the clock's time and of chance that a seed repeats."""

    def __init__(self, seed: int, clock: SimulatedClock) -> None:
        self._seed = seed
        self._clock = clock
        self._count = 0

    def core(self) -> str:
        """Return the next core."""
        self._count += 1
        named = (f"seed {self._seed}", str(self._count))
        return core_of(self._clock.now(), *named)

    def api_key(self) -> tuple[str, str]:
        """Make no key: none may be guessed from a seed."""
        raise NotImplementedError


class LedgerAhead(SqliteLedger):
    """A ledger that answers an operation before its commit, so that one commit takes many.

    Nobody is promised anything meanwhile: what a crash takes away was never shown. What is due by
    itself is written at once, as the real ledger does.
    """

    def __init__(self, path: Path, clock: SimulatedClock) -> None:
        super().__init__(path, clock, _flush_failed)
        self._ahead: dict[str, Payment] = {}
        self._writing: list[asyncio.Task[None]] = []

    async def payment(self, merchant_id: str, payment_id: str) -> Payment:
        """Return the head as the last append has it."""
        if payment_id in self._ahead:
            return self._ahead[payment_id]
        return await super().payment(merchant_id, payment_id)

    async def append(
        self, payment: Payment, transactions: Sequence[Transaction], key: IdempotencyKey | None
    ) -> None:
        """Append with the next commit."""
        appending = super().append(payment, transactions, key)
        if key is None:
            await appending
            return
        self._ahead[payment.payment_id] = payment
        self._writing.append(asyncio.create_task(appending))
        if len(self._writing) == TOGETHER_MAX:
            await self.flush()

    async def flush(self) -> None:
        """Commit all that was appended, in that order."""
        writing, self._writing = self._writing, []
        await asyncio.gather(*writing)
        self._ahead.clear()


def _flush_failed(error: SqliteError) -> None:
    """After a failed flush nobody knows what is on disk."""
    end_process(f"flushing to disk failed ({error}); the file is not whole, so delete it")
