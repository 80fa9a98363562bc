"""Deliveries handed to their sender through an SNS topic, which feeds the sender's queue."""

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from payments_sandbox.adapters.aws_clients import new_client
from payments_sandbox.domain.delivery import Delivery

if TYPE_CHECKING:
    from types_boto3_sns import SNSClient

BATCH_MAX: Final = 10
LEASE: Final = timedelta(minutes=2)
_log = logging.getLogger(__name__)


class Message(NamedTuple):
    """Which delivery, and the version its attempt is to act upon."""

    merchant_id: str
    delivery_id: str
    version: int


def sns_client() -> "SNSClient":
    """Return a client as the environment has it."""
    client: SNSClient = new_client("sns")
    return client


class SnsCourier:
    """Publishes to the topic; the client is made when it is first needed."""

    lease = LEASE

    def __init__(self, topic: str, client: "Callable[[], SNSClient]" = sns_client) -> None:
        self._topic = topic
        self._make_client = client
        self._client: SNSClient | None = None

    async def hand_over(self, deliveries: Sequence[Delivery]) -> None:
        """Publish them; what cannot be published is due again when its lease ends."""
        if not deliveries:
            return
        try:
            await asyncio.to_thread(self._publish, deliveries)
        except Exception as error:  # noqa: BLE001 - botocore raises anything for junk it is answered
            _log.warning("deliveries wait for the sweep: SNS failed, %s", type(error).__name__)

    def _publish(self, deliveries: Sequence[Delivery]) -> None:
        if self._client is None:
            self._client = self._make_client()
        for start in range(0, len(deliveries), BATCH_MAX):
            some = deliveries[start : start + BATCH_MAX]
            answer = self._client.publish_batch(
                TopicArn=self._topic,
                PublishBatchRequestEntries=[
                    {"Id": str(number), "Message": message_text(one)}
                    for number, one in enumerate(some)
                ],
            )
            if answer.get("Failed"):
                _log.warning("%d deliveries wait for the sweep", len(answer["Failed"]))


def message_text(delivery: Delivery) -> str:
    """Return the message that asks for the delivery's next attempt."""
    message = Message(delivery.merchant_id, delivery.delivery_id, delivery.version)
    return json.dumps(message._asdict())


def message_of(text: str) -> Message:
    """Return the message; raise ValueError or KeyError for what is none."""
    told = json.loads(text)
    return Message(str(told["merchant_id"]), str(told["delivery_id"]), int(told["version"]))
