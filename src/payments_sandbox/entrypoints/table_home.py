"""The shared home: one DynamoDB table, which many servers may use at a time."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import AbstractContextManager, nullcontext
from time import monotonic

from payments_sandbox.adapters.clock import RandomIds, SystemClock
from payments_sandbox.adapters.dynamodb_open import open_table, parse_address
from payments_sandbox.adapters.dynamodb_table import Table
from payments_sandbox.domain.destination import DestinationPolicy
from payments_sandbox.domain.errors import LedgerUnavailable
from payments_sandbox.entrypoints.table_store import table_store
from payments_sandbox.entrypoints.wiring import NoCourier, Sandbox, end_process, use_cases_over

WATCH_EVERY_S = 2.0


class TableHome:
    """The table at an address, `dynamodb://TABLE?endpoint=URL`; raises LedgerRefused.

    Its webhooks are the functions' to send: a server here keeps the log, and has what is sent
    again fall due for their next sweep.
    """

    policy = DestinationPolicy()
    webhooks = "sent by the functions of the table's stage, not from here"

    def __init__(self, address: str) -> None:
        self._text = address
        self._address = parse_address(address)
        self.endpoint = self._address.endpoint
        self._table: Table | None = None

    @property
    def name(self) -> str:
        """The table and where it is."""
        where = self._address.endpoint or self._address.region or "AWS"
        return f"DynamoDB table {self._address.table} at {where}"

    @property
    def option(self) -> str:
        """The option that names it on the command line."""
        return f'--ledger "{self._text}"'

    def held(self) -> AbstractContextManager[None]:
        """Hold nothing: servers share a table."""
        return nullcontext()

    def open(self) -> Sandbox:
        """Open the table; raise LedgerRefused."""
        table, secrets = open_table(self._address, monotonic)
        self._table = table
        clock = SystemClock()
        store = table_store(table, clock)
        use = use_cases_over(store, NoCourier(), secrets, clock, RandomIds())
        return Sandbox(use, table.close)

    def chores(self) -> Sequence[Coroutine[None, None, None]]:
        """Return the work beside serving: watching the table, which deletes what expired itself."""
        assert self._table is not None  # noqa: S101 - it is open
        return [_watch(self._table)]


async def _watch(table: Table) -> None:
    """End the process when its table is deleted or made anew: it has secrets of the old one."""
    served = await _id_of(table)
    while True:
        await asyncio.sleep(WATCH_EVERY_S)
        try:
            found = await _id_of(table)
        except LedgerUnavailable:  # requests say so; the table may well be there
            continue
        if found != served:
            end_process(f"the table {table.name} was deleted or made anew; ending")


async def _id_of(table: Table) -> str | None:
    """Return which table bears the name, or None; raise LedgerUnavailable."""
    try:
        answer = await table.run(table.client.describe_table, TableName=table.name)
    except LedgerUnavailable as error:
        if isinstance(error.__cause__, table.client.exceptions.ResourceNotFoundException):
            return None
        raise
    return answer["Table"].get("TableId")
