"""Slow and silent clients: each is ended in time, and none delays anybody else."""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from payments_sandbox.entrypoints.http_protocol import REQUEST_DEADLINE_S
from tests.hostile.marks import AUTHORIZE, assert_problem
from tests.hostile.wire import (
    CHUNKED,
    HOST,
    JSON,
    OURS,
    Header,
    Wire,
    authorization,
    exchange,
    request,
)
from tests.running import Answer, Running

SLACK_S = 3.0
PAUSE_S = 0.5
ANSWER_S_MAX = 1.0
IDLE_CONNECTIONS = 200
GROWN_KIB_MAX = 20 * 1024


@dataclass(frozen=True)
class End:
    """How a connection ended: what it was answered, how late, and whether it was closed."""

    answer: Answer
    after_s: float
    closed: bool


@dataclass(frozen=True)
class Outcome:
    """How all slow clients ended, and how long others took meanwhile, in seconds."""

    late: Sequence[End]
    unwanted: Sequence[End]
    meanwhile_s: Sequence[float]


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """Read one answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().strip()
    status_line, *lines = head.split("\r\n")
    headers = dict(one.split(": ", 1) for one in lines)
    body = await reader.readexactly(int(headers["content-length"]))
    return Answer(int(status_line.split()[1]), headers, body)


LENGTH: Header = ("content-length", str(len(AUTHORIZE)))
# What is sent at once, and what then goes on dripping.
LATE = (
    (authorization(LENGTH), b""),
    (authorization(LENGTH) + AUTHORIZE[:1], b""),
    (authorization(LENGTH), b" "),
    (authorization(CHUNKED) + b"5\r\n{", b""),
    (authorization(CHUNKED), b"1\r\n \r\n"),
    (authorization(CHUNKED) + b"2\r\n{}\r\n0\r\n", b"x-trailer: x\r\n"),
    (authorization()[:-20], b""),
    (authorization()[:-2], b"x: y\r\n"),
    (b"GE", b""),
    (b"GET /", b"a"),
    (b"\r\n\r\nGET / HTTP/1.1\r\nx:", b"x"),
)
UNWANTED = (
    (request("POST", "/payments/authorize", (HOST, ("content-length", "1000000000"))), b"x"),
    (request("POST", "/payments/authorize", (HOST, CHUNKED)) + b"0\r\n", b"x-trailer: x\r\n"),
    (request("GET", "/health", (HOST, ("content-length", "1000000000"))), b"x"),
)


@asynccontextmanager
async def connected(
    sandbox: Running,
) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Lend a connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def drip(writer: asyncio.StreamWriter, pieces: Iterable[bytes]) -> None:
    """Send the pieces with pauses in between."""
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(PAUSE_S)


async def slowly(sandbox: Running, start: bytes, then: bytes = b"") -> End:
    """Send the start at once, then one more piece at a time without end, and tell how it ends."""
    async with connected(sandbox) as (reader, writer):
        began = time.monotonic()
        writer.write(start)
        dripping = asyncio.create_task(drip(writer, [then] * 100 if then else []))
        try:
            answer = await asyncio.wait_for(read_answer(reader), REQUEST_DEADLINE_S + SLACK_S)
            after_s = time.monotonic() - began
            closed = await ended(reader, within_s=REQUEST_DEADLINE_S + SLACK_S - after_s)
        finally:
            dripping.cancel()
        return End(answer, after_s, closed)


async def ended(reader: asyncio.StreamReader, *, within_s: float) -> bool:
    """Tell whether the server closes the connection in time without another byte."""
    try:
        return await asyncio.wait_for(reader.read(1), within_s) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


async def calls_meanwhile(sandbox: Running, over: asyncio.Event) -> list[float]:
    """Authorize again and again, and return how long each call took, in seconds."""
    took_s: list[float] = []
    while not over.is_set():
        began = time.monotonic()
        answer = await asyncio.to_thread(sandbox.authorize, secrets.token_hex(8))
        took_s.append(time.monotonic() - began)
        await asyncio.sleep(0.1)

        assert answer.status == 201
    return took_s


async def all_at_once(sandbox: Running) -> Outcome:
    """Hold the sandbox up in every way there is, and use it meanwhile."""
    files = request("GET", "/docs/assets/swagger-ui-bundle.js", (HOST,))
    async with asyncio.TaskGroup() as group, connected(sandbox) as (_, deaf):
        deaf.write(files * 50)  # and never read
        over = asyncio.Event()
        meanwhile = group.create_task(calls_meanwhile(sandbox, over))
        ends = await asyncio.gather(*(slowly(sandbox, *one) for one in (*LATE, *UNWANTED)))
        over.set()
    return Outcome(ends[: len(LATE)], ends[len(LATE) :], meanwhile.result())


@pytest.fixture(scope="module")
def outcome(sandbox: Running) -> Outcome:
    """Wait for all deadlines together: they cannot be shortened in another process."""
    return asyncio.run(all_at_once(sandbox))


def test_what_does_not_arrive_in_time_is_ended(outcome: Outcome) -> None:
    """Headers and bodies that stop or drip get a 408 at the deadline, and are closed."""
    late_s = [end.after_s for end in outcome.late]

    for end in outcome.late:
        assert_problem(end.answer, 408, "request_timeout")
    assert all(end.closed for end in outcome.late)
    assert min(late_s) > REQUEST_DEADLINE_S - SLACK_S
    assert max(late_s) < REQUEST_DEADLINE_S + SLACK_S


def test_a_body_that_nobody_wants_is_not_read_for_ever(outcome: Outcome) -> None:
    """A request that is answered while its body still drips is closed in the end."""
    assert [end.answer.status for end in outcome.unwanted] == [401, 401, 200]
    assert max(end.after_s for end in outcome.unwanted) < ANSWER_S_MAX
    assert all(end.closed for end in outcome.unwanted)


def test_slow_clients_delay_nobody(outcome: Outcome) -> None:
    """While all of them are held, everybody else is answered as ever."""
    assert len(outcome.meanwhile_s) > 10
    assert max(outcome.meanwhile_s) < ANSWER_S_MAX


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
async def test_trailers_without_an_end_fill_no_memory(sandbox: Running) -> None:
    """What follows a body is not kept: it needs no key, so anybody could send it for ever."""
    before = resident_kib(sandbox.process.pid)
    async with connected(sandbox) as (reader, writer):
        writer.write(request("POST", "/payments/authorize", (HOST, CHUNKED)) + b"0\r\n")
        await read_answer(reader)
        with suppress(ConnectionError):
            for _ in range(200):
                writer.write(b"a:b\r\n" * 10_000)
                await writer.drain()
        await asyncio.sleep(0.5)  # what is in the kernel's hands is still to be parsed
        grown = resident_kib(sandbox.process.pid) - before

    assert grown < GROWN_KIB_MAX


def resident_kib(pid: int) -> int:
    """Return how much memory the process holds."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def test_idle_connections_do_not_stop_service(sandbox: Running) -> None:
    """Hundreds of connections that say nothing leave room for those that do."""
    idle = [Wire(sandbox.port) for _ in range(IDLE_CONNECTIONS)]
    began = time.monotonic()
    answers = [sandbox.authorize(secrets.token_hex(8)).status for _ in range(10)]
    took_s = time.monotonic() - began
    idle[0].send(request("GET", "/health"))
    woken = idle[0].answer().status
    for wire in idle:
        wire.close()

    assert answers == [201] * 10
    assert took_s < 10 * ANSWER_S_MAX
    assert woken == 200


def test_a_client_that_leaves_half_way_leaves_nothing(sandbox: Running) -> None:
    """A body that is cut off spends no key and makes no payment."""
    whole = authorization(body=AUTHORIZE)
    before = sandbox.call("GET", "/payments?limit=3").body
    for sent in range(0, len(AUTHORIZE), 7):
        with Wire(sandbox.port) as wire:
            wire.send(whole[: len(whole) - len(AUTHORIZE) + sent])
    after = sandbox.call("GET", "/payments?limit=3").body
    at_last = exchange(sandbox.port, whole)

    assert after == before
    assert (at_last.status, at_last.headers.get("idempotent-replayed")) == (201, None)


def test_a_slow_change_does_not_undo_a_quick_one(sandbox: Running) -> None:
    """Settings that change while another change still arrives keep both changes."""
    slow, quick = b'{"retention_days":7}', {"amount_rule": "cents"}
    with Wire(sandbox.port) as wire:
        data = request("PATCH", "/sandbox/settings", (*OURS, JSON), slow)
        wire.send(data[:-1])
        time.sleep(0.2)
        between = sandbox.call("PATCH", "/sandbox/settings", quick).json
        wire.send(data[-1:])
        after = wire.answer().json
    sandbox.call("PATCH", "/sandbox/settings", {"amount_rule": "off", "retention_days": None})

    assert between["amount_rule"] == "cents"
    assert after == between | {"retention_days": 7}
