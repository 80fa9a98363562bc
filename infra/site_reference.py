"""The API reference of the site: a list of the operations, and Swagger UI to look inside."""

import json
import shutil
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from infra.site_pages import ROOT
from payments_sandbox.api.reference import viewer_files

DOCUMENT = ROOT / "docs" / "openapi.json"
_FOLDER = "reference"

# No style or script stands in the page, so it works under a strict policy.
_VIEWER = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>API reference - Payments Sandbox</title>
<link rel="icon" href="../assets/images/favicon.png">
<link rel="stylesheet" href="swagger-ui.css">
<link rel="stylesheet" href="viewer.css">
</head>
<body>
<p class="swagger-ui"><a href="../reference.html">Back to the documentation</a></p>
<div id="swagger-ui"></div>
<script src="swagger-ui-bundle.js"></script>
<script src="start.js"></script>
</body>
</html>
"""
# Nothing answers behind a static site, so it asks for no key and sends no request.
_STYLE = ".scheme-container, .authorization__btn { display: none }\n"
_START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  validatorUrl: null,
  deepLinking: true,
  supportedSubmitMethods: [],
});
"""
_PAGE = """# API reference

{description}

Each operation below leads into [the whole reference](reference/index.html), with every field of
what is sent and answered. A running sandbox serves the same under `/docs`, where requests can be
tried. The document itself: [openapi.json](reference/openapi.json).
"""


class Operation(NamedTuple):
    """One call of the API."""

    tag: str
    method: str
    path: str
    name: str
    summary: str


def operations_of(document: dict[str, Any]) -> list[Operation]:
    """Return the operations of an OpenAPI document, by tag, in its order."""
    found = [
        Operation(one["tags"][0], method.upper(), path, one["operationId"], one["summary"])
        for path, item in document["paths"].items()
        for method, one in item.items()
    ]
    tags = list(dict.fromkeys(one.tag for one in found))
    return sorted(found, key=lambda one: tags.index(one.tag))


def write_reference(target: Path) -> None:
    """Write the page and the viewer, with all it is made of, under `target`."""
    document = json.loads(DOCUMENT.read_text())
    (target / f"{_FOLDER}.md").write_text(reference_page(document))
    folder = target / _FOLDER
    folder.mkdir()
    (folder / "index.html").write_text(_VIEWER)
    (folder / "start.js").write_text(_START)
    (folder / "viewer.css").write_text(_STYLE)
    shutil.copyfile(DOCUMENT, folder / "openapi.json")
    for name in ("swagger-ui.css", "swagger-ui-bundle.js"):
        shutil.copyfile(viewer_files() / name, folder / name)


def reference_page(document: dict[str, Any]) -> str:
    """Return the page that lists the operations: found by the search, read without scripts."""
    parts = [_PAGE.format(description=document["info"]["description"])]
    for tag, members in groupby(operations_of(document), key=lambda one: one.tag):
        rows = [f"| {_link(one)} | {one.summary} |" for one in members]
        parts.append(
            f"## {tag.capitalize()}\n\n| operation | |\n|---|---|\n" + "\n".join(rows) + "\n"
        )
    return "\n".join(parts)


def _link(one: Operation) -> str:
    address = f"{_FOLDER}/index.html#/{quote(one.tag)}/{quote(one.name)}"
    return f"[`{one.method} {one.path}`]({address})"
