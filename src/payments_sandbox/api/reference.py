"""The API reference as a page: Swagger UI from files on this machine, nothing from elsewhere."""

from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

# Links are relative: behind a gateway all of it is under the stage's path.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Payments Sandbox: API reference</title>
<link rel="stylesheet" href="docs/assets/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/assets/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  validatorUrl: null,
  deepLinking: true,
  persistAuthorization: true,
});
"""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {"content-security-policy": _POLICY, "referrer-policy": "no-referrer"}


def reference_routes() -> list[BaseRoute]:
    """Return the page, its script and the files it is made of."""
    return [
        Route("/docs", _page),
        Route("/docs/start.js", _start),
        Mount("/docs/assets", StaticFiles(directory=viewer_files())),
    ]


def viewer_files() -> Path:
    """Return the folder of Swagger UI; the package that brings it is used for its files alone."""
    spec = find_spec("fastapi_offline")
    assert spec is not None  # noqa: S101 - a dependency
    assert spec.origin is not None  # noqa: S101 - a dependency
    return Path(spec.origin).parent / "static"


async def _page(_: Request) -> Response:
    return HTMLResponse(_PAGE, headers=_HEADERS)


async def _start(_: Request) -> Response:
    return Response(_START, media_type="text/javascript")
