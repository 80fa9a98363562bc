"""The courier over SNS: what cannot be published is left to the sweep, and never raised."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import (
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ReadTimeoutError,
)

from payments_sandbox.adapters.aws_clients import new_client
from payments_sandbox.adapters.sns import LEASE, Message, SnsCourier, message_of, message_text
from payments_sandbox.domain.delivery import Delivery
from tests.aws.delivery_rig import Rig, done, rig_at
from tests.aws.faults import answered
from tests.unit.webhooks import DELIVERY

pytestmark = pytest.mark.aws

TOPIC = "arn:aws:sns:us-east-1:000000000000:topic"
PARTLY = b"""<PublishBatchResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">
<PublishBatchResult><Successful/><Failed><member><Id>0</Id><Code>InternalError</Code>
<SenderFault>false</SenderFault></member></Failed></PublishBatchResult>
<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></PublishBatchResponse>"""


@pytest.fixture
def rig(emulator: str) -> Iterator[Rig]:
    """The way of a webhook, on a table of its own."""
    with rig_at(emulator) as one:
        yield one


def raising(error: Exception) -> Callable[[], Any]:
    """Return what raises the error."""

    def fail() -> Any:
        raise error

    return fail


TROUBLES = [
    pytest.param(raising(EndpointConnectionError(endpoint_url="http://x")), id="no connection"),
    pytest.param(raising(ReadTimeoutError(endpoint_url="http://x")), id="no answer"),
    pytest.param(raising(NoCredentialsError()), id="no credentials"),
    pytest.param(lambda: answered(500, b"<ErrorResponse/>"), id="500"),
    pytest.param(lambda: answered(503, b""), id="503 empty"),
    pytest.param(lambda: answered(429, {"message": "slow down"}), id="429"),
    pytest.param(lambda: answered(503, b"<html><b>bad gateway"), id="503 html"),
    pytest.param(lambda: answered(200, b"\xff<"), id="200 not a text"),
    pytest.param(lambda: answered(200, b"<html/>"), id="200 of a stranger"),
]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_it_never_raises(rig: Rig, trouble: Callable[[], AWSResponse]) -> None:
    """Whatever SNS does, the relay succeeds, and one sweep later all has arrived."""
    rig.listen()
    rig.happen()
    rig.publishing = trouble

    assert rig.relay(rig.stream()) == []
    assert rig.messages() == []
    rig.publishing = lambda: None
    rig.settle()
    rig.assert_ended()


def test_some_of_a_batch_fail(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """What SNS could not take is left to the sweep, and a line of the log says how many."""
    rig.listen()
    rig.happen()
    rig.publishing = lambda: answered(200, PARTLY)

    assert rig.relay(rig.stream()) == []
    assert "1 deliveries wait for the sweep" in caplog.messages
    rig.publishing = lambda: None
    rig.settle()
    rig.assert_ended()


def test_the_topic_is_gone(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """It says so, without what SNS answered, and does not raise."""
    done(_courier(rig.way.topic + "x").hand_over([DELIVERY]))

    assert caplog.messages == ["deliveries wait for the sweep: SNS failed, NotFoundException"]


def test_no_client_can_be_made(caplog: pytest.LogCaptureFixture) -> None:
    """It says so and does not raise."""
    done(SnsCourier(TOPIC, raising(NoRegionError())).hand_over([DELIVERY]))

    assert caplog.messages == ["deliveries wait for the sweep: SNS failed, NoRegionError"]


def test_nothing_to_hand_over() -> None:
    """No client is made for nothing."""
    done(SnsCourier(TOPIC, raising(AssertionError())).hand_over([]))


@pytest.mark.parametrize("count", [1, 10, 11, 25])
def test_each_is_published_once(rig: Rig, count: int) -> None:
    """Ten at a time, as SNS takes them, and each as a message that says what it is to do."""
    calls: list[int] = []
    rig.publishing = lambda: calls.append(1)
    made = [replace(DELIVERY, delivery_id=f"dlv_{number}") for number in range(count)]
    done(rig.courier.hand_over(made))
    told = [message_of(one["body"]) for one in rig.messages()]

    assert len(calls) == -(-count // 10)
    assert sorted(told) == sorted(Message(one.merchant_id, one.delivery_id, 1) for one in made)


def test_a_message_tells_its_delivery() -> None:
    """It comes back as it was; its lease is what the sweep waits for."""
    delivery: Delivery = replace(DELIVERY, version=7)
    wanted = Message(DELIVERY.merchant_id, DELIVERY.delivery_id, 7)

    assert wanted == message_of(message_text(delivery))
    assert timedelta(minutes=2) == SnsCourier(TOPIC).lease == LEASE


def _courier(topic: str) -> SnsCourier:
    return SnsCourier(topic, lambda: new_client("sns"))
