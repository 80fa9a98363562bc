"""Stand-ins for time and identity: a clock that is set by hand, ids that come from a seed."""

import asyncio
from datetime import UTC, datetime, timedelta
from random import Random

from payments_sandbox.adapters.secrets import FileSecrets

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRETS = FileSecrets(bytes(32))
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


class ManualClock:
    """A clock that stands still until it is set; a pause is noted, and passes if it shall."""

    def __init__(self, at: datetime = NOW, *, pause_share: float = 1.0) -> None:
        self.at = at
        self.pauses: list[float] = []
        self._pause_share = pause_share

    def now(self) -> datetime:
        """Return the time that was set."""
        return self.at

    def pass_by(self, span: timedelta) -> None:
        """Let time pass."""
        self.at += span

    async def pause(self, up_to_s: float) -> None:
        """Note the pause, let others run, and let the share of it pass."""
        self.pauses.append(up_to_s)
        self.at += timedelta(seconds=up_to_s * self._pause_share)
        await asyncio.sleep(0)


class SlowClock(ManualClock):
    """A clock that goes on by so much whenever somebody looks at it."""

    def __init__(self, at: datetime = NOW, *, looked_for: timedelta = timedelta()) -> None:
        super().__init__(at)
        self.looked_for = looked_for

    def now(self) -> datetime:
        """Return the time, a little later each time."""
        self.at += self.looked_for
        return self.at


class SeededIds:
    """Ids that a seed repeats: a count where the time would be, then 80 bits of chance."""

    def __init__(self, seed: int = 0) -> None:
        self._chance = Random(seed)  # noqa: S311 - a seed is the point
        self._count = 0

    def core(self) -> str:
        """Return the next core, above all before it."""
        self._count += 1
        number = (self._count << 80) | self._chance.getrandbits(80)
        return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))

    def api_key(self) -> tuple[str, str]:
        """Return the next key's public id and the whole key."""
        self._count += 1
        return f"key{self._count}", f"sk_test_key{self._count}_{self._chance.getrandbits(80)}"
