"""Problems as RFC 9457 bodies, and the one table that gives each domain error its status."""

from collections.abc import Mapping

from pydantic_core import to_json
from starlette.responses import Response

from payments_sandbox.domain.errors import (
    REFUSALS,
    AmountExceedsCapturable,
    AmountExceedsRefundable,
    ClockStep,
    Conflict,
    CurrencyMismatch,
    EndpointDisabled,
    IdempotencyKeyReused,
    LedgerUnavailable,
    NotATestCard,
    NotFound,
    PaymentFull,
    Refusal,
    SandboxError,
    TooManyEndpoints,
)

QUOTA_EXCEEDED_TYPE = "https://iana.org/assignments/http-problem-types#quota-exceeded"

# Found along the MRO: a refusal is a 409 unless it is about what was sent.
STATUSES: dict[type[SandboxError], int] = {
    Refusal: 409,
    CurrencyMismatch: 422,
    AmountExceedsCapturable: 422,
    AmountExceedsRefundable: 422,
    NotFound: 404,
    NotATestCard: 422,
    IdempotencyKeyReused: 422,
    PaymentFull: 409,
    ClockStep: 422,
    TooManyEndpoints: 409,
    EndpointDisabled: 409,
    Conflict: 409,
    LedgerUnavailable: 503,
}

# What the edge itself may answer: code -> (status, what is wrong and the remedy).
EDGE_PROBLEMS: dict[str, tuple[int, str]] = {
    "malformed_request": (
        400,
        "The request is not HTTP/1.1, or its headers contradict each other or repeat.",
    ),
    "malformed_json": (400, "The body is not one UTF-8 JSON value with unique names."),
    "idempotency_key_missing": (400, "Send X-Idempotency-Key with a new value for each request."),
    "idempotency_key_invalid": (
        400,
        "Send one X-Idempotency-Key of 1 to 255 printable ASCII characters.",
    ),
    "unauthorized": (401, "Send a valid API key in the header x-api-key."),
    "not_found": (404, NotFound.detail()),
    "method_not_allowed": (405, "This path does not take this method; see the header Allow."),
    "request_timeout": (408, "The request did not arrive in time. Send it again."),
    "body_too_large": (413, "The body is larger than 65,536 bytes."),
    "unsupported_media_type": (415, "Send the body as application/json in UTF-8, uncompressed."),
    "misdirected_request": (421, "This host name is not served here. Allow it at start-up."),
    "validation_failed": (422, "The request is well formed but a value in it is not valid."),
    "quota_exceeded": (429, "Too many requests for this API key; wait as long as Retry-After."),
    "headers_too_large": (431, "The request's headers are larger than 16,384 bytes."),
    "internal_error": (500, "Something went wrong here. Send the same request again."),
}


class Problem(Exception):
    """A request the edge refuses before any rule is asked; nothing of it is repeated."""

    def __init__(
        self,
        code: str,
        *,
        param: str | None = None,
        detail: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.param = param
        self.detail = detail
        self.headers = headers

    def response(self) -> Response:
        """Return it as an answer."""
        status, detail = EDGE_PROBLEMS[self.code]
        body = problem_body(self.code, status, self.detail or detail, self.param)
        return problem_response(status, body, self.headers)


def status_of(error: type[SandboxError]) -> int:
    """Return the HTTP status of a domain error."""
    return next(STATUSES[one] for one in error.__mro__ if one in STATUSES)


def response_to(error: SandboxError) -> Response:
    """Return a domain error as an answer."""
    status = status_of(type(error))
    body = problem_body(error.code, status, error.detail(), error.param)
    return problem_response(status, body, {"retry-after": "1"} if error.retryable else None)


def refusal_status(error_code: str) -> int:
    """Return the HTTP status of a failed transaction."""
    return status_of(REFUSALS[error_code])


def refusal_body(error_code: str) -> dict[str, object]:
    """Return the problem of a failed transaction, still without its facts."""
    refusal = REFUSALS[error_code]
    return problem_body(refusal.code, status_of(refusal), refusal.detail(), refusal.param)


def problem_body(code: str, status: int, detail: str, param: str | None) -> dict[str, object]:
    """Return the members of a problem; the title is the code in words."""
    quota = code == "quota_exceeded"
    body: dict[str, object] = {
        "type": QUOTA_EXCEEDED_TYPE if quota else f"urn:payments-sandbox:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail,
        "code": code,
    }
    if param is not None:
        body["param"] = param
    if quota:
        body["violated-policies"] = ["default"]
    return body


def problem_response(
    status: int, body: Mapping[str, object], headers: Mapping[str, str] | None = None
) -> Response:
    """Return the problem with its media type."""
    return Response(to_json(body), status, headers=headers, media_type="application/problem+json")
