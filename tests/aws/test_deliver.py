"""Queue to endpoints: each delivery is sent once, and its outcome moves it on by the rule."""

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import repeat
from unittest.mock import patch

import pytest

from payments_sandbox.domain.delivery import (
    JITTER,
    WAITS_S,
    DeadReason,
    Delivery,
    RetrySchedule,
    State,
)
from payments_sandbox.domain.endpoint import DisabledReason
from payments_sandbox.services.endpoints import NewEndpoint
from payments_sandbox.services.webhook_ports import Deliveries
from tests.aws.delivery_receiver import FAILED, GONE, OK, canary
from tests.aws.delivery_rig import Record, Rig, TimedContext, done, rig_at
from tests.aws.faults import ALWAYS, refusing
from tests.contract.homes import expire
from tests.unit.examples import MERCHANT_ID, MILLISECOND

pytestmark = pytest.mark.aws

# What a message may be that asks for nothing that can be done.
MALFORMED = ["", "{", "[]", "null", "{}", '{"merchant_id": "m", "delivery_id": "d"}']
PRIVATE = [
    "http://127.0.0.1:{canary}/hooks",
    "http://localhost:{canary}/hooks",
    "http://[::ffff:127.0.0.1]:{canary}/hooks",
    "https://127.0.0.1:{canary}/hooks",
    "https://127.0.0.2:{receiver}/hooks",
    "https://10.0.0.1/hooks",
    "https://192.168.0.1/hooks",
    "http://169.254.169.254/latest/meta-data/",
    "https://[fd00:ec2::254]/",
]


@pytest.fixture
def rig(emulator: str) -> Iterator[Rig]:
    """The way of a webhook, on a table of its own."""
    with rig_at(emulator) as one:
        yield one


def begun(rig: Rig) -> list[Record]:
    """Have two events on their way to an endpoint; return their messages."""
    rig.listen()
    rig.happen()
    rig.relay(rig.stream())
    return rig.messages()


async def claim_nothing(_: Deliveries, delivery: Delivery, until: object) -> Delivery:
    """Stand in for a claim: take it without a word to anybody."""
    del until
    return delivery


@pytest.mark.parametrize("batches", [1, 2], ids=["in one batch", "in two batches"])
def test_a_message_comes_twice(rig: Rig, batches: int) -> None:
    """It is sent once."""
    messages = begun(rig)
    both = [messages + messages[::-1]] if batches == 1 else [messages, messages[::-1]]

    assert [rig.deliver(one) for one in both] == [[]] * batches
    assert set(rig.receiver.posts.values()) == {1}
    rig.assert_ended()


def test_sending_without_a_claim_would_be_caught(rig: Rig) -> None:
    """If it were sent without being taken first, the receiver would count it twice."""
    messages = begun(rig)
    with patch("payments_sandbox.entrypoints.deliver_function.claim", claim_nothing):
        rig.deliver(messages + messages)

    assert set(rig.receiver.posts.values()) == {2}
    with pytest.raises(AssertionError):
        rig.assert_ended(repeats=0)


def test_two_functions_get_the_same_batch(rig: Rig) -> None:
    """While one of them waits for the receiver, the other finds nothing to send."""
    messages = begun(rig)
    in_flight, over = threading.Barrier(len(messages) + 1), threading.Event()

    def wait() -> None:
        in_flight.wait(10)
        over.wait(10)

    rig.receiver.meanwhile = wait
    other = rig.process("deliver")
    with ThreadPoolExecutor(1) as thread:
        first = thread.submit(rig.deliver, messages)
        in_flight.wait(10)
        second = other(messages, TimedContext())
        over.set()

        assert first.result() == []
    other.end()
    assert second == {"batchItemFailures": []}
    assert set(rig.receiver.posts.values()) == {1}
    rig.assert_ended()


def test_two_functions_start_at_once(rig: Rig) -> None:
    """Of the claims at the same moment one succeeds for each delivery."""
    rig.listen()
    for number in range(5):
        rig.happen(f"{number}")
    rig.relay(rig.stream())
    messages, together = rig.messages(), threading.Barrier(3)

    def deliver() -> object:
        process = rig.process("deliver")
        together.wait(10)
        try:
            return process(messages, TimedContext())
        finally:
            process.end()

    with ThreadPoolExecutor(3) as threads:
        answers = [one.result() for one in [threads.submit(deliver) for _ in range(3)]]

    assert answers == [{"batchItemFailures": []}] * 3
    assert (len(rig.receiver.posts), rig.receiver.posts.total()) == (10, 10)
    rig.assert_ended()


@pytest.mark.parametrize("off", [-1, 1, 1_000_000])
def test_a_message_of_another_version(rig: Rig, off: int) -> None:
    """What it asks for was done, or is not yet to be done: it is dropped."""
    messages = begun(rig)
    others = [
        one | {"body": json.dumps(body | {"version": body["version"] + off})}
        for one in messages
        for body in [json.loads(one["body"])]
    ]

    assert rig.deliver(others) == []
    assert rig.receiver.heard == []
    assert rig.deliver(messages) == []
    rig.assert_ended()


def test_what_is_no_message_comes_again(rig: Rig) -> None:
    """It is reported alone, so that the queue of the dead gets it; the others are sent."""
    messages = begun(rig)
    broken = [{"messageId": f"{number}", "body": text} for number, text in enumerate(MALFORMED)]

    assert rig.deliver([*broken[:3], *messages, *broken[3:]]) == [
        one["messageId"] for one in broken
    ]
    rig.assert_ended()


@pytest.mark.parametrize(
    "change", [{"merchant_id": "other"}, {"delivery_id": "dlv_1"}], ids=["merchant", "id"]
)
def test_a_delivery_that_is_not_there(rig: Rig, change: dict[str, str]) -> None:
    """Of another merchant, or none at all: the message is dropped."""
    messages = begun(rig)
    told = [one | {"body": json.dumps(json.loads(one["body"]) | change)} for one in messages]

    assert rig.deliver(told) == []
    assert rig.receiver.heard == []


@pytest.mark.parametrize("is_deleted", [False, True], ids=["kept by the table", "deleted"])
def test_a_delivery_whose_payment_is_gone(rig: Rig, *, is_deleted: bool) -> None:
    """Once its retention is over nothing is sent, whether or not the table has deleted it."""
    done(rig.use.tenancy.change_settings(MERCHANT_ID, lambda one: replace(one, retention_days=7)))
    messages = begun(rig)
    rig.clock.pass_by(timedelta(days=60))
    if is_deleted:
        assert expire(rig.table, rig.clock) > 0

    assert rig.deliver(messages) == []
    assert rig.receiver.heard == []
    assert rig.sweep() == {"merchants": 1, "claimed": 0}


def test_a_fault_of_the_table(rig: Rig) -> None:
    """The message it met comes again; then it is sent, once."""
    messages = begun(rig)
    rig.injector.plan("GetItem endpoints", refusing("InternalServerError", 500), ALWAYS)
    failed = rig.deliver(messages)
    rig.injector.heal()

    assert [one["messageId"] for one in messages] == failed
    assert rig.deliver(messages) == []
    assert rig.receiver.heard == []  # they are taken; they fall due when the lease ends
    rig.settle()
    rig.assert_ended()


def test_a_receiver_that_recovers(rig: Rig) -> None:
    """After a failure it is due as the rule says; then the sweep hands it over, id unchanged."""
    rig.receiver.answers["/hooks"] = iter([FAILED])
    rig.listen("/hooks", "payment_captured")
    _, event_id = rig.happen()
    rig.relay(rig.stream())
    rig.deliver(rig.messages())
    failed = rig.the_one()
    assert failed.due_at is not None
    waits_s = (failed.due_at - rig.clock.at).total_seconds()
    first_s = WAITS_S[RetrySchedule.STANDARD][0]

    assert first_s * (1 - JITTER) <= waits_s <= first_s * (1 + JITTER)
    rig.clock.at = failed.due_at - MILLISECOND
    assert rig.sweep()["claimed"] == 0
    rig.clock.at = failed.due_at
    assert rig.sweep()["claimed"] == 1
    rig.deliver(rig.messages())
    assert rig.receiver.heard == [("/hooks", event_id)] * 2
    assert [one.status for one in rig.the_one().attempts] == [FAILED, OK]
    rig.assert_ended()


def test_a_receiver_that_is_gone(rig: Rig) -> None:
    """Its 410 ends the delivery and disables the endpoint; what is on the way then ends too."""
    rig.receiver.answers["/hooks"] = repeat(GONE)
    first, *rest = begun(rig)
    rig.deliver([first])
    (endpoint,) = done(rig.use.endpoints.all(MERCHANT_ID))
    rig.deliver(rest)

    assert (endpoint.enabled, endpoint.disabled_reason) == (False, DisabledReason.GONE)
    assert sorted(one.dead_reason for one in rig.kept() if one.dead_reason) == [
        DeadReason.ENDPOINT_DISABLED,
        DeadReason.ENDPOINT_GONE,
    ]
    assert len(rig.receiver.heard) == 1
    rig.assert_ended()


def test_a_receiver_that_never_recovers(rig: Rig) -> None:
    """After the last try the delivery is dead, with its reason; nothing is sent any more."""
    done(
        rig.use.tenancy.change_settings(
            MERCHANT_ID, lambda one: replace(one, webhook_schedule=RetrySchedule.FAST)
        )
    )
    rig.receiver.answers["/hooks"] = repeat(FAILED)
    rig.listen("/hooks", "payment_captured")
    rig.happen()
    rig.relay(rig.stream())
    rig.deliver(rig.messages())
    tries = len(WAITS_S[RetrySchedule.FAST]) + 1
    for made in range(1, tries):
        assert rig.the_one().attempts_made == made
        rig.clock.at = rig.the_one().due_at or rig.clock.at
        assert rig.sweep()["claimed"] == 1
        rig.deliver(rig.messages())
    rig.clock.pass_by(timedelta(days=2))

    assert rig.sweep()["claimed"] == 0
    assert rig.the_one().dead_reason is DeadReason.ATTEMPTS_EXHAUSTED
    assert set(rig.receiver.posts.values()) == {tries}
    rig.assert_ended()


def test_private_addresses_are_never_reached(rig: Rig) -> None:
    """But for the one receiver of the test nothing private is connected to; the records say so."""
    with canary() as (port, connected):
        for url in PRIVATE:
            place = url.format(canary=port, receiver=rig.receiver.port)
            wanted = NewEndpoint(place, ("payment_captured",), "", enabled=True, chaos=None)
            done(rig.use.endpoints.create(MERCHANT_ID, wanted))
        rig.happen()
        rig.relay(rig.stream())
        rig.deliver(rig.messages())
        with socket.create_connection(("127.0.0.1", port)) as connection:
            assert connection.recv(1) == b""  # the canary hears who does connect

    assert len(connected) == 1
    assert [["address_not_allowed"]] * len(PRIVATE) == [
        [attempt.error for attempt in one.attempts] for one in rig.kept()
    ]
    assert {State.PENDING} == {one.state for one in rig.kept()}
    assert rig.receiver.heard == []
