"""The tasks of settlement, by hand: in any order, again, at once, cut short, and broken off."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any
from unittest.mock import patch

import pytest

from payments_sandbox.domain.errors import LedgerUnavailable
from payments_sandbox.domain.event import EventType
from payments_sandbox.domain.settlement import BatchState
from payments_sandbox.entrypoints import settle_function
from payments_sandbox.entrypoints.settle_function import TIME_KEPT_MS
from payments_sandbox.services import sweep
from tests.aws.delivery_rig import TimedContext
from tests.aws.faults import ALWAYS, BY_DUE, edited, no_connection
from tests.aws.settle_rig import BOTH, KIOSK, SHOP, Rig, rig_at
from tests.contract.homes import misplace
from tests.unit.examples import CUTOFF, DAY
from tests.unit.stand_ins import NOW

pytestmark = pytest.mark.aws
DUE = {"merchants": [*BOTH], "after": None, "failed": 0}
NOTHING = DUE | {"merchants": list[str]()}
SHORT_MS = TIME_KEPT_MS
RESTS = 6
"""Two of four captures a day leave a rest, which expires."""


@pytest.fixture
def rig(emulator: str) -> Iterator[Rig]:
    """The function over a table of its own."""
    with rig_at(emulator) as one:
        yield one


def next_of(task: str, done: int, merchant_id: str = SHOP) -> dict[str, Any]:
    """Return the answer that names the next task."""
    return {"task": task, "merchant_id": merchant_id, "done": done}


def test_one_after_the_other(rig: Rig) -> None:
    """Payments settle, then batches close, and nothing is planned any more."""
    rig.sell_days(1)
    assert rig.plan() == DUE

    assert rig.of("settle") == next_of("close", 4)
    assert [one.state for one in rig.batches(SHOP)] == [BatchState.OPEN] * 2
    assert rig.of("close") == next_of("settle", 1)
    assert rig.of("settle") == next_of("close", 0)
    assert rig.of("close") == next_of("settle", 1)
    assert rig.of("settle") == next_of("done", 0)

    assert rig.plan() == DUE | {"merchants": [KIOSK]}
    rig.work(KIOSK)
    assert rig.plan() == NOTHING
    rig.assert_settled()


def test_before_anything_is_due(rig: Rig) -> None:
    """A moment before the cut-off nothing is planned, and every task changes nothing."""
    rig.sell(1)
    rig.clock.at = CUTOFF - DAY / 86_400
    before = rig.items()

    assert rig.plan() == NOTHING
    assert rig.of("settle") == next_of("done", 0)
    assert rig.of("close") == next_of("done", 0)
    assert before == rig.items()
    rig.clock.at = CUTOFF
    assert rig.plan()["merchants"] == [SHOP]


@pytest.mark.parametrize("seed", range(3))
def test_in_any_order(rig: Rig, seed: int) -> None:
    """Whatever task comes next, however often, all settles once."""
    chance = Random(seed)  # noqa: S311 - a seed is the point
    rig.sell_days(2)
    for _ in range(20):
        rig.of(chance.choice(["settle", "close", "close"]), chance.choice(BOTH))
    rig.sell_days(1)
    rig.clock.pass_by(DAY)  # what a batch that closed too early left is in the next one

    for merchant_id in BOTH:
        rig.work(merchant_id)

    rig.assert_settled()


def test_again(rig: Rig) -> None:
    """A task that was done already changes nothing when it is done again."""
    rig.sell_days(1, merchants=[SHOP])
    asked = [{"task": one, "merchant_id": SHOP, "done": 0} for one in ("settle", "close")]
    assert rig.task(asked[0])["done"] == 4
    before = rig.items()
    assert rig.task(asked[0]) == next_of("close", 0)
    assert before == rig.items()
    rig.work()
    before = rig.items()

    assert [rig.task(one) for one in asked] == [next_of("done", 0)] * 2
    assert before == rig.items()
    rig.assert_settled([SHOP])


@pytest.mark.parametrize("runs", [2, 4])
def test_at_once(rig: Rig, runs: int) -> None:
    """Several that do the tasks of a merchant at the same moment settle each payment once."""
    rig.sell_days(2, each=6, merchants=[SHOP])
    with patch.object(sweep, "PART", 2):
        rig.at_once(*[rig.work] * runs)
    rig.work()

    assert rig.events()[EventType.TRANSACTION_SETTLED] == 12
    rig.assert_settled([SHOP])


def test_planned_while_others_work(rig: Rig) -> None:
    """To plan at the same moment as others settle disturbs nobody."""
    rig.sell_days(1)
    rig.at_once(rig.plan, rig.work, rig.plan, lambda: rig.work(KIOSK))

    assert rig.plan() == NOTHING
    rig.assert_settled()


def test_time_runs_short(rig: Rig) -> None:
    """It does a page at a time while there is time, and says that it is to go on."""
    rig.sell_days(1, each=6, merchants=[SHOP])

    assert rig.of("settle", left_ms=SHORT_MS) == next_of("settle", 0)
    with patch.object(sweep.FullPace, "page", 2):
        answers = [waning(rig, pages=1) for _ in range(4)]

    assert answers == [next_of("settle", 2)] * 3 + [next_of("close", 0)]
    rig.work()
    rig.assert_settled([SHOP])


def waning(rig: Rig, pages: int) -> dict[str, Any]:
    """Settle with time for so many pages; then it is short."""
    left = iter([SHORT_MS + 1] * pages)

    def left_ms(_: TimedContext) -> int:
        return next(left, SHORT_MS)

    with patch.object(TimedContext, "get_remaining_time_in_millis", left_ms):
        return rig.of("settle")


def test_a_clock_that_jumps_over_a_month(rig: Rig) -> None:
    """What is settled late is settled in its order: a batch for each day, each paid in its time."""
    rig.sell_days(3, merchants=[SHOP])
    waiting = rig.authorize()
    rig.clock.pass_by(30 * DAY)

    rig.work()

    days = [one.business_day for one in rig.batches(SHOP) if one.currency == "USD"]
    assert days == [NOW.date() + number * DAY for number in range(3)]
    assert {one.state for one in rig.batches(SHOP)} == {BatchState.PAID}
    assert rig.events()[EventType.AUTHORIZATION_EXPIRED] == 1 + RESTS
    assert rig.payment(waiting).amounts.released == 1_000
    rig.assert_settled([SHOP])


def test_a_plan_in_parts(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan holds so many merchants, and says after which one to go on."""
    monkeypatch.setattr(settle_function, "PLAN_MAX", 1)
    rig.sell_days(1, merchants=[KIOSK])

    assert rig.plan() == {"merchants": [], "after": SHOP, "failed": 0}
    assert rig.plan(SHOP) == {"merchants": [KIOSK], "after": None, "failed": 0}
    assert rig.plan(KIOSK) == NOTHING


def test_a_plan_that_has_no_time(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks at some at least, so that planning comes to its end however little time there is."""
    monkeypatch.setattr(settle_function, "LOOKED_AT_ONCE", 1)
    rig.sell_days(1)

    assert rig.plan(left_ms=0) == {"merchants": [SHOP], "after": SHOP, "failed": 0}
    assert rig.plan(SHOP, left_ms=0) == {"merchants": [KIOSK], "after": None, "failed": 0}


def test_a_merchant_that_cannot_be_looked_at(rig: Rig) -> None:
    """It is planned for, so that its own task fails, and no other's."""
    broken = {"merchant_id": {"S": SHOP}, "record": {"S": "payment"}, "due_at": {"S": "2026"}}
    head = broken | {"transaction_id": {"S": f"auth_{'0' * 26}"}, "body": {"S": "{"}}
    rig.table.client.put_item(TableName=rig.table.name, Item=head)
    rig.sell_days(1, merchants=[KIOSK])

    assert rig.plan() == DUE
    with pytest.raises(ValueError, match="Payment"):
        rig.of("settle")
    rig.work(KIOSK)
    assert len(rig.lines()) == 4


def test_an_outage(rig: Rig) -> None:
    """While the table cannot be reached a task fails; later it does all that is due."""
    rig.sell_days(1)
    rig.injector.plan("any", no_connection, ALWAYS)
    for task in ("settle", "close"):
        with pytest.raises(LedgerUnavailable):
            rig.of(task)
    rig.injector.heal()

    assert rig.plan() == DUE
    rig.work()
    rig.work(KIOSK)
    rig.assert_settled()


@pytest.mark.parametrize(
    ("tasks", "left"), [([], 0), (["done"], 0), (["done", "settle", "close"], 2)]
)
def test_count(rig: Rig, tasks: Sequence[str], left: int) -> None:
    """It adds up how many merchants are left to the next run, and says where to go on."""
    results = [next_of(one, 1, f"merchant_{number}") for number, one in enumerate(tasks)]
    event = {"task": "count", "results": results, "after": SHOP, "failed": 3}

    assert rig.task(event) == {"after": SHOP, "failed": 3 + left}


@pytest.mark.parametrize("event", [{}, {"task": "another"}])
def test_an_unknown_task(rig: Rig, event: dict[str, str]) -> None:
    """It is refused."""
    with pytest.raises(ValueError, match="task is one of plan, settle, close, count"):
        rig.task(event)


def test_an_index_that_hides_some(rig: Rig) -> None:
    """Payments that it names too late join the batch of the next day."""
    hidden = {rig.sell(number) for number in range(3)}
    rig.sell_days(1, merchants=[SHOP])
    rig.injector.plan(BY_DUE, edited(_without(hidden)), ALWAYS)
    rig.work()
    (first, *_) = [one for one in rig.batches() if one.currency == "USD"]
    assert not hidden & {one.payment_id for one in rig.lines()}
    assert first.state is BatchState.CLOSED

    rig.injector.heal()
    rig.work()
    rig.clock.pass_by(DAY)
    rig.work()

    later = {one.payment_id for one in rig.lines() if one.settlement_id != first.settlement_id}
    assert hidden <= later
    rig.assert_settled([SHOP])


@pytest.mark.parametrize("at", [NOW - DAY, CUTOFF])
def test_an_index_that_names_too_many(rig: Rig, at: Any) -> None:
    """Payments that are due no more are looked at in the table, and left as they are."""
    sold = [rig.sell(number) for number in range(4)]
    rig.clock.pass_by(DAY)
    rig.work()
    for payment_id in sold:
        misplace(rig.table, payment_id, at)
    before = rig.items()

    rig.work()

    assert before == rig.items()
    rig.sell_days(1, merchants=[SHOP])
    rig.work()
    rig.assert_settled([SHOP])


def _without(payment_ids: set[str]) -> Any:
    """Return the change of an answer that leaves these out."""

    def leave_out(_: Any, facts: Any) -> None:
        facts["Items"] = [
            one for one in facts["Items"] if one["transaction_id"]["S"] not in payment_ids
        ]
        facts["Count"] = len(facts["Items"])

    return leave_out
