"""The table as it is made, what its stream tells, and what waits in `by_due`."""

import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from payments_sandbox.adapters.codec import decode_transaction
from payments_sandbox.adapters.dynamodb import DynamoLedger
from payments_sandbox.adapters.dynamodb_merchants import DynamoMerchants
from payments_sandbox.adapters.dynamodb_open import LedgerTableRefused
from payments_sandbox.adapters.dynamodb_table import Table, create_table, table_definition
from payments_sandbox.domain.merchant import ApiKey, Settings
from payments_sandbox.domain.operations import Capture, Refund, Void
from payments_sandbox.domain.payment import Change, Payment, advance
from payments_sandbox.domain.settlement import settle
from payments_sandbox.services.merchants import hash_of
from payments_sandbox.services.ports import KeySpent
from tests.contract.entries import ACME, OTHER, auth_id, done, keep, key, new
from tests.contract.homes import client_of, new_table
from tests.emulator import client
from tests.unit.examples import CUTOFF, DECLINE, SETTLEMENT_ID, opened
from tests.unit.stand_ins import NOW, ManualClock

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

pytestmark = pytest.mark.aws
DAY, WEEK = timedelta(days=1), timedelta(days=7)
ENDS: dict[str, Callable[[Payment], Change]] = {
    "captured": lambda payment: done(payment, Capture(payment.payment_id)),
    "captured for good": lambda payment: done(payment, Capture(payment.payment_id, 1, final=True)),
    "voided": lambda payment: done(payment, Void(payment.payment_id)),
    "expired": lambda payment: advance(payment, NOW + WEEK),
}


@pytest.fixture
def dynamodb(emulator: str) -> "DynamoDBClient":
    """Return a client of the emulator."""
    return client_of(emulator)


@pytest.fixture
def name(dynamodb: "DynamoDBClient") -> Generator[str]:
    """Yield the name of a table that is not there, and delete what was made under it."""
    name = f"Made{time.time_ns()}"
    yield name
    if name in dynamodb.list_tables()["TableNames"]:
        dynamodb.delete_table(TableName=name)


@pytest.fixture
def table(emulator: str) -> Generator[Table]:
    """Yield a table that deletes nothing by itself."""
    with new_table(emulator) as table:
        yield table


@pytest_asyncio.fixture
async def ledger(table: Table) -> AsyncGenerator[DynamoLedger]:
    """Yield a ledger in the table."""
    ledger = DynamoLedger(table, ManualClock())
    yield ledger
    await ledger.close()


def keys(hashed: str, ranged: str) -> list[dict[str, str]]:
    """Return a key schema."""
    return [
        {"AttributeName": hashed, "KeyType": "HASH"},
        {"AttributeName": ranged, "KeyType": "RANGE"},
    ]


def ttl_of(dynamodb: "DynamoDBClient", name: str) -> tuple[str, str | None]:
    """Return whether the table deletes what has expired, and by which attribute."""
    answer = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    return answer.get("TimeToLiveStatus", ""), answer.get("AttributeName")


def items_of(dynamodb: "DynamoDBClient", name: str) -> list[str]:
    """Return all items of a small table, as texts in order."""
    return sorted(map(repr, dynamodb.scan(TableName=name, ConsistentRead=True)["Items"]))


def due(table: Table, merchant_id: str = ACME) -> list[tuple[str, str]]:
    """Return what waits for the merchant's clock, the earliest first, and when it is due."""
    answer: Any = table.client.query(
        TableName=table.name,
        IndexName="by_due",
        KeyConditionExpression="merchant_id = :merchant",
        ExpressionAttributeValues={":merchant": {"S": merchant_id}},
    )
    return [(one["transaction_id"]["S"], one["due_at"]["S"]) for one in answer["Items"]]


def streamed(emulator: str, table: Table) -> list[Any]:
    """Return all records of the table's stream, in order."""
    with closing(client("dynamodbstreams", emulator)) as streams:
        arn = streams.list_streams(TableName=table.name)["Streams"][0]["StreamArn"]
        records: list[Any] = []
        for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
            start = streams.get_shard_iterator(
                StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )
            records += streams.get_records(ShardIterator=start["ShardIterator"])["Records"]
        return records


def test_the_table(dynamodb: "DynamoDBClient", name: str) -> None:
    """It has the keys, three indexes of keys only, a stream of new images, and deletes by TTL."""
    expected = {
        "by_card": (keys("card_id", "listed_at"), {"ProjectionType": "KEYS_ONLY"}),
        "by_merchant": (keys("listed_in", "listed_at"), {"ProjectionType": "KEYS_ONLY"}),
        "by_due": (keys("merchant_id", "due_at"), {"ProjectionType": "KEYS_ONLY"}),
    }

    assert create_table(dynamodb, name)

    made: Any = dynamodb.describe_table(TableName=name)["Table"]
    assert made["TableStatus"] == "ACTIVE"
    assert keys("transaction_id", "record") == made["KeySchema"]
    assert made["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert made["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
    assert ttl_of(dynamodb, name) == ("ENABLED", "expires_at")
    assert expected == {
        one["IndexName"]: (one["KeySchema"], one["Projection"])
        for one in made["GlobalSecondaryIndexes"]
    }


async def test_made_once(dynamodb: "DynamoDBClient", name: str) -> None:
    """To make it again is to find it: it says so, and every item and setting stays."""
    create_table(dynamodb, name)
    table = Table(dynamodb, name)
    await keep(DynamoLedger(table, ManualClock()), new())
    await DynamoMerchants(table, Settings()).add_key(ApiKey("k", ACME, NOW), hash_of("secret"))
    expected = items_of(dynamodb, name)
    assert len(expected) == 5

    assert not create_table(dynamodb, name)

    assert expected == items_of(dynamodb, name)
    assert ttl_of(dynamodb, name) == ("ENABLED", "expires_at")


def test_a_table_half_made_is_finished(dynamodb: "DynamoDBClient", name: str) -> None:
    """Where the making was interrupted before the TTL was set, making it again sets it."""
    dynamodb.create_table(**table_definition(name))

    assert not create_table(dynamodb, name)

    assert ttl_of(dynamodb, name) == ("ENABLED", "expires_at")


def test_another_programs_table_is_refused(dynamodb: "DynamoDBClient", name: str) -> None:
    """A table of other keys is not taken for a ledger, and is left as it is."""
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )

    with pytest.raises(LedgerTableRefused, match=f"'{name}' is another program's"):
        create_table(dynamodb, name)

    assert ttl_of(dynamodb, name) == ("DISABLED", None)


async def test_the_stream(emulator: str, table: Table, ledger: DynamoLedger) -> None:
    """Each transaction is inserted into the stream once, in order, and can be read from it."""
    opening = new()
    payment = await keep(ledger, opening, key())
    captured = done(payment, Capture(payment.payment_id, 300))
    payment = await keep(ledger, captured, key("another"))
    expired = done(payment, Refund(payment.payment_id), at=NOW + WEEK)
    await keep(ledger, expired)
    expected = [*opening.transactions, *captured.transactions, *expired.transactions]
    assert len(expected) == 4

    events = [
        one
        for one in streamed(emulator, table)
        if one["dynamodb"]["Keys"]["record"]["S"].startswith("txn#")
    ]

    assert {"INSERT"} == {one["eventName"] for one in events}
    assert expected == [
        decode_transaction(one["dynamodb"]["NewImage"]["body"]["S"].encode()) for one in events
    ]


async def test_a_refused_append_is_not_streamed(
    emulator: str, table: Table, ledger: DynamoLedger
) -> None:
    """What was not written is not told: the stream of a lost race is as long as before."""
    payment = await keep(ledger, new(), key())
    before = len(streamed(emulator, table))

    with pytest.raises(KeySpent):
        await keep(ledger, done(payment, Capture(payment.payment_id)), key())

    assert before == len(streamed(emulator, table)) == 3


@pytest.mark.parametrize("end", ENDS)
async def test_nothing_is_due_at_the_end(table: Table, ledger: DynamoLedger, end: str) -> None:
    """A payment waits in `by_due` while it may expire or awaits settlement, and no longer."""
    payment = await keep(ledger, new())
    assert due(table) == [(auth_id(1), iso(NOW + WEEK))]
    payment = await keep(ledger, done(payment, Capture(payment.payment_id, 1)))
    assert due(table) == [(auth_id(1), iso(CUTOFF))]
    payment = await keep(ledger, ENDS[end](payment))
    assert due(table) == [(auth_id(1), iso(CUTOFF))]

    payment = await keep(ledger, settle(payment, SETTLEMENT_ID, CUTOFF))

    assert due(table) == []
    await keep(ledger, done(payment, Refund(payment.payment_id, amount=1), at=NOW + WEEK))
    assert due(table) == [(auth_id(1), iso(CUTOFF + WEEK))]


async def test_voided_before_a_capture(table: Table, ledger: DynamoLedger) -> None:
    """Of a payment that is voided nothing is left that could expire or settle."""
    payment = await keep(ledger, new())
    await keep(ledger, done(payment, Void(payment.payment_id)))

    assert due(table) == []


async def test_a_declined_payment_is_never_due(table: Table, ledger: DynamoLedger) -> None:
    """Of a payment that was declined nothing is left that could expire."""
    await keep(ledger, opened(DECLINE))

    assert due(table, "default") == []


async def test_the_order_is_that_of_the_due_times(table: Table, ledger: DynamoLedger) -> None:
    """What is due first comes first, whenever it was made, to the millisecond; each to its own."""
    step = timedelta(milliseconds=1)
    offsets = [3 * step, DAY, timedelta(0), -DAY, step, 10 * step, -step]
    payments = [
        await keep(ledger, new(number, at=NOW + offset)) for number, offset in enumerate(offsets)
    ]
    stranger = await keep(ledger, new(100, merchant_id=OTHER))
    in_order = sorted(payments, key=due_at)

    assert [(one.payment_id, iso(due_at(one))) for one in in_order] == due(table)
    assert [(stranger.payment_id, iso(NOW + WEEK))] == due(table, OTHER)


async def test_a_capture_moves_it(table: Table, ledger: DynamoLedger) -> None:
    """What is captured is due at its cut-off, before the rest of the authorization expires."""
    payment = await keep(ledger, new())
    await keep(ledger, done(payment, Capture(payment.payment_id, 1), at=NOW + DAY))

    assert due(table) == [(payment.payment_id, iso(CUTOFF + DAY))]


def due_at(payment: Payment) -> datetime:
    """Return when something happens to the payment by itself."""
    at = payment.due_at
    assert at is not None
    return at


def iso(at: datetime) -> str:
    """Return the time as the table has it."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"
