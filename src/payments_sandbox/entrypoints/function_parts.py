"""What the functions beside the API are made of, as their environment tells.

`LEDGER_TABLE` is the table's name, `STAGE` whose secrets in SSM to use and whose metrics to write,
`DELIVERIES_TOPIC` the ARN of the topic that feeds the sender; `WEBHOOK_RECEIVER` is told of in
`cloud_policy`.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping
from functools import cache
from time import monotonic
from typing import Any, NamedTuple, TypeVar

from aws_lambda_powertools import Logger

from payments_sandbox.adapters.clock import SystemClock
from payments_sandbox.adapters.dynamodb_deliveries import DynamoDeliveries
from payments_sandbox.adapters.dynamodb_endpoints import DynamoEndpoints
from payments_sandbox.adapters.dynamodb_table import Table, dynamodb_client
from payments_sandbox.adapters.sns import SnsCourier
from payments_sandbox.adapters.ssm_secrets import SsmSecrets, ssm_client
from payments_sandbox.entrypoints.table_store import table_store
from payments_sandbox.entrypoints.wiring import Store
from payments_sandbox.services.merchants import MerchantTime
from payments_sandbox.services.ports import Clock, Secrets
from payments_sandbox.services.webhook_ports import Courier

Event = Mapping[str, Any]
Result = TypeVar("Result")
# Named as the package, so that all its modules log through it.
logger = Logger(service="payments_sandbox", utc=True)


class Parts(NamedTuple):
    """The adapters of a function, and the stage it is of."""

    store: Store
    endpoints: DynamoEndpoints
    deliveries: DynamoDeliveries
    courier: Courier
    secrets: Secrets
    clock: Clock
    time: MerchantTime
    stage: str


def parts_of(
    table: Table, courier: Courier, secrets: Secrets, clock: Clock, stage: str = "local"
) -> Parts:
    """Return the adapters over a table."""
    endpoints, deliveries = DynamoEndpoints(table), DynamoDeliveries(table, clock)
    store = table_store(table, clock)
    time = MerchantTime(store.merchants, clock)
    return Parts(store, endpoints, deliveries, courier, secrets, clock, time, stage)


def parts_from_environment() -> Parts:
    """Return the adapters that the environment names."""
    table = Table(dynamodb_client(), os.environ["LEDGER_TABLE"])
    stage = os.environ["STAGE"]
    secrets = SsmSecrets(ssm_client(), stage, monotonic)
    courier = SnsCourier(os.environ["DELIVERIES_TOPIC"])
    return parts_of(table, courier, secrets, SystemClock(), stage)


@cache
def _runner() -> asyncio.Runner:
    return asyncio.Runner()


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run the work in the function's one event loop."""
    return _runner().run(work)


def failed_items(identifiers: list[str]) -> dict[str, Any]:
    """Return a partial batch failure: these are to come again."""
    return {"batchItemFailures": [{"itemIdentifier": one} for one in identifiers]}


Handler = Callable[[dict[str, Any], Any], Any]


def logged(handler: Handler) -> Handler:
    """Return the handler with the request's id on each line it logs."""
    return logger.inject_lambda_context(handler, clear_state=True)
