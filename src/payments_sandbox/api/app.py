"""The HTTP app: routes, the edge around them, and the reference page."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from payments_sandbox.api.edge import Edge, EdgeSettings
from payments_sandbox.api.payments import payment_routes
from payments_sandbox.api.reference import reference_routes
from payments_sandbox.api.routing import DirectRoute
from payments_sandbox.api.sandbox import sandbox_routes
from payments_sandbox.services.merchants import Tenancy
from payments_sandbox.services.payments import Payments


def create_app(payments: Payments, tenancy: Tenancy, edge: EdgeSettings) -> Edge:
    """Return the app over these use cases."""
    routes = [
        *payment_routes(payments),
        *sandbox_routes(tenancy),
        *reference_routes(),
        Route("/openapi.json", _document),
    ]
    return Edge(routes, tenancy, edge)


async def _document(request: Request) -> Response:
    """Return the OpenAPI document; only here is the framework needed that writes it."""
    from payments_sandbox.api.openapi import document_of  # noqa: PLC0415 - slow to import

    routes = [one for one in request.app.routes if isinstance(one, DirectRoute)]
    return JSONResponse(document_of(routes))
