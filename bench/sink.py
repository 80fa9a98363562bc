"""A receiver that answers 200 to everything, and tells at `GET /health` how many came and when.

Raw asyncio and httptools, so that the sender is measured and not the sink.
"""

import asyncio
import json
import sys
from time import monotonic
from typing import cast

import httptools
import uvloop

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Sink(asyncio.Protocol):
    """One connection; what all of them got is counted by the class."""

    count = 0
    first_s = last_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (asyncio calls this)."""
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""

    def data_received(self, data: bytes) -> None:
        """Parse what arrived (asyncio calls this)."""
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        """Keep the path (httptools calls this)."""
        self._url = url

    def on_message_complete(self) -> None:
        """Count the request and answer it (httptools calls this)."""
        if self._url == b"/health":
            self._tell()
            return
        Sink.last_s = monotonic()
        Sink.first_s = Sink.first_s or Sink.last_s
        Sink.count += 1
        self._transport.write(OK)

    def _tell(self) -> None:
        """Tell what came since the last time, and begin anew."""
        told = {"count": Sink.count, "took_s": Sink.last_s - Sink.first_s}
        body = json.dumps(told).encode()
        if self._parser.get_method() == b"DELETE":
            Sink.count, Sink.first_s, Sink.last_s = 0, 0.0, 0.0
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
        )


async def main(port: int) -> None:
    """Serve until it is ended."""
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
