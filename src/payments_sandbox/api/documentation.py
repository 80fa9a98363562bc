"""What each operation answers, which problems it may meet, and what it takes: for the document."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from payments_sandbox.api.bodies import (
    AuthorizeBody,
    CaptureBody,
    RefundBody,
    VoidBody,
)
from payments_sandbox.api.clock import AdvanceBody
from payments_sandbox.api.deliveries import DELIVERIES_PARAMETERS, RedeliverBody
from payments_sandbox.api.endpoint_bodies import EndpointBody, EndpointChanges
from payments_sandbox.api.events import EVENTS_PARAMETERS
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
from payments_sandbox.api.settings_body import ResetBody, SettingsBody
from payments_sandbox.api.settlement_models import (
    AdvancedAnswer,
    BalancesAnswer,
    ClockAnswer,
    InvariantsAnswer,
    PostingsAnswer,
    ProgressAnswer,
    ReportAnswer,
    ResetAnswer,
    SettlementAnswer,
    SettlementsAnswer,
)
from payments_sandbox.api.settlements import SETTLEMENTS_PARAMETERS, CsvResponse
from payments_sandbox.api.webhook_models import (
    DeliveriesAnswer,
    DeliveryWithAttemptsAnswer,
    EndpointAnswer,
    EndpointsAnswer,
    EndpointWithSecretAnswer,
    EventAnswer,
    EventsAnswer,
    RedeliveredAnswer,
)
from payments_sandbox.domain.errors import (
    AlreadyCaptured,
    AlreadyRefunded,
    AlreadySettled,
    AlreadyVoided,
    AmountExceedsCapturable,
    AmountExceedsRefundable,
    AuthorizationDeclined,
    AuthorizationExpired,
    AuthorizationVoided,
    Conflict,
    CurrencyMismatch,
    EndpointDisabled,
    IdempotencyKeyReused,
    LedgerUnavailable,
    NotCaptured,
    NotFound,
    PaymentFull,
    SandboxError,
    TooManyEndpoints,
)

REF = "#/components/schemas/{model}"
ProblemKind = type[SandboxError] | str
Parameter = dict[str, object]


class Documentation(NamedTuple):
    """One operation's."""

    tag: str
    status: int
    answer: type[BaseModel] | None
    problems: Sequence[ProblemKind]
    body: type[BaseModel] | None = None
    parameters: Sequence[Parameter] = ()
    response_class: type[Response] = JSONResponse

    def arguments(self, operation_id: str) -> dict[str, Any]:
        """Return it as the arguments of a route that documents itself."""
        extra: dict[str, Any] = {}
        if self.body is not None:
            schema = {"$ref": REF.format(model=self.body.__name__)}
            content = {"application/json": {"schema": schema}}
            extra["requestBody"] = {"required": True, "content": content}
        if self.parameters:
            extra["parameters"] = list(self.parameters)
        done: dict[int, Any] = {self.status: {"description": "Done"}}
        if self.answer is not None:
            done[self.status]["model"] = self.answer
        return {
            "operation_id": operation_id,
            "summary": operation_id.replace("_", " ").capitalize(),
            "tags": [self.tag],
            "status_code": self.status,
            "response_class": self.response_class,
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


def _on_endpoint(
    status: int,
    answer: type[BaseModel] | None,
    *also: ProblemKind,
    body: type[BaseModel] | None = None,
) -> Documentation:
    problems = (*_KEYED, NotFound, *also)
    return Documentation("webhooks", status, answer, problems, body, [_path("endpoint_id")])


def _on_settlement(
    answer: type[BaseModel] | None, response_class: type[Response] = JSONResponse
) -> Documentation:
    return Documentation(
        "settlement",
        200,
        answer,
        (*_KEYED, NotFound),
        parameters=[_path("settlement_id")],
        response_class=response_class,
    )


_EVERYWHERE = ("malformed_request", "misdirected_request", "headers_too_large", "internal_error")
_KEYED = ("unauthorized", "quota_exceeded", "validation_failed", LedgerUnavailable)
_BODY = ("malformed_json", "request_timeout", "body_too_large", "unsupported_media_type")
_KEYS = ("idempotency_key_missing", "idempotency_key_invalid", IdempotencyKeyReused)
_WRITE = (*_KEYED, *_BODY, *_KEYS, Conflict)
_CHANGES = (*_KEYED, *_BODY, Conflict)
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
        AlreadyVoided,
        CurrencyMismatch,
        AmountExceedsRefundable,
    ),
    "void": _money(
        VoidBody, MovementAnswer, *_NOT_OPEN, AlreadyRefunded, AlreadySettled, AlreadyVoided
    ),
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
    "list_events": Documentation("events", 200, EventsAnswer, _KEYED, parameters=EVENTS_PARAMETERS),
    "read_event": Documentation(
        "events", 200, EventAnswer, (*_KEYED, NotFound), parameters=[_path("event_id")]
    ),
    "create_endpoint": Documentation(
        "webhooks",
        201,
        EndpointWithSecretAnswer,
        (*_KEYED, *_BODY, TooManyEndpoints, Conflict),
        EndpointBody,
    ),
    "list_endpoints": Documentation("webhooks", 200, EndpointsAnswer, _KEYED),
    "read_endpoint": _on_endpoint(200, EndpointAnswer),
    "change_endpoint": _on_endpoint(200, EndpointAnswer, *_BODY, Conflict, body=EndpointChanges),
    "delete_endpoint": _on_endpoint(204, None, Conflict),
    "rotate_secret": _on_endpoint(200, EndpointWithSecretAnswer, Conflict),
    "ping_endpoint": _on_endpoint(202, DeliveryWithAttemptsAnswer, EndpointDisabled),
    "redeliver_all": _on_endpoint(
        202, RedeliveredAnswer, *_BODY, EndpointDisabled, Conflict, body=RedeliverBody
    ),
    "list_deliveries": Documentation(
        "webhooks", 200, DeliveriesAnswer, _KEYED, parameters=DELIVERIES_PARAMETERS
    ),
    "read_delivery": Documentation(
        "webhooks",
        200,
        DeliveryWithAttemptsAnswer,
        (*_KEYED, NotFound),
        parameters=[_path("delivery_id")],
    ),
    "redeliver": Documentation(
        "webhooks",
        202,
        DeliveryWithAttemptsAnswer,
        (*_KEYED, NotFound, EndpointDisabled, Conflict),
        parameters=[_path("delivery_id")],
    ),
    "health": Documentation("sandbox", 200, HealthAnswer, ("validation_failed", LedgerUnavailable)),
    "read_settings": Documentation("sandbox", 200, SettingsAnswer, _KEYED),
    "change_settings": Documentation("sandbox", 200, SettingsAnswer, _CHANGES, SettingsBody),
    "read_clock": Documentation("sandbox", 200, ClockAnswer, _KEYED),
    "advance_clock": Documentation("sandbox", 200, AdvancedAnswer, _CHANGES, AdvanceBody),
    "reset": Documentation("sandbox", 200, ResetAnswer, _CHANGES, ResetBody),
    "read_invariants": Documentation("sandbox", 200, InvariantsAnswer, _KEYED),
    "run_settlement": Documentation("settlement", 200, ProgressAnswer, (*_KEYED, Conflict)),
    "list_settlements": Documentation(
        "settlement", 200, SettlementsAnswer, _KEYED, parameters=SETTLEMENTS_PARAMETERS
    ),
    "read_settlement": _on_settlement(SettlementAnswer),
    "read_report_json": _on_settlement(ReportAnswer),
    "read_report_csv": _on_settlement(None, CsvResponse),
    "read_balances": Documentation("settlement", 200, BalancesAnswer, _KEYED),
    "list_postings": Documentation(
        "settlement", 200, PostingsAnswer, _KEYED, parameters=EVENTS_PARAMETERS
    ),
}
