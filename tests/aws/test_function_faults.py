"""What goes wrong in the function: the caller gets a problem, and nothing sent gets into a log."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from payments_sandbox.services.payments import Payments
from tests.aws.function_rig import Event, Rig, event_of, function_at, posted, written
from tests.hostile.canary import Canary, planted
from tests.running import AUTHORIZE, CARD

pytestmark = pytest.mark.aws

NUMBER, CVC = CARD["number"], CARD["cvc"]
CANARY = Canary(str(NUMBER), str(CVC))


@pytest.fixture
def rig(emulator: str) -> Iterator[Rig]:
    """A function over a table of its own."""
    with function_at(emulator) as one:
        yield one


def sending(**members: object) -> Event:
    """Return an authorization with these members in place of its own."""
    return posted("authorize", AUTHORIZE) | members


def with_header(name: str, *values: str | None) -> Event:
    """Return an authorization with this header, so often."""
    event = sending()
    event["multiValueHeaders"][name] = [*values]
    event["headers"][name] = values[-1]
    return event


def without(name: str) -> Event:
    """Return an authorization that lacks a member."""
    event = sending()
    del event[name]
    return event


BROKEN: dict[str, Callable[[], Any]] = {
    "no context": lambda: without("requestContext"),
    "an empty context": lambda: sending(requestContext={}),
    "a null context": lambda: sending(requestContext=None),
    "a context of text": lambda: sending(requestContext=NUMBER),
    "no identity": lambda: sending(requestContext={"requestId": "1", "identity": None}),
    "no path": lambda: without("path"),
    "no method": lambda: without("httpMethod"),
    "a path of numbers": lambda: sending(path=int(str(NUMBER))),
    "no base64": lambda: sending(body=f"\u00e9{NUMBER}", isBase64Encoded=True),
    "a broken base64": lambda: sending(body=str(NUMBER) + "A", isBase64Encoded=True),
    "half a character": lambda: sending(body=f"\ud800{NUMBER}"),
    "a body of numbers": lambda: sending(body=int(str(NUMBER))),
    "half a character in a header": lambda: with_header("X-Idempotency-Key", f"\ud800{NUMBER}"),
    "half a character in the query": lambda: sending(
        multiValueQueryStringParameters={"a": [f"\ud800{NUMBER}"]}
    ),
    "a null header": lambda: with_header("X-A", None),
    "a port that is no number": lambda: with_header("X-Forwarded-Port", f"{NUMBER}x"),
    "two ports": lambda: with_header("X-Forwarded-Port", "443", str(NUMBER)),
    "a host with two ports": lambda: with_header("Host", f"{NUMBER}:{NUMBER}:443"),
    "another service's": lambda: {"Records": [{"body": str(NUMBER)}]},
    "nothing": dict,
    "a list": lambda: [NUMBER],
    "null": lambda: None,
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_event_no_gateway_sends(rig: Rig, name: str) -> None:
    """It is answered, with a fault at worst; no log holds any of it, and the next one works."""
    with written() as output:
        answer = rig.answer(BROKEN[name]())
    after = rig.invoke(event_of("GET", "/health"))

    assert CANARY.found_in(output.getvalue().encode()) == []
    assert CANARY.found_in(repr(answer).encode()) == []
    assert answer["statusCode"] in {201, 400, 401, 404, 405, 500}
    assert after.status_code == 200


def test_a_fault_inside(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an internal error for the caller, and a type with its place in the log: no message."""

    async def fail(*_: object) -> None:
        raise RuntimeError(" ".join(text.decode("latin-1") for text in PLANTED.values()))

    monkeypatch.setattr(Payments, "authorize", fail)
    with written() as output:
        answer = rig.invoke(posted("authorize", AUTHORIZE))

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "RuntimeError at " in output.getvalue()
    assert CANARY.found_in(answer.content) == []
    assert CANARY.found_in(output.getvalue().encode()) == []


PLANTED = planted(str(NUMBER), str(CVC))


@pytest.mark.parametrize("form", PLANTED)
def test_a_card_in_the_log_would_be_found(rig: Rig, form: str) -> None:
    """The search finds a careless line between those the function wrote."""
    with written() as output:
        rig.invoke(posted("authorize", AUTHORIZE))
    spoiled = output.getvalue().encode() + PLANTED[form]

    assert CANARY.found_in(output.getvalue().encode()) == []
    assert CANARY.found_in(spoiled) != []
