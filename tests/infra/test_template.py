"""What a stage's template says of data, functions, webhooks, settlement and the gateway."""

import json
import re
from typing import Any

import pytest

from infra.cdk.acknowledged import MEANT, MEANT_OF_SITE
from infra.cdk.deployment import DeploymentRefused, deployment_of
from payments_sandbox.adapters.dynamodb_table import table_definition
from payments_sandbox.api.problems import EDGE_PROBLEMS
from tests.infra.templates import Synthesised, texts

FUNCTIONS = ("api", "relay", "deliver", "sweep", "settle")
NO_SECRET = {"LEDGER_TABLE", "STAGE", "DELIVERIES_TOPIC"}


def test_the_table_is_the_adapter_s(dev: Synthesised) -> None:
    """Keys, indexes, stream and billing are those that `create_table` asks for."""
    wanted: dict[str, Any] = {**table_definition("PaymentsLedger-dev")}
    stream = wanted.pop("StreamSpecification")
    table = dev.one("DynamoDB::Table")

    assert {name: table[name] for name in wanted} == wanted
    assert table["StreamSpecification"] == {"StreamViewType": stream["StreamViewType"]}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


def test_the_table_is_encrypted_for_nothing(dev: Synthesised) -> None:
    """DynamoDB encrypts each table; without a word about it under its own key, which is free."""
    assert "SSESpecification" not in dev.one("DynamoDB::Table")


@pytest.mark.parametrize(
    ("stage", "is_kept", "policy"), [("dev", False, "Delete"), ("prod", True, "Retain")]
)
def test_only_prod_outlives_mistakes(
    stage: str,
    is_kept: bool,  # noqa: FBT001 - pytest passes it by name
    policy: str,
    request: pytest.FixtureRequest,
) -> None:
    """Its table cannot be deleted, can be restored, and stays when the stack goes."""
    synthesised: Synthesised = request.getfixturevalue(stage)
    table = synthesised.one("DynamoDB::Table")
    (whole,) = (
        one
        for one in synthesised.template["Resources"].values()
        if one["Type"] == "AWS::DynamoDB::Table"
    )

    assert table["DeletionProtectionEnabled"] is is_kept
    assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is is_kept
    assert whole["DeletionPolicy"] == policy


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_runs_the_bundle(name: str, dev: Synthesised) -> None:
    """On arm64 and Python 3.13, with a log of its own, and told no secret.

    All are traced but the sweep, whose traces would be most of all and show nothing.
    """
    function = dev.named("Lambda::Function", "FunctionName", f"payments-sandbox-dev-{name}")

    assert function["Handler"] == f"payments_sandbox.entrypoints.aws_{name}.handler"
    assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["arm64"])
    assert function["TracingConfig"] == {"Mode": "PassThrough" if name == "sweep" else "Active"}
    assert function["Timeout"] == (29 if name == "api" else 60)
    assert set(function["Environment"]["Variables"]) == NO_SECRET
    assert "ReservedConcurrentExecutions" not in function
    assert ("SnapStart" in function) is (name == "api")
    assert dev.resource(function["LoggingConfig"]["LogGroup"]).endswith(f"{name.title()}Log")


def test_every_log_is_kept_for_a_week(dev: Synthesised) -> None:
    """Those of the functions, of accesses and of the state machine."""
    kept = [one["RetentionInDays"] for one in dev.all("Logs::LogGroup").values()]

    assert kept == [7] * (len(FUNCTIONS) + 2)


def test_the_gateway_calls_a_version_and_old_ones_go(dev: Synthesised) -> None:
    """Only the API has a version, which starts from a snapshot, and its alias is what is called."""
    (version,) = (
        one for one in dev.template["Resources"].values() if one["Type"] == "AWS::Lambda::Version"
    )
    called = [
        json.dumps(one["Integration"]["Uri"]) for one in dev.all("ApiGateway::Method").values()
    ]

    assert dev.resource(version["Properties"]["FunctionName"]) == "Lambda::Function ApiFunction"
    assert version.get("DeletionPolicy", "Delete") == "Delete"
    assert [re.search(r'"Ref": "Live', one) is not None for one in called] == [True] * 3


def test_failures_of_webhooks_are_kept(dev: Synthesised) -> None:
    """What the sender gave up, and what could not be relayed, waits two weeks; all is encrypted."""
    name = "payments-sandbox-dev"
    queue = dev.named("SQS::Queue", "QueueName", f"{name}-deliveries")
    mappings = dev.all("Lambda::EventSourceMapping").values()
    relay = next(one for one in mappings if "FilterCriteria" in one)

    dead = dev.resource(queue["RedrivePolicy"]["deadLetterTargetArn"])
    lost = dev.resource(relay["DestinationConfig"]["OnFailure"]["Destination"])
    kept = [one.get("MessageRetentionPeriod") for one in dev.all("SQS::Queue").values()]
    assert (dead, queue["RedrivePolicy"]["maxReceiveCount"]) == ("SQS::Queue DeadDeliveries", 5)
    assert (lost, relay["MaximumRetryAttempts"]) == ("SQS::Queue Unrelayed", 10)
    assert sorted(kept, key=str) == [1209600, 1209600, None]
    assert all(one["SqsManagedSseEnabled"] for one in dev.all("SQS::Queue").values())


def test_stream_and_queue_set_off_their_functions(dev: Synthesised) -> None:
    """In batches of which a part may fail, and no more than four senders at a time."""
    mappings = dev.all("Lambda::EventSourceMapping").values()
    by_function = {dev.resource(one["FunctionName"]): one for one in mappings}
    relay = by_function["Lambda::Function RelayFunction"]
    deliver = by_function["Lambda::Function DeliverFunction"]
    (pattern,) = (json.loads(one["Pattern"]) for one in relay["FilterCriteria"]["Filters"])

    assert all(one["FunctionResponseTypes"] == ["ReportBatchItemFailures"] for one in mappings)
    assert dev.resource(relay["EventSourceArn"]) == "DynamoDB::Table Ledger stream"
    assert pattern["dynamodb"]["Keys"]["record"]["S"] == [{"prefix": "txn#"}]
    assert (relay["BisectBatchOnFunctionError"], relay["BatchSize"]) == (True, 100)
    assert dev.resource(deliver["EventSourceArn"]) == "SQS::Queue Deliveries"
    assert deliver["ScalingConfig"] == {"MaximumConcurrency": 4}


def test_messages_arrive_as_they_were_published(dev: Synthesised) -> None:
    """The queue takes them from the topic alone, raw."""
    subscription = dev.named("SNS::Subscription", "Protocol", "sqs")

    assert subscription["RawMessageDelivery"] is True
    assert dev.resource(subscription["TopicArn"]) == "SNS::Topic DeliveriesTopic"
    assert dev.resource(subscription["Endpoint"]) == "SQS::Queue Deliveries"


def test_nothing_travels_in_the_clear(dev: Synthesised) -> None:
    """Each queue and topic refuses what is not encrypted on its way."""
    kinds = ("SQS::QueuePolicy", "SNS::TopicPolicy")
    policies = [one for kind in kinds for one in dev.all(kind).values()]
    refused = [
        statement["Condition"]
        for one in policies
        for statement in one["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny"
    ]

    assert refused == [{"Bool": {"aws:SecureTransport": "false"}}] * 5


def test_sweep_and_settlement_run_by_the_clock(dev: Synthesised) -> None:
    """Each minute and each hour, exactly then."""
    schedules = {
        one["ScheduleExpression"]: (dev.resource(one["Target"]["Arn"]), one["FlexibleTimeWindow"])
        for one in dev.all("Scheduler::Schedule").values()
    }

    assert schedules == {
        "rate(1 minute)": ("Lambda::Function SweepFunction", {"Mode": "OFF"}),
        "rate(1 hour)": ("StepFunctions::StateMachine Settlement", {"Mode": "OFF"}),
    }


def test_a_sweep_is_not_made_up_for_by_an_older_one(dev: Synthesised) -> None:
    """One that is throttled or fails is dropped within the minute in which the next one comes."""
    asked = dev.one("Lambda::EventInvokeConfig")

    assert dev.resource(asked["FunctionName"]) == "Lambda::Function SweepFunction"
    assert (asked["MaximumRetryAttempts"], asked["MaximumEventAgeInSeconds"]) == (0, 60)


def test_settlement_is_watched(dev: Synthesised) -> None:
    """Its failure is an execution's, its log names no data, and its function is filled in."""
    machine = dev.one("StepFunctions::StateMachine")
    states = json.loads(machine["DefinitionString"])["States"]

    assert states["Incomplete"]["Type"] == "Fail"
    assert set(machine["DefinitionSubstitutions"]) == {"SettleFunction"}
    assert machine["TracingConfiguration"] == {"Enabled": True}
    assert machine["LoggingConfiguration"]["Level"] == "ALL"
    assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False


def test_all_but_health_wants_a_key(dev: Synthesised) -> None:
    """There are two resources, and one method of one of them is open."""
    paths = {name: one["PathPart"] for name, one in dev.all("ApiGateway::Resource").items()}
    keyed = {
        (one["HttpMethod"], paths[one["ResourceId"]["Ref"]]): one["ApiKeyRequired"]
        for one in dev.all("ApiGateway::Method").values()
    }

    assert keyed == {("GET", "health"): False, ("ANY", "health"): True, ("ANY", "{proxy+}"): True}
    assert dev.one("ApiGateway::RestApi")["BinaryMediaTypes"] == ["*/*"]


def test_a_key_s_first_minute_is_hardly_more_than_the_others(dev: Synthesised) -> None:
    """A hundred a minute, and a bucket of ten on top of it in the first."""
    plan = dev.one("ApiGateway::UsagePlan")

    assert plan["UsagePlanName"] == "payments-sandbox-dev"
    assert plan["Throttle"]["RateLimit"] * 60 == pytest.approx(100)
    assert plan["Throttle"]["BurstLimit"] == 10


def test_what_is_open_has_a_rate(dev: Synthesised) -> None:
    """Who has no key cannot have the function run more than twelve times a minute.

    A stage knows methods by their names: it keeps a rate for `ANY`, and does not apply it.
    """
    settings = dev.one("ApiGateway::Stage")["MethodSettings"]
    rates = {
        (one["HttpMethod"], one["ResourcePath"]): one["ThrottlingRateLimit"] for one in settings
    }

    assert rates == {("*", "/*"): 100, ("GET", "/~1health"): 0.2}


@pytest.mark.parametrize(
    ("kind", "status", "code", "retry_after"),
    [
        ("INVALID_API_KEY", 401, "unauthorized", None),
        ("THROTTLED", 429, "quota_exceeded", "'1'"),
        ("QUOTA_EXCEEDED", 429, "quota_exceeded", "'3600'"),
        ("REQUEST_TOO_LARGE", 413, "body_too_large", None),
        ("MISSING_AUTHENTICATION_TOKEN", 404, "not_found", None),
        ("DEFAULT_4XX", 400, "malformed_request", None),
        ("DEFAULT_5XX", 500, "internal_error", None),
    ],
)
def test_the_gateway_answers_as_the_app(
    kind: str, status: int, code: str, retry_after: str | None, dev: Synthesised
) -> None:
    """What it refuses itself is a problem with the app's code, status and words."""
    answer = dev.named("ApiGateway::GatewayResponse", "ResponseType", kind)
    headers = answer["ResponseParameters"]
    (body,) = (json.loads(one) for one in answer["ResponseTemplates"].values())

    assert answer["StatusCode"] == str(status)
    assert (body["status"], body["code"], body["detail"]) == (status, code, EDGE_PROBLEMS[code][1])
    assert headers["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
    assert headers.get("gatewayresponse.header.Retry-After") == retry_after


def test_accesses_are_noted_without_what_was_sent(dev: Synthesised) -> None:
    """Neither path nor query nor address: the resource's template names where."""
    noted = dev.one("ApiGateway::Stage")["AccessLogSetting"]["Format"]

    assert {"$context.requestId", "$context.status"} <= {*json.loads(noted).values()}
    assert re.search(r"\$context\.(path|requestOverride|identity\.sourceIp)", noted) is None


def test_no_secret_is_in_the_template(dev: Synthesised, prod: Synthesised) -> None:
    """No key, no root, no parameter's value, and no parameter that is made."""
    for one in (dev, prod):
        found = [
            text
            for text in texts(one.template)
            if re.search(r"sk_test_|whsec_|AKIA|\{\{resolve:|BEGIN [A-Z ]*KEY", text)
        ]
        assert found == []
        assert one.all("SSM::Parameter") == {}
        assert one.all("ApiGateway::ApiKey") == {}


def test_each_acknowledgement_has_its_reason() -> None:
    """A reason is a sentence."""
    meant = [*MEANT, *MEANT_OF_SITE]

    assert [one.rules for one in meant if len(one.reason) < 40 or one.reason[-1] != "."] == []


@pytest.mark.parametrize(
    ("context", "account"),
    [
        ({"target": "emulator"}, "123456789012"),
        ({"target": "somewhere"}, None),
        ({"receiver": "127.0.0.1:9"}, None),
        ({"stage": "No Stage"}, None),
        ({"stage": "dev-docs"}, None),
        ({"stage": "dev-cost-guard"}, None),
        ({"email": "nobody"}, None),
    ],
    ids=[
        "another account",
        "unknown target",
        "receiver in AWS",
        "bad stage",
        "a site's",
        "a guard's",
        "no address",
    ],
)
def test_what_is_not_deployed(
    context: dict[str, str], account: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The emulator's target goes to no account but the emulator's, and its receiver nowhere."""
    monkeypatch.delenv("CDK_DEFAULT_ACCOUNT", raising=False)
    if account is not None:
        monkeypatch.setenv("CDK_DEFAULT_ACCOUNT", account)

    with pytest.raises(DeploymentRefused):
        deployment_of(context.get)
