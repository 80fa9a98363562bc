"""Hostile bodies: each is refused with a problem, repeats nothing and leaves nothing behind."""

import json
import secrets
import time

import pytest

from tests.hostile.corpus import (
    AUTHORIZE,
    BODY_BYTES_MAX,
    CAPTURE,
    ID,
    REFUND,
    SETTINGS,
    VALID_AUTHORIZE,
    VOID,
    Case,
    spoiled,
)
from tests.hostile.marks import assert_problem, assert_unrepeated
from tests.hostile.wire import OURS, authorization, exchange, request
from tests.running import Answer, Running

SCAN_S_MAX = 0.5
INTEGERS = ("100", "100.0", "1e2", "1E+2", "10e1", "1000e-1", "100.000000000000000000000000000000")
CARD_LIKE = "1 "
"""Neighbouring groups of digits, the most work for a search for card numbers."""


def post(sandbox: Running, operation: str, case: Case, key: str, sent_id: str = "") -> Answer:
    """Send the case as it is, with a payment's id where it has room for one."""
    headers = (*OURS, *case.headers, ("x-idempotency-key", key))
    body = case.body.replace(ID.encode(), sent_id.encode())
    return exchange(sandbox.port, request("POST", f"/payments/{operation}", headers, body))


@pytest.fixture
def key() -> str:
    """Return an idempotency key that is not spent."""
    return secrets.token_hex(8)


@pytest.fixture
def auth_id(sandbox: Running) -> str:
    """Return the id of a new authorization."""
    return str(sandbox.authorize(secrets.token_hex(8)).json["auth_id"])


@pytest.fixture
def capture_id(sandbox: Running, auth_id: str) -> str:
    """Return the id of a new capture."""
    body = {"auth_id": auth_id}
    answer = sandbox.call("POST", "/payments/capture", body, key=secrets.token_hex(8))
    return str(answer.json["transaction_id"])


@pytest.mark.parametrize("case", AUTHORIZE, ids=str)
def test_authorize_refuses(sandbox: Running, case: Case, key: str) -> None:
    """A refused authorization makes no payment and leaves its key for the corrected one."""
    before = sandbox.call("GET", "/payments?limit=3").body
    refused = post(sandbox, "authorize", case, key)
    after = sandbox.call("GET", "/payments?limit=3").body
    corrected = sandbox.authorize(key)

    assert_problem(refused, case.status, case.code)
    assert_unrepeated(refused)
    assert after == before
    assert (corrected.status, corrected.headers.get("idempotent-replayed")) == (201, None)


@pytest.mark.parametrize("case", CAPTURE, ids=str)
def test_capture_refuses(sandbox: Running, case: Case, key: str, auth_id: str) -> None:
    """A refused capture adds no transaction and leaves its key for the corrected one."""
    before = sandbox.call("GET", f"/payments/{auth_id}").body
    refused = post(sandbox, "capture", case, key, auth_id)
    after = sandbox.call("GET", f"/payments/{auth_id}").body
    corrected = sandbox.call("POST", "/payments/capture", {"auth_id": auth_id}, key=key)

    assert_problem(refused, case.status, case.code)
    assert_unrepeated(refused, auth_id)
    assert after == before
    assert (corrected.status, corrected.headers.get("idempotent-replayed")) == (201, None)


@pytest.mark.parametrize("case", REFUND, ids=str)
def test_refund_refuses(sandbox: Running, case: Case, key: str, capture_id: str) -> None:
    """A refused refund adds no transaction and leaves its key for the corrected one."""
    payment = f"/payments/auth_{capture_id.split('_')[1]}"
    before = sandbox.call("GET", payment).body
    refused = post(sandbox, "refund", case, key, capture_id)
    after = sandbox.call("GET", payment).body
    body = {"transaction_id": capture_id}
    corrected = sandbox.call("POST", "/payments/refund", body, key=key)

    assert_problem(refused, case.status, case.code)
    assert_unrepeated(refused, capture_id)
    assert after == before
    assert (corrected.status, corrected.headers.get("idempotent-replayed")) == (201, None)


@pytest.mark.parametrize("case", VOID, ids=str)
def test_void_refuses(sandbox: Running, case: Case, key: str, auth_id: str) -> None:
    """A refused void releases nothing and leaves its key for the corrected one."""
    before = sandbox.call("GET", f"/payments/{auth_id}").body
    refused = post(sandbox, "void", case, key, auth_id)
    after = sandbox.call("GET", f"/payments/{auth_id}").body
    corrected = sandbox.call("POST", "/payments/void", {"auth_id": auth_id}, key=key)

    assert_problem(refused, case.status, case.code)
    assert_unrepeated(refused, auth_id)
    assert after == before
    assert (corrected.status, corrected.headers.get("idempotent-replayed")) == (201, None)


@pytest.mark.parametrize("case", SETTINGS, ids=str)
def test_settings_refuse(sandbox: Running, case: Case) -> None:
    """Refused settings change nothing."""
    before = sandbox.call("GET", "/sandbox/settings").body
    refused = exchange(
        sandbox.port,
        request("PATCH", "/sandbox/settings", (*OURS, *case.headers), case.body),
    )
    after = sandbox.call("GET", "/sandbox/settings").body

    assert_problem(refused, case.status, case.code)
    assert_unrepeated(refused)
    assert after == before


@pytest.mark.parametrize("literal", INTEGERS)
def test_an_integer_may_be_written_in_any_way(sandbox: Running, literal: str) -> None:
    """A number without a fraction is an integer, as JSON Schema counts it."""
    body = spoiled(VALID_AUTHORIZE, "amount", literal)
    answer = exchange(sandbox.port, authorization(body=body))

    assert (answer.status, answer.json["amount"]) == (201, 100)


@pytest.mark.parametrize("exact", [BODY_BYTES_MAX - 1, BODY_BYTES_MAX])
def test_a_body_may_be_as_large_as_the_limit(sandbox: Running, exact: int) -> None:
    """64 KB are taken, the last byte too."""
    body = json.dumps(VALID_AUTHORIZE).encode().ljust(exact)
    answer = exchange(sandbox.port, authorization(body=body))

    assert answer.status == 201


@pytest.mark.parametrize(
    ("path", "literal"),
    [
        ("reference", json.dumps(CARD_LIKE * 30_000)),
        ("metadata", json.dumps({"x": CARD_LIKE * 30_000})),
        ("metadata", json.dumps({CARD_LIKE * 30_000: "x"})),
        ("metadata", json.dumps({f"{number}": CARD_LIKE * 500 for number in range(50)})),
        ("card.number", json.dumps("4" * 60_000)),
        ("currency", json.dumps("U" * 60_000)),
    ],
    ids=["reference", "value", "name", "values", "number", "currency"],
)
def test_a_long_text_is_refused_before_it_is_searched(
    sandbox: Running, path: str, literal: str
) -> None:
    """Looking for card numbers in a text that is too long anyway would stop everybody's service."""
    data = authorization(body=spoiled(VALID_AUTHORIZE, path, literal))
    began = time.monotonic()
    answer = exchange(sandbox.port, data)
    took_s = time.monotonic() - began

    assert_problem(answer, 422, "validation_failed")
    assert took_s < SCAN_S_MAX
