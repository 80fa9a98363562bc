"""Whatever happens to a delivery, it comes to an end and its record stays sound."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payments_sandbox.domain.delivery import (
    ATTEMPTS_KEPT,
    WAITS_S,
    DeadReason,
    Delivery,
    Outcome,
    RetrySchedule,
    State,
)
from tests.unit.stand_ins import NOW
from tests.unit.webhooks import DELIVERY

SETTINGS = settings(deadline=None, derandomize=True, max_examples=300)
spans = st.timedeltas(timedelta(), timedelta(days=2))
schedules = st.sampled_from(RetrySchedule)
outcomes = st.builds(
    Outcome,
    duration_ms=st.integers(0, 15_000),
    status=st.none() | st.integers(100, 599) | st.sampled_from([200, 204, 410, 503]),
    error=st.none() | st.just("timeout"),
    retry_after_s=st.none() | st.integers(0, 10**6),
)
failures = outcomes.filter(lambda one: not one.succeeded and one.status != 410)
# What may happen next: an outcome, or a name of what its keepers do.
steps = st.lists(
    outcomes | failures | st.sampled_from(["again", "lease"]) | st.sampled_from(DeadReason),
    max_size=60,
)
Step = Outcome | str


def moved(delivery: Delivery, step: Step, at: datetime, schedule: RetrySchedule) -> Delivery:
    """Return the delivery after a step; only what is pending is attempted, leased or given up."""
    if step == "again":
        return delivery.begun_again(at)
    if delivery.state is not State.PENDING:
        return delivery
    if isinstance(step, Outcome):
        return delivery.after(step, at, schedule)
    return delivery.leased(at) if step == "lease" else delivery.abandoned(DeadReason(step))


def check(delivery: Delivery) -> None:
    """Look at one record."""
    assert (delivery.due_at is not None) == (delivery.state is State.PENDING)
    assert (delivery.dead_reason is not None) == (delivery.state is State.DEAD)
    assert delivery.tries <= min(delivery.attempts_made, 10)
    assert len(delivery.attempts) == min(delivery.attempts_made, ATTEMPTS_KEPT)
    first = delivery.attempts_made - len(delivery.attempts) + 1
    numbers = [one.number for one in delivery.attempts]
    assert list(range(first, delivery.attempts_made + 1)) == numbers


def check_step(before: Delivery, after: Delivery) -> None:
    """Look at two versions that follow each other."""
    check(after)
    assert before.version + 1 == after.version
    assert before.attempts_made <= after.attempts_made <= before.attempts_made + 1
    changing = ("version", "state", "due_at", "tries", "attempts_made", "attempts", "dead_reason")
    assert before == replace(after, **{name: getattr(before, name) for name in changing})


@SETTINGS
@given(steps, schedules, st.data())
def test_a_record_stays_sound(
    taken: list[Step], schedule: RetrySchedule, data: st.DataObject
) -> None:
    """Outcomes, redeliveries and leases in any order keep what is true of a delivery."""
    delivery, at = DELIVERY, NOW
    versions = [delivery]
    for step in taken:
        at += data.draw(spans)
        delivery = moved(delivery, step, at, schedule)
        if delivery is not versions[-1]:
            versions.append(delivery)

    for before, after in pairwise(versions):
        check_step(before, after)


@SETTINGS
@given(st.lists(failures, min_size=10, max_size=10), schedules, spans)
def test_a_delivery_comes_to_an_end(
    failed: list[Outcome], schedule: RetrySchedule, late: timedelta
) -> None:
    """Where every attempt fails, the tenth is the last, and none waits outside its bounds."""
    delivery, at = DELIVERY, NOW
    for outcome, planned_s in zip(failed, (*WAITS_S[schedule], None), strict=True):
        assert delivery.due_at is not None
        at = delivery.due_at + late
        delivery = delivery.after(outcome, at, schedule)
        if planned_s is not None:
            assert delivery.due_at is not None
            longest = max(planned_s * 1.2, min(outcome.retry_after_s or 0, 43_200))
            assert planned_s * 0.8 <= (delivery.due_at - at).total_seconds() <= longest

    assert (delivery.state, delivery.dead_reason) == (State.DEAD, DeadReason.ATTEMPTS_EXHAUSTED)


@pytest.mark.parametrize(
    "unsound",
    [
        replace(DELIVERY, version=3),
        replace(DELIVERY, version=2, due_at=None),
        replace(DELIVERY, version=2, state=State.DELIVERED),
        replace(DELIVERY, version=2, state=State.DEAD, due_at=None),
        replace(DELIVERY, version=2, dead_reason=DeadReason.ENDPOINT_GONE),
        replace(DELIVERY, version=2, tries=11, attempts_made=11),
        replace(DELIVERY, version=2, attempts_made=1),
        replace(DELIVERY, version=2, created_at=NOW + timedelta(days=1)),
    ],
    ids=str,
)
def test_an_unsound_record_is_caught(unsound: Delivery) -> None:
    """The checks above see each fault that is planted."""
    with pytest.raises(AssertionError):
        check_step(DELIVERY, unsound)
