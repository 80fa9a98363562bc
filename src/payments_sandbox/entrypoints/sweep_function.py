"""What has fallen due: a function that hands it to the sender, or does it, each minute.

First it takes the deliveries that are due, by a write on that condition, and hands them to the
sender: retries, and what a crash left behind. In the time that is left it does what falls due by
itself: authorizations expire, and payments settle.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from payments_sandbox.adapters.sns import LEASE
from payments_sandbox.api.edge import where
from payments_sandbox.domain.delivery import Delivery
from payments_sandbox.entrypoints.function_metrics import OVERDUE, FunctionMetrics
from payments_sandbox.entrypoints.function_parts import (
    Parts,
    run,
)
from payments_sandbox.entrypoints.wiring import sweep_over
from payments_sandbox.services.dispatch import claim

CLAIMS_AT_ONCE = 25
TIME_KEPT_MS = 10_000
_log = logging.getLogger(__name__)
IsOver = Callable[[], bool]


class Sweep:
    """The function over these adapters."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._by_itself = sweep_over(parts.store, parts.clock)
        self._metrics = FunctionMetrics("sweep", parts.stage)

    def handle(self, event: dict[str, Any], context: Any) -> dict[str, int]:  # noqa: ANN401 - Lambda's
        """Hand over and do what is due; return how many deliveries of how many merchants."""
        del event
        swept = run(self._sweep(lambda: context.get_remaining_time_in_millis() < TIME_KEPT_MS))
        self._metrics.write()
        return swept

    async def _sweep(self, is_over: IsOver) -> dict[str, int]:
        claimed = 0

        async def hand_over(merchant_id: str) -> None:
            nonlocal claimed
            claimed += await self._hand_over(merchant_id)

        async def happen(merchant_id: str) -> None:
            await self._happen(merchant_id, is_over)

        merchants = self._turned(await self._parts.store.merchants.merchants())
        swept = await _each(merchants, hand_over, is_over)
        await _each(merchants, happen, is_over)
        return {"merchants": swept, "claimed": claimed}

    def _turned(self, merchants: list[str]) -> list[str]:
        """Return them from another one on each minute, so that none is the last each time."""
        start = int(self._parts.clock.now().timestamp()) // 60 % max(len(merchants), 1)
        return merchants[start:] + merchants[:start]

    async def _hand_over(self, merchant_id: str) -> int:
        """Hand over the deliveries that are due on the merchant's clock; return how many."""
        count = 0
        now = await self._parts.time.now(merchant_id)
        due = await self._parts.deliveries.due(merchant_id, now)
        if due:
            overdue = max(now - one.due_at for one in due if one.due_at is not None)
            self._metrics.add(OVERDUE, overdue.total_seconds())
        for start in range(0, len(due), CLAIMS_AT_ONCE):
            some = due[start : start + CLAIMS_AT_ONCE]
            until = await self._parts.time.now(merchant_id) + LEASE
            tried = await asyncio.gather(
                *(claim(self._parts.deliveries, one, until) for one in some)
            )
            claimed: list[Delivery] = [one for one in tried if one is not None]
            await self._parts.courier.hand_over(claimed)
            count += len(claimed)
        return count

    async def _happen(self, merchant_id: str, is_over: IsOver) -> None:
        """Do what falls due by itself, until nothing is due or the time is over."""
        while not is_over():
            merchant = await self._parts.store.merchants.merchant(merchant_id)
            now = merchant.now(self._parts.clock.now())
            if await self._by_itself.step(merchant, now) is None:
                return


async def _each(
    merchants: Sequence[str], do: Callable[[str], Awaitable[None]], is_over: IsOver
) -> int:
    """Do it for each merchant while there is time; return for how many it was begun."""
    for count, merchant_id in enumerate(merchants):
        if is_over():
            _log.warning("the sweep ran out of time; the next one goes on")
            return count
        try:
            await do(merchant_id)
        except Exception as error:  # noqa: BLE001 - one merchant must not keep the others back
            _log.error("a merchant was left out of the sweep: %s", where(error))
    return len(merchants)
