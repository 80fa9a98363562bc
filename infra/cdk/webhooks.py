"""The way of a webhook: the table's stream, the relay, a topic, a queue, and the sender.

Failures are kept two weeks: what the sender gave up in one queue, stretches of the stream that
could not be relayed in another.
"""

from typing import Any, Final, NamedTuple

from aws_cdk import Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as event_sources
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.cdk.deployment import Deployment
from infra.cdk.functions import DELIVER_TIMEOUT_S

RELAY_BATCH_MAX, DELIVER_BATCH_MAX = 100, 10
RELAY_TRIES_MAX: Final = 10
# A message comes again only after the function that has it is surely over.
VISIBILITY_TIMEOUT_S: Final = 6 * DELIVER_TIMEOUT_S
RECEIVES_MAX: Final = 5
ONLY_NEW_TRANSACTIONS: Final[dict[str, Any]] = {
    "eventName": ["INSERT"],
    "dynamodb": {"Keys": {"record": {"S": [{"prefix": "txn#"}]}}},
}
SENDERS_MAX: Final = 4
"""Senders at a time: of the ten functions at a time of a new account, slow receivers leave six.

By the mapping, as reserving for them is not open to such an account.
"""
KEPT: Final = Duration.days(14)


class Way(NamedTuple):
    """What a webhook passes through."""

    topic: sns.Topic
    deliveries: sqs.Queue
    dead: sqs.Queue
    unrelayed: sqs.Queue


def webhook_way(scope: Construct, deployment: Deployment) -> Way:
    """Return topic and queues; messages name deliveries and hold nothing of them."""
    dead = _queue(scope, deployment, "DeadDeliveries", "deliveries-dead")
    unrelayed = _queue(scope, deployment, "Unrelayed", "unrelayed")
    deliveries = sqs.Queue(
        scope,
        "Deliveries",
        queue_name=f"{deployment.name}-deliveries",
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=not deployment.is_emulated,
        visibility_timeout=Duration.seconds(VISIBILITY_TIMEOUT_S),
        dead_letter_queue=sqs.DeadLetterQueue(queue=dead, max_receive_count=RECEIVES_MAX),
    )
    topic = sns.Topic(
        scope,
        "DeliveriesTopic",
        topic_name=f"{deployment.name}-deliveries",
        enforce_ssl=not deployment.is_emulated,
    )
    topic.add_subscription(subscriptions.SqsSubscription(deliveries, raw_message_delivery=True))
    return Way(topic, deliveries, dead, unrelayed)


def connect_webhooks(
    scope: Construct,
    table: dynamodb.CfnTable,
    way: Way,
    relay: lambda_.Function,
    deliver: lambda_.Function,
) -> None:
    """Have the stream set off the relay, and the queue the sender."""
    lambda_.EventSourceMapping(
        scope,
        "StreamToRelay",
        target=relay,  # pyright: ignore[reportArgumentType] - jsii names parameters anew
        event_source_arn=table.attr_stream_arn,
        starting_position=lambda_.StartingPosition.TRIM_HORIZON,
        batch_size=RELAY_BATCH_MAX,
        bisect_batch_on_error=True,
        retry_attempts=RELAY_TRIES_MAX,
        report_batch_item_failures=True,
        filters=[lambda_.FilterCriteria.filter(ONLY_NEW_TRANSACTIONS)],
        on_failure=event_sources.SqsDlq(way.unrelayed),  # pyright: ignore[reportArgumentType] - jsii names parameters anew
    )
    lambda_.EventSourceMapping(
        scope,
        "QueueToDeliver",
        target=deliver,  # pyright: ignore[reportArgumentType] - jsii names parameters anew
        event_source_arn=way.deliveries.queue_arn,
        batch_size=DELIVER_BATCH_MAX,
        report_batch_item_failures=True,
        max_concurrency=SENDERS_MAX,
    )


def _queue(scope: Construct, deployment: Deployment, title: str, name: str) -> sqs.Queue:
    return sqs.Queue(
        scope,
        title,
        queue_name=f"{deployment.name}-{name}",
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=not deployment.is_emulated,
        retention_period=KEPT,
    )
