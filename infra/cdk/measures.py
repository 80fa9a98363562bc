"""What is measured of a stage: AWS' own metrics, which are free, and the functions' own.

Each names a resource of this stack, so two stages in an account never mix.
"""

from typing import Final, NamedTuple

from aws_cdk import Duration
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as stepfunctions

from infra.cdk.deployment import Deployment
from infra.cdk.functions import Functions
from infra.cdk.webhooks import Way
from payments_sandbox.entrypoints.function_metrics import NAMESPACE, dimensions_of

PERIOD: Final = Duration.minutes(5)
"""What a datapoint sums up: short enough to act upon, and long enough for some requests."""
HOUR: Final = Duration.hours(1)
"""That of what happens each hour."""
SUM, AVERAGE, MAXIMUM, COUNT = "Sum", "Average", "Maximum", "SampleCount"


class Measures(NamedTuple):
    """A stage, as CloudWatch sees it; each method returns one of its metrics.

    A label is for a graph: an alarm on a metric with one would be one of metric math.
    """

    deployment: Deployment
    api: apigateway.RestApi
    functions: Functions
    table: dynamodb.CfnTable
    way: Way
    machine: stepfunctions.StateMachine

    def gateway(self, name: str, statistic: str, label: str | None = None) -> cloudwatch.Metric:
        """Return a metric of the API at its stage."""
        dimensions = {
            "ApiName": self.api.rest_api_name,
            "Stage": self.api.deployment_stage.stage_name,
        }
        return _metric("AWS/ApiGateway", name, dimensions, statistic, label)

    def function(
        self, function: str, name: str, statistic: str, label: str | None = None
    ) -> cloudwatch.Metric:
        """Return a metric of a function, with all its versions."""
        dimensions = {"FunctionName": self.functions.by_name[function].function_name}
        return _metric("AWS/Lambda", name, dimensions, statistic, label)

    def own(
        self, function: str, name: str, statistic: str, label: str | None = None
    ) -> cloudwatch.Metric:
        """Return a metric that a function writes itself."""
        dimensions = {**dimensions_of(function, self.deployment.stage)}
        return _metric(NAMESPACE, name, dimensions, statistic, label)

    def ledger(self, name: str, label: str, index: str | None = None) -> cloudwatch.Metric:
        """Return a sum over the table without its indexes, or over one of them."""
        dimensions = {"TableName": self.table.ref}
        if index is not None:
            dimensions["GlobalSecondaryIndexName"] = index
        return _metric("AWS/DynamoDB", name, dimensions, SUM, label)

    def queue(
        self, queue: sqs.Queue, name: str, statistic: str, label: str | None = None
    ) -> cloudwatch.Metric:
        """Return a metric of a queue."""
        return _metric("AWS/SQS", name, {"QueueName": queue.queue_name}, statistic, label)

    def settlement(self, name: str, label: str | None = None) -> cloudwatch.Metric:
        """Return how many executions of the state machine ended so within the hour."""
        dimensions = {"StateMachineArn": self.machine.state_machine_arn}
        return _metric("AWS/States", name, dimensions, SUM, label, HOUR)


def _metric(  # noqa: PLR0913, PLR0917 - what makes a metric
    namespace: str,
    name: str,
    dimensions: dict[str, str],
    statistic: str,
    label: str | None,
    period: Duration = PERIOD,
) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        dimensions_map=dimensions,
        statistic=statistic,
        label=label,
        period=period,
    )
