"""The load generator: keep-alive HTTP/1.1 connections on raw asyncio and httptools.

A request costs the generator about 15 microseconds of CPU at 16 and more connections (45 at one), a
tenth of what common HTTP clients take, so on two cores it measures the server and not itself. Each
connection has one request in flight (a closed loop): latencies are those of that many clients in
step with the server, not of an open stream of arrivals.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter
from typing import cast

import httptools
import uvloop

from bench.machine import cpu_s

LAST_ANSWER_S = 30.0


class WrongAnswerError(Exception):
    """An answer had another status than the expected one; a benchmark of errors is worthless."""


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request in flight; keeps every latency."""

    def __init__(self) -> None:
        self.latencies_ms: list[float] = []
        self.headers: dict[bytes, bytes] = {}
        self._parts: list[bytes] = []
        self._sent_s = 0.0
        self._answer: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)

    async def ask(self, request: bytes, *, expect: int) -> bytes:
        """Send the bytes of one request and return the body of its answer.

        Raises WrongAnswerError when the status is not `expect` or the server hangs up.
        """
        if self._transport is None or self._transport.is_closing():
            raise WrongAnswerError("the server closed a keep-alive connection")
        self._answer = asyncio.get_running_loop().create_future()
        self._sent_s = perf_counter()
        self._transport.write(request)
        status = await self._answer
        body = b"".join(self._parts)
        if status != expect:
            line = request.split(b"\r\n", 1)[0].decode()
            raise WrongAnswerError(f"{line}: {status} in place of {expect}: {body[:500]!r}")
        return body

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (asyncio calls this)."""
        # TCP gives nothing else, and uvloop's transports do not inherit from asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request in flight (asyncio calls this)."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(WrongAnswerError(f"the server hung up: {exc}"))

    def data_received(self, data: bytes) -> None:
        """Parse what arrived (asyncio calls this)."""
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        """Start an answer (httptools calls this)."""
        self._parts.clear()
        self.headers.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header of the answer (httptools calls this)."""
        self.headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body (httptools calls this)."""
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """Stop the clock here, before the waiting coroutine is scheduled (httptools calls this)."""
        self.latencies_ms.append((perf_counter() - self._sent_s) * 1_000)
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(self._parser.get_status_code())


Script = Callable[[Connection], Awaitable[None]]
"""What a connection does over and over: one request, or a flow of several."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """How much load: until `count` scripts are done or `duration_s` is over, after a warm-up."""

    connections: int
    count: int | None = None
    duration_s: float = 60.0
    warm_up_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one load gave: how many scripts and requests, how long, how slow, at what cost."""

    scripts: int
    latencies_ms: list[float]
    wall_s: float
    server_cpu_s: float | None

    @property
    def requests_per_s(self) -> float:
        """Answers a second."""
        return len(self.latencies_ms) / self.wall_s

    @property
    def scripts_per_s(self) -> float:
        """Whole scripts a second."""
        return self.scripts / self.wall_s

    @property
    def cpu_us(self) -> float | None:
        """CPU microseconds of the server for each request; None where /proc does not tell."""
        if self.server_cpu_s is None:
            return None
        return self.server_cpu_s * 1e6 / len(self.latencies_ms)

    def percentile_ms(self, percent: float) -> float:
        """Latency that `percent` of the requests do not exceed."""
        rank = int(len(self.latencies_ms) * percent / 100)
        return self.latencies_ms[min(rank, len(self.latencies_ms) - 1)]


class _Budget:
    """How many more scripts may start, for all connections together."""

    def __init__(self, count: int | None, duration_s: float) -> None:
        self._left = count
        self._end_s = perf_counter() + duration_s
        self.taken = 0

    @property
    def left_s(self) -> float:
        return self._end_s - perf_counter()

    def take(self) -> bool:
        if perf_counter() >= self._end_s or self._left == 0:
            return False
        if self._left is not None:
            self._left -= 1
        self.taken += 1
        return True


async def connect(port: int) -> Connection:
    """Open one connection to a server on this machine."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, "127.0.0.1", port)
    return connection


def run_load(load: Load, script: Script, *, port: int, pid: int) -> Run:
    """Put the load on the server at `port` and measure; raises WrongAnswerError."""
    return uvloop.run(_run_load(load, script, port=port, pid=pid))


async def _run_load(load: Load, script: Script, *, port: int, pid: int) -> Run:
    connections = [await connect(port) for _ in range(load.connections)]
    try:
        if load.warm_up_s:
            await _spend(_Budget(None, load.warm_up_s), script, connections)
        return await _measured(load, script, connections, pid)
    finally:
        for connection in connections:
            connection.close()


async def _measured(load: Load, script: Script, connections: list[Connection], pid: int) -> Run:
    for connection in connections:
        connection.latencies_ms.clear()
    budget = _Budget(load.count, load.duration_s)
    # A collection in the generator would show up as a slow answer of the server.
    gc.collect()
    gc.disable()
    try:
        cpu_before, start_s = cpu_s(pid), perf_counter()
        await _spend(budget, script, connections)
        wall_s, cpu_after = perf_counter() - start_s, cpu_s(pid)
    finally:
        gc.enable()
    cpu = None if cpu_before is None or cpu_after is None else cpu_after - cpu_before
    latencies_ms = sorted(ms for connection in connections for ms in connection.latencies_ms)
    return Run(scripts=budget.taken, latencies_ms=latencies_ms, wall_s=wall_s, server_cpu_s=cpu)


async def _spend(budget: _Budget, script: Script, connections: list[Connection]) -> None:
    async def work(connection: Connection) -> None:
        while budget.take():
            await script(connection)

    # One limit for the whole load: one for each request would cost the generator a third more.
    async with asyncio.timeout(budget.left_s + LAST_ANSWER_S), asyncio.TaskGroup() as group:
        for connection in connections:
            group.create_task(work(connection))
