"""The OpenAPI document: committed, whole, and served with a page that needs no network."""

import re

from tests.api.harness import Api
from tests.api.openapi_document import COMMITTED, as_text, current_document

UNDOCUMENTED = {"/openapi.json", "/docs", "/docs/start.js", "/docs/assets"}


def test_the_committed_document_is_current() -> None:
    """A change of the API shows in the diff (`make openapi`) and belongs in the CHANGELOG."""
    assert COMMITTED.read_text() == as_text(current_document())


async def test_every_route_is_documented(api: Api) -> None:
    """No route is missing from the document but those that serve it."""
    paths = {getattr(route, "path", "") for route in api.app.routes}

    assert paths - UNDOCUMENTED == set(current_document()["paths"])


async def test_the_reference_page_needs_no_network(api: Api) -> None:
    """Everything the page loads is served here, without an API key."""
    page = (await api.client.get("/docs", headers={"x-api-key": ""})).text
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    statuses = [(await api.client.get(link)).status_code for link in links]

    assert len(links) == 3
    assert all(link.startswith("docs/") for link in links)
    assert statuses == [200] * len(links)
    assert (await api.client.get("/openapi.json")).json() == current_document()
