"""A merchant's receiver of webhooks on this machine, which verifies and counts each request."""

import socket
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from typing import Self
from unittest.mock import patch

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

OK, FAILED, GONE = 204, 500, 410


def nothing_happens() -> None:
    """Go on."""


@dataclass
class Receiver:
    """Hears requests by their paths, and answers each as it is told, else that all is well."""

    port: int
    now: Callable[[], datetime]
    secrets: dict[str, str] = field(default_factory=dict[str, str])
    answers: dict[str, Iterator[int]] = field(default_factory=dict[str, Iterator[int]])
    heard: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """The path and the webhook-id of each request."""
    bodies: list[bytes] = field(default_factory=list[bytes])
    refused: list[str] = field(default_factory=list[str])
    meanwhile: Callable[[], object] = nothing_happens
    """What happens while a request is in flight."""

    def hear(self, path: str, headers: dict[str, str], body: bytes) -> int:
        """Verify the request and count it; return the status of its answer."""
        try:
            Webhook(self.secrets[path]).verify(body, headers)
        except WebhookVerificationError as error:
            self.refused.append(str(error))
        self.bodies.append(body)
        self.heard.append((path, headers["webhook-id"]))
        self.meanwhile()
        return next(self.answers.get(path, repeat(OK)), OK)

    @property
    def posts(self) -> Counter[tuple[str, str]]:
        """How often each webhook came to each path."""
        return Counter(self.heard)

    def forget(self) -> None:
        """Begin to count anew."""
        self.heard.clear()


@contextmanager
def receiving(now: Callable[[], datetime]) -> Generator[Receiver]:
    """Yield a receiver on a free port; its time is what `now` says."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(receiver.hear(self.path, headers, body))
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Say nothing."""

    class ReceiversTime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp(now().timestamp(), tz)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(server.server_address[1], now)
        thread = threading.Thread(target=partial(server.serve_forever, 0.02), daemon=True)
        thread.start()
        try:
            with patch("standardwebhooks.webhooks.datetime", ReceiversTime):
                yield receiver
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def canary() -> Generator[tuple[int, list[object]]]:
    """Yield a loopback port, and who has connected to it."""
    connected: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, address = server.accept()
                    connected.append(address)
                    connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield server.getsockname()[1], connected
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
