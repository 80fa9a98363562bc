"""The HTTP app: routes, the edge around them, and the reference page."""

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

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
    app.include_router(payments_router(payments))
    app.include_router(sandbox_router(tenancy))
    app.router.routes.extend(reference_routes())
    app.add_route("/openapi.json", _document, include_in_schema=False)
    app.add_middleware(Edge, tenancy=tenancy, settings=edge)
    return app


async def _document(request: Request) -> Response:
    return JSONResponse(openapi_of(request.app))


async def _unrouted(_: Request, error: Exception) -> Response:
    """Answer for a path or method that no route takes."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    code = "method_not_allowed" if error.status_code == 405 else "not_found"  # noqa: PLR2004
    return Problem(code, headers=error.headers).response()
