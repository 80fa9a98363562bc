"""The way of a webhook in AWS: stream, relay, topic, queue, sender, and a sweep each minute."""

import json
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from payments_sandbox.adapters.aws_clients import new_client

ROLE: Final = "arn:aws:iam::000000000000:role/emulated"
RELAY_BATCH_MAX, DELIVER_BATCH_MAX = 100, 10
RELAY_TRIES_MAX: Final = 10
DELIVER_TIMEOUT_S: Final = 60
# A message comes again only after the function that has it is surely over.
VISIBILITY_TIMEOUT_S: Final = 6 * DELIVER_TIMEOUT_S
RECEIVES_MAX: Final = 5
ONLY_NEW_TRANSACTIONS: Final[dict[str, Any]] = {
    "eventName": ["INSERT"],
    "dynamodb": {"Keys": {"record": {"S": [{"prefix": "txn#"}]}}},
}
MakeFunction = Callable[[str, str], str]


class Way(NamedTuple):
    """What the functions must know, and what a test may look at."""

    topic: str
    queue: str


def make_topic(stage: str) -> Way:
    """Make the topic and the queue behind it, with a dead-letter queue; return their ARNs."""
    sns, sqs = new_client("sns"), new_client("sqs")
    name = f"payments-sandbox-{stage}-deliveries"
    topic = sns.create_topic(Name=name)["TopicArn"]
    dead = _arn(sqs, sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"])
    redrive = {"deadLetterTargetArn": dead, "maxReceiveCount": RECEIVES_MAX}
    url = sqs.create_queue(
        QueueName=name,
        Attributes={
            "VisibilityTimeout": str(VISIBILITY_TIMEOUT_S),
            "RedrivePolicy": json.dumps(redrive),
        },
    )["QueueUrl"]
    queue = _arn(sqs, url)
    sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=queue,
        Attributes={"RawMessageDelivery": "true"},
    )
    return Way(topic, queue)


def connect(stage: str, table: str, way: Way, make_function: MakeFunction) -> str:
    """Make the functions and what sets them off; return the name of the sweep."""
    client = new_client("lambda", read_timeout_s=30)
    stream = new_client("dynamodb").describe_table(TableName=table)["Table"]["LatestStreamArn"]
    client.create_event_source_mapping(
        EventSourceArn=stream,
        FunctionName=make_function("relay", "aws_relay"),
        StartingPosition="TRIM_HORIZON",
        BatchSize=RELAY_BATCH_MAX,
        BisectBatchOnFunctionError=True,
        MaximumRetryAttempts=RELAY_TRIES_MAX,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        FilterCriteria={"Filters": [{"Pattern": json.dumps(ONLY_NEW_TRANSACTIONS)}]},
    )
    client.create_event_source_mapping(
        EventSourceArn=way.queue,
        FunctionName=make_function("deliver", "aws_deliver"),
        BatchSize=DELIVER_BATCH_MAX,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    sweep = make_function("sweep", "aws_sweep")
    new_client("scheduler").create_schedule(
        Name=f"payments-sandbox-{stage}-sweep",
        ScheduleExpression="rate(1 minute)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": sweep, "RoleArn": ROLE},
    )
    return sweep


def _arn(sqs: Any, url: str) -> str:  # noqa: ANN401 - a client without types
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return answer["Attributes"]["QueueArn"]
