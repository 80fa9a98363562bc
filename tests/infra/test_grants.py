"""What each function may do: these actions on these resources, and nothing else."""

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, Final

import pytest

from tests.infra.templates import Synthesised

TABLE: Final = "DynamoDB::Table Ledger"
TOPIC: Final = "SNS::Topic DeliveriesTopic"
ROOTS: Final = "arn:partition:ssm:region:accountid:parameter/payments-sandbox/dev"
SETTLE: Final = {
    f"dynamodb:{one} {TABLE}"
    for one in ("GetItem", "BatchGetItem", "Query", "PutItem", "ConditionCheckItem")
} | {f"dynamodb:Query {TABLE}/index/{one}" for one in ("by_merchant", "by_due")}
GRANTED: Final = {
    "Api": SETTLE
    | {
        f"dynamodb:UpdateItem {TABLE}",
        f"dynamodb:BatchWriteItem {TABLE}",
        f"dynamodb:Query {TABLE}/index/by_card",
        f"ssm:GetParameter {ROOTS}/identity-root",
        f"ssm:GetParameter {ROOTS}/webhook-roots",
        f"sns:Publish {TOPIC}",
    },
    "Relay": {
        f"dynamodb:DescribeStream {TABLE} stream",
        f"dynamodb:GetRecords {TABLE} stream",
        f"dynamodb:GetShardIterator {TABLE} stream",
        "dynamodb:ListStreams *",
        f"dynamodb:GetItem {TABLE}",
        f"dynamodb:PutItem {TABLE}",
        f"sns:Publish {TOPIC}",
        "sqs:SendMessage SQS::Queue Unrelayed",
    },
    "Deliver": {
        "sqs:ReceiveMessage SQS::Queue Deliveries",
        "sqs:DeleteMessage SQS::Queue Deliveries",
        "sqs:GetQueueAttributes SQS::Queue Deliveries",
        f"dynamodb:GetItem {TABLE}",
        f"dynamodb:PutItem {TABLE}",
        f"ssm:GetParameter {ROOTS}/webhook-roots",
    },
    "Sweep": SETTLE | {f"sns:Publish {TOPIC}"},
    "Settle": SETTLE,
}
TRACES: Final = {"xray:PutTraceSegments *", "xray:PutTelemetryRecords *"}


def listed(value: Any) -> list[Any]:
    """Return a list as it is, and anything else as a list of it."""
    return [*value] if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownVariableType] - JSON


def granted(stage: Synthesised, role: str) -> Iterator[str]:
    """Yield each action with its resource."""
    for one in stage.statements(role):
        assert one["Effect"] == "Allow"
        for action in listed(one["Action"]):
            for resource in listed(one["Resource"]):
                yield f"{action} {stage.resource(resource)}"


@pytest.mark.parametrize("name", GRANTED)
def test_a_function_may_do_this_and_nothing_else(name: str, dev: Synthesised) -> None:
    """Its own log and traces beside what it calls."""
    log = f"Logs::LogGroup {name}Log"
    own = {f"logs:CreateLogStream {log}", f"logs:PutLogEvents {log}"}

    assert set(granted(dev, f"{name}Role")) == GRANTED[name] | own | TRACES


def test_each_function_has_its_own_role(dev: Synthesised) -> None:
    """No role is used twice, and none has a managed policy or one from elsewhere."""
    functions = dev.all("Lambda::Function").values()
    roles = [dev.resource(one["Role"]) for one in functions]

    assert sorted(roles) == [f"IAM::Role {name}Role" for name in sorted(GRANTED)]
    assert dev.all("IAM::Policy") == {}
    assert dev.all("IAM::ManagedPolicy") == {}
    assert [name for name, one in dev.all("IAM::Role").items() if "ManagedPolicyArns" in one] == [
        next(name for name in dev.all("IAM::Role") if name.startswith("GatewayCloudWatchRole"))
    ]


def test_all_is_granted_only_where_iam_knows_no_resource(dev: Synthesised) -> None:
    """As its own list of actions has it; a resource is named for those that take one."""
    known = iam_actions()
    roles = [one for one in dev.all("IAM::Role") if not one.startswith("GatewayCloudWatchRole")]
    wrong = [
        one
        for role in roles
        for one in granted(dev, role)
        if one.endswith(" *") is known[one.partition(" ")[0].lower()]
    ]

    assert wrong == []


def iam_actions() -> dict[str, bool]:
    """Return the actions IAM has, in small letters, and whether each takes a resource."""
    listed = files("cfnlint") / "data" / "AdditionalSpecs" / "Policies.json"
    services = json.loads(listed.read_text())
    return {
        f"{service}:{action}".lower(): bool(about.get("Resources"))
        for service, one in services.items()
        for action, about in one["Actions"].items()
    }


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("SweepScheduleRole", {"lambda:InvokeFunction Lambda::Function SweepFunction"}),
        (
            "SettlementScheduleRole",
            {"states:StartExecution StepFunctions::StateMachine Settlement"},
        ),
    ],
)
def test_a_schedule_may_start_its_target(role: str, expected: set[str], dev: Synthesised) -> None:
    """And nothing else."""
    assert set(granted(dev, role)) == expected


def test_the_machine_may_invoke_its_function(dev: Synthesised) -> None:
    """And no other."""
    invoked = [one for one in granted(dev, "MachineRole") if one.startswith("lambda:")]

    assert invoked == ["lambda:InvokeFunction Lambda::Function SettleFunction"]
