"""Posting over connections whose every address was judged, by aiohttp: slow to import."""

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address
from math import ceil
from time import perf_counter

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from payments_sandbox import __version__
from payments_sandbox.domain.card import holds_card_number
from payments_sandbox.domain.delivery import Outcome
from payments_sandbox.domain.destination import Destination, is_allowed

Lookup = Callable[[str], Awaitable[Sequence[str]]]
"""Returns the addresses of a host name; raises OSError."""

ANSWER_BYTES_KEPT = 1_024
ANSWER_BYTES_MAX = 65_536
HOLDS_A_CARD = "[not kept: holds a card number]"
# Node and uvicorn close what idles for five seconds; whoever closes first meets no request.
KEEP_ALIVE_S = 4.0
# Names whose servers hang fill these threads, not the ones that everybody shares.
LOOKUP_THREADS = 32

# A number that the cut would halve is looked for as a whole, with signs between its digits.
_LOOKED_AT_BYTES = ANSWER_BYTES_KEPT + 256
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_URLS_MAX = 1_024
_SECONDS = re.compile(r"[0-9]{1,9}")
_HEADERS = {
    "user-agent": f"Payments-Sandbox/{__version__}",
    "content-type": "application/json",
    "accept": "*/*",
    "accept-encoding": "identity",
}
# The first that fits counts; what fits none was no HTTP.
_CODES: tuple[tuple[type[Exception], str], ...] = (
    (TimeoutError, "timeout"),
    (aiohttp.ClientConnectorDNSError, "dns_failed"),
    (aiohttp.ClientSSLError, "tls_failed"),
    (ssl.SSLError, "tls_failed"),
    (aiohttp.ClientConnectorError, "connect_failed"),
    (aiohttp.ClientConnectionError, "connection_reset"),
    (aiohttp.ClientPayloadError, "connection_reset"),
    (OSError, "connection_reset"),
)
_AddressInfo = tuple[int, int, int, str, tuple[str | int, ...]]


class AddressNotAllowed(OSError):
    """Webhooks may not go there; an OSError, as aiohttp wants all that keeps it from connecting."""


class GuardedClient:
    """Posts to destinations by name or address, and to no address that is not allowed."""

    def __init__(
        self,
        *,
        allow_private: bool,
        timeout_s: float,
        now: Callable[[], datetime],
        lookup: Lookup | None,
    ) -> None:
        self._allow_private = allow_private
        self._now = now
        self._threads = ThreadPoolExecutor(LOOKUP_THREADS, "webhook-lookup")
        connector = aiohttp.TCPConnector(
            resolver=_JudgingResolver(lookup or self._look_up, self._judge),
            use_dns_cache=False,
            socket_factory=self._socket,
            limit=0,
            keepalive_timeout=KEEP_ALIVE_S,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            auto_decompress=False,
            trust_env=False,
        )

    async def post(
        self, destination: Destination, headers: Mapping[str, str], body: bytes
    ) -> Outcome:
        """Send one request once, and return what came of it."""
        began = perf_counter()
        try:
            async with self._session.post(
                _url_of(destination), headers=headers, data=body, allow_redirects=False
            ) as response:
                beginning = await _beginning_of(response)
        except (aiohttp.ClientError, OSError) as error:
            return Outcome(_milliseconds_since(began), error=_code_of(error))
        return Outcome(
            _milliseconds_since(began),
            status=response.status,
            response=_kept(beginning),
            retry_after_s=_seconds_in(response.headers.get("retry-after"), self._now()),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _judge(self, address: str) -> None:
        if not is_allowed(ip_address(address), allow_private=self._allow_private):
            raise AddressNotAllowed

    def _socket(self, info: _AddressInfo) -> socket.socket:
        """Make the socket for exactly this address; an address in a URL meets no resolver."""
        family, kind, protocol, _, peer = info
        self._judge(str(peer[0]))
        return socket.socket(family, kind, protocol)

    async def _look_up(self, host: str) -> list[str]:
        def found() -> list[str]:
            answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            return [str(address[0]) for *_, address in answers]

        return await asyncio.get_running_loop().run_in_executor(self._threads, found)


class _JudgingResolver(AbstractResolver):
    """Resolves once for each connection, which then goes to one of exactly these addresses."""

    def __init__(self, lookup: Lookup, judge: Callable[[str], None]) -> None:
        self._lookup = lookup
        self._judge = judge

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses; raise AddressNotAllowed if a single one is not allowed."""
        addresses = await self._lookup(host)
        if not addresses:
            raise OSError("the name has no address")
        for address in addresses:
            self._judge(address)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=family,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Do nothing."""


@lru_cache(_URLS_MAX)
def _url_of(destination: Destination) -> URL:
    """Return the URL for aiohttp, which must not read another host out of it than we did."""
    scheme, host, port, target = destination
    shown = f"[{host}]" if ":" in host else host
    url = URL(f"{scheme}://{shown}:{port}{target}", encoded=True)
    if (url.scheme, url.raw_host, url.port) != (scheme, host, port):
        raise AddressNotAllowed
    return url


async def _beginning_of(response: aiohttp.ClientResponse) -> bytes:
    """Read the whole answer, so that the connection is of use again, unless it is long."""
    read = bytearray()
    async for chunk in response.content.iter_any():
        read += chunk
        if len(read) > ANSWER_BYTES_MAX:
            response.close()
            break
    return bytes(read[:_LOOKED_AT_BYTES])


def _kept(beginning: bytes) -> str:
    if not beginning:
        return ""
    text = beginning.decode(errors="replace")
    # Without controls as well: in UTF-16 there is one between any two digits.
    if holds_card_number(text) or holds_card_number(_CONTROLS.sub("", text)):
        return HOLDS_A_CARD
    return _CONTROLS.sub("\ufffd", beginning[:ANSWER_BYTES_KEPT].decode(errors="replace"))


def _seconds_in(retry_after: str | None, now: datetime) -> int | None:
    """Return the wait that is asked for in seconds or by a date; None if it is neither."""
    if retry_after is None:
        return None
    if _SECONDS.fullmatch(retry_after):
        return int(retry_after)
    try:
        at = datetime.strptime(retry_after, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except ValueError:
        return None
    return max(0, ceil((at - now).total_seconds()))


def _code_of(error: aiohttp.ClientError | OSError) -> str:
    cause = error.__cause__
    if isinstance(error, AddressNotAllowed) or isinstance(cause, AddressNotAllowed):
        return "address_not_allowed"
    return next((code for kind, code in _CODES if isinstance(error, kind)), "bad_response")


def _milliseconds_since(began: float) -> int:
    return round((perf_counter() - began) * 1_000)
