"""Faults of DynamoDB, put between a client and the emulator through botocore's own events."""

import io
import json
import socket
from collections.abc import Callable, Generator, Sequence
from random import Random
from threading import Lock
from typing import Any, Final, NamedTuple, cast

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError
from botocore.httpsession import URLLib3Session

APPEND: Final = "TransactWriteItems"
HEADS: Final = "BatchGetItem"
HEAD: Final = "GetItem payment"
SETTINGS: Final = "GetItem settings"
OWNER: Final = "GetItem merchant"
SPENT: Final = "GetItem key"
TRANSACTION: Final = "GetItem transaction"
RECORDS: Final = "Query records"
BY_MERCHANT: Final = "Query by_merchant"
BY_CARD: Final = "Query by_card"
BY_DUE: Final = "Query by_due"
ALWAYS: Final = 1_000_000
# As the client has it: without, each answer waits 40 ms for the other side to acknowledge.
NO_DELAY: Any = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]


class Call(NamedTuple):
    """One attempt of the client: where it goes, what it asks, and how to really send it."""

    place: str
    body: Any
    request: AWSPreparedRequest
    send: Callable[[AWSPreparedRequest], AWSResponse]

    @property
    def url(self) -> str:
        """Where it goes."""
        return str(self.request.url)

    def answer(self) -> AWSResponse:
        """Send it, and return once the table has done it."""
        return self.send(self.request)

    def facts(self) -> Any:
        """Send it and return what was answered."""
        return json.loads(self.answer().content)


Fault = Callable[[Call], AWSResponse | None]


class Trouble(NamedTuple):
    """A fault with its name; `after` tells that the table did its work and only the answer fell."""

    name: str
    fault: Fault
    after: bool = False

    def __str__(self) -> str:
        return self.name


class _Body(io.BytesIO):
    def stream(self, **_: object) -> Generator[bytes]:
        """Yield all there is."""
        yield self.read()


class Injector:
    """Meets each attempt of one client, and lets the planned fault happen at its place."""

    def __init__(self, client: Any) -> None:
        self._session = URLLib3Session(max_pool_connections=64, socket_options=NO_DELAY)
        self._lock = Lock()
        self._place, self._fault, self._left = "", unhindered, 0
        self.met = 0
        self.calls: list[str] = []
        self.tokens: list[str] = []
        client.meta.events.register("before-send.dynamodb", self._before_send)

    def plan(self, place: str, fault: Fault, times: int = 1) -> None:
        """Let the next attempts at the place, that many of them, meet the fault."""
        with self._lock:
            self._place, self._fault, self._left = place, fault, times
            self.met = 0
            self.calls.clear()
            self.tokens.clear()

    def heal(self) -> None:
        """Let everything pass again."""
        with self._lock:
            self._left = 0

    def close(self) -> None:
        """Let go of the connections."""
        self._session.close()

    def _before_send(
        self, request: AWSPreparedRequest, event_name: str, **_: object
    ) -> AWSResponse | None:
        body = json.loads(cast("bytes", request.body))
        place = place_of(event_name.rpartition(".")[2], body)
        with self._lock:
            self.calls.append(place)
            if place == APPEND:
                self.tokens.append(body["ClientRequestToken"])
            if not self._left or self._place not in {place, "any"}:
                return None
            self._left -= 1
            self.met += 1
            fault = self._fault
        return fault(Call(place, body, request, self._session.send))


def place_of(operation: str, body: Any) -> str:
    """Return which of the ledger's calls this is."""
    if operation == "GetItem":
        record = body["Key"]["record"]["S"]
        return TRANSACTION if record.startswith("txn#") else f"GetItem {record}"
    if operation == "Query":
        return f"Query {body.get('IndexName', 'records')}"
    return operation


def answered(status: int, body: object) -> AWSResponse:
    """Return an answer with this body, as it is if it is bytes."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers: Any = {"content-type": "application/x-amz-json-1.0"}
    return AWSResponse("", status, headers, _Body(raw))


def error(code: str, status: int = 400, **more: object) -> AWSResponse:
    """Return an error as DynamoDB words it."""
    kind = f"com.amazonaws.dynamodb.v20120810#{code}"
    return answered(status, {"__type": kind, "message": code, "Message": code, **more})


def unhindered(_: Call) -> None:
    """Let it pass."""


def no_connection(call: Call) -> AWSResponse:
    """Time out before anything is sent."""
    raise ConnectTimeoutError(endpoint_url=call.url)


def no_answer(call: Call) -> AWSResponse:
    """Time out; what was sent never arrived."""
    raise ReadTimeoutError(endpoint_url=call.url)


def answer_lost(call: Call) -> AWSResponse:
    """Time out after the table did its work."""
    call.answer()
    raise ReadTimeoutError(endpoint_url=call.url)


def error_after(call: Call) -> AWSResponse:
    """Answer with an error though the table did its work."""
    call.answer()
    return error("InternalServerError", 500)


def refusing(code: str, status: int = 400) -> Fault:
    """Return the fault that answers with this error and does nothing."""
    return lambda _: error(code, status)


def junk(body: bytes, status: int = 503) -> Fault:
    """Return the fault that answers with what no client can read."""
    return lambda _: answered(status, body)


def cancelled(*codes: str) -> Fault:
    """Return the fault that cancels a transaction for these reasons, in order."""
    reasons = [
        {"Code": code} if code == "None" else {"Code": code, "Message": ""} for code in codes
    ]
    return lambda _: error("TransactionCanceledException", CancellationReasons=reasons)


def cancelling(code: str, position: int) -> Fault:
    """Return the fault that cancels a transaction for a reason at one position."""

    def cancel(call: Call) -> AWSResponse | None:
        actions = len(call.body["TransactItems"])
        codes = [code if one == position % actions else "None" for one in range(actions)]
        return cancelled(*codes)(call)

    return cancel


def in_turn(*faults: Fault) -> Fault:
    """Return the fault that is one after the other."""
    rest = iter(faults)

    def next_one(call: Call) -> AWSResponse | None:
        return next(rest)(call)

    return next_one


def by_chance(seed: int, *faults: Fault, share: float = 0.3) -> Fault:
    """Return the fault that lets a share of the calls meet one of these, as a seed decides."""
    chance, lock = Random(seed), Lock()  # noqa: S311 - a seed is the point

    def meet(call: Call) -> AWSResponse | None:
        with lock:
            fault = chance.choice(faults) if chance.random() < share else unhindered
        return fault(call)

    return meet


def edited(edit: Callable[[Any, Any], None]) -> Fault:
    """Return the fault that changes the answer, given what was asked and what was answered."""

    def change(call: Call) -> AWSResponse:
        facts = call.facts()
        edit(call.body, facts)
        return answered(200, facts)

    return change


# What any call may meet; each passes when the call is made again.
LOST = Trouble("answer lost", answer_lost, after=True)
TROUBLES: Sequence[Trouble] = (
    LOST,
    Trouble("throttled", refusing("ThrottlingException")),
    Trouble("read timeout", no_answer),
    Trouble("500", refusing("InternalServerError", 500)),
    Trouble("connect timeout", no_connection),
    Trouble("error after", error_after, after=True),
    Trouble("busy", refusing("ProvisionedThroughputExceededException")),
    Trouble("503 text", junk(b"upstream connect error or disconnect/reset before headers")),
)
# What only a broken proxy sends; it must not look like a fault of the sandbox.
UNREADABLE: Sequence[Trouble] = (
    Trouble("503 empty", junk(b"")),
    Trouble("503 html", junk(b"<html><body><b>Http/1.1 Service Unavailable</b></body></html>")),
    Trouble("503 half of a JSON", junk(b'{"__type": "com.amaz')),
    Trouble("503 not a text", junk(b"\x1f\x8b\x08\x00\xff\xfe")),
    Trouble("503 a list", junk(b"[]")),
    Trouble("503 a number as its type", junk(b'{"__type": 7}')),
)
