"""The embedded home: one SQLite file, its own server's alone."""

import asyncio
import logging
import sqlite3
from collections.abc import Coroutine, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from payments_sandbox.adapters.clock import RandomIds, SystemClock
from payments_sandbox.adapters.sender import HttpSender
from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.adapters.sqlite_deliveries import SqliteDeliveries
from payments_sandbox.adapters.sqlite_endpoints import SqliteEndpoints
from payments_sandbox.adapters.sqlite_file import held, open_ledger_file
from payments_sandbox.adapters.sqlite_merchants import SqliteMerchants
from payments_sandbox.adapters.sqlite_settlements import SqliteSettlements
from payments_sandbox.adapters.sqlite_trail import SqliteTrail
from payments_sandbox.domain.destination import DestinationPolicy
from payments_sandbox.domain.errors import LedgerUnavailable
from payments_sandbox.entrypoints.dispatcher import Dispatcher
from payments_sandbox.entrypoints.pace import Pace, SweepPace
from payments_sandbox.entrypoints.scheduler import Scheduler
from payments_sandbox.entrypoints.wiring import (
    Sandbox,
    Store,
    dispatch_over,
    end_process,
    sweep_over,
    use_cases_over,
)
from payments_sandbox.services.merchants import MerchantTime
from payments_sandbox.services.ports import Secrets

PURGE_EVERY_S = 600.0
PURGE_PAUSE_S = 0.1
WATCH_EVERY_S = 1.0
_log = logging.getLogger(__name__)


class FileHome:
    """The SQLite file at a path, made when it is first opened."""

    def __init__(self, path: Path, policy: DestinationPolicy) -> None:
        self._path = path
        self.policy = policy
        self._work: _Work | None = None

    @property
    def name(self) -> str:
        """The file's whole path."""
        return str(self._path.absolute())

    @property
    def option(self) -> str:
        """The option that names it on the command line."""
        return f"--data {self._path}"

    @property
    def webhooks(self) -> str:
        """Who sends its webhooks, and where to."""
        where = "private addresses too" if self.policy.allow_private else "public addresses only"
        return f"sent from here, to {where}; without an endpoint: payments-sandbox listen"

    def held(self) -> AbstractContextManager[None]:
        """Hold the file for this process; raise LedgerRefused."""
        return held(self._path)

    def open(self) -> Sandbox:
        """Open the file, made new if need be; raise LedgerRefused."""
        secrets = open_ledger_file(self._path)
        clock = SystemClock()
        ledger = SqliteLedger(self._path, clock, _flush_failed)
        endpoints, deliveries = SqliteEndpoints(ledger), SqliteDeliveries(ledger, clock)
        merchants, settlements = SqliteMerchants(ledger), SqliteSettlements(ledger, clock)
        store = Store(
            ledger, merchants, endpoints, deliveries, settlements, SqliteTrail(ledger, clock)
        )
        pace = Pace()
        dispatcher = Dispatcher(endpoints, deliveries, MerchantTime(merchants, clock), pace)
        ledger.on_appended, ledger.on_asked = dispatcher.heard, pace.heard
        sweep_pace = SweepPace(pace)
        use = use_cases_over(store, dispatcher, secrets, clock, RandomIds(), sweep_pace)
        self._work = _Work(ledger, dispatcher, store, sweep_pace, secrets, clock)
        return Sandbox(use, ledger.close)

    def chores(self) -> Sequence[Coroutine[None, None, None]]:
        """Return the work beside serving.

        Webhooks, what falls due by itself, deleting what expired, watching the file.
        """
        assert self._work is not None  # noqa: S101 - it is open
        return [
            self._work.dispatch(self.policy),
            self._work.sweep(),
            _purge(self._work.ledger),
            _watch(self._path),
        ]


class _Work(NamedTuple):
    """What the chores of an open file need."""

    ledger: SqliteLedger
    dispatcher: Dispatcher
    store: Store
    sweep_pace: SweepPace
    secrets: Secrets
    clock: SystemClock

    async def dispatch(self, policy: DestinationPolicy) -> None:
        """Send webhooks until it is cancelled."""
        sender = HttpSender(policy)
        try:
            await self.dispatcher.run(dispatch_over(self.store, sender, self.secrets, self.clock))
        finally:
            await sender.close()

    async def sweep(self) -> None:
        """Do what falls due by itself, until it is cancelled."""
        sweep = sweep_over(self.store, self.clock, self.sweep_pace)
        await Scheduler(self.store.merchants, sweep, self.clock).run()


def _flush_failed(error: sqlite3.Error) -> None:
    """After a failed flush only a restart can tell what is on disk."""
    end_process(f"flushing to disk failed ({error}); ending to recover at the next start")


async def _watch(data: Path) -> None:
    """End the process when its ledger is deleted or moved: nothing it answers would be kept."""
    served = _inode(data)
    while _inode(data) == served:  # noqa: ASYNC110 - a file has no event
        await asyncio.sleep(WATCH_EVERY_S)
    end_process(f"{data} was deleted or moved while it was served; ending")


def _inode(path: Path) -> int | None:
    """Return which file is at the path, or None."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


async def _purge(ledger: SqliteLedger) -> None:
    """Delete what has expired, a little at a time, now and every ten minutes."""
    while True:
        try:
            more = await ledger.purge() > 0
        except LedgerUnavailable:
            _log.warning("could not delete what has expired; trying again later")
            more = False
        await asyncio.sleep(PURGE_PAUSE_S if more else PURGE_EVERY_S)
