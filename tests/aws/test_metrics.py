"""What the functions behind the API count: attempts by what came of them, and how late it is."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import repeat
from typing import Any
from unittest.mock import patch

import pytest

from payments_sandbox.adapters.sns import LEASE
from payments_sandbox.domain.delivery import WAITS_S, RetrySchedule, State
from payments_sandbox.entrypoints.function_metrics import METRICS
from tests.aws.delivery_receiver import FAILED, GONE
from tests.aws.delivery_rig import Rig, rig_at
from tests.aws.function_rig import written

pytestmark = pytest.mark.aws
LATE = timedelta(seconds=90)


@pytest.fixture
def rig(emulator: str) -> Iterator[Rig]:
    """The way of a webhook, on a table of its own."""
    with rig_at(emulator) as one:
        yield one


def told_by(work: Callable[[], object]) -> list[dict[str, Any]]:
    """Do it; return the lines of metrics that were written meanwhile."""
    with written() as output:
        work()
    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    return [line for line in lines if "_aws" in line]


def totals(lines: list[dict[str, Any]], function: str) -> Counter[str]:
    """Return the sums of a function's metrics; all else in its lines says whose they are."""
    found: Counter[str] = Counter()
    for line in lines:
        (about,) = line["_aws"]["CloudWatchMetrics"]
        units = {one["Name"]: one["Unit"] for one in about["Metrics"]}
        assert line.keys() - units.keys() == {"_aws", "service", "stage"}
        assert (line["service"], line["stage"]) == (function, "local")
        assert (about["Namespace"], about["Dimensions"]) == (
            "PaymentsSandbox",
            [["service", "stage"]],
        )
        assert units.items() <= {(name, one.value) for name, one in METRICS[function].items()}
        found.update({name: sum(line[name]) for name in units})
    return found


def delivered(rig: Rig) -> Counter[str]:
    """Deliver what stands in the queue; return what was counted."""
    messages = rig.messages()
    return totals(told_by(lambda: rig.deliver(messages)), "deliver")


def begin(rig: Rig) -> None:
    """Have two events on their way to an endpoint."""
    rig.listen()
    rig.happen()
    rig.relay(rig.stream())


def test_what_is_delivered_is_counted_in_one_line(rig: Rig) -> None:
    """Two attempts of a batch are two, and a batch without an attempt writes no line."""
    begin(rig)
    messages = rig.messages()
    first = told_by(lambda: rig.deliver(messages))
    again = told_by(lambda: rig.deliver(messages))

    assert totals(first, "deliver") == {"delivered": 2}
    assert (len(first), again) == (1, [])


def test_each_attempt_that_fails_is_counted_and_dead_once(rig: Rig) -> None:
    """The schedule has one more attempt than waits, and after the last nothing is tried."""
    rig.receiver.answers["/hooks"] = repeat(FAILED)
    begin(rig)
    found = delivered(rig)
    attempts = len(WAITS_S[RetrySchedule.STANDARD]) + 1
    for _ in range(attempts):
        rig.clock.pass_by(timedelta(days=2))
        rig.sweep()
        found += delivered(rig)

    assert found == {"delivery_failed": 2 * attempts, "dead": 2}
    assert {one.state for one in rig.kept()} == {State.DEAD}


def test_an_endpoint_that_is_gone(rig: Rig) -> None:
    """Its 410 is an attempt that failed and the end; what follows is given up without one."""
    rig.receiver.answers["/hooks"] = repeat(GONE)
    begin(rig)
    first, second = rig.messages()
    told = told_by(lambda: (rig.deliver([first]), rig.deliver([second])))

    assert totals(told[:1], "deliver") == {"delivery_failed": 1, "dead": 1}
    assert totals(told[1:], "deliver") == {"dead": 1}


def test_a_failure_that_is_made_up_for(rig: Rig) -> None:
    """It counts as both, so the rate of success is that of attempts."""
    rig.receiver.answers["/hooks"] = iter((FAILED, FAILED))
    begin(rig)
    found = delivered(rig)
    rig.clock.pass_by(timedelta(minutes=5))
    rig.sweep()
    found += delivered(rig)

    assert found == {"delivery_failed": 2, "delivered": 2}


def test_the_sweep_tells_how_late_it_is(rig: Rig) -> None:
    """By the longest due of each merchant; a sweep that finds nothing due writes no line."""
    begin(rig)
    rig.messages()
    early = told_by(rig.sweep)
    rig.clock.pass_by(LEASE + LATE)
    told = told_by(rig.sweep)
    later = told_by(rig.sweep)

    assert (early, later) == ([], [])
    assert totals(told, "sweep")["overdue"] == pytest.approx(LATE.total_seconds(), abs=5)
    assert len(told) == len(told[0]["overdue"]) == 1


def test_a_wrong_count_would_be_caught(rig: Rig) -> None:
    """A function that counts each delivery twice, a planted fault, is told of."""

    def twice(*_: object) -> tuple[str, ...]:
        return ("delivered", "delivered")

    begin(rig)
    with patch("payments_sandbox.entrypoints.deliver_function.counted", twice):
        found = delivered(rig)

    assert found != {"delivered": 2}
