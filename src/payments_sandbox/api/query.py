"""Query parameters, as strict as bodies: unknown and repeated ones are refused."""

import base64
import binascii
from typing import Annotated
from urllib.parse import parse_qsl

from pydantic import Field
from starlette.requests import Request

from payments_sandbox.api.bodies import Strict
from payments_sandbox.api.problems import Problem
from payments_sandbox.api.validation import validated
from payments_sandbox.domain.identifiers import is_payment_id
from payments_sandbox.domain.payment import Status
from payments_sandbox.services.ports import PaymentFilter

PARAMETERS_MAX = 20


class ListQuery(Strict):
    """Which page of which payments."""

    card_id: Annotated[str, Field(pattern="^[!-~]{1,64}$")] | None = Field(
        None, description="a card's id, card_..."
    )
    status: Annotated[str, Field(pattern=f"^({'|'.join(Status)})$")] | None = Field(
        None, description=f"one of {', '.join(Status)}."
    )
    reference: Annotated[str, Field(min_length=1, max_length=255)] | None = Field(
        None, description="your own reference, 1 to 255 characters."
    )
    limit: str = Field(
        "25", pattern="^([1-9][0-9]?|100)$", description="how many at most, 1 to 100."
    )
    cursor: str | None = Field(
        None, max_length=64, description="the next_cursor of the page before, as it was given."
    )

    def to_filter(self) -> PaymentFilter:
        """Return what is wanted."""
        status = Status(self.status) if self.status is not None else None
        return PaymentFilter(self.card_id, status, self.reference)

    def before(self) -> str | None:
        """Return the payment's id the page starts below; raise Problem for a made-up cursor."""
        if self.cursor is None:
            return None
        try:
            payment_id = base64.urlsafe_b64decode(self.cursor).decode("ascii")
        except (binascii.Error, ValueError):
            payment_id = ""
        if not is_payment_id(payment_id):
            description = type(self).model_fields["cursor"].description
            raise Problem(
                "validation_failed", param="cursor", detail=f"cursor is not valid: {description}"
            )
        return payment_id


def cursor_of(payment_id: str | None) -> str | None:
    """Return the opaque cursor for a page below this payment."""
    return base64.urlsafe_b64encode(payment_id.encode()).decode() if payment_id else None


def list_query(request: Request) -> ListQuery:
    """Return the query; raise Problem."""
    return validated(ListQuery, parameters_of(request))


def parameters_of(request: Request) -> dict[str, str]:
    """Return the parameters by name; raise Problem for repeated ones and for bad encoding."""
    try:
        pairs = parse_qsl(
            request.scope["query_string"].decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=PARAMETERS_MAX,
        )
    except ValueError:
        detail = f"The query must be valid UTF-8 and hold at most {PARAMETERS_MAX} parameters."
        raise Problem("validation_failed", detail=detail) from None
    parameters = dict(pairs)
    if len(parameters) < len(pairs):
        raise Problem("validation_failed", detail="Send each query parameter once.")
    return parameters


def no_parameters(request: Request) -> None:
    """Refuse any query; raise Problem."""
    if request.scope["query_string"] and parameters_of(request):
        raise Problem("validation_failed", detail="This path takes no query parameters.")


def _parameter(name: str, schema: dict[str, object]) -> dict[str, object]:
    description = ListQuery.model_fields[name].description
    return {"name": name, "in": "query", "description": description, "schema": schema}


LIST_PARAMETERS = [
    _parameter("card_id", {"type": "string", "pattern": "^[!-~]{1,64}$"}),
    _parameter("status", {"type": "string", "enum": list(Status)}),
    _parameter("reference", {"type": "string", "minLength": 1, "maxLength": 255}),
    _parameter("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 25}),
    _parameter("cursor", {"type": "string", "maxLength": 64, "format": "cursor"}),
]
