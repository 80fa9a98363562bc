"""The OpenAPI document: what the framework derives from the routes, and the bodies' models."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from payments_sandbox.api.bodies import (
    AuthorizeBody,
    CaptureBody,
    RefundBody,
    SettingsBody,
    VoidBody,
)
from payments_sandbox.api.models import ProblemAnswer
from payments_sandbox.api.routing import REF

_BODIES = (AuthorizeBody, CaptureBody, RefundBody, SettingsBody, VoidBody)
_DESCRIPTION = """\
Authorize, capture, refund and void card payments; no money moves.

Amounts are integers in minor units. Every POST under /payments needs an X-Idempotency-Key.
Errors are RFC 9457 problems whose `code` is stable."""


def openapi_of(app: FastAPI) -> dict[str, Any]:
    """Return the document; made once and kept on the app."""
    if app.openapi_schema is None:
        document = get_openapi(
            title="Payments Sandbox",
            version=app.version,
            description=_DESCRIPTION,
            routes=app.routes,
            license_info={"name": "MIT", "identifier": "MIT"},
        )
        _, schemas = models_json_schema(
            [(model, "validation") for model in (*_BODIES, ProblemAnswer)], ref_template=REF
        )
        components = document.setdefault("components", {})
        components.setdefault("schemas", {}).update(schemas["$defs"])
        components["securitySchemes"] = {
            "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"}
        }
        for path, operations in document["paths"].items():
            for operation in operations.values():
                operation["security"] = [] if path == "/health" else [{"apiKey": []}]
        app.openapi_schema = document
    return app.openapi_schema
