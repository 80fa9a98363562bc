"""What a sandbox answers about its clock and its runs, as the client of its API reads it."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, cast

Json = Mapping[str, object]


class ClockReading(NamedTuple):
    """What the merchant's clock shows."""

    now: datetime
    real_now: datetime
    next_due_at: datetime | None
    """When the next thing happens by itself."""
    answer: Json


class Run(NamedTuple):
    """What became of one call that does what is due."""

    complete: bool
    reached: datetime
    counts: Mapping[str, int]
    """How many of each event type happened."""
    happenings: list[Json]
    """The first of them: event_id, type, subject_id, at."""
    events_cursor: str


def reading_of(answer: Json) -> ClockReading:
    """Return what a clock answered; raise ValueError for what is no such answer."""
    match answer:
        case {"now": str(now), "real_now": str(real_now), "next_due_at": str() | None as due}:
            next_due_at = _time(due) if due else None
            return ClockReading(_time(now), _time(real_now), next_due_at, answer)
        case _:
            raise ValueError("no reading of a clock")


def run_of(answer: Json) -> Run:
    """Return what a run answered; raise ValueError for what is no such answer."""
    match answer:
        case {
            "complete": bool(complete),
            "reached": str(reached),
            "counts": dict(),
            "happenings": list(),
            "events_cursor": str(cursor),
        }:
            return Run(
                complete,
                _time(reached),
                cast("dict[str, int]", answer["counts"]),
                cast("list[Json]", answer["happenings"]),
                cursor,
            )
        case _:
            raise ValueError("no answer of a run")


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time without its zone")
    return at
