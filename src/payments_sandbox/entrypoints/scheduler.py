"""The scheduler of the embedded home: what falls due by itself, a step at a time.

Each merchant's clock is looked at every second; a step is small, and others run between steps.
"""

import asyncio
import logging

from payments_sandbox.api.edge import where
from payments_sandbox.services.ports import Clock, Merchants
from payments_sandbox.services.sweep import Sweep

LOOK_AGAIN_S = 1.0
_log = logging.getLogger(__name__)


class Scheduler:
    """Sweeps for each merchant in turn, until it is cancelled."""

    def __init__(self, merchants: Merchants, sweep: Sweep, clock: Clock) -> None:
        self._merchants = merchants
        self._sweep = sweep
        self._clock = clock

    async def run(self) -> None:
        """Do what is due, then look again in a second."""
        while True:
            for merchant_id in await self._merchants.merchants():
                await self._merchant(merchant_id)
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _merchant(self, merchant_id: str) -> None:
        try:
            while True:
                merchant = await self._merchants.merchant(merchant_id)
                if await self._sweep.step(merchant, merchant.now(self._clock.now())) is None:
                    return
        except Exception as error:  # noqa: BLE001 - one merchant must not keep the others back
            _log.error("what is due was put off: %s", where(error))
