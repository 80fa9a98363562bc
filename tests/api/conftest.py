"""The app as a fixture, in both homes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.api.harness import Api, api_over


@pytest_asyncio.fixture(params=["local", pytest.param("twins", marks=pytest.mark.aws)])
async def api(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Api]:
    """The app over a ledger of its own, without rate limit; then its twins in both homes."""
    if request.param == "local":
        async with api_over(tmp_path) as one:
            yield one
        return
    from tests.api.twins import twins_over  # noqa: PLC0415 - most runs of one test need none

    async with twins_over(tmp_path, request.getfixturevalue("emulator")) as both:
        yield both
