"""Group commit: many requests, one COMMIT, one flush to disk.

A batch gathers while the COMMIT before it runs in a thread; there is no timer. A write that
raises hurts only itself: if it had changed something, the batch is rolled back and run again
with each write in a savepoint of its own. Every answer, refusals too, leaves after the COMMIT,
as a refusal may rest on a row of the same batch.
"""

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from payments_sandbox.domain.errors import LedgerUnavailable

Result = TypeVar("Result")
Write = Callable[[sqlite3.Connection], Result]

_log = logging.getLogger(__name__)
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

    def run(self, connection: sqlite3.Connection) -> bool:
        """Run the write for whoever still waits; keep what it returns, or what it raises."""
        self.error = None
        if self.future.done():
            return True
        try:
            self.result = self.write(connection)
        except sqlite3.OperationalError:
            raise
        except Exception as error:  # noqa: BLE001 - it is the caller's, and handed to it
            self.error = error.with_traceback(None)
        return self.error is None

    def answer(self) -> None:
        """Hand over what was kept."""
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
        self._closed = False
        self._failing = False

    async def run(self, write: Write[Result]) -> Result:
        """Run the write in the next batch; return or raise once that batch is on disk.

        Raise LedgerUnavailable if it cannot be stored; then nothing of it is.
        """
        if self._closed:
            raise LedgerUnavailable
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiting.append(_Waiter(write, future))
        if self._committing is None:
            self._committing = loop.create_task(self._commit_all())
        try:
            return await future
        finally:
            del future  # an error in it would hold this frame, and the frame it

    async def close(self) -> None:
        """Finish what waits, then close the connection."""
        self._closed = True
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
            self._begin()
            if not self._apply(batch):
                self._begin()
                self._apply_each(batch)
            await loop.run_in_executor(self._thread, self._connection.execute, "COMMIT")
        except sqlite3.Error as error:
            self._fail(batch, error)
        else:
            self._recovered()
        for waiter in batch:
            waiter.answer()

    def _recovered(self) -> None:
        if self._failing:
            _log.warning("the ledger can be written again")
            self._failing = False

    def _begin(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self._connection.execute("BEGIN IMMEDIATE")

    def _fail(self, batch: list[_Waiter], error: sqlite3.Error) -> None:
        """Let nothing of the batch be stored, and everybody in it know."""
        if not self._failing:
            _log.warning("the ledger cannot be written: %s; answering 503 until it can", error)
            self._failing = True
        for waiter in batch:
            waiter.error = LedgerUnavailable()
            waiter.error.__cause__ = error
        if getattr(error, "sqlite_errorcode", None) in _FLUSH_FAILED:
            self._on_flush_failure(error)
        with suppress(sqlite3.Error):  # if it fails, the next batch begins with it again
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _apply(self, batch: list[_Waiter]) -> bool:
        """Run the writes; return False if one raised after it had changed something."""
        for waiter in batch:
            changes = self._connection.total_changes
            if not waiter.run(self._connection) and self._connection.total_changes != changes:
                return False
        return True

    def _apply_each(self, batch: list[_Waiter]) -> None:
        """Run each write in its own savepoint."""
        for waiter in batch:
            self._connection.execute("SAVEPOINT one")
            if not waiter.run(self._connection):
                self._connection.execute("ROLLBACK TO one")
            self._connection.execute("RELEASE one")
