"""The server's HTTP/1.1 protocol, with bounds on how much may come and how slowly."""

import asyncio

from pydantic_core import to_json
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from payments_sandbox.api.problems import EDGE_PROBLEMS, problem_body

REQUEST_DEADLINE_S = 10.0
HEADERS_BYTES_MAX = 32 * 1024


class BoundedHttp(HttpToolsProtocol):
    """Refuses requests that are too slow, and headers too large or not HTTP, as problems."""

    _deadline: asyncio.TimerHandle | None = None
    _in_headers = False
    _header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Close a connection that never says anything, as an idle one is closed."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._stop_deadline()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Start the deadline for the whole request."""
        super().on_message_begin()
        self._header_bytes = 0
        self._in_headers = True
        self._deadline = self.loop.call_later(REQUEST_DEADLINE_S, self._refuse, "request_timeout")

    def on_headers_complete(self) -> None:
        """Stop counting headers."""
        self._in_headers = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop the deadline."""
        self._stop_deadline()
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Feed the parser; refuse headers that are still not whole when they are too large."""
        super().data_received(data)
        if self._in_headers:
            self._header_bytes += len(data)
            if self._header_bytes > HEADERS_BYTES_MAX:
                self._refuse("headers_too_large")

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the base class's signature
        """Answer what is not HTTP."""
        self._refuse("malformed_request")

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _answering(self) -> bool:
        """Tell whether bytes written now would fall into, or behind, another answer."""
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        if not cycle:
            return False
        return not cycle.response_complete if self._in_headers else cycle.response_started

    def _refuse(self, code: str) -> None:
        self._stop_deadline()
        if self.transport.is_closing():
            return
        if self._answering():
            self.transport.close()
            return
        status, detail = EDGE_PROBLEMS[code]
        body = to_json(problem_body(code, status, detail, None))
        head = (
            b"content-type: application/problem+json\r\ncache-control: no-store\r\n"
            b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
        )
        self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()
