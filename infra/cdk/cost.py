"""What the stage costs a month at the pace of the moment: metric math over what AWS measures.

Prices, sizes and shares are those of docs/cost.md. It is an estimate, without free allowances.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from aws_cdk import aws_cloudwatch as cloudwatch

from bench.aws_cost import (
    COLD_SHARE,
    GATEWAY_LOG_BYTES,
    MEMORY_GB,
    MILLION,
    MONTH_S,
    PLATFORM_LOG_BYTES,
    PRICES,
    QUEUE_REQUESTS,
    RETENTION_DAYS,
    SETTLEMENTS,
    SWEEPS,
    standing_usd,
)
from bench.aws_counts import KEY_BYTES, LOG_BYTES, SETTLED_BYTES, STORED_BYTES, WEBHOOK_LOG_BYTES
from infra.cdk.grants import API, DELIVER, RELAY, SETTLE, SWEEP
from infra.cdk.measures import COUNT, HOUR, SUM, Measures
from payments_sandbox.adapters.dynamodb_table import BY_CARD, BY_DUE, BY_MERCHANT
from payments_sandbox.entrypoints.function_metrics import AUTHORIZED, CAPTURED

MILLION_PER_GB: Final = 1e-3
"""A million bytes are this many GB: a byte of each is a price for a GB in thousandths."""
REQUESTS: Final = "requests"
DIGITS: Final = 6
"""Decimals of a price for a million: a month of 10,000 million is a cent off at most."""


class Part(NamedTuple):
    """A metric, and what a million of what it counts cost."""

    metric: cloudwatch.Metric
    million_usd: float


def monthly_cost(measures: Measures) -> cloudwatch.MathExpression:
    """Return what a month would cost of which each hour was as the one shown."""
    parts = _parts(measures)
    return cloudwatch.MathExpression(
        expression=expression_of({name: one.million_usd for name, one in parts.items()}),
        using_metrics={name: one.metric for name, one in parts.items()},
        label="at this hour's pace (mean ${AVG}, last ${LAST})",
        period=HOUR,
    )


def expression_of(million_usd: Mapping[str, float]) -> str:
    """Return the formula: what is used in a period, as often as a month has it, and what stands."""
    used = " + ".join(
        f"FILL({name}, 0) * {price:.{DIGITS}f}" for name, price in million_usd.items()
    )
    by_the_clock = PRICES["invocation"].usd * (SWEEPS + 2 * SETTLEMENTS) / MILLION
    standing = sum(standing_usd(idle=False).values()) + by_the_clock
    return f"({used}) / {MILLION} * {MONTH_S} / PERIOD({REQUESTS}) + {standing:.{DIGITS}f}"


def _parts(measures: Measures) -> Mapping[str, Part]:
    stored = PRICES["storage"].usd * RETENTION_DAYS / 30 * MILLION_PER_GB
    spent_keys = PRICES["storage"].usd * 2 * KEY_BYTES / 30 * MILLION_PER_GB
    cold = PRICES["restore"].usd * COLD_SHARE * MEMORY_GB * MILLION
    request = PRICES["gateway"].usd + _traced(LOG_BYTES + GATEWAY_LOG_BYTES) + cold
    message = PRICES["sns"].usd + QUEUE_REQUESTS * PRICES["sqs"].usd
    millisecond = PRICES["lambda"].usd * MEMORY_GB * MILLION / 1000
    settled = SETTLED_BYTES * stored
    kept = STORED_BYTES * stored + spent_keys
    parts = {
        REQUESTS: Part(measures.gateway("Count", SUM, "requests"), request),
        "messages": Part(
            measures.queue(measures.way.deliveries, "NumberOfMessagesSent", SUM, "messages"),
            message,
        ),
        AUTHORIZED: Part(measures.own(API, AUTHORIZED, SUM, AUTHORIZED), kept),
        CAPTURED: Part(measures.own(API, CAPTURED, SUM, CAPTURED), settled),
    }
    for name in (API, RELAY, DELIVER, SWEEP, SETTLE):
        parts[f"{name}_ms"] = Part(measures.function(name, "Duration", SUM, name), millisecond)
    for name, log_bytes in ((RELAY, 0), (DELIVER, WEBHOOK_LOG_BYTES)):
        runs = measures.function(name, "Duration", COUNT, name)
        parts[f"{name}_runs"] = Part(runs, _traced(log_bytes))
    for index in (None, BY_CARD, BY_MERCHANT, BY_DUE):
        label = index or "table"
        written = measures.ledger("ConsumedWriteCapacityUnits", label, index)
        read = measures.ledger("ConsumedReadCapacityUnits", label, index)
        parts[f"{label}_written"] = Part(written, PRICES["write"].usd)
        parts[f"{label}_read"] = Part(read, PRICES["read"].usd)
    return parts


def _traced(log_bytes: int) -> float:
    """Return what a million traced runs cost that each log so much beside Lambda's own lines."""
    logged = (log_bytes + PLATFORM_LOG_BYTES) * MILLION_PER_GB
    return PRICES["invocation"].usd + PRICES["logs"].usd * logged + PRICES["trace"].usd
