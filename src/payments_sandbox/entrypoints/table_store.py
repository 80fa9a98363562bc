"""The adapters over a table, for whoever serves one: a server here, the functions in AWS."""

from collections.abc import Callable, Sequence

from payments_sandbox.adapters.dynamodb import DynamoLedger
from payments_sandbox.adapters.dynamodb_deliveries import DynamoDeliveries
from payments_sandbox.adapters.dynamodb_endpoints import DynamoEndpoints
from payments_sandbox.adapters.dynamodb_merchants import DynamoMerchants
from payments_sandbox.adapters.dynamodb_settlements import DynamoSettlements
from payments_sandbox.adapters.dynamodb_table import Table
from payments_sandbox.adapters.dynamodb_trail import DynamoTrail
from payments_sandbox.domain.transaction import Transaction
from payments_sandbox.entrypoints.wiring import Store
from payments_sandbox.services.ports import Clock


def _heard_by_nobody(_: Sequence[Transaction]) -> None: ...


def table_store(
    table: Table,
    clock: Clock,
    on_appended: Callable[[Sequence[Transaction]], None] = _heard_by_nobody,
) -> Store:
    """Return the adapters over a table."""
    return Store(
        DynamoLedger(table, clock, on_appended),
        DynamoMerchants(table, clock=clock),
        DynamoEndpoints(table),
        DynamoDeliveries(table, clock),
        DynamoSettlements(table, clock),
        DynamoTrail(table, clock),
    )
