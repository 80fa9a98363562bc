"""The server's HTTP/1.1 protocol, with bounds on how much may come and how slowly."""

import asyncio

import httptools
from pydantic_core import to_json
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from payments_sandbox.api.problems import EDGE_PROBLEMS, problem_body

REQUEST_DEADLINE_S = 10.0
HEADERS_BYTES_MAX = 32 * 1024
REQUEST_BYTES_MAX = 2 * 1024 * 1024
_OF_UPGRADES = {b"connection", b"upgrade", b"http2-settings"}


class BoundedHttp(HttpToolsProtocol):
    """Refuses requests that are too slow, too large or not HTTP, as problems."""

    _deadline: asyncio.TimerHandle | None = None  # runs while a request is not whole
    _in_headers = False
    _bytes = 0
    _open = 0  # requests whose headers are whole and whose answer is not

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Close a connection that never says anything, as an idle one is closed."""
        super().connection_made(transport)
        self._close_when_idle()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._stop_deadline()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Start the deadline for the whole request."""
        super().on_message_begin()
        self._in_headers = True
        self._stop_deadline()
        self._deadline = self.loop.call_later(REQUEST_DEADLINE_S, self._refuse, "request_timeout")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header without the space after it; drop trailers: the checks were before."""
        if self._in_headers:
            super().on_header(name, value.rstrip(b" \t"))

    def on_headers_complete(self) -> None:
        """Hand the request on; one that offers an upgrade is begun again without the offer."""
        if not self.parser.should_upgrade():
            super().on_headers_complete()
            self._in_headers = False
            self._open += 1

    def on_message_complete(self) -> None:
        """Stop the deadline, and the count: what follows in this piece is another request's."""
        if not self.parser.should_upgrade():
            self._stop_deadline()
            self._bytes = 0
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Count down what is still to be answered."""
        self._open -= 1
        super().on_response_complete()

    def data_received(self, data: bytes) -> None:
        """Feed the parser; refuse what is still not whole when it is too large."""
        self._unset_keepalive_if_required()
        self._bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._go_on_without_upgrade(data[offer.args[0] :])
        except httptools.HttpParserError:
            self._refuse("malformed_request")
        if self._deadline is None:
            self._bytes = 0
            self._close_when_idle()
        elif self._in_headers and self._bytes > HEADERS_BYTES_MAX:
            self._refuse("headers_too_large")
        elif self._bytes > REQUEST_BYTES_MAX:
            self._refuse("body_too_large")

    def _go_on_without_upgrade(self, rest: bytes) -> None:
        """Parse the request again without its offer: HTTP/1.1 is all that is spoken here."""
        method, version = self.parser.get_method(), self.parser.get_http_version()
        if method == b"CONNECT":
            self._refuse("malformed_request")
            return
        lines = [b"%s %s HTTP/%s" % (method, self.url, version.encode())]
        lines += [b"%s: %s" % one for one in self.headers if one[0] not in _OF_UPGRADES]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    def _close_when_idle(self) -> None:
        """Close after a while, unless something is still to be answered."""
        if not self._open and self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, code: str) -> None:
        """Answer and close; never into another answer, nor in the place of one."""
        in_body = self._deadline is not None and not self._in_headers
        self._stop_deadline()
        if self.transport.is_closing():
            return
        if self._open and not in_body:
            self.cycle.keep_alive = False  # what was asked before is answered, then it is closed
        elif in_body and (self._open != 1 or self.cycle.response_started):
            self.transport.close()  # it has its answer, or it is not its turn
        else:
            self._answer(code)

    def _answer(self, code: str) -> None:
        status, detail = EDGE_PROBLEMS[code]
        body = to_json(problem_body(code, status, detail, None))
        head = (
            b"content-type: application/problem+json\r\ncache-control: no-store\r\n"
            b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
        )
        self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()
