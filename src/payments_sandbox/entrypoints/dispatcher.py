"""The dispatcher of the embedded home: from the log to deliveries, and each to its endpoint.

One lane for each endpoint, so that one that hangs delays no other. What is in flight is known to
this process alone; after a crash it is still due, and goes out again with the same id.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from payments_sandbox.adapters.codec import ms_of
from payments_sandbox.adapters.sqlite_deliveries import SqliteDeliveries
from payments_sandbox.api.edge import where
from payments_sandbox.domain.delivery import Delivery
from payments_sandbox.domain.errors import SandboxError
from payments_sandbox.entrypoints.pace import Pace
from payments_sandbox.services.dispatch import Dispatch, deliveries_of
from payments_sandbox.services.merchants import MerchantTime
from payments_sandbox.services.webhook_ports import Endpoints

RELAY_MAX = 256
LANE_MAX = 16
SLOW_LANE_MAX = 2
READY_MAX = 64
RELAY_STRAINED_MAX = 16
RELAY_STRAINED_PAUSE_S = 0.05
RELAYED_KEPT_EVERY = 1_000
LOOK_AGAIN_S = 1.0
DRAIN_S = 5.0
TIMEOUT = "timeout"
_NEVER_MS = 1 << 62
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Lane:
    """What is on its way to one endpoint."""

    merchant_id: str
    ready: deque[Delivery] = field(default_factory=deque[Delivery])
    held: set[str] = field(default_factory=set[str])
    """Those that are ready or in flight."""
    in_flight: int = 0
    limit: int = LANE_MAX
    look_at_ms: int = 0
    """When the table is to be asked again."""


class Dispatcher:
    """Relays the log and attempts what is due, until it is cancelled."""

    lease = timedelta()

    def __init__(
        self, endpoints: Endpoints, deliveries: SqliteDeliveries, time: MerchantTime, pace: Pace
    ) -> None:
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._time = time
        self._lanes: dict[str, Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._awake = asyncio.Event()
        self._appended = True
        self._pace = pace
        self._relayed = self._kept = 0

    async def hand_over(self, deliveries: Sequence[Delivery]) -> None:
        """Look at the endpoints' lanes now."""
        for one in deliveries:
            self._lane(one.endpoint_id, one.merchant_id).look_at_ms = 0
        self._awake.set()

    def heard(self) -> None:
        """Note that the log has grown."""
        self._appended = True
        self._awake.set()

    async def run(self, dispatch: Dispatch) -> None:
        """Do it all; when cancelled, let what is in flight end within five seconds."""
        self._relayed = self._kept = self._deliveries.relayed_up_to()
        for endpoint_id, merchant_id in self._deliveries.endpoints_with_due():
            self._lane(endpoint_id, merchant_id)
        try:
            while True:
                wait_s = await self._turn(dispatch)
                await self._pace.turn(len(self._tasks))  # a long log must not keep requests waiting
                if self._appended and self._pace.is_strained:
                    await asyncio.sleep(RELAY_STRAINED_PAUSE_S)
                if not self._appended:
                    with suppress(TimeoutError):
                        # Not wait_for, which may swallow a cancellation (gh-86296).
                        async with asyncio.timeout(wait_s):
                            await self._awake.wait()
                self._awake.clear()
        finally:
            await self._drain()

    async def _turn(self, dispatch: Dispatch) -> float:
        """Relay and start what is due; return how long nothing more is. Never raise."""
        try:
            if self._appended:
                await self._relay()
            return await self._start_what_is_due(dispatch)
        except SandboxError as error:  # the ledger's; requests are told
            _log.warning("webhooks wait for the ledger: %s", type(error).__name__)
        except Exception as error:  # noqa: BLE001 - one fault must not end all webhooks
            _log.error("dispatching failed: %s", where(error))
        await asyncio.sleep(LOOK_AGAIN_S)
        self._appended = True
        return 0.0

    async def _relay(self) -> None:
        """Make deliveries of what the log has got since."""
        self._appended = False
        limit = RELAY_STRAINED_MAX if self._pace.is_strained else RELAY_MAX
        logged = self._deliveries.logged_after(self._relayed, limit)
        if not logged:
            return
        made: list[Delivery] = []
        for one in logged:
            endpoints = await self._endpoints.endpoints(one.merchant_id)
            if any(endpoint.enabled for endpoint in endpoints):
                kept = None if one.expires_at_ms is None else _time_of(one.expires_at_ms)
                at = await self._time.now(one.merchant_id)
                made += deliveries_of(
                    one.transaction(), endpoints, at, lease=self.lease, expires_at=kept
                )
        up_to = logged[-1].position
        # Where nobody listens the position alone is not worth a flush each time: what is relayed
        # again after a crash is there already.
        if made or up_to - self._kept >= RELAYED_KEPT_EVERY:
            await self._deliveries.relay(made, up_to)
            self._kept = up_to
        self._relayed = up_to
        self._appended = self._appended or len(logged) == limit
        await self.hand_over(made)

    async def _start_what_is_due(self, dispatch: Dispatch) -> float:
        """Start attempts as far as there is room; return for how long nothing more is due."""
        wait_s = LOOK_AGAIN_S  # a merchant's clock may be moved
        for endpoint_id, lane in list(self._lanes.items()):
            now = await self._time.now(lane.merchant_id)
            if not lane.ready and lane.look_at_ms <= ms_of(now):
                due = self._deliveries.due(endpoint_id, now, lane.held, READY_MAX)
                lane.ready.extend(due.deliveries)
                lane.held.update(one.delivery_id for one in due.deliveries)
                lane.look_at_ms = _NEVER_MS if due.next_due_ms is None else due.next_due_ms
            while lane.ready and self._has_room(lane):
                self._start(dispatch, lane, lane.ready.popleft())
            if not lane.ready:
                wait_s = min(wait_s, max(lane.look_at_ms - ms_of(now), 0) / 1000)
            if not lane.held and lane.look_at_ms == _NEVER_MS:
                del self._lanes[endpoint_id]
        return wait_s

    def _has_room(self, lane: Lane) -> bool:
        """Each lane may have one attempt: what hangs elsewhere must not take all the room."""
        return not lane.in_flight or (
            lane.in_flight < lane.limit and len(self._tasks) < self._pace.room
        )

    def _start(self, dispatch: Dispatch, lane: Lane, delivery: Delivery) -> None:
        lane.in_flight += 1
        task = asyncio.create_task(self._attempt(dispatch, lane, delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _attempt(self, dispatch: Dispatch, lane: Lane, delivery: Delivery) -> None:
        try:
            written = await dispatch.attempt(delivery)
        except Exception as error:  # noqa: BLE001 - one delivery must not end the others
            _log.error("an attempt is put off: %s", where(error))
            await asyncio.sleep(LOOK_AGAIN_S)
            lane.look_at_ms = 0
        else:
            last = written.attempts[-1] if written.attempts else None
            # Few at a time go where the last one hung: what hangs holds a connection.
            lane.limit = SLOW_LANE_MAX if last and last.error == TIMEOUT else LANE_MAX
            if written.due_at is not None:
                lane.look_at_ms = min(lane.look_at_ms, ms_of(written.due_at))
        finally:
            lane.in_flight -= 1
            lane.held.discard(delivery.delivery_id)
            self._awake.set()

    async def _drain(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=DRAIN_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _lane(self, endpoint_id: str, merchant_id: str) -> Lane:
        return self._lanes.setdefault(endpoint_id, Lane(merchant_id))


def _time_of(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
