"""Events over HTTP: the log of what happened, for whoever follows it or missed a webhook."""

from collections.abc import Callable, Sequence

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from payments_sandbox.api.answers import Json, event_json, json_response
from payments_sandbox.api.edge import merchant_id_of
from payments_sandbox.api.problems import Problem
from payments_sandbox.api.query import (
    CursorQuery,
    cursor_in,
    cursor_of,
    no_parameters,
    parameters,
    parameters_of,
)
from payments_sandbox.api.routing import DirectRoute
from payments_sandbox.api.validation import validated
from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.event import Logged
from payments_sandbox.domain.identifiers import event_id_of, event_place_of
from payments_sandbox.services.events import Events
from payments_sandbox.services.ports import EventPage

START = "start"
_OLDEST, _NEWEST = ">", "<"
_AFTER = "^(start|evt_[!-~]{1,60})$"


class EventsQuery(CursorQuery):
    """Which page of the events."""

    after: str | None = Field(
        None,
        pattern=_AFTER,
        description="an event's id: what happened after it, oldest first; or start: from the first"
        " event on.",
    )


EVENTS_PARAMETERS = parameters(
    EventsQuery, {"after": {"type": "string", "pattern": _AFTER}}, "event-cursor"
)


class EventRoutes:
    """The endpoints over the use cases of an event."""

    def __init__(self, events: Events) -> None:
        self._events = events

    async def list(self, request: Request) -> Response:
        """List events, newest first; or oldest first after one, which is how to follow them."""
        return await self.page_of(request, event_json)

    async def page_of(self, request: Request, render: Callable[[Logged], Json]) -> Response:
        """Return the page of the log that a request asks for, each entry rendered."""
        query = validated(EventsQuery, parameters_of(request))
        if query.after is not None and query.cursor is not None:
            raise Problem("validation_failed", detail="Send after or cursor, not both.")
        place = cursor_in(query.cursor, _is_place) or _place_after(query.after)
        page = await self._page(request, place, int(query.limit))
        data = [render(one) for one in page.transactions]
        next_cursor = None
        if page.more:
            last = page.transactions[-1]
            direction = place[:1] or _NEWEST
            next_cursor = cursor_of(direction + event_id_of(last.subject_id, last.seq))
        return json_response({"data": data, "next_cursor": next_cursor})

    async def read(self, request: Request) -> Response:
        """Return one event, as its webhooks carry it."""
        no_parameters(request)
        event_id = request.path_params["event_id"]
        return json_response(
            event_json(await self._events.event(merchant_id_of(request.scope), event_id))
        )

    async def _page(self, request: Request, place: str, limit: int) -> EventPage:
        merchant_id, event_id = merchant_id_of(request.scope), place[1:]
        try:
            if place.startswith(_OLDEST):
                return await self._events.oldest_first(merchant_id, after=event_id, limit=limit)
            return await self._events.newest_first(
                merchant_id, before=event_id or None, limit=limit
            )
        except NotFound:
            param = "after" if "after" in parameters_of(request) else "cursor"
            detail = f"{param} names an event that is not there (any more). Begin anew."
            raise Problem("validation_failed", param=param, detail=detail) from None


def event_routes(events: Events) -> Sequence[DirectRoute]:
    """Return the routes over these use cases."""
    one = EventRoutes(events)
    return [
        DirectRoute("GET", "/events", one.list, "list_events"),
        DirectRoute("GET", "/events/{event_id}", one.read, "read_event"),
    ]


def _place_after(after: str | None) -> str:
    if after is None:
        return ""
    return _OLDEST if after == START else _OLDEST + after


def _is_place(place: str) -> bool:
    """Tell whether a cursor holds a direction and an event's id."""
    try:
        event_place_of(place[1:])
    except NotFound:
        return False
    return place[:1] in {_OLDEST, _NEWEST}
