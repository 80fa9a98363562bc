"""What each operation answers, which problems it may meet, and what it takes: for the document."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel

from payments_sandbox.api.bodies import (
    AuthorizeBody,
    CaptureBody,
    RefundBody,
    SettingsBody,
    VoidBody,
)
from payments_sandbox.api.idempotency import KEY_PARAMETER
from payments_sandbox.api.models import (
    AuthorizationAnswer,
    HealthAnswer,
    HistoryAnswer,
    MovementAnswer,
    PaymentsAnswer,
    SettingsAnswer,
    TransactionAnswer,
)
from payments_sandbox.api.problems import EDGE_PROBLEMS, status_of
from payments_sandbox.api.query import LIST_PARAMETERS
from payments_sandbox.domain.errors import (
    AlreadyCaptured,
    AlreadyRefunded,
    AmountExceedsCapturable,
    AmountExceedsRefundable,
    AuthorizationDeclined,
    AuthorizationExpired,
    AuthorizationVoided,
    Conflict,
    CurrencyMismatch,
    IdempotencyKeyReused,
    LedgerUnavailable,
    NotCaptured,
    NotFound,
    PaymentFull,
    SandboxError,
)

REF = "#/components/schemas/{model}"
ProblemKind = type[SandboxError] | str
Parameter = dict[str, object]


class Documentation(NamedTuple):
    """One operation's."""

    tag: str
    status: int
    answer: type[BaseModel]
    problems: Sequence[ProblemKind]
    body: type[BaseModel] | None = None
    parameters: Sequence[Parameter] = ()

    def arguments(self, operation_id: str) -> dict[str, Any]:
        """Return it as the arguments of a route that documents itself."""
        extra: dict[str, Any] = {}
        if self.body is not None:
            schema = {"$ref": REF.format(model=self.body.__name__)}
            content = {"application/json": {"schema": schema}}
            extra["requestBody"] = {"required": True, "content": content}
        if self.parameters:
            extra["parameters"] = list(self.parameters)
        done: dict[int, Any] = {self.status: {"model": self.answer, "description": "Done"}}
        return {
            "operation_id": operation_id,
            "summary": operation_id.replace("_", " ").capitalize(),
            "tags": [self.tag],
            "status_code": self.status,
            "responses": done | _problems((*self.problems, *_EVERYWHERE)),
            "openapi_extra": extra,
        }


def _problems(kinds: Sequence[ProblemKind]) -> dict[int, dict[str, Any]]:
    """Return the documented problems by status, each with the codes it may carry."""
    codes: dict[int, set[str]] = {}
    for kind in kinds:
        if isinstance(kind, str):
            codes.setdefault(EDGE_PROBLEMS[kind][0], set()).add(kind)
        else:
            codes.setdefault(status_of(kind), set()).add(kind.code)
    content = {"application/problem+json": {"schema": {"$ref": REF.format(model="ProblemAnswer")}}}
    return {
        status: {"description": ", ".join(sorted(names)), "content": content}
        for status, names in sorted(codes.items())
    }


def _path(name: str) -> Parameter:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _money(body: type[BaseModel], answer: type[BaseModel], *also: ProblemKind) -> Documentation:
    return Documentation("payments", 201, answer, (*_WRITE, *also), body, [KEY_PARAMETER])


_EVERYWHERE = ("malformed_request", "misdirected_request", "headers_too_large", "internal_error")
_KEYED = ("unauthorized", "quota_exceeded", "validation_failed", LedgerUnavailable)
_BODY = ("malformed_json", "request_timeout", "body_too_large", "unsupported_media_type")
_KEYS = ("idempotency_key_missing", "idempotency_key_invalid", IdempotencyKeyReused)
_WRITE = (*_KEYED, *_BODY, *_KEYS, Conflict)
_CHANGE = (NotFound, PaymentFull, AuthorizationDeclined)
_NOT_OPEN = (*_CHANGE, AuthorizationVoided, AuthorizationExpired, AlreadyCaptured)

OPERATIONS = {
    "authorize": _money(AuthorizeBody, AuthorizationAnswer),
    "capture": _money(
        CaptureBody, MovementAnswer, *_NOT_OPEN, CurrencyMismatch, AmountExceedsCapturable
    ),
    "refund": _money(
        RefundBody,
        MovementAnswer,
        *_CHANGE,
        NotCaptured,
        AlreadyRefunded,
        CurrencyMismatch,
        AmountExceedsRefundable,
    ),
    "void": _money(VoidBody, MovementAnswer, *_NOT_OPEN),
    "list_payments": Documentation(
        "payments", 200, PaymentsAnswer, _KEYED, parameters=LIST_PARAMETERS
    ),
    "read_payment": Documentation(
        "payments", 200, HistoryAnswer, (*_KEYED, NotFound, Conflict), parameters=[_path("auth_id")]
    ),
    "read_transaction": Documentation(
        "payments",
        200,
        TransactionAnswer,
        (*_KEYED, NotFound),
        parameters=[_path("transaction_id")],
    ),
    "health": Documentation("sandbox", 200, HealthAnswer, ("validation_failed", LedgerUnavailable)),
    "read_settings": Documentation("sandbox", 200, SettingsAnswer, _KEYED),
    "change_settings": Documentation(
        "sandbox", 200, SettingsAnswer, (*_KEYED, *_BODY), SettingsBody
    ),
}
