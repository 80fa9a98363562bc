"""The OpenAPI document, written by FastAPI from the routes and their documentation."""

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from payments_sandbox import __version__
from payments_sandbox.api.documentation import OPERATIONS, REF
from payments_sandbox.api.models import ProblemAnswer
from payments_sandbox.api.routing import DirectRoute

_DESCRIPTION = """\
Authorize, capture, refund and void card payments; no money moves. Signed webhooks tell of it.

Amounts are integers in minor units. Every POST under /payments needs an X-Idempotency-Key.
Errors are RFC 9457 problems whose `code` is stable."""


def document_of(routes: Iterable[DirectRoute]) -> dict[str, Any]:
    """Return the document of these routes."""
    documented = APIRouter()
    for route in routes:
        arguments = OPERATIONS[route.name].arguments(route.name)
        documented.add_api_route(route.path, route.endpoint, methods=[route.method], **arguments)
    document = get_openapi(
        title="Payments Sandbox",
        version=__version__,
        description=_DESCRIPTION,
        routes=documented.routes,
        license_info={"name": "MIT", "identifier": "MIT"},
        servers=[{"url": "./", "description": "Where this document is served"}],
    )
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(_schemas())
    components["securitySchemes"] = {
        "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"}
    }
    for path, operations in document["paths"].items():
        for operation in operations.values():
            operation["security"] = [] if path == "/health" else [{"apiKey": []}]
    return document


def _schemas() -> dict[str, Any]:
    """Return the schemas of what is sent and of problems; the answers' come with the routes."""
    bodies = [one.body for one in OPERATIONS.values() if one.body is not None]
    _, schemas = models_json_schema(
        [(model, "validation") for model in (*bodies, ProblemAnswer)], ref_template=REF
    )
    return schemas["$defs"]
