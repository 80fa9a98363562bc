"""The state machine of settlement, run, run again, raced, killed and hindered."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from threading import Event
from typing import Any

import pytest

from payments_sandbox.domain.event import EventType
from payments_sandbox.entrypoints import settle_function
from tests.aws.faults import (
    ALWAYS,
    APPEND,
    BY_DUE,
    Call,
    Fault,
    answer_lost,
    by_chance,
    cancelling,
    error,
    error_after,
)
from tests.aws.settle_machine import INCOMPLETE, SUCCEEDED, Ended, Machine, Task, machine_at
from tests.aws.settle_rig import KIOSK, SHOP, Rig, rig_at
from tests.unit.examples import DAY

pytestmark = pytest.mark.aws
CONFLICTS = [cancelling("TransactionConflict", position) for position in (0, 1, 2, 5)]
LOST = [*CONFLICTS, answer_lost, error_after]
MANY = tuple(f"merchant_{number}" for number in range(5))


class Killed(Exception):
    """The execution that asks for this is gone."""


@dataclass
class Dying:
    """An execution that is killed at its task of that number; later ones find nobody."""

    machine: Machine
    number: int
    execution: str = ""
    knows: Event = field(default_factory=Event)
    asked: "Iterator[int]" = field(default_factory=lambda: count(1))

    def task(self, _: Task) -> None:
        """Kill it if it is time."""
        number = next(self.asked)
        if number == self.number:
            assert self.knows.wait(10)
            self.machine.stop(self.execution)
        if number >= self.number:
            raise Killed


@pytest.fixture
def rig(emulator: str) -> Iterator[Rig]:
    """The function over a table of its own."""
    with rig_at(emulator) as one:
        yield one


def test_run_and_run_again(emulator: str, rig: Rig) -> None:
    """It settles all that is due, each day in a batch; again it settles nothing."""
    rig.sell_days(3)
    with machine_at(emulator, rig) as machine:
        assert machine.run() == SUCCEEDED
        rig.assert_settled()
        events, items = rig.events(), len(rig.items())

        assert machine.run() == SUCCEEDED

    assert Counter(machine.tasks)["plan"] == 2
    assert machine.tasks[-2:] == ["plan", "count"]
    assert events[EventType.TRANSACTION_SETTLED] == 12
    assert events[EventType.SETTLEMENT_CLOSED] == 6
    assert (events, items) == (rig.events(), len(rig.items()))
    rig.clock.pass_by(3 * DAY)
    with machine_at(emulator, rig) as machine:
        assert machine.run() == SUCCEEDED
    assert rig.events()[EventType.SETTLEMENT_PAID] == 6
    rig.assert_settled()


def test_two_executions_at_once(emulator: str, rig: Rig) -> None:
    """Each capture settles exactly once between them."""
    rig.sell_days(2, each=6)
    with machine_at(emulator, rig) as machine:
        executions = [machine.start() for _ in range(2)]
        ends = [machine.ended(one) for one in executions]

    assert ends == [SUCCEEDED] * 2
    assert Counter(machine.tasks)["count"] == 2
    rig.assert_settled()


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_between_states(emulator: str, rig: Rig, when: str) -> None:
    """Killed at one task, the next at a later one and so on; in the end all is done once.

    `before` kills what has yet to do the task, `after` what has done it and tells nobody.
    """
    rig.sell_days(2)
    ends: list[Ended] = []
    with machine_at(emulator, rig) as machine:
        for number in (1, 2, 3, 5, 8, 13, 21, 34):
            dying = Dying(machine, number)
            setattr(machine.hooks, when, dying.task)
            dying.execution = machine.start()
            dying.knows.set()
            ends.append(machine.ended(dying.execution))
            rig.assert_books()
            if ends[-1] == SUCCEEDED:
                break

    assert len(ends) > 3
    rig.assert_settled()


@pytest.mark.parametrize("faults", [CONFLICTS, LOST], ids=["conflicts", "lost answers too"])
def test_injected_conflicts(emulator: str, rig: Rig, faults: list[Fault]) -> None:
    """While the table cancels three transactions of ten, two executions settle each once."""
    rig.sell_days(2, each=6)
    rig.injector.plan(APPEND, by_chance(7, *faults), ALWAYS)
    with machine_at(emulator, rig) as machine:
        executions = [machine.start() for _ in range(2)]
        ends = [machine.ended(one) for one in executions]
        met = rig.injector.met
        rig.injector.heal()
        assert machine.run() == SUCCEEDED

    assert {SUCCEEDED, INCOMPLETE} >= set(ends)
    assert met > 5
    rig.assert_settled()


def test_one_merchant_fails(emulator: str, rig: Rig) -> None:
    """The others are settled, the execution says that it is incomplete; the next one mends it."""
    rig.sell_days(1)
    rig.injector.plan(BY_DUE, _refused_to(SHOP), ALWAYS)
    with machine_at(emulator, rig) as machine:
        assert machine.run() == INCOMPLETE
        assert {one.merchant_id for one in rig.batches()} == {KIOSK}
        rig.injector.heal()

        assert machine.run() == SUCCEEDED

    rig.assert_settled()


def test_more_merchants_than_a_plan_holds(emulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are planned part after part, those without anything due left out."""
    monkeypatch.setattr(settle_function, "PLAN_MAX", 2)
    with rig_at(emulator, MANY) as rig:
        rig.sell_days(1, each=1, merchants=MANY[:1] + MANY[2:])
        with machine_at(emulator, rig) as machine:
            assert machine.run() == SUCCEEDED

        assert Counter(machine.tasks) == {"plan": 3, "count": 3, "settle": 8, "close": 4}
        rig.assert_settled(MANY)


def _refused_to(merchant_id: str) -> Any:
    def refuse(call: Call) -> Any:
        is_its = call.body["ExpressionAttributeValues"][":merchant"]["S"] == merchant_id
        return error("InternalServerError", 500) if is_its else None

    return refuse
