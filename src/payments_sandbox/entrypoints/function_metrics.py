"""The functions' own metrics: lines of their logs that CloudWatch reads, by function and stage.

Each is paid for, in each stage that reports it, so there are few and none grows with merchants.
"""

from collections.abc import Mapping
from typing import Final

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

NAMESPACE: Final = "PaymentsSandbox"
AUTHORIZED, DECLINED = "authorized", "declined"
CAPTURED, REFUNDED = "captured", "refunded"
LATENCY: Final = "latency"
DELIVERED, DELIVERY_FAILED, DEAD = "delivered", "delivery_failed", "dead"
OVERDUE: Final = "overdue"
METRICS: Final[Mapping[str, Mapping[str, MetricUnit]]] = {
    "api": {
        AUTHORIZED: MetricUnit.Count,
        DECLINED: MetricUnit.Count,
        CAPTURED: MetricUnit.Count,
        REFUNDED: MetricUnit.Count,
        LATENCY: MetricUnit.Milliseconds,
    },
    "deliver": {
        DELIVERED: MetricUnit.Count,
        DELIVERY_FAILED: MetricUnit.Count,
        DEAD: MetricUnit.Count,
    },
    "sweep": {OVERDUE: MetricUnit.Seconds},
}
"""What each function tells."""


def dimensions_of(function: str, stage: str) -> Mapping[str, str]:
    """Return the dimensions of a function's metrics, which are the same for all of them."""
    return {"service": function, "stage": stage}


class FunctionMetrics:
    """The metrics of one function of a stage, gathered until they are written."""

    def __init__(self, function: str, stage: str) -> None:
        self._units = METRICS[function]
        self._gathered = EphemeralMetrics(
            namespace=NAMESPACE, default_dimensions={**dimensions_of(function, stage)}
        )

    def add(self, name: str, value: float = 1) -> None:
        """Add a value to what is written next."""
        self._gathered.add_metric(name, self._units[name], value)

    def write(self) -> None:
        """Write what was added as one line, or nothing."""
        if self._gathered.metric_set:
            self._gathered.flush_metrics()
