"""What the rule packs of cdk-nag find and we mean: each with its place and its reason."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from aws_cdk import Acknowledgment, Stack, Validations
from constructs import IConstruct

_FUNCTIONS: Final = ("Api", "Relay", "Deliver", "Sweep", "Settle")
_EVERY_RESOURCE: Final = "AwsSolutions::AwsSolutions-IAM5[Resource::*]"
_LOGGING_POLICY: Final = (
    "AwsSolutions::AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/"
    "AmazonAPIGatewayPushToCloudWatchLogs]"
)


class Meant(NamedTuple):
    """Rules that are broken on purpose: by which constructs of the stack, and why."""

    reason: str
    rules: Sequence[str]
    places: Sequence[str]


MEANT: Final = (
    Meant(
        "Traces are put, and streams listed, without a resource; nothing else is granted on all.",
        (_EVERY_RESOURCE, "Serverless::Serverless-LambdaStarPermissions"),
        tuple(f"{name}Role" for name in _FUNCTIONS),
    ),
    Meant(
        "Traces and the delivery of its log are set up without a resource.",
        (_EVERY_RESOURCE,),
        ("MachineRole",),
    ),
    Meant(
        "The bundle is built for Python 3.13, which SnapStart has, and tested with it.",
        ("AwsSolutions::AwsSolutions-L1", "Serverless::Serverless-LambdaLatestVersion"),
        tuple(f"{name}Function" for name in _FUNCTIONS),
    ),
    Meant(
        "Nothing is lost with an invocation: callers of the API are answered, stream and queue have"
        " failure queues of their own, the state machine tries again, the next minute sweeps.",
        ("Serverless::Serverless-LambdaDLQ",),
        tuple(f"{name}Function" for name in _FUNCTIONS),
    ),
    Meant(
        "A sweep that fails is made up for by the next one, a minute later.",
        ("Serverless::Serverless-LambdaAsyncFailureDestination",),
        ("SweepFunction/EventInvokeConfig",),
    ),
    Meant(
        "A sweep each minute would be most of all traces; its log and its errors tell of it.",
        ("Serverless::Serverless-LambdaTracing",),
        ("SweepFunction",),
    ),
    Meant(
        "The queue has a dead-letter queue; a mapping of a queue takes no other destination.",
        ("Serverless::Serverless-LambdaEventSourceMappingDestination",),
        ("QueueToDeliver",),
    ),
    Meant(
        "These hold what has failed already, until somebody looks.",
        ("Serverless::Serverless-SQSRedrivePolicy",),
        ("Unrelayed", "DeadDeliveries"),
    ),
    Meant(
        "It is the failure queue of the stream's mapping, which the rule does not see.",
        ("AwsSolutions::AwsSolutions-SQS3",),
        ("Unrelayed",),
    ),
    Meant(
        "A message that does not reach the queue is published again by the sweep, two minutes on.",
        ("Serverless::Serverless-SNSRedrivePolicy",),
        ("Deliveries",),
    ),
    Meant(
        "A mail that AWS cannot send is missed, and the dashboard shows the alarm all the same.",
        ("Serverless::Serverless-SNSRedrivePolicy",),
        ("AlarmsMail",),
    ),
    Meant(
        "The app checks every request itself, in its own words, the same here and locally.",
        ("AwsSolutions::AwsSolutions-APIG2",),
        ("Gateway",),
    ),
    Meant(
        "A firewall costs 5 USD a month and more; keys and rates stand before the function.",
        ("AwsSolutions::AwsSolutions-APIG3",),
        ("Gateway",),
    ),
    Meant(
        "Who may enter is told by API keys, which every method but /health wants.",
        ("AwsSolutions::AwsSolutions-APIG4", "AwsSolutions::AwsSolutions-COG4"),
        ("Gateway",),
    ),
    Meant(
        "Accesses are logged. Execution logs would be made outside the stack, kept for ever, and"
        " could hold what was sent.",
        ("AwsSolutions::AwsSolutions-APIG6",),
        ("Gateway",),
    ),
    Meant(
        "API Gateway wants this policy of the role by which it logs for the whole account.",
        (_LOGGING_POLICY,),
        ("Gateway/CloudWatchRole",),
    ),
    Meant(
        "Only the stage prod is kept; what is in others is play money of play money.",
        ("AwsSolutions::AwsSolutions-DDB3",),
        ("Ledger",),
    ),
    Meant(
        "The gateway calls the alias, which is of a published version.",
        ("Annotation::@aws-cdk/aws-lambda:snapStartRequirePublish",),
        ("ApiFunction",),
    ),
)

MEANT_OF_SITE: Final = (
    Meant(
        "The documentation is for everybody, wherever they are.",
        ("AwsSolutions::AwsSolutions-CFR1",),
        ("Distribution",),
    ),
    Meant(
        "A firewall costs 5 USD a month and more; there is nothing here but public files.",
        ("AwsSolutions::AwsSolutions-CFR2",),
        ("Distribution",),
    ),
    Meant(
        "Who reads the documentation is not noted: a log would hold addresses of people.",
        ("AwsSolutions::AwsSolutions-CFR3",),
        ("Distribution",),
    ),
    Meant(
        "The oldest TLS can be chosen only with a domain and a certificate of one's own.",
        ("AwsSolutions::AwsSolutions-CFR4",),
        ("Distribution",),
    ),
    Meant(
        "Only CloudFront reads it, and what it reads is not noted either.",
        ("AwsSolutions::AwsSolutions-S1",),
        ("Site",),
    ),
)


def acknowledge(stack: Stack, meant: Sequence[Meant]) -> None:
    """Tell the rule packs what is meant, where and why."""
    for one in meant:
        told = [Acknowledgment(id=rule, reason=one.reason) for rule in one.rules]
        for place in one.places:
            found = _at(stack, place)
            if found is not None:
                Validations.of(found).acknowledge(*told)


def _at(stack: Stack, place: str) -> IConstruct | None:
    """Return what is there: not every stage has somebody to mail to."""
    found: IConstruct | None = stack
    for name in place.split("/"):
        found = None if found is None else found.node.try_find_child(name)
    return found
