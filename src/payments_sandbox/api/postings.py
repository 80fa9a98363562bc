"""Postings over HTTP: what each entry of the log moves between the accounts of the books."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from payments_sandbox.api.answers import Json, time_text
from payments_sandbox.api.events import EventRoutes
from payments_sandbox.api.routing import DirectRoute
from payments_sandbox.domain.event import Logged
from payments_sandbox.domain.identifiers import event_id_of
from payments_sandbox.domain.postings import postings_of
from payments_sandbox.services.events import Events


class PostingRoutes:
    """The endpoint over the log, as books."""

    def __init__(self, events: Events) -> None:
        self._log = EventRoutes(events)

    async def list(self, request: Request) -> Response:
        """List what the log moves, entry by entry as events are listed."""
        return await self._log.page_of(request, _entry_json)


def posting_routes(events: Events) -> Sequence[DirectRoute]:
    """Return the route over these use cases."""
    one = PostingRoutes(events)
    return [DirectRoute("GET", "/postings", one.list, "list_postings")]


def _entry_json(entry: Logged) -> Json:
    return {
        "event_id": event_id_of(entry.subject_id, entry.seq),
        "transaction_id": entry.transaction_id,
        "created_at": time_text(entry.created_at),
        "postings": [
            {
                "source": one.source,
                "target": one.target,
                "amount": one.amount,
                "currency": one.currency,
            }
            for one in postings_of(entry)
            if one.amount
        ],
    }
