"""The documentation as a static site that asks nothing of any other host.

`make docs` builds it into dist/site: the same bytes from the same files.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from hashlib import sha256
from pathlib import Path

from infra.site_pages import ROOT, BrokenLink, write_pages
from infra.site_reference import write_reference

# What a browser must allow; the search brings its style along, nothing else stands inline.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
GENERATOR = ROOT / ".venv-docs" / "bin" / "zensical"
_CONFIG = ROOT / "infra" / "site.toml"
# Shown in the place of any address, so it can hold no relative one.
_NOT_FOUND = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Not found - Payments Sandbox</title></head>
<body><h1>Not found</h1><p>There is no such page. <a href="/">Start here.</a></p></body>
</html>
"""
_NAMED = re.compile(r'= "([^"]+\.md)"')
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


class SiteBroken(Exception):
    """The generator found a link that leads nowhere, or failed."""


def build_site(target: Path, *, root: Path = ROOT) -> None:
    """Build the site into `target`, in the place of what is there; raise SiteBroken, BrokenLink."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        shutil.copyfile(_CONFIG, work / "zensical.toml")
        write_pages(work / "pages", root=root)
        write_reference(work / "pages")
        _check_navigation(work)
        _generate(work)
        _move_scripts_out(work / "site")
        (work / "site" / "404.html").write_text(_NOT_FOUND)
        (work / "site" / "sitemap.xml").unlink()  # empty, as the site knows no address of its own
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(work / "site", target)


def _check_navigation(work: Path) -> None:
    # The generator, strict or not, follows the links of pages alone.
    config = (work / "zensical.toml").read_text()
    missing = [name for name in _NAMED.findall(config) if not (work / "pages" / name).is_file()]
    if missing:
        raise SiteBroken(f"in the navigation but not there: {', '.join(missing)}")


def _generate(work: Path) -> None:
    done = subprocess.run(
        [GENERATOR, "build", "--strict"], cwd=work, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SiteBroken(_COLOUR.sub("", done.stdout + done.stderr))


def _move_scripts_out(site: Path) -> None:
    """Put the pages' inline scripts into files, so that the policy need not allow any."""
    for page in sorted(site.rglob("*.html")):
        depth = len(page.relative_to(site).parents) - 1
        page.write_text(_INLINE_SCRIPT.sub(partial(_moved, site, depth), page.read_text()))


def _moved(site: Path, depth: int, script: re.Match[str]) -> str:
    name = f"assets/javascripts/inline.{sha256(script[1].encode()).hexdigest()[:8]}.js"
    (site / name).write_text(script[1])
    return f'<script src="{"../" * depth}{name}"></script>'


def main() -> None:
    """Build the site into dist/site and say where it is."""
    target = ROOT / "dist" / "site"
    try:
        build_site(target)
    except (BrokenLink, SiteBroken) as broken:
        sys.exit(f"{type(broken).__name__}: {broken}")
    pages = len(list(target.rglob("*.html")))
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    sys.stdout.write(f"{target.relative_to(ROOT)}: {pages} pages, {size / 1_000_000:.1f} MB\n")


if __name__ == "__main__":
    main()
