"""The alarms of a stage, one for each promise, all to one topic that mails whoever runs it.

Each watches one metric at the standard resolution: AWS gives ten such alarms free of charge.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from aws_cdk import Aws, CfnOutput
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.cdk.deployment import Deployment
from infra.cdk.grants import RELAY, SWEEP
from infra.cdk.measures import AVERAGE, MAXIMUM, SUM, Measures

SLOW_MS: Final = 1_000
"""p95 of an answer. A warm one is assumed to take 40 ms in the function (docs/cost.md)."""
SLOW_PERIODS: Final = 3
"""In a row: with few requests, a cold start or two are the p95 of one period."""
FAILING_SHARE: Final = 0.01
FAILING_PERIODS: Final = 2
STALE_S: Final = 600
"""Longer than a message is hidden after its sender broke down (6 min): the next try mends that."""
SWEEPS_FAILING: Final = 3
"""Of the five of a period: one that fails is made up for by the next."""
SWEEP_PERIODS: Final = 2
LATE_HOURS: Final = 3
"""Settlement runs each hour; a run that fails is made up for by the next."""
_BROKEN: Final = cloudwatch.TreatMissingData.BREACHING
"""Of what must happen, nothing is measured when it does not."""
_AS_BEFORE: Final = cloudwatch.TreatMissingData.IGNORE
"""Nothing is measured of a queue that nothing was done with for six hours, whatever is in it."""


class Promise(NamedTuple):
    """What is promised: the metric that shows it, and where the promise is broken."""

    says: str
    metric: cloudwatch.Metric
    threshold: float
    periods: int = 1
    is_broken_below: bool = False
    silence: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING
    """What it means that nothing is measured."""


def promises(measures: Measures) -> Mapping[str, Promise]:
    """Return each promise by the name of its alarm."""
    way, waiting = measures.way, "ApproximateNumberOfMessagesVisible"
    return {
        "Slow": Promise(
            "Answers are quick: 95 of 100 within a second.",
            measures.gateway("Latency", "p95"), SLOW_MS, SLOW_PERIODS),
        "Failing": Promise(
            "Requests are answered: fewer than 1 of 100 by a 5xx.",
            measures.gateway("5XXError", AVERAGE), FAILING_SHARE, FAILING_PERIODS),
        "DeadLetters": Promise(
            "The sender works: no message comes back from it five times.",
            measures.queue(way.dead, waiting, MAXIMUM), 1, silence=_AS_BEFORE),
        "Unrelayed": Promise(
            "Every event becomes deliveries: no part of the stream is left out.",
            measures.queue(way.unrelayed, waiting, MAXIMUM), 1, silence=_AS_BEFORE),
        "RelayLate": Promise(
            "Events become deliveries at once: the relay keeps up with the stream.",
            measures.function(RELAY, "IteratorAge", MAXIMUM), STALE_S * 1000),
        "DeliveriesLate": Promise(
            "Deliveries are attempted at once: none waits in the queue for ten minutes.",
            measures.queue(
                way.deliveries, "ApproximateAgeOfOldestMessage", MAXIMUM), STALE_S),
        "SweepFailing": Promise(
            "What falls due is done within minutes: the sweep succeeds.",
            measures.function(SWEEP, "Errors", SUM), SWEEPS_FAILING, SWEEP_PERIODS),
        "SweepSilent": Promise(
            "What falls due is looked for each minute: the schedule starts the sweep.",
            measures.function(SWEEP, "Invocations", SUM), 1, SWEEP_PERIODS,
            is_broken_below=True, silence=_BROKEN),
        "SettlementFailed": Promise(
            "Settlement leaves no merchant out.",
            measures.settlement("ExecutionsFailed"), 1),
        # A run that was stopped, hangs, or was never started is one that does not succeed.
        "SettlementLate": Promise(
            "Settlement is on time: it succeeds once in three hours at least.",
            measures.settlement("ExecutionsSucceeded"), 1, LATE_HOURS,
            is_broken_below=True, silence=_BROKEN),
    }  # fmt: skip


def alarms(
    scope: Construct, deployment: Deployment, measures: Measures
) -> Mapping[str, cloudwatch.Alarm]:
    """Return the alarms by their names; whoever is mailed confirms once, by AWS' first mail."""
    topic = _topic(scope, deployment)
    found = {name: _alarm(scope, deployment, name, one) for name, one in promises(measures).items()}
    for alarm in found.values():
        alarm.add_alarm_action(actions.SnsAction(topic))  # pyright: ignore[reportArgumentType] - jsii names parameters anew
        alarm.add_ok_action(actions.SnsAction(topic))  # pyright: ignore[reportArgumentType] - jsii names parameters anew
    CfnOutput(
        scope,
        "AlarmsCommand",
        value=f"aws sns subscribe --topic-arn {topic.topic_arn} --protocol email"
        " --notification-endpoint YOU@YOURS",
    )
    return found


def _alarm(
    scope: Construct, deployment: Deployment, name: str, promise: Promise
) -> cloudwatch.Alarm:
    operators = cloudwatch.ComparisonOperator
    return cloudwatch.Alarm(
        scope,
        f"{name}Alarm",
        alarm_name=f"{deployment.name}-{name}",
        alarm_description=f"{promise.says} What to do: docs/aws.md, Dashboard and alarms.",
        metric=promise.metric,  # pyright: ignore[reportArgumentType] - jsii names parameters anew
        threshold=promise.threshold,
        comparison_operator=operators.LESS_THAN_THRESHOLD
        if promise.is_broken_below
        else operators.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        evaluation_periods=promise.periods,
        treat_missing_data=promise.silence,
    )


def _topic(scope: Construct, deployment: Deployment) -> sns.Topic:
    """Return the topic, not encrypted at rest: AWS' own key for SNS would keep CloudWatch out.

    A key that lets it in costs a dollar a month, and an alarm holds nothing of a payment.
    """
    topic = sns.Topic(
        scope,
        "AlarmsTopic",
        topic_name=f"{deployment.name}-alarms",
        enforce_ssl=not deployment.is_emulated,
    )
    # A policy of one's own takes the place of the one by which the account's alarms may publish.
    topic.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],  # pyright: ignore[reportArgumentType] - jsii names parameters anew
            actions=["sns:Publish"],
            resources=[topic.topic_arn],
            conditions={
                "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
                "ArnLike": {
                    "aws:SourceArn": f"arn:{Aws.PARTITION}:cloudwatch:{Aws.REGION}:{Aws.ACCOUNT_ID}"
                    f":alarm:{deployment.name}-*"
                },
            },
        )
    )
    if deployment.email is not None:
        sns.Subscription(
            scope,
            "AlarmsMail",
            topic=topic,  # pyright: ignore[reportArgumentType] - jsii names parameters anew
            protocol=sns.SubscriptionProtocol.EMAIL,
            endpoint=deployment.email,
        )
    return topic
