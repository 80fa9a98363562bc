"""The dashboard of a stage, a row for each question; a line across is where an alarm goes off."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from bench.aws_cost import BUDGET_USD
from infra.cdk.alarms import FAILING_SHARE, SLOW_MS, STALE_S, SWEEPS_FAILING
from infra.cdk.cost import monthly_cost
from infra.cdk.grants import API, DELIVER, RELAY, SWEEP
from infra.cdk.measures import AVERAGE, MAXIMUM, SUM, Measures
from payments_sandbox.adapters.dynamodb_table import BY_CARD, BY_DUE, BY_MERCHANT
from payments_sandbox.entrypoints.function_metrics import (
    AUTHORIZED,
    CAPTURED,
    DEAD,
    DECLINED,
    DELIVERED,
    DELIVERY_FAILED,
    LATENCY,
    OVERDUE,
    REFUNDED,
)

WIDTH: Final = 24
"""Of a dashboard, in units of its grid."""
_HEIGHT: Final = 6
_Line = cloudwatch.Metric | cloudwatch.MathExpression


class Graph(NamedTuple):
    """Lines over time, what they are counted in, and where an alarm goes off, if one does."""

    title: str
    unit: str
    lines: Sequence[_Line]
    line_across: tuple[str, float] | None = None
    share: cloudwatch.MathExpression | None = None
    """On an axis of its own, on the right."""


def dashboard(scope: Construct, measures: Measures, alarms: Mapping[str, cloudwatch.Alarm]) -> None:
    """Make the dashboard; an account's first three are free, of up to 50 metrics each."""
    name = measures.deployment.name
    board = cloudwatch.Dashboard(
        scope,
        "Dashboard",
        dashboard_name=name,
        default_interval=Duration.days(1),
        # A sum is one of five minutes, or of an hour, however long the time shown is.
        period_override=cloudwatch.PeriodOverride.INHERIT,
    )
    board.add_widgets(
        cloudwatch.AlarmStatusWidget(
            title=f"{name}: alarms", alarms=[*alarms.values()], width=WIDTH
        )
    )
    for header, graphs in _rows(measures).items():
        board.add_widgets(
            cloudwatch.TextWidget(
                markdown=header,
                width=WIDTH,
                height=2,
                background=cloudwatch.TextWidgetBackground.TRANSPARENT,
            )
        )
        board.add_widgets(*(_drawn(one, WIDTH // len(graphs)) for one in graphs))


def _rows(measures: Measures) -> Mapping[str, Sequence[Graph]]:
    """Return the graphs of each row by its header."""
    return {
        "## Requests\nWhat is refused above a key's rate (429) is among the 4xx.": (
            _requests(measures)
        ),
        "## Throttles\nFunctions: the account's limit. Ledger: hot keys, see Where it breaks in"
        " docs/cost.md.": _throttles(measures),
        "## Payments\nTransactions written, every five minutes.": _payments(measures),
        "## Webhooks\nStream and queue: how long the oldest event waits for its first attempt."
        " Retry: how overdue the oldest is when the sweep comes, on its merchant's clock.": (
            _webhooks(measures)
        ),
        "## Settlement and sweep\nExecutions by how they ended, each hour; the sweep runs each"
        " minute.": _background(measures),
        "## Cost\nAn estimate by the prices of docs/cost.md, without free allowances; what is"
        " authorized is charged at once for its 90 days of storage. The last hour is not over.": (
            _cost(measures)
        ),
    }


def _requests(measures: Measures) -> Sequence[Graph]:
    per_second = cloudwatch.MathExpression(
        expression="requests / PERIOD(requests)",
        using_metrics={"requests": measures.gateway("Count", SUM, "requests")},
        label="TPS",
    )
    latencies = [measures.gateway("Latency", one, one) for one in ("p50", "p95", "p99")]
    latencies.append(measures.own(API, LATENCY, "p95", "p95 in the function"))
    errors = [measures.gateway(f"{one}XXError", AVERAGE, f"{one}xx") for one in (4, 5)]
    return [
        Graph("Requests", "a second", [per_second]),
        Graph("Latency", "milliseconds", latencies, ("alarm: p95", SLOW_MS)),
        Graph("Errors", "share of requests", errors, ("alarm: 5xx", FAILING_SHARE)),
    ]


def _throttles(measures: Measures) -> Sequence[Graph]:
    functions = [measures.function(one, "Throttles", SUM, one) for one in (API, DELIVER)]
    written = [
        measures.ledger("WriteThrottleEvents", f"write {one or 'table'}", one)
        for one in (None, BY_CARD, BY_MERCHANT, BY_DUE)
    ]
    return [
        Graph("Functions", "invocations refused", functions),
        Graph("Ledger", "requests refused", [
            *written, measures.ledger("ReadThrottleEvents", "read table")]),
    ]  # fmt: skip


def _payments(measures: Measures) -> Sequence[Graph]:
    counts = {
        name: measures.own(API, name, SUM, name)
        for name in (AUTHORIZED, DECLINED, CAPTURED, REFUNDED)
    }
    share = _share({DECLINED: counts[DECLINED]}, {AUTHORIZED: counts[AUTHORIZED]}, "share declined")
    return [
        Graph("Transactions", "count", [*counts.values()], share=share),
    ]


def _webhooks(measures: Measures) -> Sequence[Graph]:
    way, waiting = measures.way, "ApproximateNumberOfMessagesVisible"
    counts = {
        name: measures.own(DELIVER, name, SUM, name) for name in (DELIVERED, DELIVERY_FAILED, DEAD)
    }
    share = _share(
        {DELIVERED: counts[DELIVERED]},
        {DELIVERY_FAILED: counts[DELIVERY_FAILED]},
        "share delivered",
    )
    stream = cloudwatch.MathExpression(
        expression="stream / 1000",
        using_metrics={"stream": measures.function(RELAY, "IteratorAge", MAXIMUM, "stream")},
        label="stream",
    )
    queue = measures.queue(way.deliveries, "ApproximateAgeOfOldestMessage", MAXIMUM, "queue")
    retry = measures.own(SWEEP, OVERDUE, MAXIMUM, "retry")
    dead = [
        measures.queue(way.dead, waiting, MAXIMUM, "dead letters"),
        measures.queue(way.unrelayed, waiting, MAXIMUM, "unrelayed"),
    ]
    return [
        Graph("Attempts", "count", [*counts.values()], share=share),
        Graph(
            "Oldest undelivered",
            "seconds",
            [stream, queue, retry],
            ("alarm: stream, queue", STALE_S),
        ),
        Graph("Left behind", "messages", dead, ("alarm", 1)),
    ]


def _background(measures: Measures) -> Sequence[Graph]:
    # None times out: they have no timeout of their own.
    ends = {"Succeeded": "succeeded", "Failed": "failed", "Aborted": "stopped"}
    return [
        Graph("Settlement", "executions", [
            measures.settlement(f"Executions{end}", label) for end, label in ends.items()
        ], ("alarm: none succeeds, or one fails", 1)),
        Graph("Sweep", "invocations", [
            measures.function(SWEEP, "Invocations", SUM, "started"),
            measures.function(SWEEP, "Errors", SUM, "failed"),
        ], ("alarm: failed", SWEEPS_FAILING)),
    ]  # fmt: skip


def _cost(measures: Measures) -> Sequence[Graph]:
    budget = ("budget", BUDGET_USD)
    return [Graph("Estimated cost", "USD a month", [monthly_cost(measures)], budget)]


def _share(
    part: Mapping[str, cloudwatch.Metric], rest: Mapping[str, cloudwatch.Metric], label: str
) -> cloudwatch.MathExpression:
    """Return how much of both together is the part."""
    (name,), (other,) = part, rest
    return cloudwatch.MathExpression(
        expression=f"FILL({name}, 0) / (FILL({name}, 0) + FILL({other}, 0))",
        using_metrics={**part, **rest},
        label=label,
    )


def _drawn(graph: Graph, width: int) -> cloudwatch.GraphWidget:
    annotations: list[cloudwatch.HorizontalAnnotation] = []
    if graph.line_across is not None:
        label, value = graph.line_across
        annotations = [cloudwatch.HorizontalAnnotation(label=label, value=value)]
    return cloudwatch.GraphWidget(
        title=graph.title,
        left=[*graph.lines],
        left_y_axis=cloudwatch.YAxisProps(label=graph.unit, min=0, show_units=False),
        left_annotations=annotations,
        right=[] if graph.share is None else [graph.share],
        right_y_axis=cloudwatch.YAxisProps(label="share", min=0, max=1, show_units=False),
        width=width,
        height=_HEIGHT,
    )
