"""The app as a fixture."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.api.harness import Api, api_over


@pytest_asyncio.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """The app over a ledger of its own, without rate limit."""
    async with api_over(tmp_path) as one:
        yield one
