"""The edge: every request passes here first, and every fault leaves here as a problem.

Pure ASGI, in this order: contradictory or oversized headers, the host name, the API key, the
rate limit; then the route; then whatever was raised becomes an answer.
"""

import logging
import secrets
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from time import perf_counter

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import BaseRoute, Route, Router
from starlette.types import Message, Receive, Scope, Send

from payments_sandbox.api.json_body import ClientGone
from payments_sandbox.api.problems import Problem, response_to
from payments_sandbox.api.rate_limit import WINDOW_S, Quota, RateLimit
from payments_sandbox.api.routing import DirectRoute, Endpoint, unrouted
from payments_sandbox.domain.errors import SandboxError
from payments_sandbox.services.merchants import Tenancy

HEADER_BYTES_MAX = 16 * 1024
_PUBLIC = ("/health", "/openapi.json", "/docs")
_SINGLE = {b"host", b"content-length", b"content-type", b"content-encoding", b"x-api-key"}
_CLOSE = {"connection": "close"}
_EVERY_ANSWER = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
_PROCESS = secrets.token_hex(4)
_REQUESTS = count(1)

_log = logging.getLogger(__name__)
_access = logging.getLogger("payments_sandbox.access")
Headers = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    """What the process decides about its edge; None switches a check off."""

    rate_limit: RateLimit | None = None
    hosts: frozenset[str] | None = None
    access_log: bool = False
    caller: Callable[[Scope], Awaitable[str | None]] | None = None
    """Tells the merchant where a gateway has checked the key; None looks the key up."""
    request_id: Callable[[Scope], str] | None = None
    """Names the request as a gateway did; None counts them."""


class Edge:
    """The whole app: admits a request, has its route answer, and turns faults into problems."""

    def __init__(
        self, routes: Sequence[BaseRoute], tenancy: Tenancy, settings: EdgeSettings
    ) -> None:
        self.routes = routes
        self._router = Router(routes, redirect_slashes=False)
        self._tenancy = tenancy
        self._settings = settings
        self._templates: dict[object, str] = {
            one.endpoint: one.path for one in routes if isinstance(one, Route)
        }
        # A fixed path needs no search through the routes.
        self._fixed: dict[tuple[str, str], Endpoint] = {
            (route.method, route.path): route.endpoint
            for route in routes
            if isinstance(route, DirectRoute) and not route.param_convertors
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._router(scope, receive, send)
            return
        name = self._settings.request_id
        answer = _Answer(send, name(scope) if name else f"req_{_PROCESS}{next(_REQUESTS):08x}")
        endpoint = self._fixed.get((scope["method"], scope["path"]))
        started = perf_counter()
        try:
            await self._admit(scope, answer)
            if endpoint is None:
                scope["app"] = self
                await self._router(scope, receive, answer)
            else:
                response = await endpoint(Request(scope, receive))
                await response(scope, receive, answer)
        except ClientGone:
            return
        except Problem as problem:
            await problem.response()(scope, receive, answer)
        except HTTPException as error:
            problem = unrouted(self.routes, scope, error)
            await problem.response()(scope, receive, answer)
        except SandboxError as error:
            await response_to(error)(scope, receive, answer)
        except Exception as error:
            _log.error("request %s failed: %s", answer.request_id, where(error))
            if answer.status:
                raise
            await Problem("internal_error").response()(scope, receive, answer)
        if self._settings.access_log:
            _access.info(
                "%s %s %s %.1f ms %s",
                scope["method"],
                # The route's template: a path may hold anything, a template what we wrote.
                self._templates.get(endpoint or scope.get("endpoint"), "-"),
                answer.status,
                (perf_counter() - started) * 1000,
                answer.request_id,
            )

    async def _admit(self, scope: Scope, answer: "_Answer") -> None:
        """Let the request in with its merchant in scope, or raise Problem."""
        headers = _checked(scope["headers"])
        self._check_host(headers)
        if scope["path"].startswith(_PUBLIC):
            return
        api_key = headers.get(b"x-api-key", b"").decode("latin-1")
        if self._settings.caller is not None:
            merchant_id = await self._settings.caller(scope)
        else:
            merchant_id = await self._tenancy.authenticate(api_key) if api_key else None
        if merchant_id is None:
            raise Problem("unauthorized", headers={"www-authenticate": "ApiKey"})
        scope.setdefault("state", {})["merchant_id"] = merchant_id
        limit = self._settings.rate_limit
        if limit is not None:
            answer.policy, answer.quota = limit.per_minute, limit.take(api_key)
            if not answer.quota.allowed:
                retry_after = {"retry-after": str(answer.quota.reset_s)}
                raise Problem("quota_exceeded", headers=retry_after)

    def _check_host(self, headers: Headers) -> None:
        """Refuse names that are not ours: a web page may resolve its own name to this machine."""
        hosts = self._settings.hosts
        if hosts is None:
            return
        host = headers.get(b"host", b"").decode("latin-1").lower()
        name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        if name not in hosts:
            raise Problem("misdirected_request")


class _Answer:
    """Sends, and puts the headers that every answer has on its start."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self.request_id = request_id
        self.status = 0
        self.policy = 0
        self.quota: Quota | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] += [(b"x-request-id", self.request_id.encode()), *_EVERY_ANSWER]
            if self.quota is not None:
                message["headers"] += _rate_headers(self.policy, self.quota)
        await self._send(message)


def _rate_headers(policy: int, quota: Quota) -> list[tuple[bytes, bytes]]:
    return [
        (b"ratelimit-policy", b'"default";q=%d;w=%d' % (policy, WINDOW_S)),
        (b"ratelimit", b'"default";r=%d;t=%d' % (quota.remaining, quota.reset_s)),
    ]


def merchant_id_of(scope: Scope) -> str:
    """Return the id of the merchant the edge let in."""
    merchant_id = scope["state"]["merchant_id"]
    assert isinstance(merchant_id, str)  # noqa: S101 - the edge put it there
    return merchant_id


def _checked(raw: list[tuple[bytes, bytes]]) -> Headers:
    headers = dict(raw)
    if sum(map(len, chain.from_iterable(raw))) > HEADER_BYTES_MAX:
        raise Problem("headers_too_large", headers=_CLOSE)
    if len(headers) < len(raw):
        names = [name for name, _ in raw if name in _SINGLE]
        if len(names) > len(set(names)):
            raise Problem("malformed_request", headers=_CLOSE)
    if b"transfer-encoding" in headers and b"content-length" in headers:
        raise Problem("malformed_request", headers=_CLOSE)
    return headers


def where(error: Exception) -> str:
    """Return the error's type and frames, not its message: that may hold what was sent."""
    frames = traceback.extract_tb(error.__traceback__)
    path = " > ".join(f"{frame.filename}:{frame.lineno}" for frame in frames)
    return f"{type(error).__qualname__} at {path}"
