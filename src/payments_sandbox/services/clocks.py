"""A merchant's clock: read it, and move it forward with all that falls due on the way."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from payments_sandbox.domain.errors import ClockStep
from payments_sandbox.services.ports import Clock, Merchants
from payments_sandbox.services.sweep import Progress, Sweep

STEP_MAX = timedelta(days=400)
END = datetime(2200, 1, 1, tzinfo=UTC)
"""Far beyond what any test needs, and well within what a calendar can count."""
WITHIN = timedelta(seconds=20)


class Reading(NamedTuple):
    """What a merchant's clock shows."""

    now: datetime
    real_now: datetime
    next_due_at: datetime | None
    """When the next thing happens by itself to a payment or a batch."""


class Advanced(NamedTuple):
    """How far an advance came, and where to."""

    to: datetime
    progress: Progress


class Clocks:
    """The use cases around a merchant's clock."""

    def __init__(self, merchants: Merchants, sweep: Sweep, clock: Clock) -> None:
        self._merchants = merchants
        self._sweep = sweep
        self._clock = clock

    async def read(self, merchant_id: str) -> Reading:
        """Return what the clock shows; raise NotFound."""
        merchant = await self._merchants.merchant(merchant_id)
        real_now = self._clock.now()
        next_due_at = await self._sweep.next_due(merchant_id)
        return Reading(merchant.now(real_now), real_now, next_due_at)

    async def advance_by(self, merchant_id: str, by: timedelta) -> Advanced:
        """Move the clock forward by a span; see `advance_to`."""
        merchant = await self._merchants.merchant(merchant_id)
        return await self.advance_to(merchant_id, merchant.now(self._clock.now()) + by)

    async def advance_to(self, merchant_id: str, to: datetime) -> Advanced:
        """Move the clock forward to a moment; raise ClockStep, NotFound, Conflict.

        Each thing that falls due is done at its time, before the clock goes on, for up to 20 s.
        A clock that is there already stays: the same call may be made again.
        """
        merchant = await self._merchants.merchant(merchant_id)
        if to - merchant.now(self._clock.now()) > STEP_MAX or to >= END:
            raise ClockStep

        async def move(at: datetime) -> None:
            real_at = self._clock.now()
            nonlocal merchant
            if merchant.now(real_at) < at:
                merchant = await self._merchants.change(
                    merchant_id, lambda one: one.moved_to(at, real_at)
                )

        progress = await self._sweep.run(merchant_id, to, WITHIN, after_step=move)
        return Advanced(to, progress)
