"""How much webhooks and the sweep take of the process: little while payments want it."""

import asyncio
from time import monotonic, process_time
from typing import Final

from payments_sandbox.services.sweep import PAGE

IN_FLIGHT_MAX: Final = 512
IN_FLIGHT_MIN: Final = 2
GROWN_BY: Final = 1
BUSY_SHARE: Final = 0.7
"""Of a core; above it somebody is kept waiting."""
TURN_MAX_S: Final = 0.01
"""A turn of the loop that is longer keeps somebody waiting too, whoever else uses the machine."""
LOOKED_AT_EVERY_S: Final = 0.1
PAYMENTS_ARE_OVER_S: Final = 1.0
PAGE_BESIDE: Final = 8
"""Payments in a step of the sweep beside others: a millisecond of the loop."""
REST_S: Final = 0.0005
"""For each that was done: four times of what it took."""


class Pace:
    """Halves the room for attempts while payments are written and the process is busy.

    Without payments there is all the room: then webhooks alone keep it busy.
    """

    def __init__(self) -> None:
        self.room = IN_FLIGHT_MAX
        self._heard_s = -PAYMENTS_ARE_OVER_S
        self._longest_turn_s = 0.0
        self._looked_s, self._used_s = monotonic(), process_time()

    @property
    def payments_come_in(self) -> bool:
        """Whether a payment was written within the last second."""
        return self._come_in(monotonic())

    @property
    def is_strained(self) -> bool:
        """Whether payments wanted more than was left when it was last looked at."""
        return self.room < IN_FLIGHT_MAX

    def heard(self) -> None:
        """Note that a payment was written."""
        self._heard_s = monotonic()

    async def turn(self, in_flight: int) -> None:
        """Let the loop turn once, and look how busy it is with so many attempts in flight."""
        began_s = monotonic()
        await asyncio.sleep(0)
        now_s = monotonic()
        self._longest_turn_s = max(self._longest_turn_s, now_s - began_s)
        if now_s - self._looked_s < LOOKED_AT_EVERY_S:
            return
        used_s = process_time()
        share = (used_s - self._used_s) / (now_s - self._looked_s)
        is_busy = share > BUSY_SHARE or self._longest_turn_s > TURN_MAX_S
        self._looked_s, self._used_s, self._longest_turn_s = now_s, used_s, 0.0
        if not self._come_in(now_s):
            self.room = IN_FLIGHT_MAX
        elif is_busy:
            self.room = max(min(self.room, in_flight) // 2, IN_FLIGHT_MIN)
        else:
            self.room = min(self.room + GROWN_BY, IN_FLIGHT_MAX)

    def _come_in(self, now_s: float) -> bool:
        return now_s - self._heard_s <= PAYMENTS_ARE_OVER_S


class SweepPace:
    """Small steps and rests between them while payments come in."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    @property
    def page(self) -> int:
        """How many payments a step takes."""
        return PAGE_BESIDE if self._pace.payments_come_in else PAGE

    async def rest(self, done: int) -> None:
        """Leave the loop to others for some times as long as the step had it."""
        await asyncio.sleep(done * REST_S if self._pace.payments_come_in else 0)
