"""The alarms: one for each promise, on the metric that shows it, and somebody hears of it."""

import copy
import json
from typing import Any, Final, NamedTuple

from bench.aws_cost import ALARMS
from infra.cdk.webhooks import RECEIVES_MAX, VISIBILITY_TIMEOUT_S
from infra.toolkit import ROOT
from tests.infra.templates import EMAIL, Synthesised

FREE_ALARMS: Final = 10
_AT_LEAST, _BELOW = "GreaterThanOrEqualToThreshold", "LessThanThreshold"


class Watched(NamedTuple):
    """What an alarm looks at: a metric of one resource, by five minutes or by the hour."""

    metric: str
    resource: str
    statistic: str
    threshold: float
    period_s: int = 300
    periods: int = 1
    operator: str = _AT_LEAST
    silence: str = "notBreaching"


_QUEUE_HAS = "AWS/SQS ApproximateNumberOfMessagesVisible"
_MACHINE = "StateMachineArn=StepFunctions::StateMachine Settlement"
_API = "ApiName=payments-sandbox-dev Stage=ApiGateway::Stage GatewayDeploymentStagedev"
_SWEEP = "FunctionName=Lambda::Function SweepFunction"
PROMISES: Final = {
    "Slow": Watched("AWS/ApiGateway Latency", _API, "p95", 1000, periods=3),
    "Failing": Watched("AWS/ApiGateway 5XXError", _API, "Average", 0.01, periods=2),
    "DeadLetters": Watched(
        _QUEUE_HAS, "QueueName=SQS::Queue DeadDeliveries", "Maximum", 1, silence="ignore"
    ),
    "Unrelayed": Watched(
        _QUEUE_HAS, "QueueName=SQS::Queue Unrelayed", "Maximum", 1, silence="ignore"
    ),
    "RelayLate": Watched(
        "AWS/Lambda IteratorAge", "FunctionName=Lambda::Function RelayFunction", "Maximum", 600_000
    ),
    "DeliveriesLate": Watched(
        "AWS/SQS ApproximateAgeOfOldestMessage", "QueueName=SQS::Queue Deliveries", "Maximum", 600
    ),
    "SweepFailing": Watched("AWS/Lambda Errors", _SWEEP, "Sum", 3, periods=2),
    "SweepSilent": Watched("AWS/Lambda Invocations", _SWEEP, "Sum", 1, 300, 2, _BELOW, "breaching"),
    "SettlementFailed": Watched("AWS/States ExecutionsFailed", _MACHINE, "Sum", 1, 3600),
    "SettlementLate": Watched(
        "AWS/States ExecutionsSucceeded", _MACHINE, "Sum", 1, 3600, 3, _BELOW, "breaching"
    ),
}


def watched_by(stage: Synthesised) -> dict[str, Watched]:
    """Return what each alarm looks at, by the end of its name."""
    return {
        one["AlarmName"].rpartition("-")[2]: Watched(
            f"{one['Namespace']} {one['MetricName']}",
            " ".join(f"{d['Name']}={stage.resource(d['Value'])}" for d in one["Dimensions"]),
            one.get("Statistic") or one["ExtendedStatistic"],
            one["Threshold"],
            one["Period"],
            one["EvaluationPeriods"],
            one["ComparisonOperator"],
            one["TreatMissingData"],
        )
        for one in stage.all("CloudWatch::Alarm").values()
    }


def unheard(stage: Synthesised) -> list[str]:
    """Return the alarms that nobody hears of, when they begin or when they end."""
    topic = ["SNS::Topic AlarmsTopic"]
    return [
        one["AlarmName"]
        for one in stage.all("CloudWatch::Alarm").values()
        for actions in ("AlarmActions", "OKActions")
        if [stage.resource(action) for action in one.get(actions, [])] != topic
        or one.get("ActionsEnabled") is False
    ]


def planted(stage: Synthesised, name: str, **changes: Any) -> Synthesised:
    """Return the stage with an alarm changed."""
    template: Any = copy.deepcopy(stage.template)
    (alarm,) = (
        one["Properties"]
        for one in template["Resources"].values()
        if one["Type"] == "AWS::CloudWatch::Alarm" and one["Properties"]["AlarmName"].endswith(name)
    )
    alarm.update(changes)
    return stage._replace(template=template)


def test_each_promise_has_its_alarm(dev: Synthesised) -> None:
    """On the right metric of the right resource, at the threshold that docs/aws.md tells."""
    assert watched_by(dev) == PROMISES


def test_each_alarm_says_what_to_do() -> None:
    """In its row in the documentation, where its description points."""
    page = (ROOT / "docs" / "aws.md").read_text(encoding="utf-8")
    _, _, section = page.partition("\n## Dashboard and alarms\n")
    rows = [line.split("|")[1].strip(" `") for line in section.splitlines() if line.count("|") == 5]

    assert rows[2:] == [*PROMISES]


def test_somebody_hears_of_each(dev: Synthesised, prod: Synthesised) -> None:
    """When it begins and when it ends."""
    assert (unheard(dev), unheard(prod)) == ([], [])


def test_a_fault_is_found(dev: Synthesised) -> None:
    """Another function, a lower threshold and a missing action, planted, are told of."""
    other = [{"Name": "FunctionName", "Value": "payments-sandbox-other-relay"}]

    assert watched_by(planted(dev, "RelayLate", Dimensions=other)) != PROMISES
    assert watched_by(planted(dev, "DeadLetters", Threshold=2)) != PROMISES
    assert unheard(planted(dev, "Slow", AlarmActions=[])) == ["payments-sandbox-dev-Slow"]
    assert unheard(planted(dev, "Slow", OKActions=["arn:other"])) == ["payments-sandbox-dev-Slow"]


def test_an_account_has_them_for_nothing(dev: Synthesised) -> None:
    """Each is of one metric at the standard resolution, and docs/cost.md counts them all."""
    alarms = dev.all("CloudWatch::Alarm").values()

    assert len(alarms) == ALARMS <= FREE_ALARMS
    assert [one for one in alarms if "Metrics" in one or one["Period"] % 60 != 0] == []


def test_two_stages_do_not_mix(dev: Synthesised, prod: Synthesised) -> None:
    """Their alarms have names of their own, and watch resources of their own."""
    names = [{one["AlarmName"] for one in s.all("CloudWatch::Alarm").values()} for s in (dev, prod)]
    assert [len(names[0]), len(names[1]), len(names[0] | names[1])] == [ALARMS, ALARMS, 2 * ALARMS]
    assert "payments-sandbox-dev" not in json.dumps(prod.template)


def test_a_message_may_be_tried_again_before_it_is_late() -> None:
    """A sender that breaks down once is no alarm; one that breaks down each time is two."""
    late_s = PROMISES["DeliveriesLate"].threshold

    assert VISIBILITY_TIMEOUT_S < late_s < RECEIVES_MAX * VISIBILITY_TIMEOUT_S


def test_an_execution_fails_or_is_late(dev: Synthesised) -> None:
    """None times out, as none has a timeout of its own: what hangs or is stopped is late."""
    machine = dev.one("StepFunctions::StateMachine")

    assert "TimeoutSeconds" not in json.loads(machine["DefinitionString"])


def test_alarms_may_publish(dev: Synthesised) -> None:
    """A policy of its own replaces the default, so it says so: this account's alarms, by name."""
    (policy,) = (
        one
        for one in dev.all("SNS::TopicPolicy").values()
        if "AlarmsTopic" in json.dumps(one["Topics"])
    )
    (allowed,) = (one for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Allow")
    source = dev.resource(allowed["Condition"]["ArnLike"]["aws:SourceArn"])

    assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert (allowed["Action"], dev.resource(allowed["Resource"])) == (
        "sns:Publish",
        "SNS::Topic AlarmsTopic",
    )
    assert source == "arn:partition:cloudwatch:region:accountid:alarm:payments-sandbox-dev-*"
    assert dev.resource(allowed["Condition"]["StringEquals"]["aws:SourceAccount"]) == "accountid"


def test_no_key_keeps_alarms_out(dev: Synthesised) -> None:
    """AWS' own key for SNS would: CloudWatch may not use it."""
    topic = dev.named("SNS::Topic", "TopicName", "payments-sandbox-dev-alarms")

    assert "KmsMasterKeyId" not in topic


def test_whom_they_are_mailed_to(dev: Synthesised, prod: Synthesised) -> None:
    """The address in the context; without one nobody, and an output says how to subscribe."""
    mails = [
        [one for one in stage.all("SNS::Subscription").values() if one["Protocol"] == "email"]
        for stage in (dev, prod)
    ]
    command = prod.resource(prod.template["Outputs"]["AlarmsCommand"]["Value"])

    assert [len(one) for one in mails] == [1, 0]
    assert mails[0][0]["Endpoint"] == EMAIL
    assert dev.resource(mails[0][0]["TopicArn"]) == "SNS::Topic AlarmsTopic"
    assert "aws sns subscribe --topic-arn SNS::Topic AlarmsTopic --protocol email" in command
