"""One real sandbox for each module of this suite."""

from collections.abc import Generator

import pytest

from tests.running import Running, running


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    """Serve a ledger of the module's own."""
    with running(tmp_path_factory.mktemp("hostile") / "ledger.db") as started:
        yield started
