"""Events with a published card in each place where one could be: bodies, heads, paths, queries."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from tests.aws.function_rig import JSON, KEYED, Event, event_of, posted
from tests.running import AUTHORIZE, CARD

NUMBER, CVC = str(CARD["number"]), str(CARD["cvc"])
BOTH = {"number": NUMBER, "cvc": CVC}
VALUES: tuple[object, ...] = (f"{NUMBER} cvc={CVC}", int(NUMBER), BOTH)
BODIES: Mapping[str, Mapping[str, Any]] = {
    "authorize": AUTHORIZE
    | {
        "reference": "r",
        "metadata": {"note": "n"},
        "partial_approval": True,
        "simulate": {"response_code": "00"},
    },
    "capture": {"auth_id": "a", "amount": 1, "currency": "USD", "final": True},
    "refund": {"transaction_id": "t", "amount": 1, "currency": "USD"},
    "void": {"auth_id": "a"},
}
HEADERS = (
    "x-api-key", "x-idempotency-key", "idempotency-key", "host", "content-type", "user-agent",
    "content-encoding", "cookie", "authorization", "referer", "origin", "accept", "range",
    "x-forwarded-for", "x-forwarded-proto", "x-request-id", "x-amzn-trace-id", "traceparent",
    "if-none-match", NUMBER,
)  # fmt: skip
PATHS = ("/payments", "/payments/authorize", "/transactions", "/sandbox/settings", "/docs", "")
QUERIES = ("card_id", "status", "reference", "limit", "cursor", NUMBER)


def card_events() -> list[Event]:
    """Return all of them, each with a request id of its own."""
    events = [*in_bodies(), *in_heads(), *in_paths(), as_another_key()]
    for number, event in enumerate(events):
        event["requestContext"]["requestId"] = f"00000000-0000-4000-8000-9{number:011}"
    return events


def in_bodies() -> Iterator[Event]:
    """Yield operations with the card in the place of each field, within it, and as the body."""
    for operation, valid in BODIES.items():
        for number, body in enumerate(spoiled(valid)):
            yield posted(operation, body, f"{operation}{number}")
        for body in (f"{NUMBER} {CVC}".encode(), f'{{"number": "{NUMBER}'.encode(), VALUES):
            yield posted(operation, body)
    for body in spoiled({"amount_rule": "off", "test_cards_only": False}):
        yield event_of("PATCH", "/sandbox/settings") | {
            "body": posted("", body)["body"],
            "multiValueHeaders": {name: [value] for name, value in (KEYED | JSON).items()},
        }


def spoiled(valid: Mapping[str, Any]) -> Iterator[object]:
    """Yield the body as it is, then with the card in the place of each field."""
    yield valid
    groups = ("card", "metadata", "simulate")
    inner = [(name, part) for name in groups for part in valid.get(name, ())]
    for value in VALUES:
        for name in (*valid, NUMBER):
            yield {**valid, name: value}
        for name, part in inner:
            body = copy.deepcopy(dict(valid))
            body[name][part] = value
            yield body


def in_heads() -> Iterator[Event]:
    """Yield requests with the card in each header, alone and twice."""
    for name in HEADERS:
        for value in (NUMBER, f"{NUMBER}; cvc={CVC}"):
            for times in (1, 2):
                event = posted("authorize", AUTHORIZE, f"{name}{times}")
                event["multiValueHeaders"][name] = [value] * times
                yield event


def in_paths() -> Iterator[Event]:
    """Yield requests with the card in path and query."""
    for path in PATHS:
        for method in ("GET", "POST"):
            yield event_of(method, f"{path}/{NUMBER}")
            yield event_of(method, f"{path}/auth_{NUMBER}/{CVC}")
            yield event_of(method, f"{path}/{quote(f'number={NUMBER}&cvc={CVC}')}")
        for name in QUERIES:
            yield event_of("GET", f"{path}?{name}={NUMBER}&cvc={CVC}")


def as_another_key() -> Event:
    """Return a request whose key is the card, at a gateway that does not tell the key's id."""
    event = event_of("GET", "/payments", {"x-api-key": f"{NUMBER}cvc{CVC}"})
    event["requestContext"]["identity"].pop("apiKeyId", None)
    return event
