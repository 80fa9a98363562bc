"""What the gateway itself refuses, in the app's own words: problems, as RFC 9457 has them."""

import json
from collections.abc import Mapping
from typing import Final, NamedTuple

from aws_cdk import aws_apigateway as apigateway

from payments_sandbox.api.problems import EDGE_PROBLEMS, problem_body

_TYPES = apigateway.ResponseType


class Refusal(NamedTuple):
    """One kind of answer of the gateway's: the problem it is, and headers of its own."""

    response_type: apigateway.ResponseType
    code: str
    headers: Mapping[str, str] = {}


# The bucket of a usage plan has a token again after 0.6 s; a quota is counted by the day.
REFUSALS: Final = (
    Refusal(_TYPES.INVALID_API_KEY, "unauthorized", {"WWW-Authenticate": "ApiKey"}),
    Refusal(_TYPES.THROTTLED, "quota_exceeded", {"Retry-After": "1"}),
    Refusal(_TYPES.QUOTA_EXCEEDED, "quota_exceeded", {"Retry-After": "3600"}),
    Refusal(_TYPES.REQUEST_TOO_LARGE, "body_too_large"),
    # A path without a method: only the root has none.
    Refusal(_TYPES.MISSING_AUTHENTICATION_TOKEN, "not_found"),
    Refusal(_TYPES.DEFAULT_4_XX, "malformed_request"),
    # The function failed or took too long; the key sent makes it safe to send again.
    Refusal(_TYPES.DEFAULT_5_XX, "internal_error"),
)


def answer_in_own_words(api: apigateway.RestApi) -> None:
    """Have the gateway answer as the app would."""
    for one in REFUSALS:
        status, detail = EDGE_PROBLEMS[one.code]
        body = problem_body(one.code, status, detail, None)
        headers = {
            "Content-Type": "application/problem+json",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            **one.headers,
        }
        api.add_gateway_response(
            f"{one.response_type.response_type}",
            type=one.response_type,
            status_code=str(status),
            # A value in quotes is itself; one without would name a part of the request.
            response_headers={name: f"'{value}'" for name, value in headers.items()}
            | {"X-Request-Id": "context.requestId"},
            # Chosen by what the client accepts; this is the one for whatever that is.
            templates={"application/json": json.dumps(body)},
        )
