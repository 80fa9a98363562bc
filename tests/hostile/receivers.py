"""A sender and those who hear it, on loopback: receivers that answer, and wires to trip over."""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

from payments_sandbox.adapters.sender import HttpSender
from payments_sandbox.domain.destination import DestinationPolicy

ANYWHERE = DestinationPolicy(allow_private=True)
NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes


Lookup = Callable[[str], Awaitable[Sequence[str]]]
Respond = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Receiver:
    """What a receiver has heard."""

    port: int
    requests: list[Request] = field(default_factory=list[Request])
    connections: int = 0
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    """A request has come."""
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """A sender has closed a connection."""

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hooks"


@asynccontextmanager
async def receiving(
    respond: Respond, *, tls: ssl.SSLContext | None = None
) -> AsyncGenerator[Receiver]:
    """Hear requests until the block ends; each is answered by `respond`."""
    receiver = Receiver(port=0)
    at_work: set[asyncio.Task[None] | None] = set()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        at_work.add(asyncio.current_task())
        receiver.connections += 1
        try:
            while True:
                request = await _request(reader)
                receiver.requests.append(request)
                receiver.heard.set()
                await respond(request, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            receiver.left.set()
        except asyncio.CancelledError:
            pass  # the block has ended; asyncio 3.11 would log it
        finally:
            at_work.discard(asyncio.current_task())
            writer.transport.abort()

    server = await asyncio.start_server(hear, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        tasks = [one for one in at_work if one is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def sending(
    policy: DestinationPolicy = ANYWHERE, *, timeout_s: float = 5.0, lookup: Lookup | None = None
) -> AsyncGenerator[HttpSender]:
    """Have a sender until the block ends."""
    sender = HttpSender(policy, timeout_s=timeout_s, now=lambda: NOW, lookup=lookup)
    try:
        yield sender
    finally:
        await sender.close()


async def _request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *lines = head.rstrip("\r\n").split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)
    }
    length = int(headers.get("content-length", "0"))
    return Request(line, headers, await reader.readexactly(length))


def answering(*answers: bytes) -> Respond:
    """Return what gives these answers in turn, the last one for ever."""
    left = list(answers)

    async def respond(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        await writer.drain()

    return respond


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    """Return an answer as its bytes."""
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


class Tripwire:
    """A port on loopback, in both families if there are two, where nobody may connect."""

    def __init__(self) -> None:
        self._sockets = [socket.create_server(("127.0.0.1", 0))]
        self.port: int = self._sockets[0].getsockname()[1]
        with suppress(OSError):
            self._sockets.append(socket.create_server(("::1", self.port), family=socket.AF_INET6))
        for one in self._sockets:
            one.settimeout(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._sockets:
            one.close()

    def touched(self) -> int:
        """Return how many have connected since the last look; the kernel keeps them till then."""
        count = 0
        for one in self._sockets:
            with suppress(BlockingIOError):
                while True:
                    one.accept()[0].close()
                    count += 1
        return count
