"""The dashboard: what it shows is of this stage, is there to be read, and costs nothing."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest

from payments_sandbox.entrypoints.function_metrics import METRICS
from tests.infra.boards import expressions, graphs, shown, widgets
from tests.infra.metric_math import names_in, value_of
from tests.infra.templates import Synthesised
from tests.infra.test_alarms import PROMISES

FREE_METRICS: Final = 50
GRID: Final = 24
_OF_STAGE, _OF_TABLE = "ApiName Stage", "TableName"
_OF_INDEX = "GlobalSecondaryIndexName TableName"
# As AWS' documentation of each service names its metrics and their dimensions.
KNOWN: Final = {
    f"{namespace} {name}": dimensions
    for namespace, names, dimensions in (
        ("AWS/ApiGateway", "Count Latency 4XXError 5XXError", [_OF_STAGE]),
        ("AWS/Lambda", "Duration Errors Invocations IteratorAge Throttles", ["FunctionName"]),
        ("AWS/DynamoDB", "ReadThrottleEvents WriteThrottleEvents", [_OF_TABLE, _OF_INDEX]),
        ("AWS/DynamoDB", "ConsumedReadCapacityUnits", [_OF_TABLE, _OF_INDEX]),
        ("AWS/DynamoDB", "ConsumedWriteCapacityUnits", [_OF_TABLE, _OF_INDEX]),
        ("AWS/SQS", "ApproximateAgeOfOldestMessage", ["QueueName"]),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", ["QueueName"]),
        ("AWS/SQS", "NumberOfMessagesSent", ["QueueName"]),
        ("AWS/States", "ExecutionsAborted ExecutionsFailed", ["StateMachineArn"]),
        ("AWS/States", "ExecutionsSucceeded", ["StateMachineArn"]),
        *(("PaymentsSandbox", " ".join(names), ["service stage"]) for names in METRICS.values()),
    )
    for name in names.split()
}
DIMENSION_OF: Final = {
    "ApiName": "payments-sandbox-dev",
    "Stage": "ApiGateway::Stage ",
    "FunctionName": "Lambda::Function ",
    "TableName": "DynamoDB::Table Ledger",
    "GlobalSecondaryIndexName": "by_",
    "QueueName": "SQS::Queue ",
    "StateMachineArn": "StepFunctions::StateMachine Settlement",
    "stage": "dev",
}


def strangers(stage: Synthesised) -> Iterator[str]:
    """Yield each metric of dashboard and alarms that AWS does not know, or of another stack."""
    alarms = [
        (one["Namespace"], one["MetricName"], one["Dimensions"])
        for one in stage.all("CloudWatch::Alarm").values()
    ]
    found = [
        (namespace, name, tuple((d["Name"], stage.resource(d["Value"])) for d in dimensions))
        for namespace, name, dimensions in alarms
    ] + [one.metric for graph in graphs(stage).values() for one in shown(graph)]
    for namespace, name, dimensions in found:
        names = " ".join(sorted(one for one, _ in dimensions))
        if names not in KNOWN.get(f"{namespace} {name}", []):
            yield f"{namespace} {name} {dimensions}"
        for dimension, value in dimensions:
            wanted = DIMENSION_OF.get(dimension, "")
            if not value.startswith(wanted) or (dimension == "stage" and value != wanted):
                yield f"{namespace} {name} {dimension}={value}"
            if dimension == "service" and name not in METRICS[value]:
                yield f"{name} is not a metric of {value}"


def with_graph(stage: Synthesised, graph: Mapping[str, Any]) -> Synthesised:
    """Return the stage with one graph more."""
    template: Any = json.loads(json.dumps(stage.template))
    body = json.dumps({"widgets": [*widgets(stage), {"type": "metric", "properties": graph}]})
    for one in template["Resources"].values():
        if one["Type"] == "AWS::CloudWatch::Dashboard":
            one["Properties"]["DashboardBody"] = body
    return stage._replace(template=template)


def test_all_that_is_shown_is_of_this_stage(dev: Synthesised) -> None:
    """Dashboard and alarms name metrics that exist, of resources of the stack."""
    assert [*strangers(dev)] == []


@pytest.mark.parametrize(
    "metric",
    [
        ["AWS/Lambda", "Errors", "FunctionName", "payments-sandbox-prod-api"],
        ["AWS/Lambda", "Mistakes", "FunctionName", "Lambda::Function ApiFunction"],
        ["AWS/SQS", "NumberOfMessagesSent"],
        ["PaymentsSandbox", "delivered", "service", "api", "stage", "dev"],
        ["PaymentsSandbox", "delivered", "service", "deliver", "stage", "dev2"],
        ["PaymentsSandbox", "delivered", "service", "deliver"],
    ],
    ids=["function", "metric", "no dimension", "wrong function", "another stage", "no stage"],
)
def test_a_stranger_is_found(metric: list[str], dev: Synthesised) -> None:
    """Each of these, planted, is told of."""
    assert [*strangers(with_graph(dev, {"title": "planted", "metrics": [metric]}))] != []


def test_each_metric_that_is_paid_for_is_shown(dev: Synthesised) -> None:
    """Those of the functions cost, so none is written that nobody sees."""
    seen = {
        (dict(one.dimensions)["service"], one.name)
        for graph in graphs(dev).values()
        for one in shown(graph)
        if one.namespace == "PaymentsSandbox"
    }

    assert seen == {(function, name) for function, names in METRICS.items() for name in names}


def test_the_dashboard_is_free(dev: Synthesised) -> None:
    """An account's first three are, of 50 metrics at most, even if each use were one."""
    uses = [one for graph in graphs(dev).values() for one in shown(graph)]

    assert len({one.metric for one in uses}) <= len(uses) <= FREE_METRICS
    assert dev.one("CloudWatch::Dashboard")["DashboardName"] == "payments-sandbox-dev"


def test_what_the_issue_asks_for_is_there(dev: Synthesised) -> None:
    """Each question has its graph, in this order."""
    assert [*graphs(dev)] == [
        "Requests", "Latency", "Errors", "Functions", "Ledger", "Transactions", "Attempts",
        "Oldest undelivered", "Left behind", "Settlement", "Sweep", "Estimated cost",
    ]  # fmt: skip


def test_alarms_stand_on_top_and_rows_have_headers(dev: Synthesised) -> None:
    """Every row of graphs stands below a text, and fills the width."""
    first, *rest = widgets(dev)
    kinds = [one["type"] for one in rest]
    rows = {y: [one for one in rest if one["y"] == y] for y in sorted({one["y"] for one in rest})}

    assert (first["type"], len(first["properties"]["alarms"])) == ("alarm", len(PROMISES))
    assert kinds.count("text") * 2 == len(rows)
    for number, row in enumerate(rows.values()):
        assert {one["type"] for one in row} == {"metric" if number % 2 else "text"}
        assert sum(one["width"] for one in row) == GRID


def test_graphs_can_be_read(dev: Synthesised) -> None:
    """Each has its unit and begins at nothing, each line its label, each formula its metrics."""
    for graph in graphs(dev).values():
        assert graph["yAxis"]["left"]["label"]
        assert graph["yAxis"]["left"]["min"] == 0
        assert all(one.options["label"] for one in shown(graph))
        ids = {one.options["id"] for one in shown(graph) if "id" in one.options}
        assert set().union(*map(names_in, expressions(graph).values())) <= ids


@pytest.mark.parametrize(
    ("title", "alarm", "scale"),
    [
        ("Latency", "Slow", 1),
        ("Errors", "Failing", 1),
        ("Oldest undelivered", "RelayLate", 1000),
        ("Oldest undelivered", "DeliveriesLate", 1),
        ("Left behind", "DeadLetters", 1),
        ("Left behind", "Unrelayed", 1),
        ("Settlement", "SettlementFailed", 1),
        ("Settlement", "SettlementLate", 1),
        ("Sweep", "SweepFailing", 1),
    ],
)
def test_the_line_across_is_the_alarm_s(
    title: str, alarm: str, scale: int, dev: Synthesised
) -> None:
    """It is where the alarm goes off; milliseconds are drawn as seconds."""
    graph, promise = graphs(dev)[title], PROMISES[alarm]
    (line,) = graph["annotations"]["horizontal"]
    names = {f"{one.namespace} {one.name}" for one in shown(graph)}

    assert line["value"] * scale == promise.threshold
    assert "alarm" in line["label"]
    assert promise.metric in names


def test_shares_are_shares(dev: Synthesised) -> None:
    """Of deliveries that arrive, of authorizations that are declined, and requests a second."""
    by_title = graphs(dev)
    (success,) = expressions(by_title["Attempts"]).values()
    (declines,) = expressions(by_title["Transactions"]).values()
    (tps,) = expressions(by_title["Requests"]).values()

    assert value_of(success, {"delivered": 3, "delivery_failed": 1}, 300) == 0.75
    assert value_of(success, {"delivered": 3}, 300) == 1
    assert value_of(declines, {"declined": 1, "authorized": 9}, 300) == pytest.approx(0.1)
    assert value_of(tps, {"requests": 600}, 300) == 2
