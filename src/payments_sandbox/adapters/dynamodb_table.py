"""The table: its keys and indexes, and calls to it that do not hold up the event loop.

| item | transaction_id | record |
|---|---|---|
| payment head | `auth_..` | `payment` |
| transaction | `auth_..` | `txn#0002` |
| spent key | `idem#<scope>` | `key` |
| merchant | `merchant_..` | `settings`, `key#<key id>` |
| API key | `key#<hash, or the gateway's id>` | `merchant` |
"""

import asyncio
import functools
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from payments_sandbox.adapters.aws_clients import new_client
from payments_sandbox.domain.errors import LedgerUnavailable

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_dynamodb.type_defs import CreateTableInputTypeDef

Params = ParamSpec("Params")
Result = TypeVar("Result")
Item = Mapping[str, Any]

CONNECTIONS: Final = 32
BATCH_MAX: Final = 100
BY_CARD, BY_MERCHANT, BY_DUE = "by_card", "by_merchant", "by_due"
# What the caller got wrong, or what only append understands; the rest is the table's trouble.
_RAISED = {"ValidationException", "TransactionCanceledException", "ConditionalCheckFailedException"}
_log = logging.getLogger(__name__)


class Table:
    """One table, its client, and as many threads as the client has connections."""

    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        self.client = client
        self.name = name
        self._threads = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="dynamodb")

    async def run(
        self, call: Callable[Params, Result], *args: Params.args, **kwargs: Params.kwargs
    ) -> Result:
        """Make one call; raise LedgerUnavailable for what may pass, ClientError for what not.

        A call whose outcome is not known is made again by the client with the same
        ClientRequestToken, so that a write which took effect is not done twice.
        """
        work = functools.partial(call, *args, **kwargs)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except ParamValidationError:
            raise
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in _RAISED:
                raise
            _log.warning("the table %s answered %s", self.name, code)
            raise LedgerUnavailable from error
        except BotoCoreError as error:
            _log.warning("the table %s cannot be reached: %s", self.name, type(error).__name__)
            raise LedgerUnavailable from error

    async def get(self, transaction_id: str, record: str) -> Item | None:
        """Return one item as it is now, or None."""
        answer = await self.run(
            self.client.get_item,
            TableName=self.name,
            Key=key_of(transaction_id, record),
            ConsistentRead=True,
        )
        return answer.get("Item")

    async def close(self) -> None:
        """Finish what runs, and let go of the connections."""
        await asyncio.to_thread(self._threads.shutdown)
        self.client.close()


def dynamodb_client(endpoint: str | None = None, region: str | None = None) -> "DynamoDBClient":
    """Return a client; None leaves a choice to the environment."""
    return new_client("dynamodb", endpoint, region, connections=CONNECTIONS)


def key_of(transaction_id: str, record: str) -> dict[str, Any]:
    """Return the primary key of an item."""
    return {"transaction_id": {"S": transaction_id}, "record": {"S": record}}


def table_definition(name: str) -> "CreateTableInputTypeDef":
    """Return the table as CreateTable takes it."""
    ranges = {BY_CARD: "card_id", BY_MERCHANT: "listed_in", BY_DUE: "merchant_id"}
    names = ["transaction_id", "record", *ranges.values(), "listed_at", "due_at"]
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": one, "AttributeType": "S"} for one in names],
        "KeySchema": [
            {"AttributeName": "transaction_id", "KeyType": "HASH"},
            {"AttributeName": "record", "KeyType": "RANGE"},
        ],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": index,
                "KeySchema": [
                    {"AttributeName": hashed, "KeyType": "HASH"},
                    {
                        "AttributeName": "due_at" if index == BY_DUE else "listed_at",
                        "KeyType": "RANGE",
                    },
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
            for index, hashed in ranges.items()
        ],
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        "SSESpecification": {"Enabled": False},
    }


def create_table(client: "DynamoDBClient", name: str) -> bool:
    """Create the table and wait until it serves; return False if it was there already."""
    try:
        client.create_table(**table_definition(name))
    except client.exceptions.ResourceInUseException:
        return False
    client.get_waiter("table_exists").wait(
        TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    client.update_time_to_live(
        TableName=name,
        TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"},
    )
    return True
