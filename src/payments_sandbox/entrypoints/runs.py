"""Runs of a sandbox that take several calls: asked again until complete, and added up."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from payments_sandbox.adapters.api_client import ApiRefused, Json
from payments_sandbox.adapters.api_time import Run
from payments_sandbox.domain.times import iso_of

HAPPENINGS_MAX = 100
STALLS_MAX = 3


@dataclass
class Ran:
    """What the calls of one run did so far, added up."""

    complete: bool = False
    reached: datetime | None = None
    counts: Counter[str] = field(default_factory=Counter[str])
    happenings: list[Json] = field(default_factory=list[Json])
    """The first hundred things that happened, in order."""
    events_cursor: str = ""
    """The newest event before: all that happened comes after it."""
    to: datetime | None = None
    """Where a clock is to come, once that is known."""

    def add(self, run: Run) -> bool:
        """Add an answer; return whether that call did anything."""
        did = run.complete or bool(run.counts) or run.reached != self.reached
        self.complete, self.reached = run.complete, run.reached
        self.counts.update(run.counts)
        self.happenings += run.happenings[: HAPPENINGS_MAX - len(self.happenings)]
        self.events_cursor = self.events_cursor or run.events_cursor
        return did

    def as_json(self) -> Json:
        """Return it in the form of one answer of the API."""
        return {
            "complete": self.complete,
            "reached": iso_of(self.reached) if self.reached else None,
            "counts": {one: self.counts[one] for one in sorted(self.counts)},
            "happenings": self.happenings,
            "events_cursor": self.events_cursor,
        }


async def run_to_its_end(
    ask: Callable[[], Awaitable[Run]], ran: Ran, heard: Callable[[], None] = lambda: None
) -> None:
    """Ask again until it is complete, adding to `ran` and telling of each answer.

    Raise ApiRefused, also when several calls in a row did nothing.
    """
    stalls = 0
    while not ran.complete:
        stalls = 0 if ran.add(await ask()) else stalls + 1
        if stalls == STALLS_MAX:
            raise ApiRefused(
                "the sandbox says that there is more to do, but does none of it. Try again later;"
                " what it logs may say why.",
                may_pass=True,
            )
        heard()
