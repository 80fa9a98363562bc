"""The emulator holds DynamoDB's promises; if these fail, no other result against it counts."""

from collections.abc import Generator
from contextlib import closing
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, cast

import pytest
from botocore.exceptions import ClientError

from tests.aws.peer import Forgetful, OneByOne, Peer, TwoCalls, Undoing, item, key, race
from tests.emulator import client

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

RACERS = 50
READERS = 10
UNITS = 20
TOTAL = 200
NUMBERS = count()


@pytest.fixture(scope="module")
def dynamodb(emulator: str) -> "Generator[DynamoDBClient]":
    """Return a client that reports what went wrong instead of trying again."""
    retries = {"total_max_attempts": 1}
    with closing(
        client("dynamodb", emulator, max_pool_connections=RACERS, retries=retries)
    ) as dynamodb:
        yield dynamodb


@pytest.fixture
def table(dynamodb: "DynamoDBClient") -> str:
    """Create a table no other test knows and return its name."""
    name = f"peer-{next(NUMBERS)}"
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


@pytest.fixture
def peer(dynamodb: "DynamoDBClient", table: str) -> Peer:
    """Return the peer as it is."""
    return Peer(dynamodb, table)


def units_taken(peer: Peer) -> tuple[int, int | None]:
    """Race for the units of an item; return how many were taken and how many are left."""
    peer.put("stock", UNITS)
    taken = race(RACERS, lambda _: peer.take("stock"))
    return sum(taken), peer.read("stock")


def units_and_events(peer: Peer) -> tuple[int, int | None, set[str]]:
    """Race with an event each; return how many won, what is left, and the events not in step."""
    peer.put("stock", UNITS)

    def sell(racer: int) -> bool:
        return peer.transact([peer.putting(f"event-{racer}"), peer.adding("stock", -1, 1)])

    won = race(RACERS, sell)
    events = {f"event-{racer}" for racer in range(RACERS) if won[racer]}
    return sum(won), peer.read("stock"), events ^ (peer.ids() - {"stock"})


def dirty_reads(peer: Peer) -> int:
    """Return how many reads, meanwhile and afterwards, saw what an aborted transaction put."""
    peer.put("guard", 0)

    def abort(racer: int) -> int:
        writes = [peer.putting(f"ghost-{racer}"), peer.adding("guard", 0, 1)]
        return sum(peer.transact(writes) for _ in range(4))

    def look(_: int) -> int:
        return sum(peer.ids() != {"guard"} for _ in range(20))

    seen = race(RACERS, lambda racer: (look if racer < READERS else abort)(racer))
    return sum(seen) + (peer.ids() != {"guard"})


def sums_seen(peer: Peer) -> set[int]:
    """Return the sums of two accounts that readers saw while money went to and fro."""
    peer.put("a", TOTAL // 2)
    peer.put("b", TOTAL // 2)

    def transfer(racer: int) -> set[int]:
        source, target = ("a", "b") if racer % 2 else ("b", "a")
        for amount in range(1, 5):
            peer.transact([peer.adding(source, -amount, amount), peer.adding(target, amount)])
        return set()

    def look(_: int) -> set[int]:
        return {sum(peer.read_together("a", "b")) for _ in range(20)}

    seen = race(RACERS, lambda racer: (look if racer < READERS else transfer)(racer))
    return set[int]().union(*seen, {sum(peer.read_together("a", "b"))})


def times_done(peer: Peer, *, racers: int) -> int | None:
    """Send one transaction so often with one token; return how often it was done."""
    peer.put("counter", 0)
    race(racers, lambda _: peer.transact_once([peer.adding("counter", 1)], peer.table))
    peer.transact_once([peer.adding("counter", 1)], peer.table)
    return peer.read("counter")


def creators(peer: Peer) -> int:
    """Race to create one item; return how many were told that they did."""
    return sum(race(RACERS, lambda _: peer.create("one")))


def refusal(error: ClientError) -> Any:
    """Return all that an error says."""
    return cast("Any", error.response)


def test_a_guard_holds(peer: Peer) -> None:
    """Fifty racers for twenty units take twenty and leave none."""
    expected = (UNITS, 0)

    assert expected == units_taken(peer)


def test_a_guard_of_two_calls_is_caught(dynamodb: "DynamoDBClient", table: str) -> None:
    """The check above sees a guard that looks first and writes then."""
    taken, _ = units_taken(TwoCalls(dynamodb, table))

    assert taken > UNITS


def test_a_transaction_is_all_or_nothing(peer: Peer) -> None:
    """Of fifty transactions for twenty units twenty are done, and only they leave an event."""
    expected = (UNITS, 0, set[str]())

    assert expected == units_and_events(peer)


def test_halves_of_transactions_are_caught(dynamodb: "DynamoDBClient", table: str) -> None:
    """The check above sees the events of refused transactions."""
    _, _, out_of_step = units_and_events(OneByOne(dynamodb, table))

    assert out_of_step != set()


def test_an_aborted_transaction_is_invisible(peer: Peer) -> None:
    """Nobody ever sees what a cancelled transaction would have written."""
    assert dirty_reads(peer) == 0


def test_a_dirty_read_is_caught(dynamodb: "DynamoDBClient", table: str) -> None:
    """The check above sees writes that are soon undone."""
    undoing = Undoing(dynamodb, table)

    assert dirty_reads(undoing) > 0
    assert {"guard"} == undoing.ids()


def test_transfers_keep_the_sum(peer: Peer) -> None:
    """While fifty threads transfer and read, every transactional read sees the same sum."""
    assert {TOTAL} == sums_seen(peer)


def test_transfers_in_two_steps_are_caught(dynamodb: "DynamoDBClient", table: str) -> None:
    """The check above sees money that has left one account and not reached the other."""
    assert sums_seen(OneByOne(dynamodb, table)) - {TOTAL} != set()


@pytest.mark.parametrize("racers", [1, 30])
def test_a_token_is_spent_once(peer: Peer, racers: int) -> None:
    """A transaction sent again with its token, later or at once, does nothing more."""
    assert times_done(peer, racers=racers) == 1


def test_an_ignored_token_is_caught(dynamodb: "DynamoDBClient", table: str) -> None:
    """The check above sees a transaction done twice."""
    assert times_done(Forgetful(dynamodb, table), racers=1) == 2


def test_a_token_belongs_to_one_body(peer: Peer) -> None:
    """Another transaction with a spent token is refused and not done."""
    peer.put("counter", 0)
    peer.transact_once([peer.adding("counter", 1)], peer.table)

    with pytest.raises(peer.dynamodb.exceptions.IdempotentParameterMismatchException):
        peer.transact_once([peer.adding("counter", 2)], peer.table)

    assert peer.read("counter") == 1


def test_one_racer_creates(peer: Peer) -> None:
    """Of fifty racers who create an item unless it exists, one does."""
    assert creators(peer) == 1


def test_creators_who_look_first_are_caught(dynamodb: "DynamoDBClient", table: str) -> None:
    """The check above sees more than one creator."""
    assert creators(TwoCalls(dynamodb, table)) > 1


@pytest.mark.parametrize(("wish", "expected"), [("ALL_OLD", item("one", 7)), ("NONE", None)])
def test_a_refused_write_shows_the_item(
    peer: Peer, wish: Literal["ALL_OLD", "NONE"], expected: object
) -> None:
    """A failed condition returns the item that failed it, if asked."""
    peer.put("one", 7)

    with pytest.raises(peer.dynamodb.exceptions.ConditionalCheckFailedException) as error:
        peer.dynamodb.put_item(
            TableName=peer.table,
            Item=item("one", 8),
            ConditionExpression="attribute_not_exists(id)",
            ReturnValuesOnConditionCheckFailure=wish,
        )

    assert expected == refusal(error.value).get("Item")


def test_a_cancelled_transaction_shows_the_item(peer: Peer) -> None:
    """Each write of a cancelled transaction says why, in order, and returns its item if asked."""
    peer.put("one", 7)
    expected = [("None", None), ("ConditionalCheckFailed", item("one", 7))]
    refused = peer.adding("one", 1, at_least=8)
    assert "Update" in refused
    refused["Update"]["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"

    with pytest.raises(peer.dynamodb.exceptions.TransactionCanceledException) as error:
        peer.dynamodb.transact_write_items(TransactItems=[peer.putting("two"), refused])

    reasons = refusal(error.value)["CancellationReasons"]
    assert expected == [(reason["Code"], reason.get("Item")) for reason in reasons]


def test_a_transaction_writes_an_item_once(peer: Peer) -> None:
    """Two actions on one item in a transaction are refused, and neither is done."""
    check: TransactWriteItemTypeDef = {
        "ConditionCheck": {
            "TableName": peer.table,
            "Key": key("one"),
            "ConditionExpression": "attribute_not_exists(id)",
        }
    }

    with pytest.raises(ClientError) as error:
        peer.dynamodb.transact_write_items(TransactItems=[check, peer.putting("one")])

    assert refusal(error.value)["Error"]["Code"] == "ValidationException"
    assert peer.read("one") is None


def test_a_transaction_costs_double(peer: Peer) -> None:
    """Two small items put in a transaction cost two write units each."""
    expected = [4.0]

    answer = peer.dynamodb.transact_write_items(
        TransactItems=[peer.putting("one"), peer.putting("two")], ReturnConsumedCapacity="TOTAL"
    )

    assert expected == [one.get("CapacityUnits") for one in answer["ConsumedCapacity"]]
