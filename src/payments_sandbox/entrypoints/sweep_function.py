"""What has fallen due: a function that hands it to the sender, each minute.

Each minute it takes the deliveries that are due, by a write on that condition, and hands them to
the sender: retries, and what a crash left behind.
"""

import asyncio
import logging
from typing import Any

from payments_sandbox.adapters.sns import LEASE
from payments_sandbox.api.edge import where
from payments_sandbox.domain.delivery import Delivery
from payments_sandbox.entrypoints.function_parts import (
    Parts,
    run,
)
from payments_sandbox.services.dispatch import claim

CLAIMS_AT_ONCE = 25
TIME_KEPT_MS = 10_000
_log = logging.getLogger(__name__)


class Sweep:
    """The function over these adapters."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def handle(self, event: dict[str, Any], context: Any) -> dict[str, int]:  # noqa: ANN401 - Lambda's
        """Hand over what is due; return how many deliveries of how many merchants."""
        del event
        return run(self._sweep(context))

    async def _sweep(self, context: Any) -> dict[str, int]:  # noqa: ANN401 - as above
        merchants = claimed = 0
        for merchant_id in self._turned(await self._parts.endpoints.merchants()):
            if context.get_remaining_time_in_millis() < TIME_KEPT_MS:
                _log.warning("the sweep ran out of time; the next one goes on")
                break
            merchants += 1
            try:
                claimed += await self._merchant(merchant_id)
            except Exception as error:  # noqa: BLE001 - one merchant must not keep the others back
                _log.error("a merchant was left out of the sweep: %s", where(error))
        return {"merchants": merchants, "claimed": claimed}

    def _turned(self, merchants: list[str]) -> list[str]:
        """Return them from another one on each minute, so that none is the last each time."""
        start = int(self._parts.clock.now().timestamp()) // 60 % max(len(merchants), 1)
        return merchants[start:] + merchants[:start]

    async def _merchant(self, merchant_id: str) -> int:
        count = 0
        due = await self._parts.deliveries.due(merchant_id, self._parts.clock.now())
        for start in range(0, len(due), CLAIMS_AT_ONCE):
            some = due[start : start + CLAIMS_AT_ONCE]
            tried = await asyncio.gather(*(self._claim(one) for one in some))
            claimed = [one for one in tried if one is not None]
            await self._parts.courier.hand_over(claimed)
            count += len(claimed)
        return count

    async def _claim(self, delivery: Delivery) -> Delivery | None:
        return await claim(self._parts.deliveries, delivery, self._parts.clock.now() + LEASE)
