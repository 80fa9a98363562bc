"""What the function in AWS costs: `python -m bench.aws` counts it at an emulator.

Exit code 1: a goal is missed, or docs/cost.md is computed from other counts.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from bench.aws_cost import page_is_current
from bench.aws_counts import (
    COUNTS,
    KEY_BYTES,
    LOG_BYTES,
    LOG_BYTES_OFF_MAX,
    SETTLE_MANY,
    SETTLE_ONE,
    SETTLED_AT_ONCE,
    SETTLED_BYTES,
    SETTLEMENT_COUNTS,
    STORED_BYTES,
    WEBHOOK_COUNTS,
    WEBHOOK_LOG_BYTES,
    Counted,
)
from bench.aws_imports import GOAL, Import, measure
from bench.aws_meter import INDEXES, Bill
from bench.aws_requests import Answered, caller_at, cpu_ms, first_request, operations
from bench.report import Report, print_report
from tests.emulator import REGION, emulated

WIDTH_MIN = 150
SHORT = {
    "GetItem": "Get",
    "TransactWriteItems": "TransactWrite",
    "BatchGetItem": "BatchGet",
    "GetParameter": "SSM GetParameter",
}
REMARKS = """\
write units: the emulator's, which follow AWS: 2 for each KB in a transaction, 1 for an index entry;
of a cancelled transaction (<=) at most, by our rule: AWS tells none
read units: by AWS' rule from the sizes of the items returned, for the emulator's leave sizes out:
1 for each 4 KB, half that if eventually consistent; BatchGet item by item, Query page by page
whose key it is, is remembered 60 s; the identity root (SSM) 5 minutes""".splitlines()
MODULES_SHOWN = 10


class Goal(NamedTuple):
    """A figure and the most it may be, or what it must be."""

    what: str
    found: float
    at_most: float

    @property
    def is_met(self) -> bool:
        """Whether it is."""
        return self.found <= self.at_most


def main(arguments: Sequence[str]) -> int:
    """Print all tables; 1 if a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.aws", description=__doc__)
    parser.add_argument("--rounds", type=int, help="rounds of the imports")
    parser.add_argument("--no-imports", action="store_true", help="count the requests only")
    asked = parser.parse_args(arguments)
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH_MIN)
    goals = count_requests(console)
    if not asked.no_imports:
        goals.append(time_imports(console, asked.rounds))
    print_goals(console, goals)
    return 0 if all(goal.is_met for goal in goals) else 1


def count_requests(console: Console) -> list[Goal]:
    """Count what each request makes and print it; return the goals."""
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with emulated() as endpoint, caller_at(endpoint) as caller:
        first = first_request(caller)
        found = operations(caller)
        authorizations_ms, captures_ms = cpu_ms(caller)
        delivered = caller.webhook(caller.opened())
        settler = caller.settler()
        settlement = settler.bills()
    print_requests(console, {"authorize, the first request with a key": first} | found)
    webhook = {
        "webhook: relay, one endpoint": delivered.relay,
        "webhook: deliver, at once": delivered.deliver,
    }
    print_bills(console, webhook)
    print_bills(console, settlement)
    print_sizes(console, found)
    console.print(
        f"  warm CPU of this process: authorize {median(authorizations_ms):.1f} ms,"
        f" capture {median(captures_ms):.1f} ms (median of {len(captures_ms)}),"
        f" settling each of {SETTLED_AT_ONCE} {settler.cpu_ms:.1f} ms\n",
        style="dim",
        highlight=False,
    )
    return [
        *goals_of(found),
        *settlement_goals(settlement),
        *page_goals(found, webhook, settlement),
        Goal("log bytes of a webhook off", abs(delivered.log_bytes - WEBHOOK_LOG_BYTES), 0),
        Goal("stored bytes of a settlement off", abs(settler.stored_bytes - SETTLED_BYTES), 0),
    ]


def print_requests(console: Console, found: Mapping[str, Answered]) -> None:
    """Print the calls and units of each request."""
    table = Table(
        title="through the function: round trips and DynamoDB's units for each request",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("request")
    for heading in ("trips", "write", "table", *INDEXES, "read", "log bytes"):
        table.add_column(heading, justify="right")
    table.add_column("calls")
    for name, answered in found.items():
        bill = answered.bill
        units = [bill.write_units, bill.table_write_units, *bill.by_index().values()]
        sign = "<=" if bill.is_estimate else ""
        table.add_row(
            name,
            str(len(bill.calls)),
            *(f"{sign if one else ''}{one:g}" for one in units),
            f"{bill.read_units:g}",
            str(answered.log_bytes),
            ", ".join(SHORT.get(one.name, one.name) for one in bill.calls),
        )
    console.print(table)
    for remark in REMARKS:
        console.print(f"  {remark}", style="dim", highlight=False)
    console.print()


def print_bills(console: Console, found: Mapping[str, Bill]) -> None:
    """Print the calls and units of what functions do beside requests."""
    for name, bill in found.items():
        called = Counter(SHORT.get(one.name, one.name) for one in bill.calls)
        calls = ", ".join(f"{times} {one}" for one, times in called.items())
        units = f"write {bill.write_units:g} ({bill.table_write_units:g} of the table)"
        console.print(f"  {name}: {units}, read {bill.read_units:g}: {calls}", highlight=False)
    console.print()


def print_sizes(console: Console, found: Mapping[str, Answered]) -> None:
    """Print the bytes that each write leaves."""
    table = Table(title="bytes written", title_justify="left", title_style="bold")
    for heading in ("request", "head", "transaction", "key"):
        table.add_column(heading, justify="left" if heading == "request" else "right")
    for name, answered in found.items():
        if answered.item_bytes and not answered.bill.is_estimate:
            sizes = answered.item_bytes
            table.add_row(name, *(f"{sizes[one]:,}" for one in ("head", "transaction", "key")))
    console.print(table)
    console.print(
        f"  stored for an authorized and captured payment, with its index entries:"
        f" {payment_bytes(found):,} bytes; for each spent key, for a day:"
        f" {found['capture'].stored_bytes['key']:,}",
        style="dim",
        highlight=False,
    )


def payment_bytes(found: Mapping[str, Answered]) -> int:
    """Return what storage counts for a payment after its capture, without spent keys."""
    capture, authorize = found["capture"].stored_bytes, found["authorize"].stored_bytes
    return capture["head"] + capture["transaction"] + authorize["transaction"]


def goals_of(found: Mapping[str, Answered]) -> list[Goal]:
    """Return the goals for what a request makes."""
    bills = {name: answered.bill for name, answered in found.items()}
    plain, rich = bills["capture"], bills["capture after 10 KB metadata"]
    return [
        Goal("authorize: round trips", len(bills["authorize"].calls), 2),
        Goal("capture: round trips", len(plain.calls), 2),
        Goal("authorize: write units", bills["authorize"].write_units, 11),
        Goal("capture: write units", plain.write_units, 10),
        Goal("refund: write units", bills["refund"].write_units, 10),
        Goal("capture after 10 KB metadata: write units more", _more(rich, plain), 0),
        # The merchant's clock, which each list reads, is not part of the list.
        Goal(
            "list 25 by card: read units of the list", bills["list 25 by card"].read_units - 1, 14
        ),
    ]


def settlement_goals(bills: Mapping[str, Bill]) -> list[Goal]:
    """Return the goals for what settlement takes."""
    one = bills[SETTLE_ONE].write_units
    return [
        Goal("settling one payment: write units", one, 13),
        Goal(
            f"settling each of {SETTLED_AT_ONCE}: write units",
            bills[SETTLE_MANY].write_units / SETTLED_AT_ONCE,
            13,
        ),
    ]


def page_goals(
    found: Mapping[str, Answered], webhook: Mapping[str, Bill], settlement: Mapping[str, Bill]
) -> list[Goal]:
    """Return goals that hold docs/cost.md to what was found."""
    bills = {name: answered.bill for name, answered in found.items()} | {**webhook, **settlement}
    counts = COUNTS | WEBHOOK_COUNTS | SETTLEMENT_COUNTS
    differ = [name for name, counted in counts.items() if counted != _counted(bills[name])]
    off = abs(found["authorize"].log_bytes - LOG_BYTES)
    stored = (payment_bytes(found), found["capture"].stored_bytes["key"])
    return [
        Goal(f"counts that are not those of aws_counts.py {' '.join(differ)}", len(differ), 0),
        Goal("stored bytes that are not those", stored != (STORED_BYTES, KEY_BYTES), 0),
        Goal("log bytes off", off, LOG_BYTES_OFF_MAX),
        Goal("docs/cost.md to be written anew", not page_is_current(), 0),
    ]


def time_imports(console: Console, rounds: int | None) -> Goal:
    """Time the import of the function and print where it goes; return the goal."""
    report, modules = measure(console, rounds)
    print_report(console, report)
    _print_modules(console, modules)
    return Goal("cold import beside the bare one", _ratio(report), GOAL)


def print_goals(console: Console, goals: Sequence[Goal]) -> None:
    """Print each goal with what was found."""
    table = Table(title="goals", title_justify="left", title_style="bold")
    table.add_column("what")
    for heading in ("found", "at most", ""):
        table.add_column(heading, justify="right")
    for goal in goals:
        verdict = "[green]met[/]" if goal.is_met else "[red]missed[/]"
        table.add_row(goal.what, f"{goal.found:g}", f"{goal.at_most:g}", verdict)
    console.print(table)


def _print_modules(console: Console, modules: Sequence[Import]) -> None:
    """Print the longest imports, and what each package takes by itself."""
    own_ms: dict[str, float] = {}
    for one in modules:
        own_ms[one.package] = own_ms.get(one.package, 0.0) + one.own_ms
    longest = sorted(modules, key=lambda one: -one.all_ms)
    tables = {
        "a module with all it is the first to import": [
            (one.module, one.all_ms) for one in longest
        ],
        "a package by itself; ours makes the clients": sorted(
            own_ms.items(), key=lambda one: -one[1]
        ),
    }
    for title, rows in tables.items():
        console.print(f"[bold]-X importtime of ours: {title}[/]", highlight=False)
        table = Table()
        table.add_column("what")
        table.add_column("ms", justify="right")
        for name, took_ms in rows[:MODULES_SHOWN]:
            table.add_row(name, f"{took_ms:.0f}")
        console.print(table)


def _ratio(report: Report) -> float:
    return next(round(one.ratio, 2) for one in report.comparisons if one.goal is not None)


def _more(one: Bill, other: Bill) -> float:
    return one.write_units - other.write_units


def _counted(bill: Bill) -> Counted:
    names = tuple(one.name for one in bill.calls)
    return Counted(names, bill.table_write_units, **bill.by_index(), read=bill.read_units)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
