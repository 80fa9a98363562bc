"""The command that fills a ledger file with a believable month: seed."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from payments_sandbox.adapters.clock import SystemClock
from payments_sandbox.domain.errors import LedgerUnavailable
from payments_sandbox.entrypoints.remote import notice, say, show_table
from payments_sandbox.entrypoints.terminal import DATA, Data, err, refuse
from payments_sandbox.services.ports import LedgerRefused

if TYPE_CHECKING:
    from payments_sandbox.entrypoints.seed import Passed, Tally

PAYMENTS_MAX = 200_000
DAYS_MAX = 366
YEAR_MIN = 2000
EXIT_INTERRUPTED = 130
_SHOW_EVERY = 64


def seed(
    *,
    data: Data = DATA,
    number: Annotated[int, typer.Option("--seed", help="The same number, the same month.")] = 1,
    payments: Annotated[int, typer.Option(min=1, max=PAYMENTS_MAX, help="How many.")] = 500,
    start: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="The first day, in UTC.")
    ] = "2026-01-01",  # pyright: ignore[reportArgumentType] - parsed by the command line
    days: Annotated[
        int, typer.Option(min=1, max=DAYS_MAX, help="How many days. They must be over.")
    ] = 30,
) -> None:
    """Fill an empty ledger file with a believable month of payments, of the merchant `default`.

    The file is made, or holds no payments yet, and is not served meanwhile.

    Sales by day and night in four currencies, declines, captures at once, later and in parts,
    voids, expiries and refunds; each day is settled, its batches are closed and paid out. No
    webhooks are sent for them.

    With the same --seed, --payments, --start and --days, a new file has the same payments, amounts,
    times and statuses, and the same ids of payments, transactions, events and settlement batches,
    on any machine. Only card ids differ: they are made under the file's own secret root.
    """
    from payments_sandbox.entrypoints.seed import seed as write  # noqa: PLC0415 - slow to import
    from payments_sandbox.entrypoints.seed_plan import Plan  # noqa: PLC0415 - as above

    plan = Plan(number, payments, start.date(), days)
    latest = (SystemClock().now() - timedelta(days=days)).date()
    if start.year < YEAR_MIN or plan.start > latest:
        refuse(
            f"--start {plan.start} and --days {days} must lie between {YEAR_MIN} and today: --start"
            f" {latest} is the latest"
        )
    try:
        with _bar() as progress:
            tallies = write(data.resolve(), plan, progress)
    except LedgerRefused as error:
        refuse(str(error))
    except LedgerUnavailable:
        refuse(f"{data} cannot be written now. Is the disk full? Delete what is there of it.")
    except KeyboardInterrupt:
        notice(f"Stopped. {data} holds a part of the month; delete it to begin anew.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    _show(tallies, plan.ends_at)
    say(f"Serve it: payments-sandbox serve --data {data}")


def _show(tallies: "dict[str, Tally]", ends_at: datetime) -> None:
    title = f"Seeded up to {ends_at:%Y-%m-%d %H:%M} UTC (amounts in minor units)"
    names = ("payments", "declined", "captured", "refunded", "batches", "paid_out")
    table = Table("currency", title=title)
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for currency, tally in tallies.items():
        table.add_row(currency, *(f"{getattr(tally, name):,}" for name in names))
    show_table(table)


@contextmanager
def _bar() -> "Generator[Callable[[Passed], None]]":
    """Show how much is written, on a terminal; yield what tells of it."""
    if not err.is_terminal:
        yield lambda _: None
        return
    from rich import progress  # noqa: PLC0415 - slow to import

    day = progress.TextColumn("{task.fields[day]}")
    columns = ("Seeding", progress.BarColumn(), day, progress.TimeElapsedColumn())
    with progress.Progress(*columns, console=err, transient=True) as bar:
        task_id = bar.add_task("", total=None, day="")

        def show(passed: "Passed") -> None:
            if passed.steps % _SHOW_EVERY == 0:
                bar.update(
                    task_id, completed=passed.steps, total=passed.of, day=f"{passed.at:%Y-%m-%d}"
                )

        yield show
