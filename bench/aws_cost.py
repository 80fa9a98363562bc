"""What a stage in an AWS account costs: prices, formulas, and the tables of docs/cost.md.

`python -m bench.aws_cost` prints the tables and writes them into the page.
"""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.aws_counts import (
    COUNTS,
    CPU_MS,
    ENTRIES_MOVED,
    KEY_BYTES,
    LOG_BYTES,
    PLAN,
    SETTLE_CPU_MS,
    SETTLE_MANY,
    SETTLED_AT_ONCE,
    SETTLED_BYTES,
    SETTLEMENT_COUNTS,
    STORED_BYTES,
    SWEEP,
    WEBHOOK_COUNTS,
    WEBHOOK_LOG_BYTES,
)
from payments_sandbox.entrypoints.function_metrics import METRICS as FUNCTION_METRICS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cost.md"
START, END = "<!-- written by python -m bench.aws_cost -->", "<!-- until here -->"
MILLION = 1_000_000
GB = 1_000_000_000
MONTH_S = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Price:
    """A price in us-east-1, in USD, and where it was read."""

    what: str
    usd: float
    unit: str
    source: str


LISTS = "transcripts of the public price list, September 2026"
KNOWN = "general knowledge; check it"
PRICES = {
    "gateway": Price("API Gateway, REST API", 3.50, "million requests", "AWS' pricing page"),
    "invocation": Price("Lambda, requests", 0.20, "million", KNOWN),
    "lambda": Price("Lambda, arm64", 0.0000133334, "GB-second", LISTS),
    "snapshot": Price("SnapStart, cache", 0.0000015046, "GB-second", LISTS),
    "restore": Price("SnapStart, restore", 0.0001397998, "GB", LISTS),
    "write": Price("DynamoDB on demand, write units", 0.625, "million", LISTS),
    "read": Price("DynamoDB on demand, read units", 0.125, "million", KNOWN),
    "storage": Price("DynamoDB, storage", 0.25, "GB-month", KNOWN),
    "sns": Price("SNS, publishing", 0.50, "million", KNOWN),
    "sqs": Price("SQS, requests", 0.40, "million", KNOWN),
    "transition": Price("Step Functions, standard", 25.0, "million state transitions", KNOWN),
    "logs": Price("CloudWatch Logs, ingestion", 0.50, "GB", LISTS),
    "metric": Price("CloudWatch, custom metric", 0.30, "month", LISTS),
    "alarm": Price("CloudWatch, alarm", 0.10, "month", LISTS),
    "dashboard": Price("CloudWatch, dashboard, from the fourth on", 3.00, "month", LISTS),
    "trace": Price("X-Ray, traces recorded", 5.00, "million", "AWS' pricing page"),
    "parameter": Price("SSM, standard parameters", 0.0, "month", KNOWN),
    "kms": Price("KMS, AWS' own key for SSM: requests", 0.03, "10,000", KNOWN),
}

# Assumptions: nothing below was measured in AWS.
MEMORY_GB = 0.5
CPU_SHARE = 512 / 1769
"""Of a core, at 512 MB: Lambda gives one whole core at 1,769 MB."""
WAIT_MS = {"GetItem": 5, "PutItem": 7, "Query": 6, "BatchGetItem": 8, "TransactWriteItems": 15}
RECEIVER_MS = 100
"""What a receiver takes to answer."""
QUEUE_REQUESTS = 3
"""Of a message: sent, received, deleted."""
IDLE_POLLS = 650_000
"""A month: Lambda's five pollers of an empty queue, 20 s each."""
SWEEPS, SWEEP_MS = 43_200, 120
"""A month's; of two merchants who have nothing due."""
SETTLEMENTS, PLAN_MS, IDLE_TRANSITIONS = 720, 60, 6
"""A month's executions; each plans and counts, in six states."""
PLATFORM_LOG_BYTES = 350
"""Lambda's own lines of an invocation: START, END and REPORT."""
GATEWAY_LOG_BYTES = 270
"""The gateway's access line of a request, and the 26 bytes by which a line is charged."""
COLD_SHARE = 0.01
RETENTION_DAYS = 90
METRICS = sum(map(len, FUNCTION_METRICS.values()))
ALARMS = 10
BUDGET_USD = 10.0
PARTITION_WRITES, PARTITION_READS = 1_000, 3_000
NEW_TABLE_WRITES = 4_000
KEY_REQUESTS_S = 100 / 60
EXAMPLE_PAYMENTS = 50_000
"""A month's, of a team whose test suites run all day."""

PAYMENT = {"authorize": 1.0, "capture": 1.0}
MIX = {
    "authorize": 1.0,
    "capture": 0.9,
    "void": 0.05,
    "refund": 0.1,
    "replay of capture": 0.05,
    "read payment": 1.0,
    "list 25 by card": 0.1,
}


def usd(price: str, amount: float) -> float:
    """Return what an amount costs, counted in millions where the price is."""
    return PRICES[price].usd * amount


def duration_ms(operation: str) -> int:
    """Return the assumed duration: CPU at the function's share of a core, and waits."""
    waits_ms = sum(WAIT_MS[call] for call in COUNTS[operation].calls)
    return math.ceil(CPU_MS / CPU_SHARE + waits_ms)


def million_usd(flow: Mapping[str, float]) -> dict[str, float]:
    """Return the parts of what a million payments cost that each make these requests."""
    requests = sum(flow.values())
    keys = sum(share for name, share in flow.items() if COUNTS[name].spends_key)
    writes = sum(share * COUNTS[name].write for name, share in flow.items())
    reads = sum(share * COUNTS[name].read for name, share in flow.items())
    run_s = sum(share * duration_ms(name) / 1000 for name, share in flow.items())
    gb_months = (STORED_BYTES * RETENTION_DAYS + keys * KEY_BYTES) / 30 * MILLION / GB
    log_gb = requests * (LOG_BYTES + PLATFORM_LOG_BYTES + GATEWAY_LOG_BYTES) * MILLION / GB
    return {
        "API Gateway": usd("gateway", requests),
        "Lambda, requests": usd("invocation", requests),
        "Lambda, duration": usd("lambda", run_s * MEMORY_GB * MILLION),
        "SnapStart, restores": usd("restore", requests * COLD_SHARE * MEMORY_GB * MILLION),
        "DynamoDB, writes": usd("write", writes),
        "DynamoDB, reads": usd("read", reads),
        f"DynamoDB, storage for {RETENTION_DAYS} days": usd("storage", gb_months),
        "CloudWatch Logs": usd("logs", log_gb),
        "X-Ray": usd("trace", requests),
    }


def webhook_ms() -> float:
    """Return how long the functions run for a webhook."""
    waits_ms = sum(WAIT_MS[call] for one in WEBHOOK_COUNTS.values() for call in one.calls)
    return len(WEBHOOK_COUNTS) * CPU_MS / CPU_SHARE + waits_ms + RECEIVER_MS


def webhook_usd() -> dict[str, float]:
    """Return the parts of what a million webhooks cost, each delivered at once and alone."""
    writes = sum(one.write for one in WEBHOOK_COUNTS.values()) + ENTRIES_MOVED
    reads = sum(one.read for one in WEBHOOK_COUNTS.values())
    log_gb = (len(WEBHOOK_COUNTS) * PLATFORM_LOG_BYTES + WEBHOOK_LOG_BYTES) * MILLION / GB
    return {
        "Lambda, requests": usd("invocation", len(WEBHOOK_COUNTS)),
        "Lambda, duration": usd("lambda", webhook_ms() / 1000 * MEMORY_GB * MILLION),
        "DynamoDB, writes": usd("write", writes),
        "DynamoDB, reads": usd("read", reads),
        "SNS": usd("sns", 1),
        "SQS": usd("sqs", QUEUE_REQUESTS),
        "CloudWatch Logs": usd("logs", log_gb),
        "X-Ray": usd("trace", len(WEBHOOK_COUNTS)),
    }


def settled_ms() -> float:
    """Return how long the function runs for each payment that is settled."""
    waits_ms = sum(WAIT_MS[call] for call in SETTLEMENT_COUNTS[SETTLE_MANY].calls)
    return SETTLE_CPU_MS / CPU_SHARE + waits_ms / SETTLED_AT_ONCE


def settled_usd() -> dict[str, float]:
    """Return the parts of what it costs to settle a million payments, many in a batch."""
    many = SETTLEMENT_COUNTS[SETTLE_MANY]
    gb_months = SETTLED_BYTES * RETENTION_DAYS / 30 * MILLION / GB
    return {
        "Lambda, duration": usd("lambda", settled_ms() / 1000 * MEMORY_GB * MILLION),
        "DynamoDB, writes": usd("write", many.write / SETTLED_AT_ONCE),
        "DynamoDB, reads": usd("read", many.read / SETTLED_AT_ONCE),
        f"DynamoDB, storage for {RETENTION_DAYS} days": usd("storage", gb_months),
    }


def standing_usd(*, idle: bool) -> dict[str, float]:
    """Return the parts of what a month costs whatever runs in it."""
    metrics = 0 if idle else METRICS  # a metric is paid for in the hours in which it is reported
    return {
        "SnapStart, cache of one version": usd("snapshot", MEMORY_GB * MONTH_S),
        f"CloudWatch, {ALARMS} alarms": usd("alarm", ALARMS),
        f"CloudWatch, {METRICS} metrics of our own": usd("metric", metrics),
        "CloudWatch, a dashboard, one of the first three": 0.0,
        "SQS, polling a queue": usd("sqs", IDLE_POLLS / MILLION),
        "settlement, its states each hour": usd(
            "transition", SETTLEMENTS * IDLE_TRANSITIONS / MILLION
        )
        + usd("trace", SETTLEMENTS / MILLION),
        "SSM, two parameters": usd("parameter", 2),
        "KMS, a read of the root each 5 minutes": 0.0 if idle else usd("kms", MONTH_S / 300 / 1e4),
    }


def background_usd() -> dict[str, float]:
    """Return the parts of what the functions cost in a month that run by the clock."""
    return {
        "the sweep, each minute": usd("invocation", SWEEPS / MILLION)
        + usd("lambda", SWEEPS * SWEEP_MS / 1000 * MEMORY_GB)
        + usd("read", SWEEPS * SETTLEMENT_COUNTS[SWEEP].read / MILLION),
        "settlement, its function each hour": usd("invocation", 2 * SETTLEMENTS / MILLION)
        + usd("lambda", 2 * SETTLEMENTS * PLAN_MS / 1000 * MEMORY_GB)
        + usd("read", SETTLEMENTS * SETTLEMENT_COUNTS[PLAN].read / MILLION),
    }


def fixed_usd(*, idle: bool) -> dict[str, float]:
    """Return the parts of what a month costs beside its requests."""
    return standing_usd(idle=idle) | background_usd()


def payments_for(budget_usd: float, flow: Mapping[str, float]) -> int:
    """Return how many payments a month a budget pays for."""
    left_usd = budget_usd - sum(fixed_usd(idle=False).values())
    return int(left_usd / sum(million_usd(flow).values()) * MILLION)


def example_usd() -> float:
    """Return what a month costs with the example's payments, each captured, settled and told of."""
    million = sum(sum(one.values()) for one in (million_usd(PAYMENT), webhook_usd(), settled_usd()))
    return sum(fixed_usd(idle=False).values()) + million * EXAMPLE_PAYMENTS / MILLION


@dataclass(frozen=True, slots=True)
class Limit:
    """A key or quota, what a payment takes of it, and what it bears in a second."""

    what: str
    takes: float
    bears: float
    spread: str

    @property
    def per_s(self) -> float:
        """How many a second it bears."""
        return self.bears / self.takes


def limits() -> list[Limit]:
    """Return what breaks as traffic grows, first things first."""
    authorize, capture = COUNTS["authorize"], COUNTS["capture"]
    busy_s = sum(duration_ms(name) for name in PAYMENT) / 1000
    of_payment = capture.table - 2  # all but the spent key, which has a partition of its own
    of_batch = 2 + 2 / 33  # a line, and a share of the check that the batch is open
    return sorted(
        [
            Limit("one API key, 100 requests a minute", 2, KEY_REQUESTS_S, "a larger usage plan"),
            Limit("account: 10 functions at a time, where new", busy_s, 10, "ask AWS for 1,000"),
            Limit("account: 1,000 functions at a time", busy_s, 1_000, "ask AWS for more"),
            Limit("a table that is new", authorize.table + capture.table, NEW_TABLE_WRITES,
                  "grows by itself with traffic; or warm it beforehand"),
            Limit("captures of one payment: `auth_..`", of_payment, PARTITION_WRITES,
                  "nothing: 100 captures a payment"),
            Limit("settled into one batch: `stl_..`", of_batch, PARTITION_WRITES,
                  "nothing needed: it takes minutes of the night"),
            Limit("`by_merchant`, merchant#events", 3, PARTITION_WRITES,
                  "a shard at the end of the list's name"),
            Limit("`by_due`, merchant", authorize.by_due + capture.by_due + 1, PARTITION_WRITES,
                  "a shard at the end of the merchant's id"),
            Limit("`by_merchant`, merchant#payments", 1, PARTITION_WRITES,
                  "a shard at the end of the list's name"),
            Limit("`by_card`, one card of a merchant", 1, PARTITION_WRITES,
                  "more test cards; a shard"),
            Limit("the merchant's settings and clock", 2, PARTITION_READS,
                  "remember them for seconds in the function"),
        ],
        key=lambda one: one.per_s,
    )  # fmt: skip


def check() -> None:
    """Hold the formulas to sums done by hand; raise AssertionError."""
    writes = COUNTS["authorize"].write + COUNTS["capture"].write
    expected = {
        "API Gateway": 7.0,
        "Lambda, requests": 0.4,
        "DynamoDB, writes": writes * 0.625,
        "X-Ray": 10.0,
        f"DynamoDB, storage for {RETENTION_DAYS} days":
            (STORED_BYTES * 3 + KEY_BYTES * 2 / 30) / 1000 * 0.25,
    }  # fmt: skip
    found = million_usd(PAYMENT)
    wrong = [name for name, value in expected.items() if not math.isclose(found[name], value)]
    if wrong:
        raise AssertionError(f"not as by hand: {', '.join(wrong)}")
    idle_usd = sum(fixed_usd(idle=True).values())
    by_hand_usd = 1.95 + 1.00 + 0.26 + 0.10 + 0.11
    if not math.isclose(idle_usd, by_hand_usd, abs_tol=0.01) or idle_usd >= BUDGET_USD:
        raise AssertionError(f"an idle month is not {by_hand_usd} USD but {idle_usd}")
    webhook = webhook_usd()
    if not math.isclose(webhook["DynamoDB, writes"], (3 + 5) * 0.625):
        raise AssertionError("a webhook's writes are not as by hand: 3 relayed, 5 delivered")
    settled = settled_usd()["DynamoDB, writes"]
    if not math.isclose(settled, (6 + 2 + 9 / 64) * 0.625):
        raise AssertionError(
            "a settlement's writes are not as by hand: 8, and 9 for 64 and a batch"
        )
    paid = payments_for(BUDGET_USD, PAYMENT) / MILLION * sum(found.values())
    if not math.isclose(paid + sum(fixed_usd(idle=False).values()), BUDGET_USD, rel_tol=1e-4):
        raise AssertionError("the payments a budget buys do not cost the budget")


def tables() -> str:
    """Return the tables of the page."""
    parts = (_flows, _webhooks, _settled, _months, _operations, _limits, _prices)
    return "\n".join(part() for part in parts)


def page_is_current() -> bool:
    """Tell whether the page holds the tables as they are now."""
    return PAGE.exists() and f"{START}\n{tables()}{END}" in PAGE.read_text(encoding="utf-8")


def _flows() -> str:
    flows = [million_usd(PAYMENT), million_usd(MIX)]
    rows = [(name, *(f"{one[name]:.2f}" for one in flows)) for name in flows[0]]
    rows.append(("**in all**", *(f"**{sum(one.values()):.2f}**" for one in flows)))
    mix = ", ".join(f"{share:g} {name}" for name, share in MIX.items())
    return (
        "### A million payments, in USD\n\n"
        + _table(("", "payment: authorize and capture", "the mix"), rows)
        + f"\nThe mix, for each payment: {mix}.\n"
    )


def _webhooks() -> str:
    parts = webhook_usd()
    rows = [(name, f"{value:.2f}") for name, value in parts.items()]
    rows.append(("**in all**", f"**{sum(parts.values()):.2f}**"))
    return "### A million webhooks, in USD\n\n" + _table(
        ("", "an event to one endpoint, delivered at once"), rows
    )


def _settled() -> str:
    parts = settled_usd()
    rows = [(name, f"{value:.2f}") for name, value in parts.items()]
    rows.append(("**in all**", f"**{sum(parts.values()):.2f}**"))
    return "### A million settled payments, in USD\n\n" + _table(
        ("", "beside their requests, many in a batch"), rows
    )


def _months() -> str:
    idle, used = fixed_usd(idle=True), fixed_usd(idle=False)
    rows = [(name, f"{idle[name]:.2f}", f"{used[name]:.2f}") for name in idle]
    totals = (f"**{sum(idle.values()):.2f}**", f"**{sum(used.values()):.2f}**")
    rows.append(("**in all**", *totals))
    return (
        "### A month, beside its requests, in USD\n\n"
        + _table(("", "idle", "in use all the time"), rows)
        + f"\n{BUDGET_USD:g} USD buy {payments_for(BUDGET_USD, PAYMENT):,} payments a month,"
        f" or {payments_for(BUDGET_USD, MIX):,} of the mix.\n"
        f"\n{EXAMPLE_PAYMENTS:,} payments a month, each captured, settled and told of by a webhook,"
        f" cost {example_usd():.2f} USD with all of the above.\n"
    )


def _prices() -> str:
    rows = [(one.what, f"{one.usd:.10f}".rstrip("0").rstrip("."), one.unit, one.source)
            for one in PRICES.values()]  # fmt: skip
    return "### The prices\n\n" + _table(("what", "USD", "for a", "read in"), rows)


def _operations() -> str:
    rows = [
        (
            name,
            str(len(one.calls)),
            f"{one.table:g}",
            f"{one.write - one.table:g}",
            f"{one.read:g}",
            f"{duration_ms(name)}",
            f"{sum(million_usd({name: 1.0}).values()) - _storage_usd({name: 1.0}):.2f}",
        )
        for name, one in COUNTS.items()
    ]
    names = ("request", "trips", "write units: table", "indexes", "read units", "ms assumed",
             "USD a million, without storage")  # fmt: skip
    return "### The requests\n\n" + _table(names, rows)


def _storage_usd(flow: Mapping[str, float]) -> float:
    return million_usd(flow)[f"DynamoDB, storage for {RETENTION_DAYS} days"]


def _limits() -> str:
    rows = [
        (one.what, f"{one.takes:g}", _rate(one.bears), _rate(one.per_s), one.spread)
        for one in limits()
    ]
    names = ("what", "a payment takes", "it bears a second", "payments a second", "what helps")
    return "### Where it breaks\n\n" + _table(names, rows)


def _rate(per_s: float) -> str:
    return f"{per_s:.2g}" if per_s < 10 else f"{per_s:,.0f}"


def _table(names: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [names, ("---",) * len(names), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> int:
    """Print the tables, and write them into the page."""
    check()
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{START}\n{tables()}{END}{after}", encoding="utf-8")
    print(tables())
    return 0


if __name__ == "__main__":
    sys.exit(main())
