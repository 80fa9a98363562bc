"""Deliveries over HTTP: what went where, what came back, and having it sent again."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from payments_sandbox.api.answers import Json, json_response, time_text
from payments_sandbox.api.bodies import A_TIME, Strict, Time
from payments_sandbox.api.edge import merchant_id_of
from payments_sandbox.api.json_body import read_json
from payments_sandbox.api.problems import Problem
from payments_sandbox.api.query import (
    CURSOR,
    CURSOR_CHARACTERS_MAX,
    CursorQuery,
    cursor_in,
    cursor_of,
    no_parameters,
    parameters,
    parameters_of,
)
from payments_sandbox.api.routing import DirectRoute
from payments_sandbox.api.validation import validated
from payments_sandbox.domain.delivery import Attempt, Delivery, State
from payments_sandbox.services.deliveries import DeliveryDesk, Span
from payments_sandbox.services.webhook_ports import DeliveryFilter

_PLACE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z#dlv_[0-9a-z_]{20,60}")
_CURSOR_FORMAT = "delivery-cursor"
_ID = "^[!-~]{1,64}$"


class DeliveriesQuery(CursorQuery):
    """Which page of which deliveries."""

    endpoint_id: Annotated[str, Field(pattern=_ID)] | None = Field(
        None, description="an endpoint's id, ep_..."
    )
    event_id: Annotated[str, Field(pattern=_ID)] | None = Field(
        None, description="an event's id, evt_..., or a ping's."
    )
    state: Annotated[str, Field(pattern=f"^({'|'.join(State)})$")] | None = Field(
        None, description=f"one of {', '.join(State)}."
    )

    def to_filter(self) -> DeliveryFilter:
        """Return what is wanted."""
        state = State(self.state) if self.state is not None else None
        return DeliveryFilter(self.endpoint_id, self.event_id, state)


DELIVERIES_PARAMETERS = parameters(
    DeliveriesQuery,
    {
        "endpoint_id": {"type": "string", "pattern": _ID},
        "event_id": {"type": "string", "pattern": _ID},
        "state": {"type": "string", "enum": list(State)},
    },
    _CURSOR_FORMAT,
)


class RedeliverBody(Strict):
    """Which deliveries of an endpoint to send again: all dead ones, or all of a span."""

    since: Time | None = Field(
        None, description=f"{A_TIME}; with until: all deliveries made from then on."
    )
    until: Time | None = Field(None, description=f"{A_TIME}, after since; not included.")
    cursor: (
        Annotated[
            str,
            Field(max_length=CURSOR_CHARACTERS_MAX, json_schema_extra={"format": _CURSOR_FORMAT}),
        ]
        | None
    ) = Field(None, description=CURSOR)

    def span(self) -> Span | None:
        """Return the span, or None for all dead ones; raise Problem for half of one."""
        if self.since is None and self.until is None:
            return None
        if self.since is None or self.until is None:
            missing = "since" if self.since is None else "until"
            raise Problem(
                "validation_failed", param=missing, detail=f"{missing} is required: {A_TIME}"
            )
        since, until = (datetime.fromisoformat(one) for one in (self.since, self.until))
        if since >= until:
            raise Problem("validation_failed", param="until", detail="until must be after since.")
        return Span(since.astimezone(UTC), until.astimezone(UTC))


class DeliveryRoutes:
    """The endpoints over the use cases of a delivery."""

    def __init__(self, desk: DeliveryDesk) -> None:
        self._desk = desk

    async def list(self, request: Request) -> Response:
        """List deliveries, newest first. A page may be short: follow next_cursor until null."""
        query = validated(DeliveriesQuery, parameters_of(request))
        page = await self._desk.page(
            merchant_id_of(request.scope),
            query.to_filter(),
            before=cursor_in(query.cursor, _PLACE.fullmatch),
            limit=int(query.limit),
        )
        data = [_delivery(one) for one in page.deliveries]
        return json_response({"data": data, "next_cursor": cursor_of(page.next_before)})

    async def read(self, request: Request) -> Response:
        """Return one delivery with its attempts, oldest first."""
        no_parameters(request)
        delivery_id = request.path_params["delivery_id"]
        delivery = await self._desk.one(merchant_id_of(request.scope), delivery_id)
        return json_response(_with_attempts(delivery))

    async def redeliver(self, request: Request) -> Response:
        """Send it again at once, whatever came of it; its retries begin anew."""
        no_parameters(request)
        delivery_id = request.path_params["delivery_id"]
        delivery = await self._desk.redeliver(merchant_id_of(request.scope), delivery_id)
        return json_response(_with_attempts(delivery), 202)

    async def ping(self, request: Request) -> Response:
        """Send a ping, to see whether the endpoint is there and takes the signature."""
        no_parameters(request)
        endpoint_id = request.path_params["endpoint_id"]
        delivery = await self._desk.ping(merchant_id_of(request.scope), endpoint_id)
        return json_response(_with_attempts(delivery), 202)

    async def redeliver_all(self, request: Request) -> Response:
        """Send an endpoint's dead deliveries again, or all that were made in a span of time."""
        no_parameters(request)
        body, _ = await read_json(request, RedeliverBody)
        done = await self._desk.redeliver_all(
            merchant_id_of(request.scope),
            request.path_params["endpoint_id"],
            body.span(),
            cursor_in(body.cursor, _PLACE.fullmatch),
        )
        return json_response(
            {"redelivered": done.redelivered, "next_cursor": cursor_of(done.next_before)}, 202
        )


def delivery_routes(desk: DeliveryDesk) -> Sequence[DirectRoute]:
    """Return the routes over these use cases."""
    one = DeliveryRoutes(desk)
    endpoint, deliveries = "/webhooks/endpoints/{endpoint_id}", "/webhooks/deliveries"
    each = deliveries + "/{delivery_id}"
    return [
        DirectRoute("POST", endpoint + "/ping", one.ping, "ping_endpoint"),
        DirectRoute("POST", endpoint + "/redeliver", one.redeliver_all, "redeliver_all"),
        DirectRoute("GET", deliveries, one.list, "list_deliveries"),
        DirectRoute("GET", each, one.read, "read_delivery"),
        DirectRoute("POST", each + "/redeliver", one.redeliver, "redeliver"),
    ]


def ping_bytes(delivery: Delivery) -> bytes:
    """Return the body of a ping."""
    body = {
        "id": delivery.message_id,
        "type": delivery.type,
        "timestamp": time_text(delivery.created_at),
        "data": {"endpoint_id": delivery.endpoint_id},
    }
    return to_json(body)


def _delivery(delivery: Delivery) -> Json:
    return {
        "delivery_id": delivery.delivery_id,
        "endpoint_id": delivery.endpoint_id,
        "event_id": delivery.message_id,
        "type": delivery.type,
        "state": delivery.state,
        "attempts_made": delivery.attempts_made,
        "next_attempt_at": time_text(delivery.due_at),
        "dead_reason": delivery.dead_reason,
        "chaos": delivery.chaos,
        "created_at": time_text(delivery.created_at),
    }


def _with_attempts(delivery: Delivery) -> Json:
    return _delivery(delivery) | {"attempts": [_attempt(one) for one in delivery.attempts]}


def _attempt(attempt: Attempt) -> Json:
    return {
        "number": attempt.number,
        "attempted_at": time_text(attempt.at),
        "duration_ms": attempt.duration_ms,
        "status": attempt.status,
        "error": attempt.error,
        "response": attempt.response,
        "chaos": attempt.chaos,
    }
