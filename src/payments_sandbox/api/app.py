"""The HTTP app: routes, the edge around them, and the reference page."""

from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from payments_sandbox.api.clock import clock_routes
from payments_sandbox.api.deliveries import delivery_routes
from payments_sandbox.api.edge import Edge, EdgeSettings
from payments_sandbox.api.endpoints import endpoint_routes
from payments_sandbox.api.events import event_routes
from payments_sandbox.api.invariants import invariant_routes
from payments_sandbox.api.payments import payment_routes
from payments_sandbox.api.postings import posting_routes
from payments_sandbox.api.reference import reference_routes
from payments_sandbox.api.routing import DirectRoute
from payments_sandbox.api.sandbox import sandbox_routes
from payments_sandbox.api.settlements import settlement_routes
from payments_sandbox.domain.destination import DestinationPolicy
from payments_sandbox.services.audit import Audit
from payments_sandbox.services.clocks import Clocks
from payments_sandbox.services.deliveries import DeliveryDesk
from payments_sandbox.services.endpoints import EndpointBook
from payments_sandbox.services.events import Events
from payments_sandbox.services.merchants import Tenancy
from payments_sandbox.services.payments import Payments
from payments_sandbox.services.reset import Reset
from payments_sandbox.services.settlement import SettlementDesk


class UseCases(NamedTuple):
    """What callers can ask for."""

    payments: Payments
    events: Events
    endpoints: EndpointBook
    deliveries: DeliveryDesk
    settlements: SettlementDesk
    clocks: Clocks
    audit: Audit
    reset: Reset
    tenancy: Tenancy


def create_app(use: UseCases, edge: EdgeSettings, policy: DestinationPolicy) -> Edge:
    """Return the app over these use cases; `policy` says where webhooks may go."""
    routes = [
        *payment_routes(use.payments),
        *event_routes(use.events),
        *endpoint_routes(use.endpoints, policy),
        *delivery_routes(use.deliveries),
        *settlement_routes(use.settlements),
        *clock_routes(use.clocks),
        *posting_routes(use.events),
        *invariant_routes(use.audit),
        *sandbox_routes(use.tenancy, use.reset),
        *reference_routes(),
        Route("/openapi.json", _document),
    ]
    return Edge(routes, use.tenancy, edge)


async def _document(request: Request) -> Response:
    """Return the OpenAPI document; only here is the framework needed that writes it."""
    from payments_sandbox.api.openapi import document_of  # noqa: PLC0415 - slow to import

    routes = [one for one in request.app.routes if isinstance(one, DirectRoute)]
    return JSONResponse(document_of(routes))
