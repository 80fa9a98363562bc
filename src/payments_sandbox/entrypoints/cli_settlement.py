"""The commands around settlement, for any sandbox that runs: settle, settlements, balances."""

import asyncio
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeVar

import typer
from rich.table import Table

from payments_sandbox.domain.event import EventType
from payments_sandbox.domain.settlement import BatchState
from payments_sandbox.entrypoints.cli_time import (
    EXIT_INTERRUPTED,
    print_json,
    show_run,
    time_words,
)
from payments_sandbox.entrypoints.remote import (
    API_KEY,
    URL,
    ApiKey,
    AsJson,
    Url,
    client_of,
    notice,
    say,
    show_table,
)
from payments_sandbox.entrypoints.terminal import err, refuse

if TYPE_CHECKING:
    from payments_sandbox.adapters.api_client import Json, SandboxClient
    from payments_sandbox.adapters.api_time import ClockReading
    from payments_sandbox.entrypoints.runs import Ran

PAGE_MAX = 100
CLOSED_SHOWN_MAX = 30
Result = TypeVar("Result")
_BATCH = (
    "business_day", "currency", "state", "count", "gross", "refunds", "fees", "net", "payout_date",
    "settlement_id",
)  # fmt: skip
_BALANCE = ("currency", "pending", "available", "in_transit", "paid_out", "fees")
_TEXTS = {"business_day", "currency", "state", "payout_date", "settlement_id"}
_IN_MINOR_UNITS = "amounts in minor units"


class _Settled(NamedTuple):
    """The batches that a run closed, and the clock after it."""

    closed: "Sequence[Json]"
    clock: "ClockReading"


def settle(*, url: Url = URL, api_key: ApiKey = API_KEY, as_json: AsJson = False) -> None:
    """Do now what is due by now: expire, settle, close and pay out; show the batches that closed.

    A sandbox here does so by itself, within a second or so; one in AWS does it every hour. What was
    captured today is due when the day ends: `clock advance` brings that about.
    """
    from payments_sandbox.entrypoints.runs import Ran  # noqa: PLC0415 - slow to import

    ran = Ran()
    try:
        settled = _run(_settle(url, api_key, ran))
    except KeyboardInterrupt:
        notice(f"Stopped after {_done(ran)}. `settle` goes on with the rest.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if as_json:
        print_json(ran.as_json())
        return
    show_run(ran)
    if settled.closed:
        _show("Batches that closed", _BATCH, settled.closed)
    hidden = ran.counts[EventType.SETTLEMENT_CLOSED] - len(settled.closed)
    if hidden > 0:
        say(f"And {hidden:,} more: payments-sandbox settlements")
    due = settled.clock.next_due_at
    if due is not None and not ran.counts:
        say(f"The next is due at {time_words(due)}. To go there:")
        say(f"  payments-sandbox clock advance --to {due:%Y-%m-%dT%H:%M:%SZ}")


def settlements(  # noqa: PLR0913 - one argument for each option
    *,
    currency: Annotated[str | None, typer.Option(help="Of this currency alone.")] = None,
    state: Annotated[
        str | None, typer.Option(metavar="|".join(BatchState), help="In this state alone.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=PAGE_MAX, help="How many at most.")] = 20,
    url: Url = URL,
    api_key: ApiKey = API_KEY,
    as_json: AsJson = False,
) -> None:
    """List settlement batches, the newest business day first; amounts in minor units."""
    wanted = {"currency": currency, "state": state}
    named = {name: value for name, value in wanted.items() if value is not None}

    async def work() -> "tuple[list[Json], bool]":
        async with client_of(url, api_key) as client:
            return await _batches(client, limit, named)

    found, more = _run(work())
    if as_json:
        print_json({"data": found})
        return
    _show("Settlement batches", _BATCH, found)
    if more:
        notice("There are more: --limit, --currency and --state choose which to show.")


def balances(*, url: Url = URL, api_key: ApiKey = API_KEY, as_json: AsJson = False) -> None:
    """Show your merchant's balances, by currency; amounts in minor units."""

    async def work() -> "list[Json]":
        async with client_of(url, api_key) as client:
            return (await client.data("/balances"))[0]

    found = _run(work())
    if as_json:
        print_json({"data": found})
        return
    _show("Balances", _BALANCE, found)


def _run(work: Coroutine[None, None, Result]) -> Result:
    from payments_sandbox.adapters.api_client import ApiRefused  # noqa: PLC0415 - slow to import

    try:
        return asyncio.run(work)
    except ApiRefused as refused:
        refuse(str(refused))


async def _settle(url: str, api_key: str, ran: "Ran") -> _Settled:
    """Run until nothing is due, adding what happens to `ran`; raise ApiRefused."""
    from payments_sandbox.entrypoints.runs import run_to_its_end  # noqa: PLC0415 - slow

    async with client_of(url, api_key) as client:
        with _status(ran) as heard:
            await run_to_its_end(client.settle, ran, heard)
        count = min(ran.counts[EventType.SETTLEMENT_CLOSED], CLOSED_SHOWN_MAX)
        return _Settled(await _last_closed(client, count), await client.clock())


async def _last_closed(client: "SandboxClient", count: int) -> "list[Json]":
    """Return the batches that closed last, which are on the last business days."""
    if not count:
        return []
    found, _ = await _batches(client, PAGE_MAX, {})
    closed = [one for one in found if one.get("closed_at")]
    closed.sort(key=lambda one: str(one["closed_at"]), reverse=True)
    return closed[:count]


async def _batches(
    client: "SandboxClient", limit: int, wanted: dict[str, str]
) -> "tuple[list[Json], bool]":
    """Return so many batches and whether there are more; pages may be short. Raise ApiRefused."""
    found, cursor = await client.data("/settlements", limit=str(limit), **wanted)
    while cursor is not None and len(found) < limit:
        more, cursor = await client.data("/settlements", cursor=cursor, limit=str(limit), **wanted)
        found += more
    return found[:limit], cursor is not None or len(found) > limit


@contextmanager
def _status(ran: "Ran") -> Generator[Callable[[], None]]:
    """Show what is done so far, on a terminal; yield what says that there is more of it."""
    if not err.is_terminal:
        yield lambda: None
        return
    with err.status("Settling what is due ...") as status:
        yield lambda: status.update(f"Settling what is due: {_done(ran)} so far ...")


def _done(ran: "Ran") -> str:
    settled, closed = EventType.TRANSACTION_SETTLED, EventType.SETTLEMENT_CLOSED
    return f"{ran.counts[settled]:,} settled, {ran.counts[closed]:,} batches closed"


def _show(title: str, columns: Sequence[str], rows: "Sequence[Json]") -> None:
    table = Table(title=f"{title} ({_IN_MINOR_UNITS})")
    for name in columns:
        is_text = name in _TEXTS
        heading = name.removeprefix("business_").replace("_", " ")
        table.add_column(heading, justify="left" if is_text else "right")
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in columns))
    show_table(table)


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value or "-")
