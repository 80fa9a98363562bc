"""What a schema cannot say: strategies for our formats, and which valid requests may be refused."""

import base64
import os
import uuid
from collections.abc import MutableMapping
from typing import Any, cast

import schemathesis
from hypothesis import strategies as st
from requests import PreparedRequest
from schemathesis import Case, CheckContext, GenerationMode, HookContext, Response

from payments_sandbox.domain.card import brand_of
from payments_sandbox.domain.test_cards import TEST_CARDS
from tests.running import API_KEY

_BUSINESS = {"currency_mismatch", "amount_exceeds_capturable", "amount_exceeds_refundable"}
_ACROSS_FIELDS = {"simulate.approved_amount", "card.cvc", "since", "until"}
# A cursor or an id of the right form may name an event that is not there.
_OF_EVENTS = {"after", "cursor", None}
_LOGS = {"/events", "/postings"}
# A merchant of its own loses its data and its time, so that the others' requests find theirs.
_CHANGES_EVERYTHING = {"/sandbox/reset", "/sandbox/clock/advance"}
_SECOND_KEY = os.environ.get("SCHEMATHESIS_SECOND_KEY", "")
_SETTLEMENT_ID = os.environ.get("SCHEMATHESIS_SETTLEMENT_ID", "")
_NUMBERS = [number for number in TEST_CARDS if brand_of(number) != "amex"]  # as CVCs have three
_URLS = ["http://127.0.0.1:65535/hooks", "http://[::1]:65535/"]  # where nobody listens
_CORE = st.text("0123456789abcdefghjkmnpqrstvwxyz", min_size=26, max_size=26)


def _cursor(place: str) -> str:
    return base64.urlsafe_b64encode(place.encode()).decode()


def _delivery(core: str) -> str:
    return f"2026-03-01T12:00:00.000Z#dlv_{core}_1_{core}"


schemathesis.openapi.format("card-number", st.sampled_from(_NUMBERS))
schemathesis.openapi.format("card-cvc", st.from_regex(r"[0-9]{3}", fullmatch=True))
schemathesis.openapi.format("cursor", _CORE.map(lambda core: _cursor(f"auth_{core}")))
schemathesis.openapi.format("event-cursor", _CORE.map(lambda core: _cursor(f"<evt_{core}_1")))
schemathesis.openapi.format("delivery-cursor", _CORE.map(lambda core: _cursor(_delivery(core))))
schemathesis.openapi.format("settlement-cursor", st.just(_cursor("2026-03-02#USD")))
schemathesis.openapi.format("duration", st.sampled_from(["P1D", "PT1H30M", "P1W2DT1S", "P0D"]))
schemathesis.openapi.format("webhook-url", st.sampled_from(_URLS))


@schemathesis.hook  # pyright: ignore[reportUnknownMemberType]
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Give each valid request a key of its own: two bodies under one key are rightly refused.

    And no webhook may leave for where a developer's own program listens.
    """
    del context
    body: Any = case.body
    if isinstance(body, dict) and "localhost" in str(cast("dict[str, Any]", body).get("url")):
        body["url"] = _URLS[0]
    headers = cast("MutableMapping[str, str]", case.headers)  # pyright: ignore[reportUnknownMemberType]
    if _positive(case) and "X-Idempotency-Key" in headers:
        headers["X-Idempotency-Key"] = str(uuid.uuid4())
    if _positive(case) and "settlement_id" in case.path_parameters:
        case.path_parameters["settlement_id"] = _SETTLEMENT_ID
    if case.path in _CHANGES_EVERYTHING and _SECOND_KEY:
        kwargs["auth"] = _as_second


def _as_second(prepared: PreparedRequest) -> PreparedRequest:
    """Send the second merchant's key in the place of the first one's, where that is sent."""
    if prepared.headers.get("x-api-key") == API_KEY:
        prepared.headers["x-api-key"] = _SECOND_KEY
    return prepared


@schemathesis.check
def refusals_have_a_reason(context: CheckContext, response: Response, case: Case[Any]) -> None:
    """A request that fits the schema is refused with 422 for a rule no schema can express."""
    del context
    if not _positive(case) or response.status_code != 422:
        return
    problem = response.json()
    reasons = _BUSINESS | _ACROSS_FIELDS
    if case.path in _LOGS:
        reasons |= _OF_EVENTS
    if case.path == "/sandbox/clock/advance":
        reasons |= {"to"}  # at most 400 days ahead of a clock that moves

    assert {problem["code"], problem.get("param")} & reasons, problem


def _positive(case: Case[Any]) -> bool:
    return case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
