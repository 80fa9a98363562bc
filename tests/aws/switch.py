"""A way to the emulator that a test can cut off and open again."""

import socket
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from threading import Lock, Thread
from urllib.parse import urlsplit

_CHUNK = 65536


class Switch:
    """A TCP proxy on a loopback port of its own; on at first."""

    def __init__(self, endpoint: str) -> None:
        self._to = (urlsplit(endpoint).hostname or "", urlsplit(endpoint).port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = Lock()
        self._open: set[socket.socket] = set()
        self._on = True
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        Thread(target=self._accept, daemon=True).start()

    def off(self) -> None:
        """Break all connections, and every new one as soon as it is made."""
        with self._lock:
            self._on = False
            broken, self._open = self._open, set()
        for one in broken:
            _end(one)

    def on(self) -> None:
        """Let everything through again."""
        with self._lock:
            self._on = True

    def close(self) -> None:
        """Take no more connections."""
        self.off()
        _end(self._listener)

    def _accept(self) -> None:
        while True:
            try:
                here, _ = self._listener.accept()
            except OSError:
                return
            try:
                there = socket.create_connection(self._to)
            except OSError:
                _end(here)
                continue
            with self._lock:
                on = self._on
                if on:
                    self._open |= {here, there}
            if not on:
                _end(here)
                _end(there)
                continue
            for source, target in ((here, there), (there, here)):
                Thread(target=self._copy, args=(source, target), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                target.sendall(data)
        for one in (source, target):
            with self._lock:
                self._open.discard(one)
            _end(one)


@contextmanager
def switched(endpoint: str) -> Generator[Switch]:
    """Yield a way to the endpoint until the block ends."""
    with closing(Switch(endpoint)) as switch:
        yield switch


def _end(one: socket.socket) -> None:
    """Wake up who waits on it, and close it."""
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
