"""Receivers of webhooks, good and bad ones, that verify and keep whatever they hear.

python -m tests.reliability.webhook_receivers --status 500
"""

import argparse
import asyncio
import socket
import struct
import sys
import time
import zlib
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NamedTuple

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.hostile.receivers import Request, answer, answering, receiving
from tests.running import Running

SLOW_S = 1.0
_LINGER_NOT = struct.pack("ii", 1, 0)
Json = dict[str, Any]


class Heard(NamedTuple):
    """A request as a manner sees it."""

    message_id: str
    number: int
    """How many the receiver has heard with it."""
    time: int
    """How many of this message."""
    verified: bool


class Reaction(NamedTuple):
    """What a receiver does to one request."""

    status: int | None = 204
    """None breaks the connection off."""
    wait_s: float = 0.0
    hang: bool = False
    """Do nothing until the receiver is released, then break off."""
    reset: bool = False


Manner = Callable[[Heard], Reaction]


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request as it was heard, and what it was answered."""

    message_id: str
    headers: dict[str, str]
    body: bytes
    at: float
    """In seconds since 1970."""
    verified: bool
    """Whether it fits every secret that its receiver was given."""
    status: int | None

    @property
    def is_taken(self) -> bool:
        """Whether the answer was a success."""
        return self.status is not None and self.status // 100 == 2


def healthy(_: Heard) -> Reaction:
    """Take everything."""
    return Reaction()


def strict(heard: Heard) -> Reaction:
    """Take what verifies."""
    return Reaction(204 if heard.verified else 400)


def slow(_: Heard) -> Reaction:
    """Take everything, a second later."""
    return Reaction(wait_s=SLOW_S)


def breaking(heard: Heard) -> Reaction:
    """Reset or close the connection of each message's first attempt."""
    if heard.time > 1:
        return Reaction()
    return Reaction(None, reset=heard.number % 2 == 0)


def failing(always_every: int | None) -> Manner:
    """Answer 500 twice to each message; for ever to one in so many."""

    def manner(heard: Heard) -> Reaction:
        always = always_every and zlib.crc32(heard.message_id.encode()) % always_every == 0
        return Reaction(500 if always or heard.time <= 2 else 204)

    return manner


def hanging(first: int) -> Manner:
    """Never answer the first requests, then recover."""

    def manner(heard: Heard) -> Reaction:
        return Reaction(None, hang=True) if heard.number <= first else Reaction()

    return manner


@dataclass
class Subscriber:
    """A receiver, and the endpoint that sends to it once it is registered."""

    name: str
    manner: Manner = healthy
    events: tuple[str, ...] = ("*",)
    secrets: list[str] = field(default_factory=list[str])
    endpoint_id: str = ""
    url: str = ""
    arrivals: list[Arrival] = field(default_factory=list[Arrival])
    released: asyncio.Event = field(default_factory=asyncio.Event)
    hung: int = 0
    """How many requests wait for the release."""
    _heard: Counter[str] = field(default_factory=Counter[str])

    @property
    def path(self) -> str:
        """The endpoint in the API."""
        return f"/webhooks/endpoints/{self.endpoint_id}"

    @property
    def taken(self) -> list[Arrival]:
        """What was answered with a success, in that order."""
        return [one for one in self.arrivals if one.is_taken]

    async def respond(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """Hear a request; raise ConnectionError to break it off."""
        at = time.time()
        message_id = request.headers["webhook-id"]
        self._heard[message_id] += 1
        verified = all(verifies(one, request) for one in self.secrets)
        heard = Heard(message_id, self._heard.total(), self._heard[message_id], verified)
        reaction = self.manner(heard)
        status = reaction.status
        self.arrivals.append(
            Arrival(message_id, request.headers, request.body, at, verified, status)
        )
        await asyncio.sleep(reaction.wait_s)
        if reaction.hang:
            self.hung += 1
            await self.released.wait()
        if reaction.reset:
            broken: socket.socket = writer.get_extra_info("socket")
            broken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        if status is None:
            raise ConnectionResetError
        writer.write(answer(f"{status} {HTTPStatus(status).phrase}"))
        await writer.drain()

    def register(self, sandbox: Running, **more: object) -> None:
        """Make the endpoint; its secret is verified with from then on."""
        body = {"url": self.url, "events": self.events, "description": self.name} | more
        made = sandbox.call("POST", "/webhooks/endpoints", body)
        assert made.status == 201, made.body
        self.endpoint_id = made.json["endpoint_id"]
        self.secrets.append(made.json["secret"])


def verifies(secret: str, request: Request) -> bool:
    """Tell whether a stranger's library takes the request."""
    try:
        Webhook(secret).verify(request.body, request.headers, json_parse=False)
    except WebhookVerificationError:
        return False
    return True


@asynccontextmanager
async def listening(*subscribers: Subscriber) -> AsyncGenerator[None]:
    """Have each hear on a port of its own until the block ends."""
    async with AsyncExitStack() as stack:
        for one in subscribers:
            receiver = await stack.enter_async_context(receiving(one.respond))
            one.url = f"http://127.0.0.1:{receiver.port}/{one.name}"
        try:
            yield
        finally:
            for one in subscribers:
                one.released.set()


@asynccontextmanager
async def elsewhere(status: int) -> AsyncGenerator[str]:
    """Have a receiver in a process of its own that only answers this; yield its URL."""
    command = ["-m", "tests.reliability.webhook_receivers", "--status", str(status)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.kill()
        await process.communicate()


async def _answer_for_ever(status: int) -> None:
    phrase = HTTPStatus(status).phrase
    async with receiving(answering(answer(f"{status} {phrase}"))) as receiver:
        sys.stdout.write(f"{receiver.url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def main(arguments: Sequence[str] | None = None) -> None:
    """Say the URL, then answer until the process ends."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.webhook_receivers")
    parser.add_argument("--status", type=int, default=500)
    with suppress(KeyboardInterrupt):
        asyncio.run(_answer_for_ever(int(parser.parse_args(arguments).status)))


if __name__ == "__main__":
    main()
