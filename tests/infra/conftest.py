"""The templates, each synthesised once."""

import os
from pathlib import Path

import pytest

from infra.toolkit import build_bundle, quiet_environment
from tests.infra.templates import EMAIL, Synthesised, synthesised


@pytest.fixture(scope="session")
def _quiet() -> None:
    os.environ |= quiet_environment({})
    build_bundle(is_emulated=False)


@pytest.fixture(scope="session")
def dev_stacks(_quiet: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Synthesised]:
    """All that is deployed for the stage dev, with an address to write to."""
    return synthesised(_folder(tmp_path_factory), stage="dev", email=EMAIL)


@pytest.fixture(scope="session")
def prod_stacks(_quiet: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Synthesised]:
    """All that is deployed for the stage prod, without one."""
    return synthesised(_folder(tmp_path_factory), stage="prod")


@pytest.fixture(scope="session")
def dev(dev_stacks: dict[str, Synthesised]) -> Synthesised:
    """What is deployed as the stage dev."""
    return dev_stacks["payments-sandbox-dev"]


@pytest.fixture(scope="session")
def prod(prod_stacks: dict[str, Synthesised]) -> Synthesised:
    """What is deployed as the stage prod."""
    return prod_stacks["payments-sandbox-prod"]


@pytest.fixture(scope="session")
def docs(dev_stacks: dict[str, Synthesised]) -> Synthesised:
    """What the documentation of the stage dev is served by."""
    return dev_stacks["payments-sandbox-dev-docs"]


def _folder(factory: pytest.TempPathFactory) -> Path:
    return factory.mktemp("synthesised")
