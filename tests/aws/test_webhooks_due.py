"""What a sweep asks the table: which deliveries are due."""

from collections.abc import AsyncGenerator, Generator
from datetime import timedelta

import pytest
import pytest_asyncio

from payments_sandbox.adapters.dynamodb import DynamoLedger
from payments_sandbox.adapters.dynamodb_deliveries import DUE_MAX, DynamoDeliveries
from payments_sandbox.adapters.dynamodb_table import Table
from payments_sandbox.domain.delivery import DeadReason, Delivery
from payments_sandbox.domain.identifiers import ping_id_of
from tests.contract.entries import ACME, OTHER, keep, new
from tests.contract.homes import new_table
from tests.contract.test_deliveries import END, FAILURE, SUCCESS, delivery, event_id, tried
from tests.unit.examples import MILLISECOND
from tests.unit.stand_ins import NOW, ManualClock

pytestmark = pytest.mark.aws

SECOND = timedelta(seconds=1)
LATER = NOW + timedelta(days=30)


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that stands still until the test sets it."""
    return ManualClock()


@pytest.fixture
def table(emulator: str) -> Generator[Table]:
    """Yield a table that deletes nothing by itself."""
    with new_table(emulator) as table:
        yield table


@pytest_asyncio.fixture
async def deliveries(table: Table, clock: ManualClock) -> AsyncGenerator[DynamoDeliveries]:
    """Yield deliveries in the table."""
    yield DynamoDeliveries(table, clock)
    await table.close()


async def add(
    deliveries: DynamoDeliveries, number: int, due_in: timedelta, merchant_id: str = ACME
) -> Delivery:
    """Keep a delivery that is due so much later than now."""
    one = delivery(
        event_id(number), merchant_id=merchant_id, at=NOW - timedelta(minutes=2) + due_in
    )
    await deliveries.add([one])
    return one


async def test_in_the_order_of_their_times(deliveries: DynamoDeliveries) -> None:
    """What is due comes, the longest due first, to the millisecond; what is not due waits."""
    last, first, _, third = [
        await add(deliveries, number, due_in)
        for number, due_in in enumerate(
            (timedelta(0), timedelta(days=-9), MILLISECOND, -MILLISECOND)
        )
    ]

    assert [first, third, last] == await deliveries.due(ACME, NOW)
    assert len(await deliveries.due(ACME, NOW + MILLISECOND)) == 4
    assert await deliveries.due(ACME, NOW - timedelta(days=10)) == []


async def test_what_is_not_pending(deliveries: DynamoDeliveries) -> None:
    """Delivered and dead, nothing is due; leased, it is due at the lease's end."""
    ends = [await add(deliveries, number, -SECOND) for number in range(3)]
    await deliveries.replace(tried(ends[0], SUCCESS))
    await deliveries.replace(ends[1].abandoned(DeadReason.ENDPOINT_GONE))
    leased = ends[2].leased(NOW + SECOND)
    await deliveries.replace(leased)
    assert await deliveries.due(ACME, NOW) == []

    again = tried(ends[0], SUCCESS).begun_again(NOW + 2 * SECOND)
    await deliveries.replace(again)

    assert [leased] == await deliveries.due(ACME, NOW + SECOND)
    assert [leased, again] == await deliveries.due(ACME, NOW + 2 * SECOND)


async def test_a_retry(deliveries: DynamoDeliveries) -> None:
    """After a failure it is due when its schedule says, not before."""
    failed = tried(await add(deliveries, 1, -SECOND), FAILURE)
    await deliveries.replace(failed)
    assert failed.due_at is not None

    assert await deliveries.due(ACME, failed.due_at - SECOND) == []
    assert [failed] == await deliveries.due(ACME, failed.due_at)


async def test_payments_are_not_deliveries(table: Table, deliveries: DynamoDeliveries) -> None:
    """Payments that are due stand in the same index, and do not come."""
    ledger = DynamoLedger(table, ManualClock())
    for number in range(20):
        await keep(ledger, new(number))
    event = await add(deliveries, 1, timedelta(0))
    ping = delivery(ping_id_of(f"{1:026}"), kind="ping", at=NOW + SECOND)
    await deliveries.add([ping])

    assert [event, ping] == await deliveries.due(ACME, LATER)


async def test_ones_own(deliveries: DynamoDeliveries, clock: ManualClock) -> None:
    """Another merchant's deliveries do not come, nor do those whose payment has expired."""
    mine = await add(deliveries, 1, timedelta(0))
    theirs = await add(deliveries, 2, timedelta(0), OTHER)
    ending = delivery(event_id(3), expires_at=END)
    await deliveries.add([ending])
    assert [mine, ending] == await deliveries.due(ACME, LATER)
    clock.at = END

    assert [mine] == await deliveries.due(ACME, LATER)
    assert [theirs] == await deliveries.due(OTHER, LATER)
    assert await deliveries.due("nobody", LATER) == []


async def test_many(deliveries: DynamoDeliveries) -> None:
    """A thousand come at most, the longest due; the others when those are done."""
    many = [delivery(event_id(number), at=NOW - number * SECOND) for number in range(DUE_MAX + 150)]
    await deliveries.add(many)

    found = await deliveries.due(ACME, LATER)

    assert many[: -DUE_MAX - 1 : -1] == found
