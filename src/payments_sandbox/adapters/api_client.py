"""A client of a sandbox's API, here or far away, by aiohttp: slow to import."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple, Self, TypeVar, cast

import aiohttp

from payments_sandbox import __version__
from payments_sandbox.adapters.api_time import ClockReading, Run, reading_of, run_of
from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.identifiers import event_place_of
from payments_sandbox.domain.times import iso_of

PAGE_MAX = 100
START = "start"
"""The place before the first event."""
TIMEOUT_S = 30.0
ANSWER_BYTES_MAX = 16 * 1024 * 1024
WAITS_MAX = 3
WAIT_MAX_S = 60
POLL_S = 1.0

_BASE_URL = re.compile(r"https?://[!-~]+", re.IGNORECASE)
_NOT_IN_A_BASE_URL = re.compile(r"[?#@]")
_API_KEY = re.compile(r"[!-~]{1,256}")
_SECONDS = re.compile(r"[0-9]{1,9}")
_POLICY = re.compile(r'"default";q=([1-9][0-9]{0,5});w=([1-9][0-9]{0,5})')
_POLLS_OF_QUOTA = 1 / 3
_UNAUTHORIZED, _FORBIDDEN, _TOO_MANY, _SERVER_ERROR = 401, 403, 429, 500
_KEY_REMEDY = "Name the key with --api-key or PAYMENTS_SANDBOX_API_KEY."

Json = Mapping[str, object]
Read = TypeVar("Read")


class ApiRefused(Exception):
    """What became of a call instead of what was asked for; the message says what to do."""

    def __init__(
        self, message: str, *, problem: Json | None = None, may_pass: bool = False
    ) -> None:
        super().__init__(message)
        self.problem: Json = problem or {}
        """What the sandbox answered; empty if it was no problem of its."""
        self.may_pass = may_pass
        """Whether the same call may succeed later."""


class Event(NamedTuple):
    """An event, and the body that its webhooks have."""

    event_id: str
    type: str
    timestamp: str
    data: Json
    body: bytes


class EventBatch(NamedTuple):
    """Some events in the order that was asked for, and whether there are more that way."""

    events: list[Event]
    next_cursor: str | None


class SandboxClient:
    """Calls one sandbox under one API key; for one event loop, as an async context."""

    def __init__(
        self, base_url: str, api_key: str, on_wait: Callable[[int], None] = lambda _: None
    ) -> None:
        """Take where it is; raise ApiRefused for what is no URL or no key.

        `on_wait` hears how many seconds a rate limit makes a call wait.
        """
        if _BASE_URL.fullmatch(base_url) is None or _NOT_IN_A_BASE_URL.search(base_url):
            raise ApiRefused(
                "the sandbox's URL must begin with http:// or https:// and have no user, query"
                " or fragment, for example http://127.0.0.1:8000"
            )
        if _API_KEY.fullmatch(api_key) is None:
            raise ApiRefused(f"an API key is printable ASCII without spaces. {_KEY_REMEDY}")
        self.base_url = base_url.rstrip("/")
        self.poll_s = POLL_S
        """How long to wait between two polls, so that they leave most of a rate limit to others."""
        self._api_key = api_key
        self._on_wait = on_wait

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={
                "x-api-key": self._api_key,
                "user-agent": f"payments-sandbox-cli/{__version__}",
            },
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(self, path: str, **parameters: str) -> Json:
        """Return what a path holds; raise ApiRefused."""
        return await self._call("GET", path, params=parameters)

    async def post(self, path: str, body: Json, idempotency_key: str | None = None) -> Json:
        """Have an operation done and return its answer; raise ApiRefused, with the problem."""
        headers = {"x-idempotency-key": idempotency_key} if idempotency_key else {}
        return await self._call("POST", path, json=body, headers=headers)

    async def clock(self) -> ClockReading:
        """Return what the merchant's clock shows; raise ApiRefused."""
        return self._read(reading_of, await self.get("/sandbox/clock"))

    async def advance(self, to: datetime) -> Run:
        """Move the merchant's clock towards a moment, for up to 20 s; raise ApiRefused."""
        return self._read(run_of, await self.post("/sandbox/clock/advance", {"to": iso_of(to)}))

    async def settle(self) -> Run:
        """Do what is due by now, for up to 20 s; raise ApiRefused."""
        return self._read(run_of, await self._call("POST", "/sandbox/settlements/run"))

    async def data(self, path: str, **parameters: str) -> tuple[list[Json], str | None]:
        """Return one page of a list, and the cursor of the next one; raise ApiRefused."""
        answer = await self.get(path, **parameters)
        data, next_cursor = answer.get("data"), answer.get("next_cursor")
        if not isinstance(data, list) or not isinstance(next_cursor, str | None):
            raise self._stranger()
        return [_mapping(one) for one in cast("list[object]", data)], next_cursor

    async def events(self, *, limit: int = PAGE_MAX, **place: str) -> EventBatch:
        """Return the newest events first, or oldest first with `after`; raise ApiRefused.

        A page's `next_cursor` leads to the next one as `cursor`.
        """
        data, next_cursor = await self.data("/events", limit=str(limit), **place)
        return EventBatch([self._event(one) for one in data], next_cursor)

    def _event(self, item: Json) -> Event:
        match item:
            case {"id": str(event_id), "type": str(kind), "timestamp": str(at), "data": data}:
                try:
                    event_place_of(event_id)
                    body = json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode()
                except (NotFound, UnicodeEncodeError):
                    raise self._stranger() from None
                return Event(event_id, kind, at, _mapping(data), body)
            case _:
                raise self._stranger()

    def _read(self, read: Callable[[Json], Read], answer: Json) -> Read:
        try:
            return read(answer)
        except ValueError:
            raise self._stranger() from None

    async def _call(self, method: str, path: str, **parts: object) -> Json:
        waits_left = WAITS_MAX
        status, headers, content = await self._exchange(method, path, parts)
        while status == _TOO_MANY and waits_left:
            waits_left -= 1
            wait_s = _retry_after_s(headers)
            self._on_wait(wait_s)
            await asyncio.sleep(wait_s)
            status, headers, content = await self._exchange(method, path, parts)
        self.poll_s = _poll_s(headers)
        answer: Json = {}
        try:
            answer = _mapping(json.loads(content))
        except ValueError:
            answer = {}
        if status // 100 == 2 and answer:  # noqa: PLR2004 - the class of a success
            return answer
        raise self._refusal(status, answer)

    async def _exchange(
        self, method: str, path: str, parts: Mapping[str, object]
    ) -> tuple[int, Mapping[str, str], bytes]:
        content = bytearray()
        try:
            async with self._session.request(
                method,
                self.base_url + path,
                allow_redirects=False,
                **parts,  # pyright: ignore[reportArgumentType] - from get and post above
            ) as response:
                async for chunk in response.content.iter_any():
                    content += chunk
                    if len(content) > ANSWER_BYTES_MAX:
                        raise self._stranger()
        except aiohttp.InvalidURL:
            raise ApiRefused(f"{self.base_url} is no URL") from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error) from None
        return response.status, response.headers, bytes(content)

    def _unreachable(self, error: Exception) -> ApiRefused:
        why = "does not answer"
        if isinstance(error, aiohttp.ClientSSLError):
            why = "cannot be reached over TLS"
        elif isinstance(error, aiohttp.ClientConnectorError):
            why = "cannot be connected to"
        elif isinstance(error, TimeoutError):
            why = f"does not answer within {TIMEOUT_S:.0f} s"
        return ApiRefused(
            f"the sandbox at {self.base_url} {why}. Does it run there? Start it with"
            " `payments-sandbox serve`, or name another with --url or PAYMENTS_SANDBOX_URL.",
            may_pass=True,
        )

    def _refusal(self, status: int, answer: Json) -> ApiRefused:
        may_pass = status == _TOO_MANY or status >= _SERVER_ERROR
        match answer:
            case {"code": str(code), "detail": str(detail)}:
                remedy = f" {_KEY_REMEDY}" if status == _UNAUTHORIZED else ""
                message = f"the sandbox answered {status} {code}: {detail}{remedy}"
                return ApiRefused(message, problem=answer, may_pass=may_pass)
            case {"message": str(told)} if status == _FORBIDDEN:
                return ApiRefused(
                    f"the gateway at {self.base_url} answered 403 {told!r}: it does not know the"
                    f" API key or the path. {_KEY_REMEDY} The URL ends with the stage, for example"
                    " /dev."
                )
            case _:
                return self._stranger(status, may_pass=may_pass)

    def _stranger(self, status: int | None = None, *, may_pass: bool = False) -> ApiRefused:
        answered = f"answered {status}, and" if status else "answers, but"
        return ApiRefused(
            f"{self.base_url} {answered} not as a Payments Sandbox does. Is --url right?",
            may_pass=may_pass,
        )


def _mapping(parsed: object) -> Json:
    """Return a JSON object, or an empty one for what is none."""
    return cast("Json", parsed) if isinstance(parsed, dict) else {}


def _retry_after_s(headers: Mapping[str, str]) -> int:
    asked = headers.get("retry-after", "")
    return min(int(asked), WAIT_MAX_S) if _SECONDS.fullmatch(asked) else 1


def _poll_s(headers: Mapping[str, str]) -> float:
    """Return the pause between polls that uses a third of the rate limit at most."""
    policy = _POLICY.fullmatch(headers.get("ratelimit-policy", ""))
    if policy is None:
        return POLL_S
    return max(POLL_S, int(policy[2]) / (int(policy[1]) * _POLLS_OF_QUOTA))
