"""Settlement in a table that cancels, loses answers, and is late: each thing is done once."""

from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError

from payments_sandbox.adapters.dynamodb_settle import BUSY_TRIES_MAX
from payments_sandbox.adapters.dynamodb_table import Table, dynamodb_client
from payments_sandbox.domain.batch import closed, opened
from payments_sandbox.domain.errors import LedgerUnavailable
from payments_sandbox.domain.merchant import ApiKey, Merchant, Settings
from payments_sandbox.domain.operations import Refund
from payments_sandbox.domain.settlement import Account, BatchState, Settlement, Totals
from payments_sandbox.services.ports import LostRace
from payments_sandbox.services.settlement_ports import Settled
from tests.aws.faults import (
    ALWAYS,
    APPEND,
    Call,
    Fault,
    Injector,
    answer_lost,
    cancelled,
    cancelling,
    edited,
    error_after,
    no_answer,
)
from tests.contract.batches import (
    DAY,
    LATER,
    account,
    batch,
    captured,
    lines_of,
    open_batch,
    pay_batch,
    settled,
)
from tests.contract.entries import ACME, auth_id, done, keep, listed, new
from tests.contract.homes import Home, home_over, new_table
from tests.unit.stand_ins import NOW, ManualClock

pytestmark = pytest.mark.aws

BUSY = ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"]
UNITS_MAX = 13


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that stands still."""
    return ManualClock(pause_share=0)


@pytest.fixture
def faulty(emulator: str) -> Generator[tuple[Table, Injector]]:
    """Yield an empty table, and what has faults happen to its client."""
    with new_table(emulator) as shared:
        client = dynamodb_client(emulator)
        injector = Injector(client)
        yield Table(client, shared.name), injector
        injector.heal()
        injector.close()


@pytest.fixture
def injector(faulty: tuple[Table, Injector]) -> Injector:
    """Return what has faults happen."""
    return faulty[1]


@pytest.fixture
def home(faulty: tuple[Table, Injector], clock: ManualClock) -> Home:
    """Return the adapters, whose calls meet the faults."""
    return home_over(faulty[0], clock)


async def some(home: Home, count: int = 3) -> tuple[Settlement, list[Settled]]:
    """Return an open batch, and payments that are to be settled into it."""
    into = await open_batch(home)
    return into, [settled(await captured(home, number), into) for number in range(count)]


async def assert_written(home: Home, into: Settlement, written: list[Settled]) -> None:
    """Check that these were settled whole, and nothing else was."""
    assert [one.line for one in written] == await lines_of(home, into)
    for one in written:
        payment, transactions = await home.ledger.history(ACME, one.payment.payment_id)
        assert (one.payment, one.transactions[-1]) == (payment, transactions[-1])
    heads = {one.payment_id: one for one in await listed(home.ledger)}
    there = {one.payment.payment_id for one in written}
    assert there == {name for name, one in heads.items() if one.amounts.settled}


def busy_with(payment_id: str, code: str = "TransactionConflict") -> Fault:
    """Return the fault of somebody who writes the payment's head all the time."""

    def meet(call: Call) -> AWSResponse | None:
        puts = [one.get("Put", {}).get("Item", {}) for one in call.body["TransactItems"]]
        codes = [
            code if (one.get("transaction_id"), one.get("record")) == head else "None"
            for one in puts
        ]
        return cancelled(*codes)(call) if code in codes else None

    head = ({"S": payment_id}, {"S": "payment"})
    return meet


@pytest.mark.parametrize("position", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("code", BUSY)
async def test_busy_for_a_moment(home: Home, injector: Injector, code: str, position: int) -> None:
    """What was cancelled as others wrote at that moment is written the next time."""
    into, wanted = await some(home)
    injector.plan(APPEND, cancelling(code, position), BUSY_TRIES_MAX - 1)

    written = await home.settlements.settle(into, wanted)

    assert wanted == written
    await assert_written(home, into, wanted)


async def test_a_payment_that_stays_busy(
    home: Home, injector: Injector, clock: ManualClock
) -> None:
    """It is left out after some tries, and the others are written."""
    into, wanted = await some(home, 5)
    injector.plan(APPEND, busy_with(auth_id(2)), ALWAYS)

    written = await home.settlements.settle(into, wanted)

    won = [one for one in wanted if one.payment.payment_id != auth_id(2)]
    assert won == written
    assert len(clock.pauses) == BUSY_TRIES_MAX
    injector.heal()
    await assert_written(home, into, won)


async def test_a_batch_that_stays_busy(home: Home, injector: Injector) -> None:
    """Then none is written, and all are due as before."""
    into, wanted = await some(home)
    injector.plan(APPEND, cancelling("TransactionConflict", 0), ALWAYS)

    assert await home.settlements.settle(into, wanted) == []

    injector.heal()
    await assert_written(home, into, [])
    assert len(await home.settlements.due(ACME, LATER, 10)) == 3


async def test_a_loser_among_the_busy(home: Home, injector: Injector) -> None:
    """One that has moved on is left out, whatever else is written at that moment."""
    into, wanted = await some(home, 4)
    payment = await home.ledger.payment(ACME, auth_id(1))
    await keep(home.ledger, done(payment, Refund(auth_id(1), amount=1)))
    injector.plan(APPEND, busy_with(auth_id(3)), 2)

    written = await home.settlements.settle(into, wanted)

    won = [one for one in wanted if one.payment.payment_id != auth_id(1)]
    assert won == written
    await assert_written(home, into, won)


@pytest.mark.parametrize("fault", [answer_lost, error_after, no_answer])
async def test_an_unknown_outcome(home: Home, injector: Injector, fault: Fault) -> None:
    """The client sends the same again, and each payment is settled once."""
    into, wanted = await some(home)
    injector.plan(APPEND, fault)

    written = await home.settlements.settle(into, wanted)

    assert len({*injector.tokens}) == 1
    assert wanted == written
    await assert_written(home, into, wanted)


async def test_an_unknown_outcome_that_stays_so(home: Home, injector: Injector) -> None:
    """The run fails; the next one finds what was written, and nothing is settled twice."""
    into, wanted = await some(home)
    injector.plan(APPEND, answer_lost, ALWAYS)
    with pytest.raises(LedgerUnavailable):
        await home.settlements.settle(into, wanted)
    injector.heal()

    assert await home.settlements.settle(into, wanted) == []

    await assert_written(home, into, wanted)


async def test_a_reason_of_another_kind(home: Home, injector: Injector) -> None:
    """It is raised, for it is no race."""
    into, wanted = await some(home)
    injector.plan(APPEND, cancelling("ValidationError", 1))

    with pytest.raises(ClientError):
        await home.settlements.settle(into, wanted)


@pytest.mark.parametrize("fault", [answer_lost, cancelling("TransactionConflict", 0)])
async def test_a_batch_amid_faults(home: Home, injector: Injector, fault: Fault) -> None:
    """Opening, closing and paying are done, each once, though the first try of each fails."""
    one = batch()
    injector.plan(APPEND, fault)
    await home.settlements.open(one, opened(Account(ACME, "USD"), one))
    injector.plan(APPEND, fault)
    await home.settlements.begin_closing(one)
    closing = await home.settlements.settlement(ACME, one.settlement_id)
    assert closing.state is BatchState.CLOSING
    injector.plan(APPEND, fault)
    move = closed(closing, await account(home), Totals())
    await home.settlements.move(move)
    injector.plan(APPEND, fault)
    one = await pay_batch(home, move.settlement)

    assert one == await home.settlements.settlement(ACME, one.settlement_id)
    assert (await account(home)).version == 3


async def test_a_batch_that_others_keep_busy(home: Home, injector: Injector) -> None:
    """The race is lost in the end, and nothing of it is written."""
    injector.plan(APPEND, cancelling("TransactionConflict", 1), ALWAYS)

    with pytest.raises(LostRace):
        await home.settlements.open(batch(), opened(Account(ACME, "USD"), batch()))

    injector.heal()
    assert await home.settlements.accounts(ACME) == []


async def test_a_name_that_comes_twice(home: Home, injector: Injector) -> None:
    """An index that names a payment twice has it due, and pending, once."""
    payment = await captured(home)

    def twice(_: Any, facts: Any) -> None:
        facts["Items"] = facts["Items"] * 2

    injector.plan("Query by_due", edited(twice), ALWAYS)

    assert [payment] == await home.settlements.due(ACME, LATER, 10)
    assert await home.settlements.pending(ACME) == {"USD": 1000}


async def test_a_name_that_is_missing(home: Home, injector: Injector) -> None:
    """What an index does not name yet is not due yet; it is later."""
    payments = [await captured(home, number, at=NOW + number * DAY) for number in range(3)]

    def late(_: Any, facts: Any) -> None:
        facts["Items"] = facts["Items"][1:]

    injector.plan("Query by_due", edited(late))
    assert payments[1:] == await home.settlements.due(ACME, LATER, 10)
    assert payments == await home.settlements.due(ACME, LATER, 10)


async def test_a_head_that_is_gone(home: Home, injector: Injector) -> None:
    """What an index still names though it was deleted is not due."""
    await captured(home)

    def stale(_: Any, facts: Any) -> None:
        facts["Items"] = [
            {"transaction_id": {"S": auth_id(9)}, "record": {"S": "payment"}}
            | {"merchant_id": {"S": ACME}, "due_at": {"S": "2026-03-01T00:00:00.000Z"}}
        ] + facts["Items"]

    injector.plan("Query by_due", edited(stale), ALWAYS)

    assert len(await home.settlements.due(ACME, LATER, 10)) == 1
    assert await home.settlements.next_due(ACME) is not None


@pytest.mark.parametrize("fault", [answer_lost, cancelling("TransactionConflict", 0)])
async def test_a_reset_is_counted_once(home: Home, injector: Injector, fault: Fault) -> None:
    """A change whose answer was lost, or that was cancelled, is made once."""
    await home.merchants.add_key(ApiKey("one", ACME, NOW), bytes(32))
    injector.plan(APPEND, fault)

    await home.merchants.change(ACME, lambda one: one.reset())

    assert Merchant(ACME, Settings(), resets=1) == await home.merchants.merchant(ACME)


def nothing_done(call: Call) -> AWSResponse | None:
    """Say that the table was too busy for any of a batch's writes; they are done all the same."""
    told: Any = {"UnprocessedItems": call.body["RequestItems"]}
    return edited(lambda _, facts: facts.update(told))(call)


async def test_a_busy_table_is_wiped(home: Home, injector: Injector) -> None:
    """What could not be deleted at once is deleted at the next try."""
    for number in range(3):
        await keep(home.ledger, new(number))

    injector.plan("BatchWriteItem", nothing_done, 2)
    while await home.ledger.wipe(ACME):
        pass

    assert await listed(home.ledger) == []


async def test_a_table_that_stays_busy_is_not_wiped(home: Home, injector: Injector) -> None:
    """It is said that the rest is still there."""
    await keep(home.ledger, new())

    injector.plan("BatchWriteItem", nothing_done, ALWAYS)

    with pytest.raises(LedgerUnavailable):
        await home.ledger.wipe(ACME)


async def test_write_units(home: Home, faulty: tuple[Table, Injector]) -> None:
    """Settling one payment takes at most so many write units, alone or among others."""
    table, _ = faulty
    into, wanted = await some(home, 64)
    table.client.meta.events.register("provide-client-params.dynamodb.*", _ask_for_units)
    used: Counter[str] = Counter()

    def note(parsed: Any, **_: object) -> None:
        used["units"] += parsed["ConsumedCapacity"][0]["CapacityUnits"]

    table.client.meta.events.register("after-call.dynamodb.TransactWriteItems", note)

    await home.settlements.settle(into, wanted[:1])
    assert used["units"] <= UNITS_MAX
    await home.settlements.settle(into, wanted[1:])
    assert used["units"] / len(wanted) <= UNITS_MAX - 4


def _ask_for_units(params: Any, model: Any, **_: object) -> Any:
    asked = model.name == "TransactWriteItems"
    return params | {"ReturnConsumedCapacity": "INDEXES"} if asked else params


async def test_closed_amid_the_tries(home: Home, injector: Injector) -> None:
    """A batch that closed while a run tried again takes no more."""
    into, wanted = await some(home)
    injector.plan(APPEND, cancelled("ConditionalCheckFailed", *["None"] * 9))

    with pytest.raises(LostRace):
        await home.settlements.settle(into, wanted)

    await assert_written(home, into, [])
