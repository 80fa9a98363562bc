"""The one rule that moves a delivery on: delivered, due again, or dead."""

from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus

import pytest

from payments_sandbox.domain.chaos import Mischief
from payments_sandbox.domain.delivery import (
    WAITS_S,
    Attempt,
    DeadReason,
    Delivery,
    Outcome,
    RetrySchedule,
    State,
)
from tests.unit.examples import MILLISECOND
from tests.unit.stand_ins import NOW
from tests.unit.webhooks import DELIVERY, ERROR, GONE, HUNG, OK

STANDARD, FAST = RetrySchedule.STANDARD, RetrySchedule.FAST
LATER = NOW + timedelta(days=1)
HOUR_S = 3600
EXPECTED_S = {
    STANDARD: [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400],
    FAST: [1, 1, 2, 2, 3, 3, 4, 4, 5],
}
FAILURES = [
    *(Outcome(1, status) for status in HTTPStatus if status // 100 != 2 and status != 410),
    *(Outcome(1, status) for status in (0, 99, 299 + 1, 499, 599, 600, 999)),
    HUNG,
    Outcome(0, error="connection_refused"),
]


def failed(
    times: int, schedule: RetrySchedule = STANDARD, delivery: Delivery = DELIVERY
) -> Delivery:
    """Return the delivery after so many failed attempts, each made when it was due."""
    for _ in range(times):
        delivery = delivery.after(ERROR, due_at(delivery), schedule)
    return delivery


def due_at(delivery: Delivery) -> datetime:
    """Return when it is due."""
    assert delivery.due_at is not None
    return delivery.due_at


def waits_s(delivery: Delivery, schedule: RetrySchedule) -> list[float]:
    """Return how long it waits before each retry, until nothing is tried any more."""
    waits: list[float] = []
    while delivery.due_at is not None:
        before, delivery = delivery.due_at, delivery.after(ERROR, delivery.due_at, schedule)
        if delivery.due_at is not None:
            waits.append((delivery.due_at - before).total_seconds())
    return waits


def began(duration_ms: int) -> datetime:
    """Return when an attempt began that ended later."""
    return LATER - timedelta(milliseconds=duration_ms)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 226, 299])
def test_a_2xx_is_delivered(status: int) -> None:
    """Any 2xx ends it well, and nothing is due any more."""
    outcome = Outcome(12, status, response="thanks")
    attempt = Attempt(1, began(12), 12, status, response="thanks")
    expected = replace(
        DELIVERY,
        version=2,
        state=State.DELIVERED,
        due_at=None,
        tries=1,
        attempts_made=1,
        attempts=(attempt,),
    )

    assert expected == DELIVERY.after(outcome, LATER, STANDARD)


@pytest.mark.parametrize("outcome", FAILURES, ids=str)
def test_anything_else_is_tried_again(outcome: Outcome) -> None:
    """A redirect, a refusal, a fault or no answer at all: it is due again."""
    attempt = Attempt(
        1, began(outcome.duration_ms), outcome.duration_ms, outcome.status, outcome.error
    )

    delivery = DELIVERY.after(outcome, LATER, STANDARD)

    assert not outcome.succeeded
    assert (delivery.state, delivery.dead_reason) == (State.PENDING, None)
    assert (delivery.version, delivery.tries, delivery.attempts_made) == (2, 1, 1)
    assert (attempt,) == delivery.attempts
    assert due_at(delivery) > LATER


@pytest.mark.parametrize("tries", [0, 1, 9])
def test_gone_is_the_end(tries: int) -> None:
    """A 410 at any attempt ends it, whatever Retry-After says, and says why."""
    delivery = failed(tries).after(replace(GONE, retry_after_s=60), LATER, STANDARD)

    assert (delivery.state, delivery.dead_reason) == (State.DEAD, DeadReason.ENDPOINT_GONE)
    assert delivery.due_at is None
    assert tries + 1 == delivery.attempts_made == delivery.attempts[-1].number


@pytest.mark.parametrize(
    ("outcome", "tries"),
    [
        (OK, 0),
        (ERROR, 0),
        (GONE, 0),
        (ERROR, 9),
    ],
    ids=["delivered", "retried", "gone", "exhausted"],
)
def test_an_attempt_is_one_write(outcome: Outcome, tries: int) -> None:
    """What follows an attempt is the next version, or it could not be written."""
    before = failed(tries)

    assert before.version + 1 == before.after(outcome, LATER, STANDARD).version


def test_what_mischief_did_is_in_the_attempt() -> None:
    """An attempt keeps what was done to it."""
    chaos = (Mischief.DUPLICATE, Mischief.BAD_SIGNATURE)

    delivery = DELIVERY.after(ERROR, NOW, STANDARD, chaos)

    began_at = NOW - timedelta(milliseconds=34)
    assert (Attempt(1, began_at, 34, 500, None, "oops", chaos),) == delivery.attempts
    assert chaos == delivery.chaos


def test_the_schedules() -> None:
    """The waits are as documented, to the second."""
    assert {name: tuple(waits) for name, waits in EXPECTED_S.items()} == WAITS_S


@pytest.mark.parametrize("schedule", RetrySchedule)
@pytest.mark.parametrize("attempt", range(1, 10))
def test_the_schedule(schedule: RetrySchedule, attempt: int) -> None:
    """Each retry waits as its schedule says, give or take a fifth."""
    expected = EXPECTED_S[schedule][attempt - 1]
    before = failed(attempt - 1, schedule)

    delivery = before.after(ERROR, LATER, schedule)

    wait_s = (due_at(delivery) - LATER).total_seconds()
    assert expected * 0.8 <= wait_s <= expected * 1.2
    assert wait_s != expected


@pytest.mark.parametrize("schedule", RetrySchedule)
@pytest.mark.parametrize("last", [ERROR, HUNG, replace(ERROR, retry_after_s=60)], ids=str)
def test_the_last_try(schedule: RetrySchedule, last: Outcome) -> None:
    """Ten attempts are made; after the tenth it is dead, whatever the answer asked for."""
    delivery = failed(9, schedule).after(last, LATER, schedule)

    assert (delivery.state, delivery.dead_reason) == (State.DEAD, DeadReason.ATTEMPTS_EXHAUSTED)
    assert (delivery.due_at, delivery.tries, delivery.attempts_made) == (None, 10, 10)
    assert list(range(1, 11)) == [one.number for one in delivery.attempts]


@pytest.mark.parametrize("schedule", RetrySchedule)
def test_the_last_try_may_succeed(schedule: RetrySchedule) -> None:
    """The tenth attempt counts like any other."""
    assert failed(9, schedule).after(OK, LATER, schedule).state is State.DELIVERED


def test_jitter_is_spread() -> None:
    """Deliveries that failed together come back spread over the whole fifth either way."""
    many = [replace(DELIVERY, delivery_id=f"dlv_{number}") for number in range(1_000)]
    waits = sorted(waits_s(one, STANDARD)[0] for one in many)

    assert 4 <= waits[0] < 4.02
    assert 5.98 < waits[-1] < 6
    assert waits[500] == pytest.approx(5, abs=0.1)


def test_jitter_follows_from_id_and_number() -> None:
    """Whoever computes a wait comes to the same: only the id and the attempt's number count."""
    same = replace(DELIVERY, merchant_id="other", endpoint_id="other", created_at=LATER, version=9)
    other = replace(DELIVERY, delivery_id="dlv_other")
    again = failed(10).begun_again(NOW)

    assert waits_s(DELIVERY, STANDARD) == waits_s(same, STANDARD)
    assert waits_s(DELIVERY, STANDARD) != waits_s(again, STANDARD)
    assert all(
        one != another
        for one, another in zip(waits_s(DELIVERY, FAST), waits_s(other, FAST), strict=True)
    )
    assert waits_s(DELIVERY, FAST)[0] != waits_s(DELIVERY, FAST)[1]
    assert failed(1).after(ERROR, LATER, FAST).due_at == failed(1).after(HUNG, LATER, FAST).due_at


@pytest.mark.parametrize("status", [429, 503, 500, 302])
@pytest.mark.parametrize(
    ("asked_s", "expected_s"),
    [
        (7, 7),
        (60, 60),
        (HOUR_S, HOUR_S),
        (12 * HOUR_S, 12 * HOUR_S),
        (12 * HOUR_S + 1, 12 * HOUR_S),
        (10**9, 12 * HOUR_S),
    ],
)
def test_retry_after(status: int, asked_s: int, expected_s: int) -> None:
    """Who asks for time gets it, up to twelve hours."""
    outcome = Outcome(1, status, retry_after_s=asked_s)

    delivery = DELIVERY.after(outcome, NOW, STANDARD)

    assert NOW + timedelta(seconds=expected_s) == delivery.due_at


@pytest.mark.parametrize("asked_s", [None, 0, 1, 200, -1])
def test_retry_after_never_shortens(asked_s: int | None) -> None:
    """Who asks for less time than was planned changes nothing."""
    expected = failed(2).due_at
    once = failed(1)

    delivery = once.after(replace(ERROR, retry_after_s=asked_s), due_at(once), STANDARD)

    assert expected == delivery.due_at


def test_a_wait_longer_than_retry_after_may_ask_for() -> None:
    """The cap on Retry-After does not shorten the longer waits of the schedule."""
    outcome = replace(ERROR, retry_after_s=10**9)

    delivery = failed(8).after(outcome, LATER, STANDARD)

    assert due_at(delivery) - LATER > timedelta(hours=19)


def test_thirty_attempts_are_kept() -> None:
    """Of many redeliveries the last thirty attempts are kept, and all are counted."""
    delivery = DELIVERY
    for _ in range(4):
        delivery = failed(10, FAST, delivery.begun_again(NOW))

    assert (delivery.attempts_made, delivery.tries) == (40, 10)
    assert list(range(11, 41)) == [one.number for one in delivery.attempts]


@pytest.mark.parametrize(
    "delivery",
    [
        DELIVERY,
        failed(3),
        failed(10),
        DELIVERY.after(OK, NOW, STANDARD),
        DELIVERY.after(GONE, NOW, STANDARD),
        DELIVERY.abandoned(DeadReason.ENDPOINT_DISABLED),
    ],
    ids=["new", "retried", "exhausted", "delivered", "gone", "abandoned"],
)
def test_begun_again(delivery: Delivery) -> None:
    """From any state it is due once more with the whole schedule before it; history stays."""
    expected = replace(
        delivery,
        version=delivery.version + 1,
        state=State.PENDING,
        due_at=LATER,
        tries=0,
        dead_reason=None,
    )

    again = delivery.begun_again(LATER)

    assert expected == again
    assert len(EXPECTED_S[FAST]) == len(waits_s(again, FAST))


@pytest.mark.parametrize("reason", DeadReason)
def test_abandoned(reason: DeadReason) -> None:
    """What is abandoned is dead and says why."""
    expected = replace(DELIVERY, version=2, state=State.DEAD, due_at=None, dead_reason=reason)

    assert expected == DELIVERY.abandoned(reason)


def test_leased() -> None:
    """A lease moves the moment it is due and nothing else."""
    assert replace(DELIVERY, version=2, due_at=LATER) == DELIVERY.leased(LATER)


@pytest.mark.parametrize(
    ("delivery", "at", "expected"),
    [
        (DELIVERY, NOW - MILLISECOND, False),
        (DELIVERY, NOW, True),
        (DELIVERY, LATER, True),
        (DELIVERY.leased(LATER), NOW, False),
        (DELIVERY.after(OK, NOW, STANDARD), LATER, False),
    ],
    ids=["before", "then", "after", "leased", "delivered"],
)
def test_is_due(delivery: Delivery, at: datetime, *, expected: bool) -> None:
    """It is due from its moment on, and never once nothing is."""
    assert expected is delivery.is_due(at)
