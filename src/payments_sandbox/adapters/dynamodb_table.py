"""The table: its keys and indexes, and calls to it that do not hold up the event loop.

| item | transaction_id | record |
|---|---|---|
| payment head | `auth_..` | `payment` |
| transaction | `auth_..` | `txn#000002` |
| delivery | `evt_..`, `ping_..` | `delivery#<endpoint id>` |
| settlement batch | `stl_..` | `summary`, `txn#000001` |
| its lines | `stl_..` | `line#<payment id>#<seq>` |
| spent key | `idem#<scope>` | `key` |
| merchant | `merchant_..` | `settings`, `endpoints`, `key#<key id>`, `account#<currency>` |
| API key | `key#<hash, or the gateway's id>` | `merchant` |
"""

import asyncio
import functools
import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.parsers import ResponseParserError

from payments_sandbox.adapters.aws_clients import new_client
from payments_sandbox.domain.errors import LedgerUnavailable
from payments_sandbox.services.ports import LedgerRefused

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_dynamodb.type_defs import (
        CreateTableInputTypeDef,
        KeySchemaElementTypeDef,
        PutTypeDef,
        QueryInputTypeDef,
        TransactWriteItemTypeDef,
    )

Params = ParamSpec("Params")
Result = TypeVar("Result")
Item = Mapping[str, Any]

CONNECTIONS: Final = 32
BATCH_MAX: Final = 100
BY_CARD, BY_MERCHANT, BY_DUE = "by_card", "by_merchant", "by_due"
EXPIRES_AT: Final = "expires_at"
"""The attribute by which the table deletes what has expired."""
NEW: Final = "attribute_not_exists(transaction_id)"
"""The condition under which an item is put where none is."""
REFUSED: Final = "ConditionalCheckFailed"
# Why a transaction is cancelled when another one came first, or too many came at once.
_RACES = {
    REFUSED,
    "TransactionConflict",
    "ThrottlingError",
    "ProvisionedThroughputExceeded",
}
# What the caller got wrong, or what only append understands; the rest is the table's trouble.
_RAISED = {"ValidationException", "TransactionCanceledException", "ConditionalCheckFailedException"}
_KEYS: "Sequence[KeySchemaElementTypeDef]" = [
    {"AttributeName": "transaction_id", "KeyType": "HASH"},
    {"AttributeName": "record", "KeyType": "RANGE"},
]
TABLE_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{3,255}")
TABLE_NAME_RULE: Final = "a table's name is 3 to 255 of letters, digits, '_', '.' and '-'"
_log = logging.getLogger(__name__)


class LedgerTableRefused(LedgerRefused):
    """The table cannot serve as a ledger; the message says why and what to do."""


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
        except ParamValidationError:  # ours to mend, not the table's trouble
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
        except (ResponseParserError, ValueError, TypeError, AttributeError) as error:
            # What botocore raises for a body it cannot read, such as a proxy's.
            kind = type(error).__name__
            _log.warning("the table %s answered what cannot be read: %s", self.name, kind)
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

    async def records(self, transaction_id: str, prefix: str = "") -> list[Item]:
        """Return the items of one transaction_id as they are now, in the order of their records."""
        question: QueryInputTypeDef = {
            "TableName": self.name,
            "KeyConditionExpression": "transaction_id = :id",
            "ExpressionAttributeValues": {":id": {"S": transaction_id}},
            "ConsistentRead": True,
        }
        if prefix:
            question["KeyConditionExpression"] += " AND begins_with(#record, :prefix)"
            question["ExpressionAttributeNames"] = {"#record": "record"}
            question["ExpressionAttributeValues"] = {
                ":id": {"S": transaction_id},
                ":prefix": {"S": prefix},
            }
        return await self.all(question)

    async def all(self, question: "QueryInputTypeDef") -> list[Item]:
        """Return what a query finds, page by page to the end."""
        return [one async for page in self.pages(question) for one in page]

    async def pages(self, question: "QueryInputTypeDef") -> AsyncIterator[Sequence[Item]]:
        """Yield what a query finds, page by page; a page may be empty."""
        while True:
            answer = await self.run(self.client.query, **question)
            yield answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            question["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

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


def put_of(
    table: Table, item: Mapping[str, Any], condition: str, values: Mapping[str, Any] | None = None
) -> "TransactWriteItemTypeDef":
    """Return the action that puts one item on a condition, for a transaction.

    The item that fails it comes back with the refusal.
    """
    put: PutTypeDef = {
        "TableName": table.name,
        "Item": item,
        "ConditionExpression": condition,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    if values:
        put["ExpressionAttributeValues"] = values
    return {"Put": put}


def merchant_key(merchant_id: str) -> str:
    """Return the partition of a merchant's settings, keys, endpoints and accounts."""
    return f"merchant_{merchant_id}"


def table_definition(name: str) -> "CreateTableInputTypeDef":
    """Return the table as CreateTable takes it."""
    ranges = {BY_CARD: "card_id", BY_MERCHANT: "listed_in", BY_DUE: "merchant_id"}
    names = ["transaction_id", "record", *ranges.values(), "listed_at", "due_at"]
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": one, "AttributeType": "S"} for one in names],
        "KeySchema": _KEYS,
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
    }


def create_table(client: "DynamoDBClient", name: str) -> bool:
    """Create the table and wait until it serves; return False if it was there already.

    What an interrupted creation left undone is done; raise LedgerTableRefused.
    """
    try:
        client.create_table(**table_definition(name))
        is_new = True
    except client.exceptions.ResourceInUseException:
        is_new = False
    client.get_waiter("table_exists").wait(
        TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    check_table(client, name)
    expiry = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    if expiry.get("TimeToLiveStatus") not in {"ENABLED", "ENABLING"}:  # twice is an error
        client.update_time_to_live(
            TableName=name,
            TimeToLiveSpecification={"Enabled": True, "AttributeName": EXPIRES_AT},
        )
    return is_new


def check_table(client: "DynamoDBClient", name: str) -> None:
    """Raise LedgerTableRefused for a table that is not a ledger's."""
    if client.describe_table(TableName=name)["Table"].get("KeySchema") != _KEYS:
        raise LedgerTableRefused(f"the table {name!r} is another program's")


def was_race(error: ClientError) -> bool:
    """Tell whether a transaction was cancelled because others wrote, and for no other reason."""
    codes = {*reasons_of(error)} - {"None"}
    return bool(codes) and codes <= _RACES


def reasons_of(error: ClientError) -> list[str]:
    """Return what each action of a cancelled transaction met, or `None`."""
    reasons: Any = error.response.get("CancellationReasons", [])
    return [one["Code"] for one in reasons]
