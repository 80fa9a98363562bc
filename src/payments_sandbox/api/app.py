"""The HTTP app: routes, the edge around them, and the reference page."""

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from payments_sandbox import __version__
from payments_sandbox.api.edge import Edge, EdgeSettings
from payments_sandbox.api.openapi import openapi_of
from payments_sandbox.api.payments import payments_router
from payments_sandbox.api.reference import reference_routes
from payments_sandbox.api.sandbox import sandbox_router
from payments_sandbox.services.merchants import Tenancy
from payments_sandbox.services.payments import Payments


def create_app(payments: Payments, tenancy: Tenancy, edge: EdgeSettings) -> Edge:
    """Return the app over these use cases."""
    app = FastAPI(
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for routes in (
        payments_router(payments).routes,
        sandbox_router(tenancy).routes,
        reference_routes(),
    ):
        app.router.routes.extend(routes)
    app.add_route("/openapi.json", _document, include_in_schema=False)
    return Edge(app, tenancy, edge)


async def _document(request: Request) -> Response:
    return JSONResponse(openapi_of(request.app))
