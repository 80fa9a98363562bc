"""The commands around a merchant's clock, for any sandbox that runs: show it, move it forward."""

import asyncio
import json
import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from payments_sandbox.api.clock import duration_of
from payments_sandbox.domain.times import iso_of
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
from payments_sandbox.services.clocks import STEP_MAX

if TYPE_CHECKING:
    from payments_sandbox.adapters.api_client import SandboxClient
    from payments_sandbox.adapters.api_time import ClockReading
    from payments_sandbox.entrypoints.runs import Ran

clock = typer.Typer(
    help="Look at your merchant's clock and move it forward. Expiry, settlement, payouts and the"
    " retries of webhooks follow it."
)
SHOWN_MAX = 12
EXIT_INTERRUPTED = 130
_SPAN = re.compile(
    r"(?:([0-9]{1,3})w)?(?:([0-9]{1,4})d)?(?:([0-9]{1,5})h)?(?:([0-9]{1,7})m)?(?:([0-9]{1,9})s)?"
)
_HOUR_S = 3_600
_WORDS = ((86_400, "d"), (_HOUR_S, "h"), (60, "min"), (1, "s"))


@clock.callback(invoke_without_command=True)
def clock_alone(context: typer.Context, url: Url = URL, api_key: ApiKey = API_KEY) -> None:
    """Show the clock where no other command is named."""
    if context.invoked_subcommand is None:
        show(url=url, api_key=api_key)
        return
    for name in ("url", "api_key"):
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = f"--{name.replace('_', '-')}"
            refuse(f"put {option} behind the command: clock {context.invoked_subcommand} {option}")


@clock.command("show")
def show(*, url: Url = URL, api_key: ApiKey = API_KEY, as_json: AsJson = False) -> None:
    """Show what the clock says, how far it is ahead of real time, and what is due next."""
    from payments_sandbox.adapters.api_client import ApiRefused  # noqa: PLC0415 - slow to import

    async def work() -> "ClockReading":
        async with client_of(url, api_key) as client:
            return await client.clock()

    try:
        reading = asyncio.run(work())
    except ApiRefused as refused:
        refuse(str(refused))
    if as_json:
        print_json(reading.answer)
        return
    table = Table("", "", show_header=False, title="The clock of your merchant")
    table.add_row("now", time_words(reading.now))
    table.add_row("real time", time_words(reading.real_now))
    table.add_row("ahead by", span_words(reading.now - reading.real_now))
    table.add_row("next due", _next_due(reading))
    show_table(table)


@clock.command("advance")
def advance(
    span: Annotated[
        str | None,
        typer.Argument(
            metavar="[SPAN]",
            help="How far, up to 400 days: 7d, 2h30m, 1w, 90m, or ISO 8601 like P1DT2H.",
        ),
    ] = None,
    *,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Instead, up to a moment: 2026-12-01T00:00:00Z, or 2026-12-01 for its midnight in"
            " UTC. May be repeated: a clock that is there stays.",
        ),
    ] = None,
    url: Url = URL,
    api_key: ApiKey = API_KEY,
    as_json: AsJson = False,
) -> None:
    """Move the clock forward; all that falls due on the way happens, each at its time.

    It cannot be moved back but by deleting all data (POST /sandbox/reset). Ctrl-C ends it halfway:
    the clock stays where it came to.
    """
    from payments_sandbox.adapters.api_client import ApiRefused  # noqa: PLC0415 - slow to import
    from payments_sandbox.entrypoints.runs import Ran  # noqa: PLC0415 - as above

    if (span is None) == (to is None):
        refuse("say how far: clock advance 7d, or clock advance --to 2026-12-01T00:00:00Z")
    ran = Ran()
    goal: datetime | timedelta = timedelta()
    try:
        goal = moment_of(to) if to is not None else span_of(span or "")
    except ValueError as error:
        refuse(str(error))
    try:
        came_to = asyncio.run(_advance(client_of(url, api_key), goal, ran))
    except ApiRefused as refused:
        refuse(f"{refused}{_came_to(ran)}{_go_on(ran) if refused.may_pass else ''}")
    except KeyboardInterrupt:
        notice(
            f"Stopped.{_came_to(ran)} What was asked for last may go on for some"
            f" seconds.{_go_on(ran)}"
        )
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if as_json:
        print_json({"to": iso_of(came_to)} | dict(ran.as_json()))
        return
    show_run(ran)
    say(f"The clock is at {time_words(ran.reached or came_to)}.")


def span_of(text: str) -> timedelta:
    """Return a span like 7d, 2h30m or P1DT2H; raise ValueError, which says what to write."""
    compact = "".join(text.split())
    iso = "P0D"
    if match := _SPAN.fullmatch(compact):
        weeks, days, hours, minutes, seconds = (one or "0" for one in match.groups())
        iso = f"P{weeks}W{days}DT{hours}H{minutes}M{seconds}S"
    try:
        span = duration_of(compact.upper() if match is None else iso)
    except ValueError:
        span = timedelta()
    if not span:
        raise ValueError(
            f"SPAN {text!r} is none. Write it like 7d, 36h, 2h30m, 1w or P1DT2H, up to"
            f" {STEP_MAX.days} days; a moment goes with --to"
        )
    return span


def moment_of(text: str) -> datetime:
    """Return a moment like 2026-12-01T00:00:00Z or 2026-12-01; raise ValueError, as above."""
    remedy = "Write it like 2026-12-01T00:00:00Z, or 2026-12-01 for midnight in UTC"
    try:
        at = datetime.fromisoformat(text.strip().upper())
        is_day = len(text.strip()) == len("2026-12-01")
        return at.replace(tzinfo=UTC) if is_day else _in_utc(at)
    except (ValueError, OverflowError):
        raise ValueError(f"--to {text!r} is no moment with its zone. {remedy}") from None


def span_words(span: timedelta) -> str:
    """Return a span in words, in its two largest units; one of hours and days to the minute."""
    seconds, words = round(span.total_seconds()), list[str]()
    if seconds >= _HOUR_S:
        seconds = (seconds + 30) // 60 * 60
    for unit_s, name in _WORDS:
        count, seconds = divmod(seconds, unit_s)
        if count:
            words.append(f"{count} {name}")
    return " ".join(words[:2]) or "0 s"


def time_words(at: datetime) -> str:
    """Return a time as all commands show it."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def show_run(ran: "Ran") -> None:
    """Print what happened: how much of each type, and the first of it."""
    if not ran.counts:
        say("Nothing was due.")
        return
    counts = Table("event", "count", title="What happened")
    counts.columns[1].justify = "right"
    for name in sorted(ran.counts):
        counts.add_row(name, f"{ran.counts[name]:,}")
    show_table(counts)
    first = Table("time", "event", "of", title="First of all")
    for one in ran.happenings[:SHOWN_MAX]:
        at = str(one.get("at", ""))
        first.add_row(at, str(one.get("type", "")), str(one.get("subject_id", "")))
    show_table(first)
    more = ran.counts.total() - min(len(ran.happenings), SHOWN_MAX)
    if more:
        say(f"And {more:,} more: GET /events?after={ran.events_cursor}")


def print_json(answer: Mapping[str, object]) -> None:
    """Print an answer for programs."""
    typer.echo(json.dumps(answer, ensure_ascii=False, indent=2))


async def _advance(sandbox: "SandboxClient", goal: datetime | timedelta, ran: "Ran") -> datetime:
    """Go there, adding what happens to `ran`; return where to; raise ApiRefused."""
    from payments_sandbox.entrypoints.runs import run_to_its_end  # noqa: PLC0415 - slow

    async with sandbox as client:
        start = (await client.clock()).now
        ran.to = to = goal if isinstance(goal, datetime) else start + goal
        if to <= start:
            notice(f"The clock is there already: it shows {time_words(start)}.")
        with _bar(client, start, to):
            await run_to_its_end(lambda: client.advance(to), ran)
    return to


@contextmanager
def _bar(client: "SandboxClient", start: datetime, to: datetime) -> Generator[None]:
    """Show how far the clock has come, on a terminal, by looking at it meanwhile."""
    if not err.is_terminal:
        yield
        return
    from rich import progress  # noqa: PLC0415 - as slow

    at = progress.TextColumn("{task.fields[at]}")
    columns = ("The clock goes on", progress.BarColumn(), at, progress.TimeElapsedColumn())
    with progress.Progress(*columns, console=err, transient=True) as bar:
        total = max((to - start).total_seconds(), 1.0)
        task_id = bar.add_task("", total=total, at=time_words(start))

        def shown(now: datetime) -> None:
            done = (now - start).total_seconds()
            bar.update(task_id, completed=min(done, total), at=time_words(now))

        looking = asyncio.create_task(_look(client, shown))
        try:
            yield
        finally:
            looking.cancel()


async def _look(client: "SandboxClient", shown: Callable[[datetime], None]) -> None:
    """Look at the clock now and then, for as long as it answers."""
    from payments_sandbox.adapters.api_client import ApiRefused  # noqa: PLC0415 - slow to import

    with suppress(ApiRefused):
        while True:
            await asyncio.sleep(client.poll_s)
            shown((await client.clock()).now)


def _in_utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("no zone")
    return at.astimezone(UTC)


def _next_due(reading: "ClockReading") -> str:
    if reading.next_due_at is None:
        return "nothing"
    wait = max(reading.next_due_at - reading.now, timedelta())
    return f"{time_words(reading.next_due_at)}, in {span_words(wait)}"


def _came_to(ran: "Ran") -> str:
    """Return how far a run came that did not end."""
    return f" The clock came to {time_words(ran.reached)}." if ran.reached else ""


def _go_on(ran: "Ran") -> str:
    """Return how to go on to where a run was to come; the same span again would lead further."""
    return f" To go on: payments-sandbox clock advance --to {iso_of(ran.to)}" if ran.to else ""
