"""The requests that are counted, each through the function behind a gateway, at the emulator."""

import asyncio
import io
import logging
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from time import process_time
from typing import Any, cast
from unittest.mock import patch

import httpx

from bench.aws_delivery import Webhook, deliver_one
from bench.aws_meter import Bill, Meter, item_bytes, stored_bytes
from bench.aws_settlement import Settler
from payments_sandbox.adapters.dynamodb_merchants import DynamoMerchants
from payments_sandbox.adapters.dynamodb_table import Table, dynamodb_client
from payments_sandbox.adapters.ssm_secrets import SsmSecrets, init_roots, ssm_client
from payments_sandbox.domain.merchant import ApiKey
from payments_sandbox.entrypoints.api_function import ApiFunction, logger
from payments_sandbox.services.merchants import hash_of
from tests.contract.homes import new_table
from tests.emulator import REGION
from tests.gateway import Context, response_of, rest_event
from tests.running import AUTHORIZE, CARD
from tests.unit.stand_ins import ManualClock, SeededIds

# With milliseconds, as nearly every moment has them: they are part of what is stored.
AT = datetime(2026, 3, 2, 12, 0, 0, 123_000, tzinfo=UTC)
API_KEY, KEY_ID, MERCHANT_ID = "sk_test_bench_0000000000000000", "a1b2c3d4e5", "merchant_bench"
REFERENCE = "order-2026-03-02-000001"
METADATA_10_KB = {f"name_{number:02}": "x" * 500 for number in range(20)}
OTHER_CARD = CARD | {"number": "4111111111111111"}
DECLINED_CARD = CARD | {"number": "4000000000000002"}
PAGE = 25
CPU_ROUNDS = 120


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, what it took, and the bytes it left in the table and in the log."""

    status: int
    json: dict[str, Any]
    bill: Bill
    item_bytes: Mapping[str, int]
    stored_bytes: Mapping[str, int]
    log_bytes: int
    cpu_s: float


class Caller:
    """Sends requests to one function, one after the other.

    `webhook` relays and delivers the event of an authorization, and returns what that took;
    `settler` settles payments of its own.
    """

    def __init__(
        self,
        handle: Callable[..., dict[str, Any]],
        meter: Meter,
        webhook: Callable[[str], Webhook],
        settler: Callable[[], Settler],
    ) -> None:
        self._handle = handle
        self._meter = meter
        self.webhook = webhook
        self.settler = settler
        self._count = count(1)

    def send(
        self, method: str, path: str, body: object = None, *, key: str | None = None
    ) -> Answered:
        """Send one request; a POST to /payments has a new key, or the one given."""
        number = next(self._count)
        headers = {"x-api-key": API_KEY, "user-agent": "bench"}
        if body is not None:
            headers["x-idempotency-key"] = key or f"bench-key-{number:012}"
        url = f"https://a1b2c3d4e5.execute-api.{REGION}.amazonaws.com{path}"
        request = httpx.Request(method, url, headers=headers, json=body)
        event = rest_event(request, {API_KEY: KEY_ID}, number)
        self._meter.take()
        with _logged() as log:
            started_s = process_time()
            answer = self._handle(event, Context())
            cpu_s = process_time() - started_s
        written = {name_of(one): one for one in self._meter.written}
        return Answered(
            answer["statusCode"],
            response_of(answer).json(),
            self._meter.take(),
            {name: item_bytes(one) for name, one in written.items()},
            {name: stored_bytes(one) for name, one in written.items()},
            len(log.getvalue().encode()),
            cpu_s,
        )

    def post(self, operation: str, body: object, *, key: str | None = None) -> Answered:
        """Ask for an operation on a payment."""
        return self.send("POST", f"/payments/{operation}", body, key=key)

    def opened(self, **changes: object) -> str:
        """Authorize a payment and return its id."""
        return expect(self.post("authorize", AUTHORIZE | changes)).json["auth_id"]

    def captured(self, **changes: object) -> str:
        """Authorize and capture a payment; return its id."""
        auth_id = self.opened(**changes)
        expect(self.post("capture", {"auth_id": auth_id}))
        return auth_id


def name_of(item: Mapping[str, Any]) -> str:
    """Return what an item is: head, transaction or key."""
    record: str = item["record"]["S"]
    return {"payment": "head", "key": "key"}.get(record, "transaction")


def expect(answered: Answered, status: int = 201) -> Answered:
    """Return the answer; an AssertionError if it has another status."""
    if answered.status != status:
        raise AssertionError(f"expected {status}, not {answered.status}: {answered.json}")
    return answered


@contextmanager
def caller_at(endpoint: str) -> Generator[Caller]:
    """Yield a caller of a new function over a new table, with its key let in."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    # The key's owner is remembered for good: how slow this machine is changes no count.
    with new_table(endpoint) as made, patch(f"{ApiFunction.__module__}.monotonic", lambda: 0.0):
        client, ssm = dynamodb_client(endpoint, REGION), ssm_client(endpoint, REGION)
        table, clock = Table(client, made.name), ManualClock(AT)
        init_roots(ssm, "bench")
        key = ApiKey(KEY_ID, MERCHANT_ID, AT)
        adding = DynamoMerchants(table).add_key(key, hash_of(API_KEY), at_gateway=True)
        loop.run_until_complete(adding)
        meter = Meter(client, ssm)
        secrets = SsmSecrets(ssm, "bench", lambda: 0.0)
        function = ApiFunction(table, secrets, clock, SeededIds())

        def webhook(auth_id: str) -> Webhook:
            ids = SeededIds(1)
            return deliver_one(table, secrets, clock, ids, MERCHANT_ID, auth_id, meter)

        def settler() -> Settler:
            return Settler(table, secrets, clock, SeededIds(2), meter)

        try:
            yield Caller(function.handle, meter, webhook, settler)
        finally:
            loop.run_until_complete(table.close())
            asyncio.set_event_loop(None)
            loop.close()


def first_request(caller: Caller) -> Answered:
    """Authorize with a key and secrets that are not known yet."""
    return expect(caller.post("authorize", AUTHORIZE))


def operations(caller: Caller) -> dict[str, Answered]:
    """Return the answer to each operation, by what it is."""
    return _writes(caller) | _refusals(caller) | _reads(caller)


def cpu_ms(caller: Caller) -> tuple[list[float], list[float]]:
    """Return CPU milliseconds of warm authorizations and captures, this process' alone."""
    authorizations: list[float] = []
    captures: list[float] = []
    for _ in range(CPU_ROUNDS):
        authorized = expect(caller.post("authorize", AUTHORIZE))
        captured = expect(caller.post("capture", {"auth_id": authorized.json["auth_id"]}))
        authorizations.append(authorized.cpu_s * 1_000)
        captures.append(captured.cpu_s * 1_000)
    return authorizations, captures


def _writes(caller: Caller) -> dict[str, Answered]:
    rich = AUTHORIZE | {"reference": REFERENCE, "metadata": METADATA_10_KB}
    whole, part, void = ({"auth_id": caller.opened()} for _ in range(3))
    done = {
        "authorize": expect(caller.post("authorize", AUTHORIZE, key="authorize")),
        "authorize, declined": expect(
            caller.post("authorize", AUTHORIZE | {"card": DECLINED_CARD})
        ),
        "authorize, 10 KB metadata": expect(caller.post("authorize", rich)),
        "capture": expect(caller.post("capture", whole, key="capture")),
        "capture, part": expect(caller.post("capture", part | {"amount": 400})),
        "capture after 10 KB metadata": expect(
            caller.post("capture", {"auth_id": caller.opened(**rich)})
        ),
        "capture after a long reference": expect(
            caller.post("capture", {"auth_id": caller.opened(reference="x" * 255)})
        ),
        "void": expect(caller.post("void", void, key="void")),
    }
    refund = {"transaction_id": done["capture"].json["transaction_id"]}
    done["refund"] = expect(caller.post("refund", refund, key="refund"))
    bodies = {"authorize": AUTHORIZE, "capture": whole, "refund": refund, "void": void}
    for operation, body in bodies.items():
        again = expect(caller.post(operation, body, key=operation))
        if again.json != done[operation].json:
            raise AssertionError(f"the replay of {operation} is another answer")
        done[f"replay of {operation}"] = again
    return done


def _refusals(caller: Caller) -> dict[str, Answered]:
    too_much = {"auth_id": caller.opened(), "amount": 1_000_000}
    nobodys = {"auth_id": f"auth_{'0' * 26}"}
    return {
        "capture, too much (422)": expect(caller.post("capture", too_much), 422),
        "capture, unknown payment (404)": expect(caller.post("capture", nobodys), 404),
    }


def _reads(caller: Caller) -> dict[str, Answered]:
    auth_id = caller.captured()
    card_id: str = expect(caller.send("GET", f"/payments/{auth_id}"), 200).json["card"]["card_id"]
    for _ in range(PAGE + 1):
        caller.opened()
        caller.opened(card=OTHER_CARD)
    pages = {
        f"list {PAGE}": expect(caller.send("GET", f"/payments?limit={PAGE}"), 200),
        f"list {PAGE} by card": expect(
            caller.send("GET", f"/payments?limit={PAGE}&card_id={card_id}"), 200
        ),
    }
    for name, page in pages.items():
        if len(page.json["data"]) != PAGE or page.json["next_cursor"] is None:
            raise AssertionError(f"{name} is not a full page with more to come")
    return {
        "read payment": expect(caller.send("GET", f"/payments/{auth_id}"), 200),
        "read transaction": expect(caller.send("GET", f"/transactions/{auth_id}"), 200),
        **pages,
        "read settings": expect(caller.send("GET", "/sandbox/settings"), 200),
    }


@contextmanager
def _logged() -> Generator[io.StringIO]:
    """Yield what the function writes to its log: lines of the logger, and of the metrics."""
    log = io.StringIO()
    handlers = cast("list[logging.StreamHandler[Any]]", logger.handlers)
    streams = [one.setStream(log) for one in handlers]
    try:
        with redirect_stdout(log):
            yield log
    finally:
        for handler, stream in zip(handlers, streams, strict=True):
            handler.setStream(stream)
