"""A topic with the queue behind it, for tests of the functions; the stack makes them in AWS."""

from typing import Any, Final, NamedTuple

from payments_sandbox.adapters.aws_clients import new_client

ROLE: Final = "arn:aws:iam::000000000000:role/emulated"


class Way(NamedTuple):
    """What the functions must know, and what a test may look at."""

    topic: str
    queue: str


def make_topic(stage: str) -> Way:
    """Make the topic and the queue; return their ARNs."""
    sns, sqs = new_client("sns"), new_client("sqs")
    name = f"payments-sandbox-{stage}-deliveries"
    topic = sns.create_topic(Name=name)["TopicArn"]
    queue = _arn(sqs, sqs.create_queue(QueueName=name)["QueueUrl"])
    sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=queue,
        Attributes={"RawMessageDelivery": "true"},
    )
    return Way(topic, queue)


def _arn(sqs: Any, url: str) -> str:
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return answer["Attributes"]["QueueArn"]
