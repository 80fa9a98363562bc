"""The command that checks a ledger's file: its books, derived anew from its log."""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.markup import escape
from rich.progress import Progress
from rich.table import Column, Table

from payments_sandbox.api.invariants import report_json
from payments_sandbox.domain.errors import LedgerUnavailable
from payments_sandbox.entrypoints.remote import AsJson
from payments_sandbox.entrypoints.terminal import err, out, refuse
from payments_sandbox.services.audit import Report
from payments_sandbox.services.ports import Clock, LedgerRefused

if TYPE_CHECKING:
    from payments_sandbox.adapters.sqlite import SqliteLedger


def verify(
    data: Annotated[
        Path, typer.Argument(help="The ledger's file. It may be served meanwhile.", dir_okay=False)
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Derive all books of a ledger's file anew from its log; exit with 1 if a check fails.

    With --json: for each merchant what its GET /sandbox/invariants answers.
    """
    from payments_sandbox.adapters.sqlite_file import check_ledger_file  # noqa: PLC0415 - slow

    try:
        check_ledger_file(data)
        with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
            task = progress.add_task("Payments", total=_payments(data))
            reports = asyncio.run(reports_of(data, lambda count: progress.advance(task, count)))
    except LedgerRefused as error:
        refuse(str(error))
    except LedgerUnavailable as error:
        refuse(f"{data} cannot be read: {error.__cause__}")
    if as_json:
        found = {one: report_json(report) for one, report in reports.items()}
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        for merchant_id, report in reports.items():
            _print(merchant_id, report)
    if not all(report.holds for report in reports.values()):
        raise typer.Exit(1)


def _payments(data: Path) -> int:
    connection = sqlite3.connect(data)
    try:
        (count,) = connection.execute("SELECT count(*) FROM payments").fetchone()
    finally:
        connection.close()
    return count


async def reports_of(data: Path, on_page: Callable[[int], None]) -> dict[str, Report]:
    """Return a report for each merchant; raise LedgerUnavailable."""
    from payments_sandbox.adapters.clock import SystemClock  # noqa: PLC0415 - slow to import
    from payments_sandbox.adapters.sqlite import SqliteLedger  # noqa: PLC0415 - as above
    from payments_sandbox.adapters.sqlite_merchants import SqliteMerchants  # noqa: PLC0415

    clock = SystemClock()
    ledger = SqliteLedger(data, clock, _never_written)
    try:
        merchants = await SqliteMerchants(ledger).merchants()
        return {one: await _report(ledger, clock, one, on_page) for one in merchants}
    finally:
        await ledger.close()


async def _report(
    ledger: "SqliteLedger", clock: Clock, merchant_id: str, on_page: Callable[[int], None]
) -> Report:
    """Return what an audit finds, and what columns say that their records do not."""
    from payments_sandbox.adapters.sqlite_columns import SqliteColumns  # noqa: PLC0415 - slow
    from payments_sandbox.adapters.sqlite_merchants import SqliteMerchants  # noqa: PLC0415
    from payments_sandbox.adapters.sqlite_settlements import SqliteSettlements  # noqa: PLC0415
    from payments_sandbox.adapters.sqlite_trail import SqliteTrail  # noqa: PLC0415
    from payments_sandbox.services.audit import Audit  # noqa: PLC0415

    columns = SqliteColumns(ledger)
    settlements = SqliteSettlements(ledger, clock)
    trail = SqliteTrail(ledger, clock, columns.heads)
    audit = Audit(SqliteMerchants(ledger), settlements, trail, clock)
    report = await audit.run(merchant_id, within=None, on_page=on_page)
    await columns.others(merchant_id)
    return report._replace(checks=[*report.checks, columns.check])


def _never_written(error: sqlite3.Error) -> NoReturn:
    raise error


def _print(merchant_id: str, report: Report) -> None:
    title = (
        f"{escape(merchant_id)}: {report.payments:,} payments, {report.transactions:,} transactions"
    )
    table = Table(Column("check", no_wrap=True), "looked at", "faults", title=title)
    for one in report.checks:
        faults = f"[bold red]{one.faults:,}[/]" if one.faults else "[green]0[/]"
        table.add_row(one.name, f"{one.looked_at:,}", faults)
    out.print(table)
    for one in report.checks:
        for example in one.examples:
            out.print(f"  {one.name}: {escape(example)}", highlight=False, soft_wrap=True)
    for one in report.checks:
        for name, figure in one.figures.items():
            out.print(f"  {name}: {figure:,}", highlight=False)
