"""Every ledger in turn; a test never learns which one it has."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from payments_sandbox.services.ports import Ledger, Merchants
from tests.contract.homes import LEDGERS, Home
from tests.unit.stand_ins import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that stands still until the test sets it."""
    return ManualClock()


@pytest_asyncio.fixture(params=LEDGERS)
async def home(
    request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock
) -> AsyncGenerator[Home]:
    """Yield an empty home of each kind."""
    async with LEDGERS[request.param](tmp_path, clock) as home:
        yield home


@pytest.fixture
def ledger(home: Home) -> Ledger:
    """Return the ledger under test."""
    return home.ledger


@pytest.fixture
def merchants(home: Home) -> Merchants:
    """Return the merchants under test."""
    return home.merchants
