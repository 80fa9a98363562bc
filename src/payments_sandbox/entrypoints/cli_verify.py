"""The command that checks a ledger's file: its books, derived anew from its log."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.markup import escape
from rich.progress import Progress
from rich.table import Column, Table

from payments_sandbox.domain.errors import LedgerUnavailable
from payments_sandbox.entrypoints.terminal import err, out, refuse
from payments_sandbox.services.audit import Report
from payments_sandbox.services.ports import LedgerRefused


def verify(
    data: Annotated[
        Path, typer.Argument(help="The ledger's file. It may be served meanwhile.", dir_okay=False)
    ],
) -> None:
    """Derive all books of a ledger's file anew from its log; exit with 1 if a check fails."""
    from payments_sandbox.adapters.sqlite_file import check_ledger_file  # noqa: PLC0415 - slow

    try:
        check_ledger_file(data)
        with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
            task = progress.add_task("Payments", total=_payments(data))
            reports = asyncio.run(_reports(data, lambda count: progress.advance(task, count)))
    except LedgerRefused as error:
        refuse(str(error))
    except LedgerUnavailable as error:
        refuse(f"{data} cannot be read: {error.__cause__}")
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


async def _reports(data: Path, on_page: Callable[[int], None]) -> dict[str, Report]:
    """Return a report for each merchant; raise LedgerUnavailable."""
    from payments_sandbox.adapters.clock import SystemClock  # noqa: PLC0415 - slow to import
    from payments_sandbox.adapters.sqlite import SqliteLedger  # noqa: PLC0415 - as above
    from payments_sandbox.adapters.sqlite_merchants import SqliteMerchants  # noqa: PLC0415
    from payments_sandbox.adapters.sqlite_settlements import SqliteSettlements  # noqa: PLC0415
    from payments_sandbox.adapters.sqlite_trail import SqliteTrail  # noqa: PLC0415
    from payments_sandbox.services.audit import Audit  # noqa: PLC0415

    clock = SystemClock()
    ledger = SqliteLedger(data, clock, _never_written)
    try:
        merchants = SqliteMerchants(ledger)
        settlements, trail = SqliteSettlements(ledger, clock), SqliteTrail(ledger, clock)
        audit = Audit(merchants, settlements, trail, clock)
        return {
            one: await audit.run(one, within=None, on_page=on_page)
            for one in await merchants.merchants()
        }
    finally:
        await ledger.close()


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
