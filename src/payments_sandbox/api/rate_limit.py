"""A rate limit per merchant key: so many requests in a window that starts with the first."""

from collections.abc import Callable
from typing import NamedTuple

WINDOW_S = 60


class Quota(NamedTuple):
    """What is left of a window."""

    remaining: int
    reset_s: int
    allowed: bool


class RateLimit:
    """Counts in this process; a window lives as long as its key is used."""

    def __init__(self, per_minute: int, monotonic: Callable[[], float]) -> None:
        self.per_minute = per_minute
        self._monotonic = monotonic
        self._windows: dict[str, tuple[float, int]] = {}

    def take(self, api_key: str) -> Quota:
        """Count one request under an API key that is known to be valid."""
        now = self._monotonic()
        started, count = self._windows.get(api_key, (now, 0))
        if now - started >= WINDOW_S:
            started, count = now, 0
        allowed = count < self.per_minute
        self._windows[api_key] = (started, count + allowed)
        reset_s = max(1, int(started + WINDOW_S - now + 0.999))
        return Quota(self.per_minute - count - allowed, reset_s, allowed)
