"""The OpenAPI document as the code has it, and the place where it is committed."""

import json
from pathlib import Path
from typing import Any, cast

from payments_sandbox.api.app import create_app
from payments_sandbox.api.edge import EdgeSettings
from payments_sandbox.api.openapi import openapi_of
from payments_sandbox.services.merchants import Tenancy
from payments_sandbox.services.payments import Payments

COMMITTED = Path(__file__).parent.parent.parent / "docs" / "openapi.json"


def current_document() -> dict[str, Any]:
    """Return the document of the app; making it asks no service."""
    nobody = cast("Any", None)
    app = create_app(
        Payments(nobody, nobody, nobody, nobody), Tenancy(nobody, nobody, nobody), EdgeSettings()
    )
    return openapi_of(app.app)


def as_text(document: dict[str, Any]) -> str:
    """Return it as it is committed."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    COMMITTED.write_text(as_text(current_document()))
