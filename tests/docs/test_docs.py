"""The documentation is complete and true where a machine can tell."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from payments_sandbox.domain.chaos import Mischief
from payments_sandbox.domain.delivery import DeadReason
from payments_sandbox.domain.event import EventType
from payments_sandbox.domain.merchant import Settings
from tests.docs.pages import DOCS, PAGES

ROOT = DOCS.parent


@pytest.mark.parametrize("name", PAGES)
def test_generated_pages_are_current(name: str) -> None:
    """`make pages` was run after the last change of a table."""
    assert (DOCS / name).read_text() == PAGES[name]()


@pytest.mark.parametrize("setting", [one.name for one in fields(Settings)])
def test_every_setting_has_a_heading(setting: str) -> None:
    """A setting without a word about it fails the build."""
    assert f"\n## {setting}\n" in (DOCS / "settings.md").read_text()


@pytest.mark.parametrize("name", [*EventType, *DeadReason, *Mischief])
def test_every_word_of_webhooks_has_a_heading(name: str) -> None:
    """An event type, a reason or a mischief without a word about it fails the build."""
    assert f"\n### {name}\n" in (DOCS / "webhooks.md").read_text()


@pytest.mark.parametrize("page", sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")]), ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file that is there."""
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    missing = [link for link in links if not (page.parent / link).exists()]

    assert missing == []


def test_every_make_target_in_the_readme_exists() -> None:
    """The README and CONTRIBUTING name no target that is not there."""
    text = (ROOT / "README.md").read_text() + (ROOT / "CONTRIBUTING.md").read_text()
    named = set(re.findall(r"`?make ([a-z-]+)[` \n]", text))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert named - targets == set()


def test_decisions_name_their_check() -> None:
    """Each ADR says what enforces it."""
    pages = sorted((DOCS / "adr").glob("*.md"))

    assert pages
    assert [page.name for page in pages if "\n## Check\n" not in page.read_text()] == []
