"""Mischief for a merchant's own tests: what a bad network does to webhooks, by rates and a seed.

What is done to a delivery follows from the seed and its ids alone, so a run repeats. Only the first
attempt of a delivery is harmed, its retries are left alone: everything still arrives.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

DELAY_MAX = timedelta(seconds=30)
REORDER_MAX = timedelta(seconds=3)


class Mischief(StrEnum):
    """What may be done, in the order it is decided."""

    DELAY = "delay"
    """The first attempt waits up to 30 s."""
    REORDER = "reorder"
    """The first attempt waits up to 3 s, so that later events overtake it."""
    DROP = "drop"
    """The attempt is not sent, counts as failed and is retried."""
    DUPLICATE = "duplicate"
    """The request is sent twice."""
    STALE_TIMESTAMP = "stale_timestamp"
    """The timestamp is ten minutes old; the signature fits it."""
    BAD_SIGNATURE = "bad_signature"
    """The signature does not fit the body."""


_AT_FIRST = (Mischief.DELAY, Mischief.REORDER)
_ON_SENDING = tuple(one for one in Mischief if one not in _AT_FIRST)


@dataclass(frozen=True, slots=True)
class Chaos:
    """How many of a hundred deliveries meet each mischief, and the seed."""

    seed: int = 0
    delay: int = 0
    reorder: int = 0
    drop: int = 0
    duplicate: int = 0
    stale_timestamp: int = 0
    bad_signature: int = 0

    def at_first(self, delivery_id: str) -> tuple[timedelta, tuple[Mischief, ...]]:
        """Return how long the first attempt waits, and why."""
        done = self._drawn(_AT_FIRST, delivery_id)
        longest = {Mischief.DELAY: DELAY_MAX, Mischief.REORDER: REORDER_MAX}
        waits = (longest[one] * chance_of(f"{self.seed}:wait:{delivery_id}") for one in done)
        return sum(waits, timedelta()), done

    def on_sending(self, delivery_id: str) -> tuple[Mischief, ...]:
        """Return what is done to the first attempt when it is sent, or that it is not sent."""
        drawn = self._drawn(_ON_SENDING, delivery_id)
        return (Mischief.DROP,) if Mischief.DROP in drawn else drawn

    def _drawn(self, kinds: tuple[Mischief, ...], delivery_id: str) -> tuple[Mischief, ...]:
        return tuple(
            one
            for one in kinds
            if chance_of(f"{self.seed}:{one}:{delivery_id}") * 100 < getattr(self, one)
        )


def chance_of(text: str) -> float:
    """Return a number from 0 to below 1 that the text alone decides."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / (1 << 48)
