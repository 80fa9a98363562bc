"""The homes a ledger may have; a new one is one line in LEDGERS."""

import sqlite3
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from payments_sandbox.adapters import dynamodb_listing, sqlite_listing
from payments_sandbox.adapters.dynamodb import DynamoLedger
from payments_sandbox.adapters.dynamodb_deliveries import DynamoDeliveries
from payments_sandbox.adapters.dynamodb_endpoints import DynamoEndpoints
from payments_sandbox.adapters.dynamodb_items import HEAD
from payments_sandbox.adapters.dynamodb_merchants import DynamoMerchants
from payments_sandbox.adapters.dynamodb_settlements import DynamoSettlements
from payments_sandbox.adapters.dynamodb_table import (
    Table,
    dynamodb_client,
    key_of,
    table_definition,
)
from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.adapters.sqlite_deliveries import SqliteDeliveries
from payments_sandbox.adapters.sqlite_endpoints import SqliteEndpoints
from payments_sandbox.adapters.sqlite_file import open_ledger_file
from payments_sandbox.adapters.sqlite_merchants import SqliteMerchants
from payments_sandbox.adapters.sqlite_purge import PURGE_MAX
from payments_sandbox.adapters.sqlite_settlements import SqliteSettlements
from payments_sandbox.domain.merchant import Settings
from payments_sandbox.domain.times import iso_of
from payments_sandbox.services.ports import Clock, Ledger, Merchants
from payments_sandbox.services.settlement_ports import Settlements
from payments_sandbox.services.webhook_ports import Deliveries, Endpoints

BATCH_MAX = 25  # what DynamoDB deletes in one call


class Home(NamedTuple):
    """What one home offers.

    `purge` deletes some of what has expired and tells how much; `misplace` has an index that may
    be late name a payment as due at a moment when it is not, if the home has such an index.

    `looked_through_max` is how many a list looks at for one page, `purged_max` how many payments
    go at once: what is said of many is said of more than these, and need not be of more.
    """

    ledger: Ledger
    merchants: Merchants
    endpoints: Endpoints
    deliveries: Deliveries
    settlements: Settlements
    purge: Callable[[], Awaitable[int]]
    misplace: Callable[[str, datetime], Awaitable[None]]
    looked_through_max: int
    purged_max: int


@asynccontextmanager
async def sqlite_home(
    folder: Path, clock: Clock, emulator: Callable[[], str]
) -> AsyncGenerator[Home]:
    """Open a new ledger in one SQLite file."""
    del emulator
    path = folder / "ledger.db"
    open_ledger_file(path)
    ledger = SqliteLedger(path, clock, _fail)
    try:
        yield Home(
            ledger,
            SqliteMerchants(ledger),
            SqliteEndpoints(ledger),
            SqliteDeliveries(ledger, clock),
            SqliteSettlements(ledger, clock),
            ledger.purge,
            _never_late,
            sqlite_listing.SCAN_MAX,
            PURGE_MAX,
        )
    finally:
        await ledger.close()


@asynccontextmanager
async def dynamodb_home(
    folder: Path, clock: Clock, emulator: Callable[[], str]
) -> AsyncGenerator[Home]:
    """Make a new table at the emulator."""
    del folder
    with new_table(emulator()) as table:
        home = home_over(table, clock)
        try:
            yield home
        finally:
            await table.close()


def home_over(table: Table, clock: Clock) -> Home:
    """Return the home that a table is."""
    return Home(
        DynamoLedger(table, clock, held_back=timedelta(0)),
        DynamoMerchants(table, Settings(), clock=clock),
        DynamoEndpoints(table),
        DynamoDeliveries(table, clock),
        DynamoSettlements(table, clock),
        lambda: table.run(expire, table, clock),
        _misplacing(table),
        dynamodb_listing.SCAN_MAX,
        BATCH_MAX,
    )


@cache
def client_of(endpoint: str) -> Any:
    """Return the one client of an endpoint; it opens connections anew after it was closed."""
    return dynamodb_client(endpoint)


@contextmanager
def new_table(endpoint: str) -> Generator[Table]:
    """Yield a table of its own, and delete it in the end.

    It deletes nothing by itself: the emulator would, by a clock the test does not hold.
    """
    client = client_of(endpoint)
    name = f"Ledger{time.time_ns()}"
    client.create_table(**table_definition(name))
    try:
        yield Table(client, name)
    finally:
        client.delete_table(TableName=name)


def expire(table: Table, clock: Clock) -> int:
    """Delete what has expired, as the table itself does within two days; return how many."""
    now_s = str(int(clock.now().timestamp()))
    values: Any = {":now": {"N": now_s}}
    items: list[Any] = []
    for page in table.client.get_paginator("scan").paginate(
        TableName=table.name,
        FilterExpression="expires_at <= :now",
        ExpressionAttributeValues=values,
    ):
        items += page["Items"]
    deletes: list[Any] = [
        {"DeleteRequest": {"Key": {name: item[name] for name in ("transaction_id", "record")}}}
        for item in items
    ]
    for start in range(0, len(deletes), BATCH_MAX):
        left = table.client.batch_write_item(
            RequestItems={table.name: deletes[start : start + BATCH_MAX]}
        )["UnprocessedItems"]
        assert not left
    return len(items)


def misplace(table: Table, payment_id: str, at: datetime) -> None:
    """Have the index name the payment as due then, though its head says otherwise."""
    table.client.update_item(
        TableName=table.name,
        Key=key_of(payment_id, HEAD),
        UpdateExpression="SET due_at = :at",
        ExpressionAttributeValues={":at": {"S": iso_of(at)}},
    )


def _misplacing(table: Table) -> Callable[[str, datetime], Awaitable[None]]:
    async def run(payment_id: str, at: datetime) -> None:
        await table.run(misplace, table, payment_id, at)

    return run


async def _never_late(payment_id: str, at: datetime) -> None:
    """Do nothing: an index in the same file is never late."""
    del payment_id, at


def _fail(error: sqlite3.Error) -> None:
    raise AssertionError from error


LEDGERS: dict[
    str, Callable[[Path, Clock, Callable[[], str]], AbstractAsyncContextManager[Home]]
] = {
    "sqlite": sqlite_home,
    "dynamodb": dynamodb_home,
}
