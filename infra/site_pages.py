"""The pages of the site, laid out from the README, the CHANGELOG and docs/ with links that fit."""

import os
import re
import shutil
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parent.parent

# Pages that lie outside of docs/, and their names on the site.
_OUTSIDE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "bench/README.md": "benchmarks.md",
    "loadtests/README.md": "load-tests.md",
}
_DECISIONS = "decisions.md"
# What is linked to and is no page, and what stands for it on the site.
_INSTEAD = {"docs/adr": _DECISIONS, "docs/openapi.json": "reference/openapi.json"}
_LINK = re.compile(r"\]\(([^)\s#:]+)(#[^)\s]*)?\)")
_TITLE = re.compile(r"^# (.+)$", re.MULTILINE)


class BrokenLink(Exception):
    """A page links to a file that is not there."""


def pages_of(root: Path) -> dict[str, str]:
    """Return the pages in the repository, each with its name on the site."""
    inside = sorted((root / "docs").rglob("*.md"))
    named = {page.relative_to(root).as_posix(): page.relative_to(root / "docs") for page in inside}
    return _OUTSIDE | {source: name.as_posix() for source, name in named.items()}


def write_pages(target: Path, *, root: Path = ROOT) -> None:
    """Write all pages, and what they link to, under `target`; raise BrokenLink."""
    pages = pages_of(root)
    for source, name in pages.items():
        text = _LINK.sub(_Relinking(root, pages, source, target), (root / source).read_text())
        _write(target / name, text)
    _write(target / _DECISIONS, _decisions(root, pages))


class _Relinking:
    """Puts the name on the site in the place of a link to a file of the repository."""

    def __init__(self, root: Path, pages: dict[str, str], source: str, target: Path) -> None:
        self._root = root
        self._pages = pages
        self._source = source
        self._target = target

    def __call__(self, link: re.Match[str]) -> str:
        file = os.path.normpath(PurePosixPath(self._source).parent / link[1])
        here = PurePosixPath(self._pages[self._source]).parent
        return f"]({os.path.relpath(self._name_of(file), here)}{link[2] or ''})"

    def _name_of(self, file: str) -> str:
        if file in self._pages:
            return self._pages[file]
        if file in _INSTEAD:
            return _INSTEAD[file]
        if file.startswith("..") or not (self._root / file).is_file():
            raise BrokenLink(f"{self._source}: {file}")
        return self._copied(file)

    def _copied(self, file: str) -> str:
        # A browser shows JSON and text; of any other type it would offer a download.
        name = f"files/{file}" if file.endswith(".json") else f"files/{file}.txt"
        (self._target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self._root / file, self._target / name)
        return name


def _decisions(root: Path, pages: dict[str, str]) -> str:
    """Return a page that lists the decisions."""
    lines = [
        f"- [{title_of((root / source).read_text())}]({name})"
        for source, name in pages.items()
        if source.startswith("docs/adr/")
    ]
    return "# Decisions\n\nWhat shaped the code, why, and the check that enforces it.\n\n" + (
        "\n".join(lines) + "\n"
    )


def title_of(text: str) -> str:
    """Return the first heading of a page."""
    title = _TITLE.search(text)
    if title is None:
        raise ValueError("a page without a heading")
    return title[1]


def _write(page: Path, text: str) -> None:
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text)
