"""The listener's own rules: order, bounds, giving up, its secret, and the client it asks with."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from payments_sandbox.adapters.api_client import WAITS_MAX, ApiRefused, Event, SandboxClient
from payments_sandbox.domain.delivery import Outcome
from payments_sandbox.entrypoints.listener import (
    ATTEMPTS_MAX,
    IN_FLIGHT_MAX,
    WAITING_MAX,
    Attempted,
    Forwarder,
    Receiver,
    words_for,
)
from tests.hostile.receivers import answer
from tests.unit.stand_ins import SeededIds

OK = Outcome(12, status=200)
FAILED = Outcome(3, status=500)
UNREACHABLE = Outcome(1, error="connect_failed")
IDS = SeededIds()
EMPTY = json.dumps({"data": [], "next_cursor": None}).encode()
FOREIGN: dict[str, object] = {
    "id": "evt_1\r\nx: y",
    "type": "payment_captured",
    "timestamp": "",
    "data": {},
}
OTHERS = [
    ("200 OK", b"<html>"),
    ("200 OK", b"[]"),
    ("200 OK", b'{"data": 1}'),
    ("200 OK", b'{"data": [1], "next_cursor": null}'),
    ("200 OK", json.dumps({"data": [FOREIGN], "next_cursor": None}).encode()),
    ("301 Moved Permanently", b""),
    ("404 Not Found", b'{"message": "Not Found"}'),
]


class LeapingClock:
    """A clock that leaps on whenever it is asked, so that every wait is over."""

    def __init__(self) -> None:
        self._at = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        """Return the next minute."""
        self._at += timedelta(minutes=1)
        return self._at

    async def pause(self, up_to_s: float) -> None:
        """Let it pass."""
        self._at += timedelta(seconds=up_to_s)


@dataclass
class HeldSender:
    """Notes what is sent and answers once it is let go, failing so many times first."""

    outcome: Outcome = OK
    go: asyncio.Event = field(default_factory=asyncio.Event)
    sent: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])
    in_flight: int = 0
    in_flight_max: int = 0

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Note the request."""
        assert url == "http://127.0.0.1:1/"
        self.sent.append((headers["webhook-id"], body))
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight, self.in_flight_max)
        await self.go.wait()
        self.in_flight -= 1
        return self.outcome


@pytest.fixture
def told() -> list[Attempted]:
    """Return where attempts are noted."""
    return []


def event(number: int) -> Event:
    """Return an event."""
    return Event(
        f"evt_{IDS.core()}_{number}", "payment_captured", "", {}, b'{"number":%d}' % number
    )


def forwarder(sender: HeldSender, told: list[Attempted]) -> Forwarder:
    """Return a forwarder with this sender."""
    receiver = Receiver("http://127.0.0.1:1/", bytes(24))
    return Forwarder(receiver, sender, LeapingClock(), IDS.core(), told.append)


@dataclass
class Answering:
    """A server that gives answers in turn, the last one for ever, and notes who asked."""

    port: int
    asked: list[str] = field(default_factory=list[str])


@asynccontextmanager
async def giving(*answers: bytes) -> AsyncGenerator[Answering]:
    """Have such a server until the block ends; each answer is for a connection of its own."""
    left = list(answers)
    one = Answering(0)

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        one.asked.append(head.decode().partition("\r\n")[0])
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(hear, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    async with server:
        yield one


async def ask(server: Answering) -> None:
    """Ask for the newest events; raise ApiRefused."""
    async with SandboxClient(f"http://127.0.0.1:{server.port}", "sk_test_local") as client:
        await client.events()


async def test_first_attempts_keep_their_order(told: list[Attempted]) -> None:
    """They start in the order of the events, and only so many are in flight."""
    sender = HeldSender()
    one = forwarder(sender, told)
    events = [event(number) for number in range(1, 60)]
    async with asyncio.TaskGroup() as tasks:
        for each in events:
            await one.take(each, tasks)
        for _ in range(5):
            await asyncio.sleep(0)
        held = len(sender.sent)
        sender.go.set()

    assert held == sender.in_flight_max == IN_FLIGHT_MAX
    assert [message_id for message_id, _ in sender.sent] == [each.event_id for each in events]
    assert str(one.tally) == "59 forwarded, 0 retries, 0 dead, 0 still waiting"


async def test_only_so_many_wait(told: list[Attempted]) -> None:
    """Above the bound nothing is taken on until something has arrived."""
    sender = HeldSender()
    one = forwarder(sender, told)
    async with asyncio.TaskGroup() as tasks:
        for number in range(WAITING_MAX):
            await one.take(event(number + 1), tasks)
        more = asyncio.create_task(one.take(event(1), tasks))
        for _ in range(5):
            await asyncio.sleep(0)
        taken = one.tally.taken
        sender.go.set()
        await more

    assert taken == WAITING_MAX
    assert one.tally.forwarded == WAITING_MAX + 1


async def test_giving_up(told: list[Attempted]) -> None:
    """A receiver that never takes it gets the same bytes ten times, and then no more."""
    sender = HeldSender(FAILED)
    sender.go.set()
    one = forwarder(sender, told)
    async with asyncio.TaskGroup() as tasks:
        await one.take(event(1), tasks)

    assert len(sender.sent) == ATTEMPTS_MAX == 10
    assert len(set(sender.sent)) == 1
    assert words_for(told[0]).startswith("500 in 3 ms, retry in ")
    assert words_for(told[0]).endswith(" s (attempt 2 of 10)")
    assert words_for(told[-1]) == "500 in 3 ms, dead after 10 attempts"
    assert str(one.tally) == "0 forwarded, 9 retries, 1 dead, 0 still waiting"


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (OK, "200 in 12 ms"),
        (UNREACHABLE, "connect_failed, retry in 30.0 s (attempt 2 of 10)"),
        (Outcome(5, status=410), "410 in 5 ms, dead: the receiver says that it is gone"),
    ],
    ids=["taken", "unreachable", "gone"],
)
async def test_the_words_for_an_attempt(
    told: list[Attempted], outcome: Outcome, words: str
) -> None:
    """They say what came of it and what follows; a wait that is asked for counts."""
    asked = Outcome(outcome.duration_ms, outcome.status, outcome.error, retry_after_s=30)
    sender = HeldSender(asked)
    sender.go.set()
    one = forwarder(sender, told)
    async with asyncio.TaskGroup() as tasks:
        await one.take(event(1), tasks)

    assert words_for(told[0]) == words


async def test_a_rate_limit() -> None:
    """The client waits as long as it is asked to and then has its answer; polls leave room."""
    waits: list[int] = []
    scarce = answer("429 Too Many Requests", b"{}", "retry-after: 0")
    plenty = answer("200 OK", EMPTY, 'ratelimit-policy: "default";q=100;w=60')
    async with giving(scarce, scarce, plenty) as server:
        url = f"http://127.0.0.1:{server.port}/dev/"
        async with SandboxClient(url, "sk_test_local", waits.append) as client:
            found = await client.events(after="start")

    assert found.events == []
    assert waits == [0, 0]
    assert client.poll_s == pytest.approx(1.8)
    assert {*server.asked} == {"GET /dev/events?limit=100&after=start HTTP/1.1"}


async def test_a_rate_limit_that_stays() -> None:
    """After three waits the call is refused, as one that may succeed later."""
    scarce = answer("429 Too Many Requests", b"{}", "retry-after: 0")
    async with giving(scarce) as server:
        with pytest.raises(ApiRefused) as refused:
            await ask(server)

    assert len(server.asked) == WAITS_MAX + 1
    assert refused.value.may_pass


@pytest.mark.parametrize(("status", "body"), OTHERS, ids=range(len(OTHERS)))
async def test_what_is_no_sandbox(status: str, body: bytes) -> None:
    """An answer that is not the sandbox's is refused for good, and no redirect is followed."""
    elsewhere = answer(status, body, "location: http://127.0.0.1:1/")
    async with giving(elsewhere) as server:
        with pytest.raises(ApiRefused, match="not as a Payments Sandbox does") as refused:
            await ask(server)

    assert not refused.value.may_pass
    assert len(server.asked) == 1


async def test_a_gateway_that_forbids() -> None:
    """A gateway's 403 is about the key or the path, and it says so."""
    forbidden = answer("403 Forbidden", b'{"message":"Forbidden"}')
    async with giving(forbidden) as server:
        with pytest.raises(ApiRefused, match=r"403 'Forbidden'.*the\s+API key or the path"):
            await ask(server)


async def test_a_fault_that_may_pass() -> None:
    """An answer of the server's fault may be another one later."""
    async with giving(answer("503 Service Unavailable")) as server:
        with pytest.raises(ApiRefused) as refused:
            await ask(server)

    assert refused.value.may_pass


@pytest.mark.parametrize(
    ("url", "api_key"),
    [
        ("localhost:8000", "sk_test_local"),
        ("ftp://localhost", "sk_test_local"),
        ("http://user@localhost", "sk_test_local"),
        ("http://localhost?stage=dev", "sk_test_local"),
        ("http://localhost", ""),
        ("http://localhost", "sk test"),
        ("http://localhost", "sk\r\nx: y"),
    ],
)
def test_what_is_no_url_or_key(url: str, api_key: str) -> None:
    """They are refused before anything is sent."""
    with pytest.raises(ApiRefused):
        SandboxClient(url, api_key)
