"""The templates, each synthesised once."""

import os
from pathlib import Path

import pytest

from infra.toolkit import build_bundle, quiet_environment
from tests.infra.templates import Synthesised, synthesised


@pytest.fixture(scope="session")
def _quiet() -> None:
    os.environ |= quiet_environment({})
    build_bundle(is_emulated=False)


@pytest.fixture(scope="session")
def dev(_quiet: None, tmp_path_factory: pytest.TempPathFactory) -> Synthesised:
    """What is deployed as the stage dev."""
    return synthesised(_folder(tmp_path_factory), stage="dev")


@pytest.fixture(scope="session")
def prod(_quiet: None, tmp_path_factory: pytest.TempPathFactory) -> Synthesised:
    """What is deployed as the stage prod."""
    return synthesised(_folder(tmp_path_factory), stage="prod")


def _folder(factory: pytest.TempPathFactory) -> Path:
    return factory.mktemp("synthesised")
