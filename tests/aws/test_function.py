"""The function behind its gateway: real events, odd ones, broken ones, and many at once."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.aws.function_rig import (
    KEYED,
    Event,
    Rig,
    event_of,
    function_at,
    posted,
)
from tests.running import AUTHORIZE

pytestmark = pytest.mark.aws

BODY = json.dumps(AUTHORIZE).encode()
NULLED = (
    "headers", "multiValueHeaders", "queryStringParameters", "multiValueQueryStringParameters",
    "pathParameters", "stageVariables", "body",
)  # fmt: skip


@pytest.fixture
def rig(emulator: str) -> Iterator[Rig]:
    """A function over a table of its own."""
    with function_at(emulator) as one:
        yield one


def test_a_stage_in_front_of_the_path(rig: Rig) -> None:
    """The stage is in the path of the context alone, so routes are found as locally."""
    event = event_of("GET", "/payments")
    answer = rig.invoke(event)

    assert event["requestContext"]["path"] == "/dev/payments"
    assert (answer.status_code, answer.json()["data"]) == (200, [])


@pytest.mark.parametrize("keyed", [True, False])
def test_a_health_call_whose_members_are_null(rig: Rig, *, keyed: bool) -> None:
    """What a request does not have comes as null; health needs none of it, and no key."""
    event = event_of("GET", "/health", KEYED if keyed else {}) | dict.fromkeys(NULLED)

    assert rig.invoke(event).status_code == 200


def test_an_event_whose_members_are_missing(rig: Rig) -> None:
    """The members that may be null may be missing as well."""
    event = event_of("GET", "/payments")
    for name in NULLED:
        del event[name]

    assert rig.invoke(event).status_code == 200


def test_a_null_body_where_one_is_needed(rig: Rig) -> None:
    """No body is no JSON."""
    answer = rig.invoke(posted("authorize", b"", body=None))

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")


def test_headers_that_come_once_only(rig: Rig) -> None:
    """An event without repeated headers is read from the single ones."""
    answer = rig.invoke(posted("authorize", AUTHORIZE, multiValueHeaders=None))

    assert answer.status_code == 201


def test_a_body_as_base64(rig: Rig) -> None:
    """The same body as base64 is the same request: it replays."""
    first = rig.invoke(posted("authorize", AUTHORIZE))
    encoded = base64.b64encode(BODY).decode()
    again = rig.invoke(posted("authorize", b"", body=encoded, isBase64Encoded=True))

    assert first.status_code == 201
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"


def as_emulated(event: Event) -> Event:
    """Return the event as the emulator's gateway words it, which tells no key's id."""
    context: dict[str, Any] = event["requestContext"]
    identity = {"sourceIp": "127.0.0.1", "userAgent": ""}
    return event | {"version": "1.0", "requestContext": context | {"identity": identity}}


def test_an_event_of_the_emulator(rig: Rig) -> None:
    """A gateway that does not tell the key's id has the key itself looked up."""
    nobody = posted("authorize", AUTHORIZE)
    nobody["multiValueHeaders"]["X-Api-Key"] = ["sk_test_nobody"]

    assert rig.invoke(as_emulated(posted("authorize", AUTHORIZE))).status_code == 201
    assert rig.invoke(as_emulated(nobody)).status_code == 401


TEXTS = ("/payments", "/docs", "/docs/start.js", "/docs/assets/swagger-ui.css", "/openapi.json")


@pytest.mark.parametrize("path", TEXTS)
def test_text_leaves_the_function_as_text(rig: Rig, path: str) -> None:
    """Text is no base64, which a gateway decodes only for the types it was told of."""
    answer = rig.answer(event_of("GET", path))

    assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, False)


@pytest.mark.parametrize("path", ["/none", "/docs/assets/none", "/payments?limit=0"])
def test_a_problem_leaves_the_function_as_text(rig: Rig, path: str) -> None:
    """Whoever gets a problem can read it, whatever types the gateway takes for binary."""
    answer = rig.answer(event_of("GET", path))

    assert answer["isBase64Encoded"] is False
    assert json.loads(answer["body"])["status"] == answer["statusCode"]


def test_a_picture_leaves_the_function_as_base64(rig: Rig) -> None:
    """Bytes that are no text survive the gateway."""
    answer = rig.answer(event_of("GET", "/docs/assets/favicon.png"))

    assert answer["isBase64Encoded"] is True
    assert base64.b64decode(answer["body"])[:4] == b"\x89PNG"
