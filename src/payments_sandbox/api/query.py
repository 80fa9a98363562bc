"""Query parameters, as strict as bodies: unknown and repeated ones are refused."""

import base64
import binascii
from collections.abc import Callable, Mapping
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
CURSOR_CHARACTERS_MAX = 160
Schemas = Mapping[str, Mapping[str, object]]
CURSOR = "the next_cursor of the page before, as it was given."


class CursorQuery(Strict):
    """Which page."""

    limit: str = Field(
        "25", pattern="^([1-9][0-9]?|100)$", description="how many at most, 1 to 100."
    )
    cursor: str | None = Field(None, max_length=CURSOR_CHARACTERS_MAX, description=CURSOR)


class ListQuery(CursorQuery):
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

    def to_filter(self) -> PaymentFilter:
        """Return what is wanted."""
        status = Status(self.status) if self.status is not None else None
        return PaymentFilter(self.card_id, status, self.reference)

    def before(self) -> str | None:
        """Return the payment's id the page starts below; raise Problem for a made-up cursor."""
        return cursor_in(self.cursor, is_payment_id)


def cursor_in(cursor: str | None, is_ours: Callable[[str], object]) -> str | None:
    """Return the place that a cursor stands for; raise Problem for a made-up one."""
    if cursor is None:
        return None
    try:
        place = base64.urlsafe_b64decode(cursor).decode("ascii")
    except (binascii.Error, ValueError):
        place = ""
    if not is_ours(place):
        detail = f"cursor is not valid: {CURSOR}"
        raise Problem("validation_failed", param="cursor", detail=detail)
    return place


def cursor_of(place: str | None) -> str | None:
    """Return the opaque cursor for a page that starts at this place."""
    return base64.urlsafe_b64encode(place.encode()).decode() if place else None


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


def parameters(
    query: type[CursorQuery], own: Schemas, cursor_format: str
) -> list[dict[str, object]]:
    """Return the parameters for the document, each described as its errors are."""
    cursor = {"type": "string", "maxLength": CURSOR_CHARACTERS_MAX, "format": cursor_format}
    return [
        {
            "name": name,
            "in": "query",
            "description": query.model_fields[name].description,
            "schema": schema,
        }
        for name, schema in {**own, "limit": _LIMIT, "cursor": cursor}.items()
    ]


_LIMIT = {"type": "integer", "minimum": 1, "maximum": 100, "default": 25}
LIST_PARAMETERS = parameters(
    ListQuery,
    {
        "card_id": {"type": "string", "pattern": "^[!-~]{1,64}$"},
        "status": {"type": "string", "enum": list(Status)},
        "reference": {"type": "string", "minLength": 1, "maxLength": 255},
    },
    "cursor",
)
