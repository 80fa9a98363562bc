"""Reads a built site as a browser does: what it loads, where it leads, what it may not do."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from os.path import normpath
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

# Hosts that the two bundles name: namespaces, texts and specifications, and the code of features
# that no page uses (diagrams, galleries, runnable code, repository facts, the validator's badge).
NAMED_IN_SCRIPTS = frozenset({
    "api.github.com", "cdn.jsdelivr.net", "datatracker.ietf.org", "example.com", "fb.me",
    "github.com", "instagram.com", "json-schema.org", "reactjs.org", "redux.js.org",
    "soundcloud.com", "spdx.org", "spec.openapis.org", "swagger.io", "twitter.com", "unpkg.com",
    "validator.swagger.io", "vladimirgorej.com", "www.facebook.com", "www.rfc-editor.org",
    "www.tiktok.com", "www.w3.org",
})  # fmt: skip
# What makes the theme's bundle use those features.
_ASKS = ("mermaid", "glightbox", "pyodide", 'data-md-component="source"')
_LOADS = ("src", "srcset", "href", "data", "poster", "action", "formaction", "background", "ping")
_CSS_LOADS = re.compile(r"""(?:url\(\s*|@import\s+)["']?((?:[a-z]+:)?//[^"')\s]+)""", re.IGNORECASE)
_JS_HOST = re.compile(r"""(?:https?|wss?)://([a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+)""")
_JS_LOADS = re.compile(r"""["'`](//[a-z0-9-]+\.[a-z0-9.-]+/)""")


class Address(NamedTuple):
    """An address in a page; a reader follows a link, everything else is loaded."""

    value: str
    followed: bool


class Page(HTMLParser):
    """The addresses, anchors and inline scripts of one page."""

    def __init__(self, text: str) -> None:
        """Read the page."""
        super().__init__()
        self.addresses: list[Address] = []
        self.anchors: set[str] = set()
        self.navigation: set[str] = set()
        self.inline_scripts: list[str] = []
        self._in_navigation = 0
        self._in_script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what the element loads or leads to."""
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "nav":
            self._in_navigation += 1
        for name in _LOADS:
            if name in given:
                self.addresses.append(Address(given[name], followed=tag == "a" and name == "href"))
        if tag == "a" and self._in_navigation:
            self.navigation.add(given.get("href", ""))
        self.inline_scripts += [name for name in given if name.startswith("on")]
        data = given.get("type", "").endswith("json")
        self._in_script = tag == "script" and "src" not in given and not data

    def handle_endtag(self, tag: str) -> None:
        """Leave a script or a navigation."""
        if tag == "nav":
            self._in_navigation -= 1
        self._in_script = False

    def handle_data(self, data: str) -> None:
        """Note a script that stands in the page."""
        if self._in_script and data.strip():
            self.inline_scripts.append(data)


def pages_in(site: Path) -> dict[Path, Page]:
    """Return the pages of a site."""
    return {path: Page(path.read_text()) for path in sorted(site.rglob("*.html"))}


def outside(site: Path) -> list[str]:
    """Return what a page, style or script of the site may load from another host."""
    found = [
        f"{path.name}: {one.value}"
        for path, page in pages_in(site).items()
        for one in page.addresses
        if not one.followed and _leaves(one.value)
    ]
    for path in sorted(site.rglob("*")):
        if path.suffix in {".css", ".html", ".js", ".svg"}:
            found += [f"{path.name}: {one}" for one in _named_outside(path)]
    return found


def _leaves(address: str) -> bool:
    return any(urlsplit(one).netloc for one in address.replace(",", " ").split())


def _named_outside(path: Path) -> Iterator[str]:
    text = path.read_text()
    if path.suffix == ".js":
        yield from sorted(set(_JS_HOST.findall(text)) - NAMED_IN_SCRIPTS)
        yield from (one for one in _JS_LOADS.findall(text) if one != "//i.test/")
        return
    yield from _CSS_LOADS.findall(text)
    if path.suffix == ".html":
        yield from (one for one in _ASKS if one in text)


def dead_links(site: Path) -> list[str]:
    """Return the addresses within the site that lead nowhere, or only from the root of a host."""
    pages = pages_in(site)
    return [
        f"{path.relative_to(site)}: {one.value}"
        for path, page in pages.items()
        for one in page.addresses
        if not _leaves(one.value) and not _is_there(one.value, path, pages)
    ]


def _is_there(address: str, path: Path, pages: dict[Path, Page]) -> bool:
    parts = urlsplit(address)
    if parts.scheme:
        return parts.scheme in {"data", "mailto"}
    if parts.path.startswith("/"):
        return False
    file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if file not in pages or not parts.fragment or parts.fragment.startswith("/"):
        return file.is_file()
    return unquote(parts.fragment) in pages[file].anchors


def unreached(site: Path, names: list[str]) -> list[str]:
    """Return the pages that neither the navigation nor the list of decisions leads to."""
    pages = pages_in(site)
    linked = pages[site / "index.html"].navigation
    linked |= {one.value for one in pages[site / "decisions.html"].addresses if one.followed}
    reached = {normpath(one) for one in linked}
    return [name for name in names if str(Path(name).with_suffix(".html")) not in reached]


def inline_scripts(site: Path) -> list[str]:
    """Return the scripts that stand in pages, which the policy does not let run."""
    return [
        f"{path.name}: {script}"
        for path, page in pages_in(site).items()
        for script in page.inline_scripts
    ]
