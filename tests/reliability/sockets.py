"""Requests as bytes on sockets, where a test needs its hand on what is sent when."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import NamedTuple

from tests.reliability.load import Sent
from tests.running import API_KEY, Answer

ANSWER_DEADLINE_S = 20.0


class Connection(NamedTuple):
    """An open connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Send some bytes of a request."""
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> Answer:
        """Read one whole answer; raise IncompleteReadError if it is cut off."""
        async with asyncio.timeout(ANSWER_DEADLINE_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status, *lines = head.rstrip().split("\r\n")
            pairs = (line.partition(": ") for line in lines)
            headers = {name.lower(): value for name, _, value in pairs}
            body = await self.reader.readexactly(int(headers["content-length"]))
        return Answer(int(status.split(" ")[1]), headers, body)


def as_bytes(sent: Sent) -> bytes:
    """Return the whole request."""
    body = json.dumps(sent.body).encode()
    head = (
        f"POST {sent.path} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: {API_KEY}\r\n"
        f"x-idempotency-key: {sent.key}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@asynccontextmanager
async def connected(port: int) -> AsyncGenerator[Connection]:
    """Open a connection until the block ends."""
    connection = Connection(*await asyncio.open_connection("127.0.0.1", port))
    try:
        yield connection
    finally:
        connection.writer.close()
        with suppress(OSError):
            await connection.writer.wait_closed()


async def at_once(port: int, requests: Sequence[Sent]) -> list[Answer]:
    """Send all but the last byte of every request, then every last byte, then read the answers."""
    data = [as_bytes(sent) for sent in requests]
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(connected(port)) for _ in requests]
        for connection, request in zip(connections, data, strict=True):
            await connection.send(request[:-1])
        for connection, request in zip(connections, data, strict=True):
            await connection.send(request[-1:])
        return await asyncio.gather(*(connection.answer() for connection in connections))
