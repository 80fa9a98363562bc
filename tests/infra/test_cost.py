"""The estimate of what a stage costs, held to the sums on docs/cost.md."""

import re
from typing import Final

import pytest

from bench.aws_cost import (
    GATEWAY_LOG_BYTES,
    MILLION,
    MONTH_S,
    PAGE,
    PAYMENT,
    PLAN_MS,
    SETTLEMENTS,
    SWEEP_MS,
    SWEEPS,
    duration_ms,
    settled_ms,
    webhook_ms,
)
from bench.aws_counts import (
    COUNTS,
    ENTRIES_MOVED,
    PLAN,
    SETTLE_MANY,
    SETTLED_AT_ONCE,
    SETTLEMENT_COUNTS,
    SWEEP,
    WEBHOOK_COUNTS,
)
from tests.infra.boards import expressions, graphs, shown
from tests.infra.metric_math import names_in, value_of
from tests.infra.templates import Synthesised

EXPRESSION_MAX: Final = 2048
"""Characters that CloudWatch takes."""
ROUNDED_USD: Final = 0.021
"""Four sums of the page, each rounded to a cent, and each price of the formula to a millionth."""
HOUR_S: Final = 3600
LINE_CHARGED_BYTES: Final = 26
"""What CloudWatch adds to each line."""
ACCESS: Final = {
    "$context.requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
    "$context.requestTime": "24/Nov/2026:10:00:00 +0000",
    "$context.identity.apiKeyId": "a1b2c3d4e5",
    "$context.httpMethod": "POST",
    "$context.resourcePath": "/{proxy+}",
    "$context.status": "201",
    "$context.error.responseType": "-",
    "$context.responseLatency": "58",
    "$context.integrationLatency": "52",
}
"""What the gateway notes of an ordinary request."""
PAYMENTS, WEBHOOKS, SETTLED, MONTH = (
    "A million payments, in USD",
    "A million webhooks, in USD",
    "A million settled payments, in USD",
    "A month, beside its requests, in USD",
)
IN_USE: Final = 1
"""The column of a month in use all the time."""


def page_usd(title: str, column: int = 0) -> float:
    """Return a sum on the page."""
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(f"### {title}\n")
    sums = re.search(r"\| \*\*in all\*\* \|(.*)\|\n", rest)
    assert sums is not None, title
    return float(sums[1].split("|")[column].strip(" *"))


def of_a_month(millions: int) -> dict[str, float]:
    """Return what CloudWatch measures in a month of so many millions of payments.

    Each is authorized, captured and settled, and one event of it is delivered.
    """
    settled = SETTLEMENT_COUNTS[SETTLE_MANY]
    each = [*(COUNTS[name] for name in PAYMENT), *WEBHOOK_COUNTS.values()]
    count = millions * MILLION
    written = {
        "table_written": sum(one.table for one in each) + settled.table / SETTLED_AT_ONCE,
        "by_card_written": sum(one.by_card for one in each) + settled.by_card / SETTLED_AT_ONCE,
        "by_merchant_written": sum(one.by_merchant for one in each)
        + settled.by_merchant / SETTLED_AT_ONCE,
        "by_due_written": sum(one.by_due for one in each)
        + settled.by_due / SETTLED_AT_ONCE
        + ENTRIES_MOVED,
    }
    read = sum(one.read for one in each) + settled.read / SETTLED_AT_ONCE
    by_the_clock = (
        SWEEPS * SETTLEMENT_COUNTS[SWEEP].read + SETTLEMENTS * SETTLEMENT_COUNTS[PLAN].read
    )
    return {name: units * count for name, units in written.items()} | {
        "requests": 2 * count,
        "authorized": count,
        "captured": count,
        "messages": count,
        "relay_runs": count,
        "deliver_runs": count,
        "api_ms": sum(map(duration_ms, PAYMENT)) * count,
        "deliver_ms": webhook_ms() * count,
        "sweep_ms": SWEEPS * SWEEP_MS,
        "settle_ms": settled_ms() * count + 2 * SETTLEMENTS * PLAN_MS,
        "table_read": read * count + by_the_clock,
    }


def estimated_usd(expression: str, millions: int, period_s: int) -> float:
    """Return what the formula makes of such a month, shown in periods that are all alike."""
    share = period_s / MONTH_S
    measured = {name: value * share for name, value in of_a_month(millions).items()}
    assert measured.keys() <= names_in(expression)
    return value_of(expression, measured, period_s)


@pytest.fixture
def formula(dev: Synthesised) -> str:
    """The estimate on the dashboard."""
    (found,) = expressions(graphs(dev)["Estimated cost"]).values()
    return found


@pytest.mark.parametrize("period_s", [300, HOUR_S])
def test_the_estimate_is_the_page_s(formula: str, period_s: int) -> None:
    """A million payments, settled, with a webhook each, in a month in use all the time."""
    page = sum(map(page_usd, (PAYMENTS, WEBHOOKS, SETTLED))) + page_usd(MONTH, IN_USE)

    assert page > 40
    assert estimated_usd(formula, 1, period_s) == pytest.approx(page, abs=ROUNDED_USD)


def test_a_month_without_requests(formula: str) -> None:
    """It costs what the page says beside them; what is not measured is nothing."""
    assert estimated_usd(formula, 0, HOUR_S) == pytest.approx(page_usd(MONTH, IN_USE), abs=0.01)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("FILL(table_written, 0) * 0.625", "FILL(table_written, 0) * 0.61"),
        ("FILL(captured, 0) * 1.22", "FILL(captured, 0) * 1.32"),
        ("FILL(relay_runs, 0) * 5.375", "FILL(relay_runs, 0) * 0.375"),
        ("/ PERIOD(requests)", "/ 300"),
        ("2592000", "2600000"),
    ],
    ids=["price", "storage", "log", "period", "month"],
)
def test_a_wrong_formula_is_found(right: str, wrong: str, formula: str) -> None:
    """Each of these, planted, is told of by more than what is rounded."""
    page = sum(map(page_usd, (PAYMENTS, WEBHOOKS, SETTLED))) + page_usd(MONTH, IN_USE)
    planted = formula.replace(right, wrong)

    assert planted != formula
    assert abs(estimated_usd(planted, 1, HOUR_S) - page) > ROUNDED_USD


def test_each_part_is_a_sum_over_the_hour(dev: Synthesised, formula: str) -> None:
    """Or a number of samples; and the formula is not too long for CloudWatch."""
    parts = {one.options["id"]: one.options for one in shown(graphs(dev)["Estimated cost"])}

    assert parts.keys() == names_in(formula)
    assert {one["period"] for one in parts.values()} == {HOUR_S}
    assert {one["stat"] for one in parts.values()} == {"Sum", "SampleCount"}
    assert len(formula) <= EXPRESSION_MAX


def test_an_access_line_is_as_long_as_is_charged(dev: Synthesised) -> None:
    """To ten bytes; and each of its fields is known here."""
    line = dev.one("ApiGateway::Stage")["AccessLogSetting"]["Format"]
    for field, value in ACCESS.items():
        line = line.replace(field, value)

    assert "$" not in line
    assert len(line) + LINE_CHARGED_BYTES == pytest.approx(GATEWAY_LOG_BYTES, abs=10)
