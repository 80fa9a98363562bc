"""Stream to deliveries: each event once for each endpoint, however often and oddly it is told."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from threading import Barrier
from typing import Any
from unittest.mock import patch

import pytest

from payments_sandbox.adapters.dynamodb_items import DELIVERY
from payments_sandbox.adapters.dynamodb_table import key_of
from payments_sandbox.domain.chaos import Chaos
from payments_sandbox.domain.delivery import State
from payments_sandbox.domain.identifiers import event_place_of
from payments_sandbox.entrypoints import relay_function
from tests.aws.delivery_rig import Record, Rig, TimedContext, done, is_transaction, rig_at
from tests.aws.faults import ALWAYS, Call, answer_lost, error, refusing, unhindered
from tests.unit.examples import MERCHANT_ID

pytestmark = pytest.mark.aws

Batches = Sequence[Sequence[Record]]
ARRANGEMENTS: dict[str, Callable[[list[Record]], Batches]] = {
    "as it comes": lambda told: [told],
    "twice": lambda told: [told, told],
    "twice in one batch": lambda told: [told + told],
    "reversed": lambda told: [told[::-1]],
    "one by one": lambda told: [[one] for one in told],
    "interleaved": lambda told: [told[::2], told[1::2], told[::3]],
    "the last part again": lambda told: [told, told[len(told) // 2 :]],
}


@pytest.fixture
def rig(emulator: str) -> Iterator[Rig]:
    """The way of a webhook, on a table of its own."""
    with rig_at(emulator) as one:
        yield one


def numbers_of(records: Sequence[Record]) -> list[str]:
    """Return the records' sequence numbers."""
    return [one["dynamodb"]["SequenceNumber"] for one in records]


def refusing_event(event_id: str) -> Callable[[Call], Any]:
    """Return the fault that keeps an event's deliveries from being written."""

    def refuse(call: Call) -> Any:
        is_its = call.body["Item"]["transaction_id"]["S"] == event_id
        return error("InternalServerError", 500) if is_its else None

    return refuse


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
def test_each_event_goes_to_each_endpoint_once(rig: Rig, arrangement: str) -> None:
    """Told in any order, split and repeated, each event is sent once to who wants it."""
    rig.listen("/all")
    some = rig.listen("/some", "payment_captured")
    rig.happen("one")
    _, captured = rig.happen("two")

    for batch in ARRANGEMENTS[arrangement](rig.stream()):
        assert rig.relay(batch) == []
        assert rig.deliver(rig.messages()) == []

    assert rig.receiver.posts.total() == 4 + 2
    assert set(rig.receiver.posts.values()) == {1}
    assert rig.receiver.posts["/some", captured] == 1
    assert {one.state for one in rig.kept()} == {State.DELIVERED}
    assert {"payment_captured"} == {
        one.type for one in rig.kept() if one.endpoint_id == some.endpoint_id
    }


def test_two_relays_are_told_the_same_at_a_time(rig: Rig) -> None:
    """Each event has one delivery, though both hand it over."""
    rig.listen()
    for number in range(5):
        rig.happen(f"{number}")
    told, together = rig.stream(), Barrier(2)

    def relay() -> object:
        process = rig.process("relay")
        together.wait()
        try:
            return process(told, TimedContext())
        finally:
            process.end()

    with ThreadPoolExecutor(2) as threads:
        answers = [one.result() for one in [threads.submit(relay) for _ in range(2)]]
    rig.deliver(rig.messages())

    assert answers == [{"batchItemFailures": []}] * 2
    rig.assert_ended()


def test_a_relay_that_writes_over_would_be_caught(rig: Rig) -> None:
    """If a delivery were written though it is there, what is told again would be sent again."""
    rig.listen()
    rig.happen()
    told = rig.stream()
    with patch(
        "payments_sandbox.adapters.dynamodb_deliveries._NEW", "attribute_not_exists(nothing)"
    ):
        for _ in range(2):
            rig.relay(told)
            rig.deliver(rig.messages())

    assert rig.receiver.posts.total() == 4
    with pytest.raises(AssertionError):
        rig.assert_ended()


def test_what_is_no_event_is_left_alone(rig: Rig) -> None:
    """Heads, keys, settings, endpoints, deliveries, what is changed and what is removed."""
    rig.listen()
    auth, _ = rig.happen()
    rig.relay(rig.stream())
    rig.deliver(rig.messages())
    payment_id, seq = event_place_of(auth)
    key = key_of(payment_id, f"txn#{seq:06}")
    rig.table.client.update_item(
        TableName=rig.table.name,
        Key=key,
        UpdateExpression="SET seen = :yes",
        ExpressionAttributeValues={":yes": {"BOOL": True}},
    )
    rig.table.client.delete_item(TableName=rig.table.name, Key=key)
    told = rig.stream()
    others = [one for one in told if not is_transaction(one) or one["eventName"] != "INSERT"]
    before = rig.kept()

    assert {one["eventName"] for one in others} == {"INSERT", "MODIFY", "REMOVE"}
    assert any(is_transaction(one) for one in others)
    assert any(one["dynamodb"]["Keys"]["record"]["S"].startswith(DELIVERY) for one in others)
    assert rig.relay(others) == []
    assert rig.messages() == []
    assert before == rig.kept()


def test_taking_all_for_events_would_be_caught(rig: Rig) -> None:
    """If the relay did not look what a record is, it would fail for those that are no event."""
    rig.listen()
    rig.happen()
    with patch.object(relay_function, "_is_event", _anything):
        assert rig.relay(rig.stream()) != []


@pytest.mark.parametrize("image", [{}, {"body": {"S": "{"}}, {"body": {"S": "{}"}}], ids=str)
def test_a_record_that_cannot_be_read(rig: Rig, image: dict[str, Any]) -> None:
    """It alone comes again; what stands beside it goes on."""
    rig.listen()
    rig.happen()
    told = rig.transactions()
    broken = deepcopy(told[0])
    broken["dynamodb"] |= {"NewImage": image, "SequenceNumber": "7"}

    assert rig.relay([broken, *told]) == ["7"]
    rig.deliver(rig.messages())
    rig.assert_ended()


def test_a_fault_of_the_table_at_one_record(rig: Rig) -> None:
    """It alone comes again, and when the fault is over it arrives."""
    rig.listen("/one")
    rig.listen("/two")
    rig.happen("before")
    captured = rig.happen("victim")[1]
    rig.happen("after")
    told = rig.transactions()
    rig.injector.plan("PutItem", refusing_event(captured), ALWAYS)

    failed = rig.relay(told)
    rig.deliver(rig.messages())
    heard = rig.receiver.posts
    rig.injector.heal()

    assert numbers_of(told[3:4]) == failed
    assert heard.total() == 2 * 5
    assert captured not in {event for _, event in heard}
    assert rig.relay([one for one in told if numbers_of([one]) == failed]) == []
    rig.deliver(rig.messages())
    rig.assert_ended()


def test_the_endpoints_cannot_be_read(rig: Rig) -> None:
    """All the merchant's events come again, and then arrive."""
    rig.listen()
    rig.happen()
    told = rig.stream()
    rig.injector.plan("GetItem endpoints", refusing("InternalServerError", 500), ALWAYS)

    assert numbers_of(rig.transactions()) == rig.relay(told)
    rig.injector.heal()
    assert rig.relay(told) == []
    rig.deliver(rig.messages())
    rig.assert_ended()


def test_a_write_whose_answer_is_lost(rig: Rig) -> None:
    """The client writes again and meets what it wrote itself: the delivery is handed over."""
    rig.listen()
    rig.happen()
    rig.injector.plan("PutItem", answer_lost)

    assert rig.relay(rig.stream()) == []
    assert rig.injector.met == 1
    rig.deliver(rig.messages())
    rig.assert_ended()


def test_endpoints_are_read_once_for_a_batch(rig: Rig) -> None:
    """However many events a batch has, their merchant's endpoints are asked for once."""
    rig.listen()
    for number in range(5):
        rig.happen(f"{number}")
    rig.injector.plan("any", unhindered, ALWAYS)
    rig.relay(rig.stream())

    assert rig.injector.calls.count("GetItem endpoints") == 1
    assert len(rig.kept()) == rig.injector.calls.count("PutItem") == 10


def test_nobody_listens(rig: Rig) -> None:
    """Without an endpoint, or with one that is disabled, nothing is made and nothing fails."""
    rig.happen("one")
    without = rig.relay(rig.stream())
    endpoint = rig.listen()
    done(
        rig.use.endpoints.change(
            MERCHANT_ID, endpoint.endpoint_id, lambda one: replace(one, enabled=False)
        )
    )

    assert without == rig.relay(rig.stream()) == []
    assert rig.kept() == rig.messages() == []


def test_mischief_delays_a_delivery(rig: Rig) -> None:
    """It is not handed over at once; the sweep finds it when its time has come."""
    endpoint = rig.listen()
    chaos = Chaos(seed=1, delay=100)
    done(
        rig.use.endpoints.change(
            MERCHANT_ID, endpoint.endpoint_id, lambda one: replace(one, chaos=chaos)
        )
    )
    rig.happen()
    rig.relay(rig.stream())

    assert rig.messages() == []
    assert rig.sweep() == {"merchants": 1, "claimed": 0}
    rig.settle()
    rig.assert_ended()


def test_a_delivery_ends_with_its_payment(rig: Rig) -> None:
    """The table may delete it when it may delete the transaction."""
    done(rig.use.tenancy.change_settings(MERCHANT_ID, lambda one: replace(one, retention_days=7)))
    rig.listen()
    rig.happen()
    rig.relay(rig.stream())
    ends = {
        one["record"]["S"][:4]: one.get("expires_at")
        for one in rig.items()
        if one["record"]["S"].startswith((DELIVERY, "txn#"))
    }

    assert ends["txn#"] is not None
    assert ends["txn#"] == ends["deli"]


def _anything(_: Record) -> bool:
    return True
