"""A copy of the site for each test process."""

from pathlib import Path

import pytest

from infra.site_build import build_site


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built once; tests do not write to it."""
    target = tmp_path_factory.mktemp("built") / "site"
    build_site(target)
    return target
