"""A shop that pays and captures through kills, and what a sandbox then knows of its events."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.reliability.load import Sent, authorization
from tests.reliability.webhook_receivers import Arrival, Subscriber, listening
from tests.running import API_KEY, CARD, Running, running

CLIENTS = 16
SETTLE_DEADLINE_S = 600.0
_RETRY_DEADLINE_S = 120.0
_RETRY_PAUSE_S = 0.05
_DECLINED_CARD = CARD | {"number": "4000000000000002"}
_AMOUNT = 600
_TRY_AGAIN = {409, 429, 500, 503}
Json = dict[str, Any]


@asynccontextmanager
async def served(data: Path, port: int | None = None) -> AsyncGenerator[Running]:
    """Serve until the block ends; receivers in this loop go on hearing meanwhile."""
    context = running(data, port=port)
    sandbox = await asyncio.to_thread(context.__enter__)
    try:
        yield sandbox
    finally:
        await asyncio.to_thread(context.__exit__, None, None, None)


async def call(sandbox: Running, method: str, path: str, body: object = None) -> Json:
    """Make one call that must succeed; receivers in this loop go on hearing meanwhile."""
    answer = await asyncio.to_thread(sandbox.call, method, path, body)
    assert 200 <= answer.status < 300, (method, path, answer.status, answer.body)
    return answer.json if answer.body else {}


async def until(holds: Callable[[], bool], deadline_s: float = 60.0) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(deadline_s):
        while not holds():  # noqa: ASYNC110 - a file of another process has no event
            await asyncio.sleep(0.05)


@asynccontextmanager
async def sending(data: Path, *subscribers: Subscriber) -> AsyncGenerator[Running]:
    """Serve a new ledger with these endpoints and short waits, until the block ends."""
    async with listening(*subscribers), served(data) as sandbox:
        for one in subscribers:
            await asyncio.to_thread(one.register, sandbox)
        await call(sandbox, "PATCH", "/sandbox/settings", {"webhook_schedule": "fast"})
        try:
            yield sandbox
        finally:
            for one in subscribers:
                one.released.set()


async def authorized(sandbox: Running, key: str) -> None:
    """Make an event."""
    assert (await asyncio.to_thread(sandbox.authorize, key)).status == 201


async def listed(sandbox: Running, subscriber: Subscriber) -> list[Json]:
    """Return an endpoint's deliveries, newest first."""
    path = f"/webhooks/deliveries?endpoint_id={subscriber.endpoint_id}"
    return await asyncio.to_thread(pages, sandbox, path)


def flows(events: int) -> Iterator[list[str]]:
    """Yield payments as steps, so many steps in all: some are declined, some captured too much."""
    number = 0
    while events > 0:
        steps = ["authorize", "capture"]
        steps += ["capture"] if number % 5 == 4 else []
        steps = ["decline"] if number % 11 == 10 else steps
        yield steps[:events]
        events -= len(steps)
        number += 1


def _set_event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass
class Shop:
    """Concurrent clients that send each request until it is answered, under one key."""

    port: int
    on_answer: Callable[[], None] = lambda: None
    acknowledged: list[str] = field(default_factory=list[str])
    """The transactions that answers named."""
    retried: int = 0
    is_open: asyncio.Event = field(default_factory=_set_event)
    """Cleared while the sandbox is down: connecting to a free port may connect to itself."""

    async def pay(self, name: str, events: int, *, every_s: float = 0.0) -> None:
        """Make so many events; `name` begins the keys; each client waits between requests."""
        numbered = enumerate(flows(events))
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as clients:
            for _ in range(CLIENTS):
                clients.create_task(self._client(session, name, numbered, every_s))
                await asyncio.sleep(every_s / CLIENTS)  # not all at the same moments

    async def _client(
        self,
        session: aiohttp.ClientSession,
        name: str,
        numbered: Iterator[tuple[int, list[str]]],
        every_s: float,
    ) -> None:
        for number, steps in numbered:
            auth_id = ""
            for place, step in enumerate(steps):
                key = f"{name}-{number}-{place}"
                answered = await self.send(session, _request(step, key, auth_id))
                auth_id = auth_id or answered["auth_id"]
                await asyncio.sleep(every_s)

    async def send(self, session: aiohttp.ClientSession, sent: Sent) -> Json:
        """Send it until an answer names its transaction, whatever is killed meanwhile."""
        headers = {"x-api-key": API_KEY, "x-idempotency-key": sent.key}
        url = f"http://127.0.0.1:{self.port}{sent.path}"
        async with asyncio.timeout(_RETRY_DEADLINE_S):
            while True:
                await self.is_open.wait()
                try:
                    async with session.post(url, json=sent.body, headers=headers) as response:
                        answer: Json = await response.json(content_type=None)
                except (aiohttp.ClientError, OSError):
                    answer = {}
                else:
                    if "transaction_id" in answer:
                        self.acknowledged.append(answer["transaction_id"])
                        self.on_answer()
                        return answer
                    assert response.status in _TRY_AGAIN, answer
                self.retried += 1
                await asyncio.sleep(_RETRY_PAUSE_S)


def _request(step: str, key: str, auth_id: str) -> Sent:
    match step:
        case "authorize":
            return authorization(key)
        case "decline":
            return authorization(key, card=_DECLINED_CARD)
        case _:
            return Sent(key, "/payments/capture", {"auth_id": auth_id, "amount": _AMOUNT})


@dataclass(frozen=True)
class Evidence:
    """All that is known in the end."""

    acknowledged: list[str]
    """The transactions that answers named."""
    events: list[Json]
    """As the API lists them, oldest first."""
    records: list[Json]
    """Deliveries, as the API lists them."""
    kept: dict[str, str]
    """The state of each delivery in the file, by its id."""
    logged: int
    """Transactions in the file."""
    wanted: dict[str, tuple[str, ...]]
    """Which events each endpoint wants, by its id."""
    arrivals: dict[str, list[Arrival]]
    """What the endpoint's receiver heard, by its id."""


async def gathered(sandbox: Running, shop: Shop, subscribers: list[Subscriber]) -> Evidence:
    """Ask the API and the file for everything, once nothing is on its way any more."""
    with closing(_reading(sandbox.data)) as ledger:
        kept = dict(ledger.execute("SELECT delivery_id, state FROM deliveries"))
        (logged,) = ledger.execute("SELECT count(*) FROM transactions").fetchone()
    return Evidence(
        acknowledged=list(shop.acknowledged),
        events=await asyncio.to_thread(pages, sandbox, "/events?after=start"),
        records=await asyncio.to_thread(pages, sandbox, "/webhooks/deliveries?"),
        kept=kept,
        logged=logged,
        wanted={one.endpoint_id: one.events for one in subscribers},
        arrivals={one.endpoint_id: list(one.arrivals) for one in subscribers},
    )


def pages(sandbox: Running, path: str) -> list[Json]:
    """Return what all pages of a list hold."""
    found: list[Json] = []
    page = sandbox.call("GET", f"{path}&limit=100").json
    found += page["data"]
    while page["next_cursor"] is not None:
        bare, _, query = path.partition("?")
        # A cursor of the events knows its direction.
        query = "" if bare == "/events" else f"&{query}"
        page = sandbox.call("GET", f"{bare}?limit=100&cursor={page['next_cursor']}{query}").json
        found += page["data"]
    return found


def counted(data: Path) -> Counter[str]:
    """Return how many deliveries there are of each state, in the file as it is now."""
    with closing(_reading(data)) as ledger:
        return Counter(
            dict(ledger.execute("SELECT state, count(*) FROM deliveries GROUP BY state").fetchall())
        )


def unsettled(data: Path) -> int:
    """Return how many transactions are not relayed and deliveries not at their end."""
    with closing(_reading(data)) as ledger:
        (count,) = ledger.execute(
            "SELECT (SELECT count(*) FROM transactions, relayed"
            " WHERE transactions.position > relayed.position)"
            " + (SELECT count(*) FROM deliveries WHERE due_at IS NOT NULL)"
        ).fetchone()
    return count


async def settled(data: Path, on_look: Callable[[int], None] = lambda _: None) -> None:
    """Wait until every event is relayed and every delivery has ended."""
    async with asyncio.timeout(SETTLE_DEADLINE_S):
        while left := unsettled(data):
            on_look(left)
            await asyncio.sleep(0.2)


def _reading(data: Path) -> sqlite3.Connection:
    """Open the file so that nothing of it changes, not even where its log is copied to."""
    return sqlite3.connect(f"{data.as_uri()}?mode=ro", uri=True, timeout=20.0)
