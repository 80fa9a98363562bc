"""Every grant of the stack: what each function, the state machine and the schedules may do.

`*` stands only where IAM knows no resource: traces are put, streams are listed, and the delivery of
a state machine's log is set up without one. A function may not make log groups: its own is there.

Parameters are encrypted under `aws/ssm`. That key's own policy lets whoever may read a parameter
decrypt it by way of SSM, so no grant of KMS is needed.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from aws_cdk import aws_iam as iam
from constructs import Construct

from payments_sandbox.adapters.dynamodb_table import BY_CARD, BY_DUE, BY_MERCHANT

API, RELAY, DELIVER, SWEEP, SETTLE = "api", "relay", "deliver", "sweep", "settle"
# A transaction asks for the rights of its actions: Put, ConditionCheck.
_GET, _PUT = "dynamodb:GetItem", "dynamodb:PutItem"
_READ: Final = (_GET, "dynamodb:BatchGetItem", "dynamodb:Query")
_SETTLE: Final = (*_READ, _PUT, "dynamodb:ConditionCheckItem")
# A reset stops batches and deletes.
_SERVE: Final = (*_SETTLE, "dynamodb:UpdateItem", "dynamodb:BatchWriteItem")
_PUBLISH: Final = ("sns:Publish",)
_READ_PARAMETER: Final = ("ssm:GetParameter",)
_FOLLOW_STREAM: Final = (
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
)
_TAKE_MESSAGES: Final = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
_TRACE: Final = ("xray:PutTraceSegments", "xray:PutTelemetryRecords")
_SAMPLE: Final = ("xray:GetSamplingRules", "xray:GetSamplingTargets")
_SET_UP_LOG: Final = (
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
)


class Reach(NamedTuple):
    """What the functions reach: the table's name, and ARNs."""

    table_name: str
    table: str
    stream: str
    topic: str
    deliveries: str
    unrelayed: str
    identity_root: str
    webhook_roots: str


def function_grants(reach: Reach) -> Mapping[str, Sequence[iam.PolicyStatement]]:
    """Return for each function what it may do beside logging and tracing."""
    swept = _indexed(reach, BY_MERCHANT, BY_DUE)
    roots = (reach.identity_root, reach.webhook_roots)
    return {
        API: [
            _may(_SERVE, reach.table),
            *_indexed(reach, BY_CARD, BY_MERCHANT, BY_DUE),
            _may(_READ_PARAMETER, *roots),
            _may(_PUBLISH, reach.topic),
        ],
        RELAY: [
            _may(_FOLLOW_STREAM, reach.stream),
            _may(("dynamodb:ListStreams",), "*"),
            _may((_GET, _PUT), reach.table),
            _may(_PUBLISH, reach.topic),
            _may(("sqs:SendMessage",), reach.unrelayed),
        ],
        DELIVER: [
            _may(_TAKE_MESSAGES, reach.deliveries),
            _may((_GET, _PUT), reach.table),
            _may(_READ_PARAMETER, reach.webhook_roots),
        ],
        SWEEP: [_may(_SETTLE, reach.table), *swept, _may(_PUBLISH, reach.topic)],
        SETTLE: [_may(_SETTLE, reach.table), *swept],
    }


def function_role(
    scope: Construct, name: str, grants: Sequence[iam.PolicyStatement], log_group: str
) -> iam.IRole:
    """Return the role of a function; constructs cannot add to what it may do."""
    own = [_may(("logs:CreateLogStream", "logs:PutLogEvents"), log_group), _may(_TRACE, "*")]
    return _role(scope, name, "lambda.amazonaws.com", [*grants, *own])


def machine_role(scope: Construct, function: str) -> iam.IRole:
    """Return the role of the state machine over its function."""
    invoke = _may(("lambda:InvokeFunction",), function)
    own = [_may(_SET_UP_LOG, "*"), _may((*_TRACE, *_SAMPLE), "*")]
    return _role(scope, "Machine", "states.amazonaws.com", [invoke, *own])


def schedule_role(scope: Construct, name: str, action: str, target: str) -> iam.IRole:
    """Return the role of a schedule, which may start its target and nothing else."""
    return _role(scope, name, "scheduler.amazonaws.com", [_may((action,), target)])


def _role(
    scope: Construct, name: str, service: str, statements: Sequence[iam.PolicyStatement]
) -> iam.IRole:
    role = iam.Role(
        scope,
        f"{name}Role",
        assumed_by=iam.ServicePrincipal(service),  # pyright: ignore[reportArgumentType] - jsii names parameters anew
        inline_policies={"grants": iam.PolicyDocument(statements=[*statements])},
    )
    return role.without_policy_updates()


def _indexed(reach: Reach, *indexes: str) -> list[iam.PolicyStatement]:
    return [_may(("dynamodb:Query",), *(f"{reach.table}/index/{one}" for one in indexes))]


def _may(actions: Sequence[str], *resources: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=[*actions], resources=[*resources])
