"""The homes a ledger may have; a new one is one line in LEDGERS."""

import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.adapters.sqlite_file import open_ledger_file
from payments_sandbox.adapters.sqlite_merchants import SqliteMerchants
from payments_sandbox.services.ports import Clock, Ledger, Merchants


class Home(NamedTuple):
    """What one home offers; `purge` deletes some of what has expired and tells how much."""

    ledger: Ledger
    merchants: Merchants
    purge: Callable[[], Awaitable[int]]


@asynccontextmanager
async def sqlite_home(folder: Path, clock: Clock) -> AsyncGenerator[Home]:
    """Open a new ledger in one SQLite file."""
    path = folder / "ledger.db"
    open_ledger_file(path)
    ledger = SqliteLedger(path, clock, _fail)
    try:
        yield Home(ledger, SqliteMerchants(ledger), ledger.purge)
    finally:
        await ledger.close()


def _fail(error: sqlite3.Error) -> None:
    raise AssertionError from error


LEDGERS: dict[str, Callable[[Path, Clock], AbstractAsyncContextManager[Home]]] = {
    "sqlite": sqlite_home,
}
