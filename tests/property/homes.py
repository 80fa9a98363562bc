"""Ways to open a home for the machine: an empty ledger of one kind, and its merchants."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from payments_sandbox.adapters.dynamodb import DynamoLedger
from payments_sandbox.adapters.dynamodb_merchants import DynamoMerchants
from payments_sandbox.adapters.dynamodb_settlements import DynamoSettlements
from payments_sandbox.adapters.dynamodb_trail import DynamoTrail
from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.adapters.sqlite_file import open_ledger_file
from payments_sandbox.adapters.sqlite_merchants import SqliteMerchants
from payments_sandbox.adapters.sqlite_settlements import SqliteSettlements
from payments_sandbox.adapters.sqlite_trail import SqliteTrail
from payments_sandbox.domain.merchant import Settings
from payments_sandbox.services.audit import Trail
from payments_sandbox.services.ports import Clock, Ledger, Merchants
from payments_sandbox.services.settlement_ports import Settlements
from tests.contract.homes import new_table
from tests.unit.ledgers import fail_the_test


class Home(NamedTuple):
    """What the machine needs of a home."""

    ledger: Ledger
    merchants: Merchants
    settlements: Settlements
    trail: Trail


Opens = Callable[[Path, Clock], AbstractAsyncContextManager[Home]]


def on_sqlite(
    kind: type[SqliteLedger] = SqliteLedger,
    settling: type[SqliteSettlements] = SqliteSettlements,
) -> Opens:
    """Return a way to open a ledger of this kind in a file of its own."""

    @asynccontextmanager
    async def opened(folder: Path, clock: Clock) -> AsyncGenerator[Home]:
        path = folder / "ledger.db"
        open_ledger_file(path)
        ledger = kind(path, clock, fail_the_test)
        try:
            yield Home(
                ledger,
                SqliteMerchants(ledger),
                settling(ledger, clock),
                SqliteTrail(ledger, clock),
            )
        finally:
            await ledger.close()

    return opened


def on_dynamodb(endpoint: str, kind: type[DynamoLedger] = DynamoLedger) -> Opens:
    """Return a way to open a ledger of this kind in a table of its own at the emulator."""

    @asynccontextmanager
    async def opened(folder: Path, clock: Clock) -> AsyncGenerator[Home]:
        del folder
        with new_table(endpoint) as table:
            ledger = kind(table, clock, held_back=timedelta(0))
            try:
                yield Home(
                    ledger,
                    DynamoMerchants(table, Settings(), clock=clock),
                    DynamoSettlements(table, clock),
                    DynamoTrail(table, clock),
                )
            finally:
                await ledger.close()

    return opened
