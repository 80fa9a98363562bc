"""The site of the documentation is whole and reproducible, and asks nothing of other hosts."""

import json
import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from infra.site_build import CONTENT_SECURITY_POLICY, SiteBroken, build_site
from infra.site_pages import ROOT, BrokenLink, pages_of, write_pages
from infra.site_reference import DOCUMENT
from infra.site_upload import KEPT, cache_control_of, check_built
from tests.site.reading import dead_links, inline_scripts, outside, pages_in, unreached

OUTSIDE = {
    "script": ("a.html", '<script src="https://cdn.test/a.js"></script>'),
    "style sheet": ("a.html", '<link rel="stylesheet" href="//cdn.test/a.css">'),
    "font": ("a.html", '<link rel="preconnect" href="https://fonts.test">'),
    "image": ("a.html", '<img src="https://img.test/a.png">'),
    "image of a set": ("a.html", '<img srcset="a.png 1x, https://img.test/a.png 2x">'),
    "frame": ("a.html", '<iframe src="https://video.test/1"></iframe>'),
    "style in a page": ("a.html", "<style>@import 'https://cdn.test/a.css';</style>"),
    "style attribute": ("a.html", '<p style="background:url(https://img.test/a.png)">'),
    "diagram": ("a.html", '<pre class="mermaid">graph</pre>'),
    "font in a style": ("a.css", "@font-face { src: url('https://fonts.test/a.woff2') }"),
    "import in a style": ("a.css", '@import "//cdn.test/a.css";'),
    "call in a script": ("a.js", 'fetch("https://api.test/v1")'),
    "call without a scheme": ("a.js", 'load("//cdn.test/a.js")'),
}
DEAD = {
    "page": '<a href="gone.html">x</a>',
    "anchor": '<a href="index.html#gone">x</a>',
    "own anchor": '<a href="#gone">x</a>',
    "file": '<script src="assets/gone.js"></script>',
    "from the root": '<a href="/index.html">x</a>',
}


def test_nothing_comes_from_elsewhere(site: Path) -> None:
    """No page, style or script loads anything from another host."""
    assert outside(site) == []


@pytest.mark.parametrize(("name", "text"), OUTSIDE.values(), ids=list(OUTSIDE))
def test_a_planted_outside_address_is_seen(tmp_path: Path, name: str, text: str) -> None:
    """The checker sees each way to load something from elsewhere."""
    (tmp_path / name).write_text(text)

    assert outside(tmp_path)


def test_a_link_that_a_reader_follows_may_lead_outside(tmp_path: Path) -> None:
    """An outward link loads nothing."""
    (tmp_path / "a.html").write_text('<a href="https://example.test">x</a>')

    assert outside(tmp_path) == []


def test_no_script_stands_in_a_page(site: Path) -> None:
    """The policy need not allow inline scripts, and does not."""
    parts = [one.strip().partition(" ") for one in CONTENT_SECURITY_POLICY.split(";")]
    directives = {name: value for name, _, value in parts}

    assert inline_scripts(site) == []
    assert directives["default-src"] == "'self'"
    assert "script-src" not in directives


@pytest.mark.parametrize("text", ["<script>a()</script>", '<p onclick="a()">'])
def test_a_planted_inline_script_is_seen(tmp_path: Path, text: str) -> None:
    """The checker sees a script in a page."""
    (tmp_path / "a.html").write_text(text)

    assert inline_scripts(tmp_path)


def test_every_address_leads_somewhere_from_any_folder(site: Path) -> None:
    """Links, files and anchors are there, and relative; only the page for no page has no place."""
    assert [dead for dead in dead_links(site) if not dead.startswith("404.html: ")] == []


@pytest.mark.parametrize("text", DEAD.values(), ids=list(DEAD))
def test_a_planted_dead_link_is_seen(tmp_path: Path, text: str) -> None:
    """The checker sees what leads nowhere."""
    (tmp_path / "index.html").write_text("<h1 id='start'>x</h1>")
    (tmp_path / "a.html").write_text(text)

    assert dead_links(tmp_path)


def test_every_page_is_reached_from_the_navigation(site: Path) -> None:
    """A page that the navigation leaves out fails the build."""
    assert unreached(site, list(pages_of(ROOT).values())) == []
    assert unreached(site, ["forgotten.md"]) == ["forgotten.md"]


def test_the_reference_holds_every_operation(site: Path) -> None:
    """The page names each operation and leads to it in the viewer of the same document."""
    document = json.loads(DOCUMENT.read_text())
    expected = {
        f"reference/index.html#/{one['tags'][0]}/{one['operationId']}"
        for item in document["paths"].values()
        for one in item.values()
    }
    page = pages_in(site)[site / "reference.html"]
    text = (site / "reference.html").read_text()

    assert expected == {one.value for one in page.addresses if "#/" in one.value}
    assert [path for path in document["paths"] if f" {path}</code>" not in text] == []
    assert DOCUMENT.read_bytes() == (site / "reference" / "openapi.json").read_bytes()


def test_each_file_can_be_published(site: Path) -> None:
    """Its type is known, and only what has a hash in its name is kept for long."""
    kept = {
        file.relative_to(site).parts[0]
        for file in site.rglob("*")
        if file.is_file() and cache_control_of(file.name) == KEPT
    }

    check_built(site)
    assert kept == {"assets"}


def test_the_same_files_make_the_same_bytes(site: Path, tmp_path: Path) -> None:
    """A second build is equal to the first."""
    build_site(tmp_path / "site")

    assert _hashes(site) == _hashes(tmp_path / "site")


@pytest.mark.parametrize("link", ["gone.md", "../infra/gone.py", "../../outside.md"])
def test_a_link_to_a_missing_file_fails_the_build(copied: Path, tmp_path: Path, link: str) -> None:
    """A page may only lead to files of the repository."""
    _append(copied / "docs" / "settings.md", f"[x]({link})")

    with pytest.raises(BrokenLink, match=r"docs/settings\.md"):
        write_pages(tmp_path / "pages", root=copied)


def test_a_link_to_a_missing_heading_fails_the_build(copied: Path, tmp_path: Path) -> None:
    """The build is strict."""
    _append(copied / "docs" / "settings.md", "[x](webhooks.md#no-such-heading)")

    with pytest.raises(SiteBroken, match="no-such-heading"):
        build_site(tmp_path / "site", root=copied)


def test_a_missing_page_of_the_navigation_fails_the_build(copied: Path, tmp_path: Path) -> None:
    """The navigation names only pages that are there."""
    (copied / "docs" / "cost.md").unlink()
    for page in copied.rglob("*.md"):  # no link leads to it any more
        page.write_text(page.read_text().replace("cost.md)", "aws.md)"))

    with pytest.raises(SiteBroken, match=r"not there: cost\.md"):
        build_site(tmp_path / "site", root=copied)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of what the site is made of, to break."""
    root = tmp_path / "repository"
    for source in pages_of(ROOT):
        (root / source).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / source, root / source)
    shutil.copytree(ROOT / "infra", root / "infra", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(DOCUMENT, root / "docs" / "openapi.json")
    shutil.copyfile(ROOT / "LICENSE", root / "LICENSE")
    return root


def _append(page: Path, text: str) -> None:
    page.write_text(f"{page.read_text()}\n{text}\n")


def _hashes(site: Path) -> dict[str, str]:
    return {
        file.relative_to(site).as_posix(): sha256(file.read_bytes()).hexdigest()
        for file in sorted(site.rglob("*"))
        if file.is_file()
    }
