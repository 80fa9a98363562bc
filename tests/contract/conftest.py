"""Every ledger in turn; a test never learns which one it has."""

from collections.abc import AsyncGenerator
from functools import partial
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


AWS = {"dynamodb"}


@pytest_asyncio.fixture(
    params=[pytest.param(one, marks=pytest.mark.aws if one in AWS else ()) for one in LEDGERS]
)
async def home(
    request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock
) -> AsyncGenerator[Home]:
    """Yield an empty home of each kind."""
    emulator = partial(request.getfixturevalue, "emulator")
    async with LEDGERS[request.param](tmp_path, clock, emulator) as home:
        yield home


@pytest.fixture
def ledger(home: Home) -> Ledger:
    """Return the ledger under test."""
    return home.ledger


@pytest.fixture
def merchants(home: Home) -> Merchants:
    """Return the merchants under test."""
    return home.merchants
