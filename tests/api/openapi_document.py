"""The OpenAPI document as the code has it, and the place where it is committed."""

import json
from pathlib import Path
from typing import Any, cast

from payments_sandbox.api.openapi import document_of
from payments_sandbox.api.payments import payment_routes
from payments_sandbox.api.sandbox import sandbox_routes
from payments_sandbox.services.merchants import Tenancy
from payments_sandbox.services.payments import Payments

COMMITTED = Path(__file__).parent.parent.parent / "docs" / "openapi.json"


def current_document() -> dict[str, Any]:
    """Return the document of the app; making it asks no service."""
    nobody = cast("Any", None)
    payments = Payments(nobody, nobody, nobody, nobody, nobody)
    tenancy = Tenancy(nobody, nobody, nobody)
    return document_of([*payment_routes(payments), *sandbox_routes(tenancy)])


def as_text(document: dict[str, Any]) -> str:
    """Return it as it is committed."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    COMMITTED.write_text(as_text(current_document()))
