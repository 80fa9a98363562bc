"""The OpenAPI document as the code has it, and the place where it is committed."""

import json
from pathlib import Path
from typing import Any, cast

from payments_sandbox.api.app import UseCases, create_app
from payments_sandbox.api.edge import EdgeSettings
from payments_sandbox.api.openapi import document_of
from payments_sandbox.api.routing import DirectRoute
from payments_sandbox.domain.destination import DestinationPolicy

COMMITTED = Path(__file__).parent.parent.parent / "docs" / "openapi.json"


def current_document() -> dict[str, Any]:
    """Return the document of the app; making it asks no service."""
    nobody = cast("Any", None)
    use = UseCases(*[nobody] * len(UseCases._fields))
    app = create_app(use, EdgeSettings(), DestinationPolicy())
    return document_of([one for one in app.routes if isinstance(one, DirectRoute)])


def as_text(document: dict[str, Any]) -> str:
    """Return it as it is committed."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    COMMITTED.write_text(as_text(current_document()))
