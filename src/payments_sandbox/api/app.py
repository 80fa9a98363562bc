"""The HTTP app: routes, the edge around them, and the reference page."""

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route

from payments_sandbox import __version__
from payments_sandbox.api.edge import Edge, EdgeSettings
from payments_sandbox.api.openapi import openapi_of
from payments_sandbox.api.payments import payments_router
from payments_sandbox.api.problems import Problem
from payments_sandbox.api.reference import reference_routes
from payments_sandbox.api.sandbox import sandbox_router
from payments_sandbox.services.merchants import Tenancy
from payments_sandbox.services.payments import Payments


def create_app(payments: Payments, tenancy: Tenancy, edge: EdgeSettings) -> FastAPI:
    """Return the app over these use cases."""
    app = FastAPI(
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={HTTPException: _unrouted},
    )
    for routes in (
        payments_router(payments).routes,
        sandbox_router(tenancy).routes,
        reference_routes(),
    ):
        app.router.routes.extend(routes)
    app.add_route("/openapi.json", _document, include_in_schema=False)
    app.add_middleware(Edge, tenancy=tenancy, settings=edge)
    return app


async def _document(request: Request) -> Response:
    return JSONResponse(openapi_of(request.app))


async def _unrouted(request: Request, error: Exception) -> Response:
    """Answer for a path or a method that no route takes."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    allowed = ", ".join(sorted(_methods(request)))
    if not allowed:
        return Problem("not_found").response()
    return Problem("method_not_allowed", headers={"allow": allowed}).response()


def _methods(request: Request) -> set[str]:
    """Return what the routes of this path take together; the framework names the first's alone."""
    routes = [one for one in request.app.routes if isinstance(one, Route)]
    matching = (one for one in routes if one.matches(request.scope)[0] is not Match.NONE)
    first = next(matching, None)
    if first is None:
        return set()
    return {method for one in routes if one.path == first.path for method in one.methods or ()}
