"""A receiver of webhooks on this machine, as a user would write one; it prints what arrives."""

import hmac
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import NamedTuple

from payments_sandbox.domain.signature import secret_of, signed_headers


class Received(NamedTuple):
    """One request, as it came."""

    headers: dict[str, str]
    body: bytes

    def fits(self, secret: str) -> bool:
        """Tell whether the signature is the secret's."""
        wanted = signed_headers(
            self.headers["webhook-id"],
            int(self.headers["webhook-timestamp"]),
            self.body,
            [secret_of(secret)],
        )["webhook-signature"]
        return hmac.compare_digest(wanted, self.headers["webhook-signature"])


class Receiver(NamedTuple):
    """Where it listens, and what has come."""

    port: int
    received: "Queue[Received]"


@contextmanager
def receiving() -> Generator[Receiver]:
    """Yield a receiver on a free port that answers 204 to everything."""
    received: Queue[Received] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(204)
            self.end_headers()
            received.put(Received(headers, body))

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as above
            """Say nothing: the caller prints what arrived."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield Receiver(server.server_address[1], received)
        finally:
            server.shutdown()
            thread.join()
