"""The writes that the checks of the peer race, and the same with faults planted in them."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_dynamodb.type_defs import (
        TransactWriteItemTypeDef,
        UniversalAttributeValueTypeDef,
    )

FAULT_WINDOW_S = 0.02

Result = TypeVar("Result")


def race(racers: int, run: Callable[[int], Result]) -> list[Result]:
    """Call `run` with 0, 1, ... in a thread each, all released at the same moment."""
    barrier = Barrier(racers)

    def released(racer: int) -> Result:
        barrier.wait()
        return run(racer)

    with ThreadPoolExecutor(racers) as threads:
        return list(threads.map(released, range(racers)))


@dataclass(frozen=True)
class Peer:
    """A table of counters: each item has an `id` and a number `n`."""

    dynamodb: "DynamoDBClient"
    table: str

    def put(self, item_id: str, n: int) -> None:
        """Write an item, whatever is there."""
        self.dynamodb.put_item(TableName=self.table, Item=item(item_id, n))

    def create(self, item_id: str) -> bool:
        """Write an item unless it exists; tell whether this call wrote it."""
        try:
            self.dynamodb.put_item(
                TableName=self.table,
                Item=item(item_id, 0),
                ConditionExpression="attribute_not_exists(id)",
            )
        except self.dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def take(self, item_id: str) -> bool:
        """Take one unit of an item unless none is left; tell whether it was taken."""
        try:
            self.dynamodb.update_item(
                TableName=self.table,
                Key=key(item_id),
                UpdateExpression="SET n = n - :one",
                ConditionExpression="n >= :one",
                ExpressionAttributeValues={":one": {"N": "1"}},
            )
        except self.dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def transact(self, writes: "Sequence[TransactWriteItemTypeDef]") -> bool:
        """Do all the writes or none; tell which."""
        try:
            self.dynamodb.transact_write_items(TransactItems=writes)
        except self.dynamodb.exceptions.TransactionCanceledException:
            return False
        return True

    def transact_once(self, writes: "Sequence[TransactWriteItemTypeDef]", token: str) -> None:
        """Do all the writes, once for each token."""
        self.dynamodb.transact_write_items(TransactItems=writes, ClientRequestToken=token)

    def read(self, item_id: str) -> int | None:
        """Return the latest number of an item, None if there is no such item."""
        answer = self.dynamodb.get_item(TableName=self.table, Key=key(item_id), ConsistentRead=True)
        return number(answer["Item"]) if "Item" in answer else None

    def read_together(self, *item_ids: str) -> list[int]:
        """Return the numbers of some items at one moment."""
        answer = self.dynamodb.transact_get_items(
            TransactItems=[{"Get": {"TableName": self.table, "Key": key(one)}} for one in item_ids]
        )
        return [number(one.get("Item")) for one in answer["Responses"]]

    def ids(self) -> set[str]:
        """Return the ids of all items."""
        answer = self.dynamodb.scan(TableName=self.table, ConsistentRead=True)
        return {one["id"].get("S", "") for one in answer["Items"]}

    def adding(self, item_id: str, amount: int, at_least: int = 0) -> "TransactWriteItemTypeDef":
        """Return the write that adds to an item whose number is at least so much."""
        return {
            "Update": {
                "TableName": self.table,
                "Key": key(item_id),
                "UpdateExpression": "SET n = n + :amount",
                "ConditionExpression": "n >= :least",
                "ExpressionAttributeValues": {
                    ":amount": {"N": str(amount)},
                    ":least": {"N": str(at_least)},
                },
            }
        }

    def putting(self, item_id: str) -> "TransactWriteItemTypeDef":
        """Return the write of an item."""
        return {"Put": {"TableName": self.table, "Item": item(item_id, 0)}}


class TwoCalls(Peer):
    """A planted fault: looks, then writes."""

    def create(self, item_id: str) -> bool:
        """Write an item that was not there a moment ago."""
        if self.read(item_id) is not None:
            return False
        time.sleep(FAULT_WINDOW_S)
        self.put(item_id, 0)
        return True

    def take(self, item_id: str) -> bool:
        """Take one unit that was there a moment ago."""
        left = self.read(item_id)
        if not left:
            return False
        time.sleep(FAULT_WINDOW_S)
        self.put(item_id, left - 1)
        return True


class OneByOne(Peer):
    """A planted fault: a transaction is a series of writes, and stops where one is refused."""

    def transact(self, writes: "Sequence[TransactWriteItemTypeDef]") -> bool:
        """Do the writes one after the other."""
        for write in writes:
            if not super().transact([write]):
                return False
            time.sleep(FAULT_WINDOW_S)
        return True


class Undoing(OneByOne):
    """A planted fault: as above, and what was put before the refusal is deleted again."""

    def transact(self, writes: "Sequence[TransactWriteItemTypeDef]") -> bool:
        """Do the writes one after the other; delete the items put if one is refused."""
        done = super().transact(writes)
        for put in (write["Put"] for write in writes if not done and "Put" in write):
            self.dynamodb.delete_item(TableName=self.table, Key={"id": put["Item"]["id"]})
        return done


class Forgetful(Peer):
    """A planted fault: tokens are not remembered."""

    def transact_once(self, writes: "Sequence[TransactWriteItemTypeDef]", token: str) -> None:
        """Do all the writes, whether the token is known or not."""
        del token
        self.dynamodb.transact_write_items(TransactItems=writes)


def key(item_id: str) -> "dict[str, UniversalAttributeValueTypeDef]":
    """Return the key of an item."""
    return {"id": {"S": item_id}}


def item(item_id: str, n: int) -> "dict[str, UniversalAttributeValueTypeDef]":
    """Return an item."""
    return {"id": {"S": item_id}, "n": {"N": str(n)}}


def number(found: Any) -> int:
    """Return the number of an item that was found."""
    return int(found["n"]["N"])
