"""Spans and moments as people write them, runs that take several calls, and who answers them."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from payments_sandbox.adapters.api_client import ApiRefused
from payments_sandbox.adapters.api_time import Json, Run, reading_of, run_of
from payments_sandbox.entrypoints.cli import app
from payments_sandbox.entrypoints.cli_time import moment_of, span_of, span_words
from payments_sandbox.entrypoints.runs import HAPPENINGS_MAX, STALLS_MAX, Ran, run_to_its_end

START = datetime(2026, 3, 1, tzinfo=UTC)
HAPPENING: Json = {"event_id": "evt_1", "type": "transaction_settled"}
READING = {"now": "2026-03-01T00:00:00.000Z", "real_now": "2026-02-01T00:00:00.000Z"}
RAN: Json = {"complete": True, "reached": READING["now"], "counts": {}, "events_cursor": "start"}


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("7d", timedelta(days=7)),
        ("36h", timedelta(hours=36)),
        ("90m", timedelta(minutes=90)),
        ("2h30m", timedelta(hours=2, minutes=30)),
        ("1d 2h", timedelta(days=1, hours=2)),
        ("1w", timedelta(weeks=1)),
        ("45s", timedelta(seconds=45)),
        ("P1DT2H", timedelta(days=1, hours=2)),
        ("pt90m", timedelta(minutes=90)),
        ("P2W", timedelta(weeks=2)),
        ("400d", timedelta(days=400)),
    ],
)
def test_spans(text: str, span: timedelta) -> None:
    """The short form and ISO 8601 are both taken."""
    assert span == span_of(text)


@pytest.mark.parametrize(
    "text",
    ["", "7", "d", "-7d", "7x", "2h1d", "0d", "1.5d", "P", "P1M", "P1Y", "1M", "T1H", "401d", "٣d"],
)
def test_what_is_no_span(text: str) -> None:
    """Months, fractions, nothing at all and too much are refused, with what to write instead."""
    with pytest.raises(ValueError, match=r"SPAN .* like 7d, 36h, 2h30m.* 400 days.* --to"):
        span_of(text)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-12-01T00:00:00Z", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01t00:00:00z", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01T01:30:00.5+01:00", datetime(2026, 12, 1, 0, 30, 0, 500_000, tzinfo=UTC)),
    ],
)
def test_moments(text: str, at: datetime) -> None:
    """A time has its zone; a day alone is its midnight in UTC."""
    assert at == moment_of(text)


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "2026-12-01T00:00:00", "2026-13-01", "0001-01-01T00:00:00+14:00"]
)
def test_what_is_no_moment(text: str) -> None:
    """A time without its zone could be meant in two ways, so it is refused too."""
    with pytest.raises(ValueError, match=r"--to .* like 2026-12-01T00:00:00Z"):
        moment_of(text)


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(), "0 s"),
        (timedelta(seconds=61.4), "1 min 1 s"),
        (timedelta(days=7) - timedelta(milliseconds=300), "7 d"),
        (timedelta(days=1, hours=2, minutes=3), "1 d 2 h"),
    ],
)
def test_words_for_spans(span: timedelta, words: str) -> None:
    """Two units tell enough."""
    assert words == span_words(span)


def _run(counts: Mapping[str, int], happenings: list[Json], cursor: str) -> Run:
    """Return an answer that came to the start and leaves something to do."""
    return Run(
        complete=False,
        reached=START,
        counts=counts,
        happenings=happenings,
        events_cursor=cursor,
    )


def answering(*runs: Run) -> Callable[[], Awaitable[Run]]:
    """Return what gives these answers in turn, the last one for ever."""
    left = list(runs)

    async def ask() -> Run:
        return left.pop(0) if len(left) > 1 else left[0]

    return ask


async def test_several_calls_add_up() -> None:
    """Counts are summed, the first hundred happenings kept, and the first cursor holds."""
    ran, heard = Ran(), list[int]()
    first = _run({"transaction_settled": 64}, [HAPPENING] * 64, "evt_0")
    second = first._replace(complete=True, reached=START + timedelta(days=1), events_cursor="evt_9")
    await run_to_its_end(answering(first, first, second), ran, lambda: heard.append(len(heard)))

    assert heard == [0, 1, 2]
    assert len(ran.happenings) == HAPPENINGS_MAX
    assert ran.as_json() == {
        "complete": True,
        "reached": "2026-03-02T00:00:00.000Z",
        "counts": {"transaction_settled": 192},
        "happenings": [HAPPENING] * HAPPENINGS_MAX,
        "events_cursor": "evt_0",
    }


async def test_a_run_that_stalls() -> None:
    """A sandbox that has more to do but does none of it is not asked for ever."""
    asked = 0
    stuck = _run({}, [], "start")

    async def ask() -> Run:
        nonlocal asked
        asked += 1
        return stuck

    with pytest.raises(ApiRefused, match="does none of it"):
        await run_to_its_end(ask, Ran())

    assert asked == STALLS_MAX + 1


@pytest.mark.parametrize(
    "changes", [{}, {"now": 1}, {"now": "noon"}, {"next_due_at": "2026-03-01"}]
)
def test_a_strange_reading(changes: Json) -> None:
    """What is no time with its zone is no answer of a sandbox."""
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says, the client says more
        reading_of({**READING, **changes})


@pytest.mark.parametrize("changes", [{}, {"happenings": [], "reached": "soon"}])
def test_a_strange_run(changes: Json) -> None:
    """Neither is a run without what happened, or with a time that is none."""
    with pytest.raises(ValueError):  # noqa: PT011 - as above
        run_of({**RAN, **changes})


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("advance", "clock advance 7d"),
        ("advance 7d --to 2026-12-01", "clock advance 7d"),
        ("advance 7y", "SPAN '7y'"),
        ("advance --to noon", "--to 'noon'"),
        ("--api-key other advance 7d", "clock advance --api-key"),
        ("show --url localhost", "must begin with http://"),
    ],
)
def test_refusals(arguments: str, told: str) -> None:
    """They name the argument and what to write, and nobody is called."""
    ran = CliRunner().invoke(app, ["clock", *arguments.split()], env={"COLUMNS": "300"})

    assert ran.exit_code == 1
    assert ran.stdout == ""
    assert ran.stderr.startswith("Refused: ")
    assert told in ran.stderr
