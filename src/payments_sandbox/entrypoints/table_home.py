"""The shared home: one DynamoDB table, which many servers may use at a time."""

from collections.abc import Coroutine, Sequence
from contextlib import AbstractContextManager, nullcontext
from time import monotonic

from payments_sandbox.adapters.clock import SystemClock
from payments_sandbox.adapters.dynamodb import DynamoLedger
from payments_sandbox.adapters.dynamodb_merchants import DynamoMerchants
from payments_sandbox.adapters.dynamodb_open import open_table, parse_address
from payments_sandbox.entrypoints.wiring import Sandbox, sandbox_over


class TableHome:
    """The table at an address, `dynamodb://TABLE?endpoint=URL`; raises LedgerRefused."""

    def __init__(self, address: str) -> None:
        self._text = address
        self._address = parse_address(address)
        self.endpoint = self._address.endpoint

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
        clock = SystemClock()
        ledger = DynamoLedger(table, clock)
        return sandbox_over(ledger, DynamoMerchants(table), secrets, clock, ledger.close)

    def chores(self) -> Sequence[Coroutine[None, None, None]]:
        """Return nothing: the table deletes what has expired by itself."""
        return []
