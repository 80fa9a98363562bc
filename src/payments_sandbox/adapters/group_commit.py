"""Group commit: many requests, one COMMIT, one flush to disk.

A batch gathers while the COMMIT before it runs in a thread; there is no timer. Each write
runs in its own savepoint, so that a clash hurts only itself, and every answer, refusals too,
leaves after the COMMIT, as a refusal may rest on a row of the same batch.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from payments_sandbox.domain.errors import LedgerUnavailable

Result = TypeVar("Result")
Write = Callable[[sqlite3.Connection], Result]

BATCH_MAX = 256
# After one of these nobody knows what is on disk (fsync reports an error only once), so the
# process must end and recover from the log.
_FLUSH_FAILED = {sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC}


@dataclass(slots=True)
class _Waiter:
    """A write and who waits for it."""

    write: Write[Any]
    future: asyncio.Future[Any]
    result: object = None
    error: Exception | None = None

    def answer(self) -> None:
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class GroupCommit:
    """The one writer of a database."""

    def __init__(
        self, connection: sqlite3.Connection, on_flush_failure: Callable[[sqlite3.Error], None]
    ) -> None:
        self._connection = connection
        self._on_flush_failure = on_flush_failure
        self._waiting: deque[_Waiter] = deque()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="commit")
        self._committing: asyncio.Task[None] | None = None

    async def run(self, write: Write[Result]) -> Result:
        """Run the write in the next batch; return or raise once that batch is on disk.

        Raise LedgerUnavailable if it cannot be stored; then nothing of it is.
        """
        loop = asyncio.get_running_loop()
        waiter = _Waiter(write, loop.create_future())
        self._waiting.append(waiter)
        if self._committing is None:
            self._committing = loop.create_task(self._commit_all())
        return await waiter.future

    async def close(self) -> None:
        """Finish what waits, then close the connection."""
        if self._committing is not None:
            await self._committing
        self._thread.shutdown()
        self._connection.close()

    async def _commit_all(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_MAX))]
                await self._commit(batch)
        finally:
            self._committing = None

    async def _commit(self, batch: list[_Waiter]) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for waiter in batch:
                self._apply(waiter)
            await loop.run_in_executor(self._thread, self._connection.execute, "COMMIT")
        except sqlite3.Error as error:
            if error.sqlite_errorcode in _FLUSH_FAILED:
                self._on_flush_failure(error)
            self._roll_back()
            for waiter in batch:
                waiter.error = LedgerUnavailable()
                waiter.error.__cause__ = error
        for waiter in batch:
            waiter.answer()

    def _apply(self, waiter: _Waiter) -> None:
        """Run one write in its savepoint; keep what it returns or raises for after the COMMIT."""
        if waiter.future.done():
            return
        self._connection.execute("SAVEPOINT one")
        try:
            waiter.result = waiter.write(self._connection)
        except sqlite3.OperationalError:
            raise
        except Exception as error:  # noqa: BLE001 - it is the caller's, and handed to it
            self._connection.execute("ROLLBACK TO one")
            waiter.error = error
        self._connection.execute("RELEASE one")

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
