"""One connection to a sandbox, byte for byte, for what a polite HTTP library will not send."""

import secrets
import socket
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.running import API_KEY, Answer

TIMEOUT_S = 5.0
Header = tuple[str, str]
"""A name and a value; the value's characters are its bytes (Latin-1)."""

HOST: Header = ("host", "127.0.0.1")
KEY: Header = ("x-api-key", API_KEY)
JSON: Header = ("content-type", "application/json")
CHUNKED: Header = ("transfer-encoding", "chunked")
OURS = (HOST, KEY)


class Wire:
    """An open connection."""

    def __init__(self, port: int, *, timeout_s: float = TIMEOUT_S) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout_s)
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send what the server takes: it may answer and close before it has read everything."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(data)

    def answer(self, *, to: str = "GET") -> Answer:
        """Read the next answer; `to` is the method it answers. Raise EOFError if there is none."""
        while b"\r\n\r\n" not in self._unread:
            self._receive()
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)
        }
        length = 0 if to == "HEAD" else int(headers.get("content-length", "0"))
        while len(self._unread) < length:
            self._receive()
        body, self._unread = self._unread[:length], self._unread[length:]
        return Answer(int(status_line.split()[1]), headers, body)

    def ended(self) -> bool:
        """Tell whether the server closes the connection without another byte."""
        try:
            self._receive()
        except EOFError:
            return not self._unread
        except TimeoutError:
            return False
        return False

    def _receive(self) -> None:
        try:
            data = self._socket.recv(65_536)
        except ConnectionResetError:
            data = b""
        if not data:
            raise EOFError
        self._unread += data


def request(method: str, path: str, headers: Sequence[Header] = OURS, body: bytes = b"") -> bytes:
    """Return a request as its bytes; a body brings its length."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    if body:
        lines.append(f"content-length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def authorization(*headers: Header, key: str | None = None, body: bytes = b"") -> bytes:
    """Return an authorization that is admitted, under a new key if none is given."""
    mine: Header = ("x-idempotency-key", key or secrets.token_hex(8))
    return request("POST", "/payments/authorize", (*OURS, JSON, mine, *headers), body)


def exchange(port: int, data: bytes, *, to: str = "GET") -> Answer:
    """Send the bytes on a connection of their own and return the first answer."""
    with Wire(port) as wire:
        wire.send(data)
        return wire.answer(to=to)
