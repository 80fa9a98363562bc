"""Deliveries: one message on its way to one endpoint, until it is delivered or dead.

A delivery is a record with the moment it is due; `after` is the one rule that moves it on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus

from payments_sandbox.domain.chaos import Mischief, chance_of

ATTEMPTS_KEPT = 30
JITTER = 0.2
RETRY_AFTER_MAX = timedelta(hours=12)
PING = "ping"


class State(StrEnum):
    """What a delivery can be."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


class DeadReason(StrEnum):
    """Why nothing is tried any more."""

    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    ENDPOINT_GONE = "endpoint_gone"
    """The endpoint answered 410, which disables it."""
    ENDPOINT_DISABLED = "endpoint_disabled"
    ENDPOINT_DELETED = "endpoint_deleted"
    EVENT_EXPIRED = "event_expired"
    """The payment's retention ended before the event could be delivered."""


class RetrySchedule(StrEnum):
    """How long to wait before each retry."""

    STANDARD = "standard"
    FAST = "fast"


_HOUR = 3600
WAITS_S: Mapping[RetrySchedule, tuple[int, ...]] = {
    RetrySchedule.STANDARD: (
        5,
        5 * 60,
        30 * 60,
        2 * _HOUR,
        5 * _HOUR,
        10 * _HOUR,
        14 * _HOUR,
        20 * _HOUR,
        24 * _HOUR,
    ),
    RetrySchedule.FAST: (1, 1, 2, 2, 3, 3, 4, 4, 5),
}
"""Seconds between one attempt and the next; one more attempt than waits is made."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one request: a status, or the error that kept one from coming."""

    duration_ms: int
    status: int | None = None
    error: str | None = None
    response: str = ""
    """The first 1,024 bytes of the answer's body as text."""
    retry_after_s: int | None = None

    @property
    def succeeded(self) -> bool:
        """Only a 2xx is a success."""
        return self.status is not None and self.status // 100 == HTTPStatus.OK // 100


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request that was made, or that mischief kept from being made."""

    number: int
    at: datetime
    """When it began."""
    duration_ms: int
    status: int | None = None
    error: str | None = None
    response: str = ""
    chaos: tuple[Mischief, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message for one endpoint."""

    delivery_id: str
    merchant_id: str
    endpoint_id: str
    message_id: str
    """An event's id, or a ping's."""
    type: str
    created_at: datetime
    due_at: datetime | None
    """When the next attempt is due on the merchant's clock; None once nothing is."""
    version: int = 1
    """Counts the writes: who writes has read the version before."""
    state: State = State.PENDING
    tries: int = 0
    """Attempts since it was last begun; the schedule counts by it."""
    attempts_made: int = 0
    attempts: tuple[Attempt, ...] = ()
    """The last 30."""
    dead_reason: DeadReason | None = None
    chaos: tuple[Mischief, ...] = ()
    """What was done to it: to its first due_at, and when it was first sent."""
    expires_at: datetime | None = None
    """When its payment's retention ends, in real time; None keeps it for good."""

    def after(
        self,
        outcome: Outcome,
        at: datetime,
        schedule: RetrySchedule,
        chaos: tuple[Mischief, ...] = (),
    ) -> "Delivery":
        """Return the delivery after an attempt: delivered, due again, or dead."""
        began_at = at - timedelta(milliseconds=outcome.duration_ms)
        tried = self._with(_attempt(self.attempts_made + 1, outcome, began_at, chaos))
        if outcome.succeeded:
            return replace(tried, state=State.DELIVERED, due_at=None)
        if outcome.status == HTTPStatus.GONE:
            return _dead(tried, DeadReason.ENDPOINT_GONE)
        wait = _wait(tried, outcome, schedule)
        if wait is None:
            return _dead(tried, DeadReason.ATTEMPTS_EXHAUSTED)
        return replace(tried, due_at=at + wait)

    def abandoned(self, reason: DeadReason) -> "Delivery":
        """Return the delivery dead."""
        return _dead(self._moved(), reason)

    def begun_again(self, at: datetime) -> "Delivery":
        """Return the delivery due at once, with the whole schedule before it."""
        return self._moved(state=State.PENDING, due_at=at, tries=0, dead_reason=None)

    def leased(self, until: datetime) -> "Delivery":
        """Return the delivery in somebody's hands: due again only if they never write."""
        return self._moved(due_at=until)

    def is_due(self, at: datetime) -> bool:
        """Tell whether an attempt is due."""
        return self.due_at is not None and self.due_at <= at

    def _with(self, attempt: Attempt) -> "Delivery":
        kept = (*self.attempts, attempt)[-ATTEMPTS_KEPT:]
        return self._moved(
            tries=self.tries + 1,
            attempts_made=attempt.number,
            attempts=kept,
            chaos=(*self.chaos, *attempt.chaos),
        )

    def _moved(self, **changes: object) -> "Delivery":
        return replace(self, **{"version": self.version + 1} | changes)  # pyright: ignore[reportArgumentType]


def _attempt(number: int, outcome: Outcome, at: datetime, chaos: tuple[Mischief, ...]) -> Attempt:
    return Attempt(
        number=number,
        at=at,
        duration_ms=outcome.duration_ms,
        status=outcome.status,
        error=outcome.error,
        response=outcome.response,
        chaos=chaos,
    )


def _dead(delivery: Delivery, reason: DeadReason) -> Delivery:
    return replace(delivery, state=State.DEAD, due_at=None, dead_reason=reason)


def _wait(tried: Delivery, outcome: Outcome, schedule: RetrySchedule) -> timedelta | None:
    """Return how long until the next attempt, or None after the last."""
    waits = WAITS_S[schedule]
    if tried.tries > len(waits):
        return None
    chance = chance_of(f"{tried.delivery_id}:{tried.attempts_made}")
    planned = timedelta(seconds=waits[tried.tries - 1]) * (1 + JITTER * (2 * chance - 1))
    asked = timedelta(seconds=outcome.retry_after_s or 0)
    return max(planned, min(asked, RETRY_AFTER_MAX))
