"""The listener: follows a sandbox's events and forwards signed copies, each until it arrives.

What waits is in memory alone, as it is for one person at one laptop; an endpoint keeps it durably.
"""

import asyncio
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from payments_sandbox.adapters.api_client import PAGE_MAX, START, ApiRefused, Event, SandboxClient
from payments_sandbox.domain.delivery import (
    WAITS_S,
    DeadReason,
    Delivery,
    Outcome,
    RetrySchedule,
    State,
)
from payments_sandbox.domain.identifiers import delivery_id_of, endpoint_id_of
from payments_sandbox.domain.signature import signed_headers
from payments_sandbox.services.ports import Clock
from payments_sandbox.services.webhook_ports import Sender

IN_FLIGHT_MAX = 16
WAITING_MAX = 1_000
SCHEDULE = RetrySchedule.FAST
ATTEMPTS_MAX = len(WAITS_S[SCHEDULE]) + 1
Say = Callable[[str], None]
Wanted = Callable[[str], bool]
"""Tells whether events of a type are forwarded."""


@dataclass(slots=True)
class Tally:
    """What became of the events that were taken on."""

    taken: int = 0
    forwarded: int = 0
    retries: int = 0
    dead: int = 0

    def __str__(self) -> str:
        waiting = self.taken - self.forwarded - self.dead
        retries = "1 retry" if self.retries == 1 else f"{self.retries} retries"
        return f"{self.forwarded} forwarded, {retries}, {self.dead} dead, {waiting} still waiting"


class Attempted(NamedTuple):
    """One attempt, and what the delivery is after it."""

    event: Event
    at: datetime
    outcome: Outcome
    delivery: Delivery


class Receiver(NamedTuple):
    """Where copies go, and what they are signed with."""

    url: str
    secret: bytes


class Forwarder:
    """Brings events to one receiver: first attempts in order, retries by the sandbox's own rule."""

    def __init__(
        self,
        receiver: Receiver,
        sender: Sender,
        clock: Clock,
        run_id: str,
        tell: Callable[[Attempted], None],
    ) -> None:
        """Forward for one run of the listener; `tell` hears of each attempt."""
        self.tally = Tally()
        self._receiver = receiver
        self._sender = sender
        self._clock = clock
        self._endpoint_id = endpoint_id_of(run_id)
        self._tell = tell
        self._room = asyncio.Semaphore(WAITING_MAX)
        # Its waiters are served in the order they came.
        self._slots = asyncio.Semaphore(IN_FLIGHT_MAX)

    async def take(self, event: Event, tasks: asyncio.TaskGroup) -> None:
        """Take an event on, once there is room for one more."""
        await self._room.acquire()
        self.tally.taken += 1
        tasks.create_task(self._deliver(event))

    async def _deliver(self, event: Event) -> None:
        at = self._clock.now()
        delivery = Delivery(
            delivery_id=delivery_id_of(event.event_id, self._endpoint_id),
            merchant_id="",
            endpoint_id=self._endpoint_id,
            message_id=event.event_id,
            type=event.type,
            created_at=at,
            due_at=at,
        )
        while delivery.due_at is not None:
            if delivery.tries:
                await asyncio.sleep((delivery.due_at - self._clock.now()).total_seconds())
            async with self._slots:
                self.tally.retries += delivery.tries > 0
                outcome = await self._send(event)
            at = self._clock.now()
            delivery = delivery.after(outcome, at, SCHEDULE)
            self._tell(Attempted(event, at, outcome, delivery))
        self.tally.forwarded += delivery.state is State.DELIVERED
        self.tally.dead += delivery.state is State.DEAD
        self._room.release()

    async def _send(self, event: Event) -> Outcome:
        timestamp = int(self._clock.now().timestamp())
        headers = signed_headers(event.event_id, timestamp, event.body, [self._receiver.secret])
        return await self._sender.post(self._receiver.url, headers, event.body)


async def listen(
    client: SandboxClient, after: str, wanted: Wanted, forwarder: Forwarder, say: Say
) -> None:
    """Forward what is wanted of all that happens after a place; raise ApiRefused."""
    refused: ApiRefused | None = None
    try:
        async with asyncio.TaskGroup() as tasks:
            async for event in follow(client, after, say):
                if wanted(event.type):
                    await forwarder.take(event, tasks)
    except* ApiRefused as group:
        refused = ApiRefused(str(group.exceptions[0]))
    if refused is not None:
        raise refused


async def follow(client: SandboxClient, after: str, say: Say) -> AsyncGenerator[Event]:
    """Yield what happens after a place, for good; raise ApiRefused for what will not pass.

    While the sandbox is away it asks again, and says so once.
    """
    is_away = False
    while True:
        try:
            events, next_cursor = await client.events(after=after)
        except ApiRefused as refused:
            if refused.problem.get("param") == "after" and after != START:
                say(f"{client.base_url} has no {after} (any more); going on from its first event.")
                after = START
                continue
            if not refused.may_pass:
                raise
            if not is_away:
                say(f"{refused} Until then it is asked again.")
            is_away, next_cursor = True, None
        else:
            if is_away:
                say(f"{client.base_url} answers again.")
            is_away = False
            for event in events:
                yield event
                after = event.event_id
        if next_cursor is None:
            await asyncio.sleep(client.poll_s)


async def newest(client: SandboxClient) -> str:
    """Return the place of now: the id of the newest event, or the start; raise ApiRefused."""
    events, _ = await client.events(limit=1)
    return events[0].event_id if events else START


async def last(client: SandboxClient, count: int) -> list[Event]:
    """Return so many of the newest events, oldest first; raise ApiRefused."""
    found: list[Event] = []
    place: dict[str, str] = {}
    while len(found) < count:
        batch = await client.events(limit=min(PAGE_MAX, count - len(found)), **place)
        found += batch.events
        if batch.next_cursor is None:
            break
        place = {"cursor": batch.next_cursor}
    return found[::-1]


def run_until_stopped(work: Coroutine[None, None, None]) -> None:
    """Run it to its end or until SIGINT or SIGTERM, which is no error."""

    async def run() -> None:
        task = asyncio.ensure_future(work)
        for one in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(one, task.cancel)
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(run())


def words_for(attempted: Attempted) -> str:
    """Return what came of an attempt and what follows, for a person."""
    _, at, outcome, delivery = attempted
    came = outcome.error or f"{outcome.status} in {outcome.duration_ms} ms"
    if delivery.state is State.DELIVERED:
        return came
    if delivery.dead_reason is DeadReason.ENDPOINT_GONE:
        return f"{came}, dead: the receiver says that it is gone"
    if delivery.due_at is None:
        return f"{came}, dead after {delivery.tries} attempts"
    wait_s = (delivery.due_at - at).total_seconds()
    return f"{came}, retry in {wait_s:.1f} s (attempt {delivery.tries + 1} of {ATTEMPTS_MAX})"
