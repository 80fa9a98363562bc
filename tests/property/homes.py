"""Ways to open a home for the machine: an empty ledger of one kind, and its merchants."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from payments_sandbox.adapters.dynamodb import DynamoLedger
from payments_sandbox.adapters.dynamodb_merchants import DynamoMerchants
from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.adapters.sqlite_file import open_ledger_file
from payments_sandbox.adapters.sqlite_merchants import SqliteMerchants
from payments_sandbox.domain.merchant import Settings
from payments_sandbox.services.ports import Clock, Ledger, Merchants
from tests.contract.homes import new_table
from tests.unit.ledgers import fail_the_test


class Home(NamedTuple):
    """What the machine needs of a home."""

    ledger: Ledger
    merchants: Merchants


Opens = Callable[[Path, Clock], AbstractAsyncContextManager[Home]]


def on_sqlite(kind: type[SqliteLedger] = SqliteLedger) -> Opens:
    """Return a way to open a ledger of this kind in a file of its own."""

    @asynccontextmanager
    async def opened(folder: Path, clock: Clock) -> AsyncGenerator[Home]:
        path = folder / "ledger.db"
        open_ledger_file(path)
        ledger = kind(path, clock, fail_the_test)
        try:
            yield Home(ledger, SqliteMerchants(ledger))
        finally:
            await ledger.close()

    return opened


def on_dynamodb(endpoint: str, kind: type[DynamoLedger] = DynamoLedger) -> Opens:
    """Return a way to open a ledger of this kind in a table of its own at the emulator."""

    @asynccontextmanager
    async def opened(folder: Path, clock: Clock) -> AsyncGenerator[Home]:
        del folder
        with new_table(endpoint) as table:
            ledger = kind(table, clock)
            try:
                yield Home(ledger, DynamoMerchants(table, Settings()))
            finally:
                await ledger.close()

    return opened
