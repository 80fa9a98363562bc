"""Crashes at each step of a webhook's way: nothing is lost, and what is repeated has its reason."""

from collections.abc import Callable, Iterator
from itertools import cycle
from random import Random
from typing import Any, NamedTuple

import pytest

from tests.aws.delivery_receiver import FAILED, OK
from tests.aws.delivery_rig import Crash, Record, Rig, TimedContext, crash, rig_at
from tests.aws.faults import (
    Call,
    Fault,
    answer_lost,
    in_turn,
    no_answer,
    refusing,
    unhindered,
)

pytestmark = pytest.mark.aws

ROUNDS_MAX = 40


@pytest.fixture
def rig(emulator: str) -> Iterator[Rig]:
    """The way of a webhook, on a table of its own."""
    with rig_at(emulator) as one:
        yield one


def crash_after(call: Call) -> None:
    """Let the table do its work, and end the process."""
    call.answer()
    crash()


class Step(NamedTuple):
    """Where a function crashes: before or after a call to the table."""

    place: str
    faults: tuple[Fault, ...]
    """One for each of the calls there."""
    repeats: int = 0
    """How many requests were sent and are not known of."""


# A deliverer's writes are its claim and its outcome.
RELAY_STEPS = {
    "endpoints are read": Step("GetItem endpoints", (crash,)),
    "before the first delivery is put": Step("PutItem", (crash,)),
    "after the first delivery is put": Step("PutItem", (crash_after,)),
    "after both are put": Step("PutItem", (unhindered, crash_after)),
}
DELIVER_STEPS = {
    "before the claim": Step("PutItem", (crash,)),
    "after the claim": Step("PutItem", (crash_after,)),
    "before the request": Step("GetItem endpoints", (crash,)),
    "before it is signed": Step("GetItem settings", (unhindered, crash)),
    "before the outcome": Step("PutItem", (unhindered, crash), repeats=1),
    "after the outcome": Step("PutItem", (unhindered, crash_after)),
}


@pytest.mark.parametrize("step", RELAY_STEPS)
def test_the_relay_crashes(rig: Rig, step: str) -> None:
    """The stream tells again, or one sweep finds what was put: all arrives, once."""
    rig.listen()
    rig.happen()
    told = rig.stream()
    place, faults, _ = RELAY_STEPS[step]
    rig.injector.plan(place, in_turn(*faults), len(faults))
    with pytest.raises(Crash):
        rig.relay(told)
    rig.injector.heal()

    assert rig.relay(told) == []
    rig.deliver(rig.messages())
    rig.settle()
    assert set(rig.receiver.posts.values()) == {1}
    rig.assert_ended()


def test_the_relay_crashes_before_it_publishes(rig: Rig) -> None:
    """Even if the stream did not tell again, one sweep brings what was put to its receiver."""
    rig.listen()
    rig.happen()
    rig.publishing = crash
    with pytest.raises(Crash):
        rig.relay(rig.stream())
    rig.publishing = lambda: None

    assert rig.messages() == []
    rig.settle()
    assert set(rig.receiver.posts.values()) == {1}
    rig.assert_ended()


@pytest.mark.parametrize("name", DELIVER_STEPS)
def test_the_deliverer_crashes(rig: Rig, name: str) -> None:
    """After the lease one sweep brings the event; it is repeated if the crash hid a request."""
    step = DELIVER_STEPS[name]
    rig.listen("/hooks", "payment_captured")
    rig.happen()
    rig.relay(rig.stream())
    messages = rig.messages()
    rig.injector.plan(step.place, in_turn(*step.faults), len(step.faults))
    with pytest.raises(Crash):
        rig.deliver(messages)
    rig.injector.heal()
    before = len(rig.receiver.heard)

    assert rig.deliver(messages) == []  # the queue gives the message again
    assert rig.sweep()["claimed"] == 0  # nobody else has it before the lease ends
    if step.repeats:
        assert len(rig.receiver.heard) == before == 1
    rig.settle()
    rig.deliver(messages)
    rig.settle()
    assert len(rig.receiver.heard) == 1 + step.repeats
    rig.assert_ended(repeats=step.repeats)


def test_a_lost_outcome_would_be_caught(rig: Rig) -> None:
    """The check that counts repeats sees one that nobody told it of."""
    test_the_deliverer_crashes(rig, "before the outcome")
    with pytest.raises(AssertionError):
        rig.assert_ended(repeats=0)


def test_a_lost_event_would_be_caught(rig: Rig) -> None:
    """The check that all has ended sees an event that nobody relayed, and one on its way."""
    rig.listen()
    rig.happen()
    told = rig.transactions()
    rig.relay(told[:1])
    rig.deliver(rig.messages())
    with pytest.raises(AssertionError):
        rig.assert_ended()
    rig.relay(told)
    with pytest.raises(AssertionError):
        rig.assert_ended()
    rig.deliver(rig.messages())
    rig.assert_ended()


def test_the_outcome_cannot_be_written(rig: Rig) -> None:
    """The message is reported; when the lease ends the event is sent again, as nobody knows."""
    rig.listen("/hooks", "payment_captured")
    rig.happen()
    rig.relay(rig.stream())
    messages = rig.messages()
    refused = refusing("InternalServerError", 500)
    rig.injector.plan("PutItem", in_turn(unhindered, *[refused] * 3), 4)

    assert len(rig.deliver(messages)) == 1
    rig.injector.heal()
    assert rig.deliver(messages) == []
    rig.settle()
    assert len(rig.receiver.heard) == 2
    rig.assert_ended(repeats=1)


def test_the_sender_is_slower_than_its_lease(rig: Rig) -> None:
    """Another takes the delivery over; both write what they did, and neither undoes the other."""
    rig.listen("/hooks", "payment_captured")
    rig.happen()
    rig.relay(rig.stream())
    messages = rig.messages()
    other, sweeper = rig.process("deliver"), rig.process("sweep")
    taken: list[Record] = []

    def take_over() -> None:
        rig.receiver.meanwhile = lambda: None
        rig.lease_ends()
        _in_own_loop(sweeper)
        taken.extend(rig.messages())
        _in_own_loop(other, taken)

    rig.receiver.meanwhile = take_over
    assert rig.deliver(messages) == []
    other.end()
    sweeper.end()

    assert len(taken) == 1
    assert len(rig.receiver.heard) == 2
    rig.assert_ended(repeats=1)


def _in_own_loop(process: Any, records: list[Record] | None = None) -> None:
    process(records or [], TimedContext())


class Walk:
    """A run of all functions that a seed decides: what is told, lost, repeated and interrupted."""

    def __init__(self, rig: Rig, seed: int) -> None:
        self._rig = rig
        self._chance = Random(seed)  # noqa: S311 - a seed is the point
        self.crashes = 0
        self.unknown_max = 0
        """How many requests may have been on their way when a function crashed."""

    def run(self) -> None:
        """Tell all of the stream in pieces, amid crashes; then let all settle."""
        told = self._rig.transactions() * 2
        self._chance.shuffle(told)
        while told:
            some = [told.pop() for _ in range(min(len(told), self._chance.randint(1, 4)))]
            failed = self._through(self._rig.relay, some)
            told += [one for one in some if one["dynamodb"]["SequenceNumber"] in failed]
            self._step()
        self._rig.injector.heal()
        for _ in range(ROUNDS_MAX):
            self._rig.settle()
            self._rig.clock.at = max([self._rig.clock.at, *_due(self._rig)])
            if not _due(self._rig):
                return

    def _step(self) -> None:
        messages = self._rig.messages()
        messages += self._chance.sample(messages, len(messages) // 3)
        self._chance.shuffle(messages)
        failed = self._through(self._rig.deliver, messages)
        again = [one for one in messages if one["messageId"] in failed]
        self._through(self._rig.deliver, again)
        if self._chance.random() < 0.4:
            self._rig.lease_ends()
            self._interrupted()
            try:
                self._rig.sweep()
            except Crash:
                self.crashes += 1

    def _through(
        self, function: Callable[[list[Record]], list[str]], records: list[Record]
    ) -> list[str]:
        """Return which records are to come again: all, if the function crashes."""
        self._interrupted()
        before = {one.delivery_id: one for one in self._rig.kept()}
        try:
            return function(records)
        except Crash:
            self.crashes += 1
            # Told by the claims, as the receiver may not have read yet what was sent to it.
            self.unknown_max += sum(
                one.version != before[one.delivery_id].version
                and one.attempts_made == before[one.delivery_id].attempts_made
                for one in self._rig.kept()
                if one.delivery_id in before
            )
            return [one.get("messageId") or one["dynamodb"]["SequenceNumber"] for one in records]

    def _interrupted(self) -> None:
        """Perhaps plan a fault, at the first calls or at later ones."""
        self._rig.injector.heal()
        faults: list[Fault] = [crash, crash_after, crash, crash_after, answer_lost, no_answer]
        if self._chance.random() < 0.8:
            waits = [unhindered] * self._chance.randint(0, 30)
            fault = self._chance.choice(faults)
            self._rig.injector.plan("any", in_turn(*waits, fault), len(waits) + 1)


def _due(rig: Rig) -> list[Any]:
    return [one.due_at for one in rig.kept() if one.due_at is not None]


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens(rig: Rig, seed: int) -> None:
    """Told twice, shuffled, split, crashed and lost: each event ends, and repeats have reasons."""
    rig.listen("/good")
    rig.listen("/flaky", "payment_captured")
    rig.receiver.answers["/flaky"] = cycle([FAILED, OK])
    for number in range(8):
        rig.happen(f"{number}")
    walk = Walk(rig, seed)
    walk.run()
    posts = rig.receiver.posts
    attempts = [attempt for one in rig.kept() for attempt in one.attempts]
    # A crash may cut the connections of others, whose attempts then end without an answer.
    cut_off = sum(one.status is None for one in attempts)
    repeats = posts.total() - (len(attempts) - cut_off)
    print(f"{walk.crashes} crashes, {posts.total()} requests, {repeats} repeats")  # noqa: T201 - told

    assert walk.crashes > 0
    assert 0 <= repeats <= walk.unknown_max + cut_off
    assert len(posts) == 8 * 3
    assert {one.dead_reason for one in rig.kept()} == {None}
    rig.assert_ended(repeats=posts.total() - len(attempts))
