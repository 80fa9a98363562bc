"""Time and chance from the machine: the only module that may ask for them."""

import asyncio
import random
import secrets
from datetime import UTC, datetime
from time import sleep, time_ns

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_KEY_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SHIFTS = range(120, -1, -10)
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]


def reseed() -> None:
    """Draw new jitter: a process restored from a snapshot would pause as its twins do.

    Ids need none of it; they come from the operating system's chance.
    """
    random.seed()


def wait_up_to(seconds: float) -> None:
    """Wait a random time, in this thread, so that rivals fall out of step."""
    sleep(random.uniform(0, seconds))  # noqa: S311 - jitter


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return real time, in UTC and whole milliseconds."""
        return datetime.fromtimestamp(time_ns() // 1_000_000 / 1000, UTC)

    async def pause(self, up_to_s: float) -> None:
        """Wait a random time of at most so many seconds."""
        await asyncio.sleep(random.uniform(0, up_to_s))  # noqa: S311 - jitter


class RandomIds:
    """Ids of 48 bits of time in milliseconds and 80 bits of chance."""

    def __init__(self) -> None:
        self._last_ms = 0

    def core(self) -> str:
        """Return 26 characters of lower-case Crockford base 32, as a ULID has them.

        Time in them never goes back, though the machine's clock may be set back.
        """
        self._last_ms = max(self._last_ms, time_ns() // 1_000_000)
        number = (self._last_ms << 80) | secrets.randbits(80)
        return "".join([_PAIRS[(number >> shift) & 1023] for shift in _SHIFTS])

    def api_key(self) -> tuple[str, str]:
        """Return a new key's public id and the whole key, `sk_test_<id>_<secret>`."""
        key_id = "".join(secrets.choice(_ALPHABET) for _ in range(10))
        secret = "".join(secrets.choice(_KEY_ALPHABET) for _ in range(40))
        return key_id, f"sk_test_{key_id}_{secret}"
