"""Deleting all of a merchant's data in DynamoDB, a little at a time.

What there is, the lists of the index tell. They lag by moments: what they name again was deleted
already, and what they do not name yet goes with the next call, if there is one.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from payments_sandbox.adapters.dynamodb_items import listed_in
from payments_sandbox.adapters.dynamodb_settlement_items import (
    ACCOUNT,
    LINE,
    STATE,
)
from payments_sandbox.adapters.dynamodb_table import BY_MERCHANT, Item, Table, key_of, merchant_key
from payments_sandbox.domain.errors import LedgerUnavailable
from payments_sandbox.domain.settlement import BatchState

LISTED_MAX = 100
BATCHES_MAX = 4
LINES_MAX = 500
DELETED_AT_ONCE = 25
DELETE_TRIES_MAX = 4
DELETE_PAUSE_S = 0.05
_Key = tuple[str, str]


async def wipe_merchant(table: Table, merchant_id: str) -> int:
    """Delete some of what a merchant has but its keys, settings and endpoints; return how much.

    Accounts first: without one, whoever sweeps meanwhile has no batch to settle into.
    """
    accounts = await table.records(merchant_key(merchant_id), ACCOUNT)
    await _delete(table, map(_key, accounts))
    gone = len(accounts) + await _payments(table, merchant_id)
    for batch in await _listed(table, merchant_id, "settlements", BATCHES_MAX):
        gone += await _batch(table, batch)
    for what in ("events", "deliveries"):
        keys = await _listed(table, merchant_id, what, LISTED_MAX)
        await _delete(table, keys)
        gone += len(keys)
    return gone


async def _payments(table: Table, merchant_id: str) -> int:
    """Delete payments: the heads first, so that no transaction is added to what is read then."""
    heads = await _listed(table, merchant_id, "payments", LISTED_MAX)
    await _delete(table, heads)
    rest = await asyncio.gather(*(table.records(payment_id) for payment_id, _ in heads))
    await _delete(table, (_key(one) for records in rest for one in records))
    return len(heads)


async def _batch(table: Table, batch: _Key) -> int:
    """Delete some lines of a batch, or, once there are none, the rest of it.

    First it takes no more: a line that came later could not be found without its batch.
    """
    settlement_id, _ = batch
    await _take_no_more(table, batch)
    answer = await table.run(
        table.client.query,
        TableName=table.name,
        KeyConditionExpression="transaction_id = :id AND begins_with(#record, :line)",
        ExpressionAttributeNames={"#record": "record"},
        ExpressionAttributeValues={":id": {"S": settlement_id}, ":line": {"S": LINE}},
        ConsistentRead=True,
        Limit=LINES_MAX,
    )
    await _delete(table, map(_key, answer["Items"]))
    if "LastEvaluatedKey" in answer:
        return len(answer["Items"])
    records = [_key(one) for one in await table.records(settlement_id)]
    await _delete(table, (one for one in records if one != batch))
    await _delete(table, [batch])
    return len(answer["Items"]) + 1


async def _take_no_more(table: Table, batch: _Key) -> None:
    try:
        await table.run(
            table.client.update_item,
            TableName=table.name,
            Key=key_of(*batch),
            UpdateExpression=f"SET {STATE} = :closing",
            ConditionExpression="attribute_exists(transaction_id)",
            ExpressionAttributeValues={":closing": {"S": BatchState.CLOSING}},
        )
    except table.client.exceptions.ConditionalCheckFailedException:
        return  # the list names it still, but it is gone


async def _listed(table: Table, merchant_id: str, what: str, limit: int) -> list[_Key]:
    answer = await table.run(
        table.client.query,
        TableName=table.name,
        IndexName=BY_MERCHANT,
        KeyConditionExpression="listed_in = :list",
        ExpressionAttributeValues={":list": listed_in(merchant_id, what)},
        Limit=limit,
    )
    return [_key(one) for one in answer["Items"]]


def _key(item: Item) -> _Key:
    return item["transaction_id"]["S"], item["record"]["S"]


async def _delete(table: Table, keys: Iterable[_Key]) -> None:
    """Delete items, there or not; raise LedgerUnavailable if the table stays busy."""
    wanted = [*dict.fromkeys(keys)]
    await asyncio.gather(
        *(
            _delete_some(table, wanted[start : start + DELETED_AT_ONCE])
            for start in range(0, len(wanted), DELETED_AT_ONCE)
        )
    )


async def _delete_some(table: Table, keys: list[_Key]) -> None:
    asked: Any = {table.name: [{"DeleteRequest": {"Key": key_of(*one)}} for one in keys]}
    for tries in range(DELETE_TRIES_MAX):
        await asyncio.sleep(DELETE_PAUSE_S * tries)
        answer = await table.run(table.client.batch_write_item, RequestItems=asked)
        asked = answer.get("UnprocessedItems")
        if not asked:
            return
    raise LedgerUnavailable
