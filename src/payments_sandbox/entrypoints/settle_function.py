"""What has fallen due: a function whose tasks a state machine puts together, merchant by merchant.

The machine is infra/settlement.asl.json. Each task may be run again, by whomever, at any time: what
was done already is due no more.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from payments_sandbox.api.edge import where
from payments_sandbox.entrypoints.function_parts import Parts, run
from payments_sandbox.entrypoints.wiring import sweep_over

PLAN_MAX = 500
"""Merchants in one plan: their ids are 64 characters at most, and a state's input 256 KB."""
LOOKED_AT_ONCE = 10
TIME_KEPT_MS = 10_000
_log = logging.getLogger(__name__)
IsOver = Callable[[], bool]


class Settle:
    """The function over these adapters."""

    def __init__(self, parts: Parts) -> None:
        self._merchants = parts.store.merchants
        self._clock = parts.clock
        self._sweep = sweep_over(parts.store, parts.clock)

    def handle(self, event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's
        """Do one task; raise ValueError for one that is unknown."""

        def is_over() -> bool:
            return context.get_remaining_time_in_millis() <= TIME_KEPT_MS

        match event.get("task"):
            case "plan":
                return run(self._plan(event["after"], is_over)) | {"failed": event["failed"]}
            case "settle":
                return run(self._settle(event["merchant_id"], is_over))
            case "close":
                return run(self._close(event["merchant_id"]))
            case "count":
                return _counted(event)
            case _:
                raise ValueError("task is one of plan, settle, close, count")

    async def _plan(self, after: str, is_over: IsOver) -> dict[str, Any]:
        """Return the merchants above `after` that something is due for, and where to go on."""
        above = [one for one in sorted(await self._merchants.merchants()) if one > after]
        seen = 0
        due: list[str] = []
        while seen < min(len(above), PLAN_MAX) and not (seen and is_over()):
            some = above[seen : min(seen + LOOKED_AT_ONCE, PLAN_MAX)]
            are_due = await asyncio.gather(*map(self._is_due, some))
            due += [one for one, is_due in zip(some, are_due, strict=True) if is_due]
            seen += len(some)
        return {"merchants": due, "after": above[seen - 1] if seen < len(above) else None}

    async def _is_due(self, merchant_id: str) -> bool:
        """Tell whether something is due; so it is if that cannot be told: its task will fail."""
        try:
            merchant = await self._merchants.merchant(merchant_id)
            return await self._sweep.is_due(merchant, merchant.now(self._clock.now()))
        except Exception as error:  # noqa: BLE001 - one merchant must not keep the others back
            _log.error("what is due of a merchant cannot be told: %s", where(error))
            return True

    async def _settle(self, merchant_id: str, is_over: IsOver) -> dict[str, Any]:
        """Settle and expire payments until none is due before a batch is, or time runs short."""
        done = 0
        while not is_over():
            # Read each time: its clock may be moved, its data reset.
            merchant = await self._merchants.merchant(merchant_id)
            now = merchant.now(self._clock.now())
            step = await self._sweep.settle_page(merchant, now)
            if step is None:
                task = "close" if await self._sweep.is_due(merchant, now) else "done"
                return _next(task, merchant_id, done)
            done += len(step.happened)
        return _next("settle", merchant_id, done)

    async def _close(self, merchant_id: str) -> dict[str, Any]:
        """Close or pay out one batch; after it more may be due."""
        merchant = await self._merchants.merchant(merchant_id)
        step = await self._sweep.close_batch(merchant, merchant.now(self._clock.now()))
        if step is None:
            return _next("done", merchant_id, 0)
        return _next("settle", merchant_id, len(step.happened))


def _next(task: str, merchant_id: str, done: int) -> dict[str, Any]:
    """Return what the machine is to do next for the merchant, and how much this task did."""
    return {"task": task, "merchant_id": merchant_id, "done": done}


def _counted(event: dict[str, Any]) -> dict[str, Any]:
    """Return where to go on planning, and how many merchants are left to the next run so far."""
    left = [one["merchant_id"] for one in event["results"] if one["task"] != "done"]
    if left:
        _log.error("settlement failed for %d of %d merchants", len(left), len(event["results"]))
    return {"after": event["after"], "failed": event["failed"] + len(left)}
