"""The newest events are held back from lists, so that who follows one passes over nothing."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from payments_sandbox.adapters.dynamodb import DynamoLedger
from payments_sandbox.domain.identifiers import event_id_of
from payments_sandbox.domain.operations import Capture
from tests.contract.entries import ACME, auth_id, done, keep, new
from tests.contract.homes import client_of, new_table
from tests.unit.examples import MILLISECOND
from tests.unit.stand_ins import NOW, ManualClock

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

pytestmark = pytest.mark.aws

HELD_BACK = timedelta(seconds=2)
SECOND = timedelta(seconds=1)


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that stands still until the test sets it."""
    return ManualClock()


@pytest_asyncio.fixture
async def ledger(emulator: str, clock: ManualClock) -> AsyncGenerator[DynamoLedger]:
    """Yield a ledger as a home has it, in a table that deletes nothing by itself."""
    with new_table(emulator) as table:
        ledger = DynamoLedger(table, clock)
        yield ledger
        await ledger.close()


async def shown(ledger: DynamoLedger, after: str = "") -> list[str]:
    """Return the ids of the events above one, oldest first."""
    page = await ledger.events(ACME, before=None, after=after, limit=100)
    assert not page.more
    return [event_id_of(one.subject_id, one.seq) for one in page.transactions]


async def shown_down(ledger: DynamoLedger, before: str | None = None) -> list[str]:
    """Return the ids of the events below one, newest first."""
    page = await ledger.events(ACME, before=before, after=None, limit=100)
    assert not page.more
    return [event_id_of(one.subject_id, one.seq) for one in page.transactions]


def ranges_of(client: "DynamoDBClient") -> list[tuple[str, str]]:
    """Return the ranges that queries will have asked for."""
    ranges: list[tuple[str, str]] = []

    def note(params: dict[str, Any], **_: object) -> None:
        values = params["ExpressionAttributeValues"]
        if ":above" in values:
            ranges.append((values[":above"]["S"], values[":until"]["S"]))

    client.meta.events.register("provide-client-params.dynamodb.Query", note)
    return ranges


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(0), False),
        (HELD_BACK - MILLISECOND, False),
        (HELD_BACK, False),
        (HELD_BACK + MILLISECOND, True),
        (timedelta(days=1), True),
    ],
)
async def test_its_age(
    ledger: DynamoLedger, clock: ManualClock, age: timedelta, *, expected: bool
) -> None:
    """An event is in the lists once it is older than two seconds; by its id it is there at once."""
    payment = new()
    await keep(ledger, payment)
    clock.pass_by(age)
    event_id = event_id_of(auth_id(1), 1)

    assert payment.transactions[0] == await ledger.event(ACME, event_id)
    assert [event_id] * expected == await shown(ledger)
    assert [event_id] * expected == await shown_down(ledger)


async def test_nothing_is_passed_over(ledger: DynamoLedger, clock: ManualClock) -> None:
    """What was begun earlier but is there later still comes, in its place, to who follows."""
    ids = [event_id_of(auth_id(number), 1) for number in (0, 1, 2)]
    await keep(ledger, new(0))
    clock.at = NOW + 4 * SECOND
    await keep(ledger, new(2))
    seen = await shown(ledger)
    assert ids[:1] == seen

    clock.at = NOW + 3 * SECOND  # as by a writer that was slow, or whose clock is
    await keep(ledger, new(1))
    for moment in range(4, 8):
        clock.at = NOW + moment * SECOND
        seen += await shown(ledger, after=seen[-1])

    assert ids == seen


async def test_going_on_from_one_held_back(
    emulator: str, ledger: DynamoLedger, clock: ManualClock
) -> None:
    """From an event that no list shows yet one comes to the older ones shown, and nothing newer.

    The real table refuses a range that is upside down, so none is asked for.
    """
    payment = await keep(ledger, new())
    clock.pass_by(HELD_BACK + MILLISECOND)
    payment = await keep(ledger, done(payment, Capture(auth_id(1), 1)))
    clock.pass_by(MILLISECOND)
    await keep(ledger, done(payment, Capture(auth_id(1), 1)))
    first, second, third = (event_id_of(auth_id(1), seq) for seq in (1, 2, 3))

    ranges = ranges_of(client_of(emulator))

    for before in (second, third):
        assert [first] == await shown_down(ledger, before=before)
    assert await shown(ledger, after=second) == []

    clock.pass_by(HELD_BACK)
    assert [second] == await shown(ledger, after=first)
    clock.pass_by(MILLISECOND)
    assert [third] == await shown(ledger, after=second)
    assert [above <= until for above, until in ranges] == [True, True]


async def test_what_is_held_back_is_not_more(ledger: DynamoLedger, clock: ManualClock) -> None:
    """A page that ends where the held back begin is the last for now."""
    await keep(ledger, new(1))
    clock.pass_by(HELD_BACK + MILLISECOND)
    await keep(ledger, new(2))

    for after in (None, ""):
        page = await ledger.events(ACME, before=None, after=after, limit=1)
        assert ([auth_id(1)], False) == ([one.subject_id for one in page.transactions], page.more)
