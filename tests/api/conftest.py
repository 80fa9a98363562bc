"""The app as a fixture: both homes at once, or a local server's alone."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.api.harness import Api, api_over

TWINS = "twins"


@pytest.hookimpl(trylast=True)  # after -m and -k
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the twins do as well: they ask the local server's app the same.

    So `-m "not aws"` runs each test on that app alone, without the emulator.
    """
    twins = {_name_at_home(one) for one in items if _home_of(one) == TWINS}
    left_out = [one for one in items if _home_of(one) == "local" and _name_at_home(one) in twins]
    items[:] = [one for one in items if one not in left_out]
    config.hook.pytest_deselected(items=left_out)


def _home_of(item: pytest.Item) -> str | None:
    """Return the home a test was made for, None if it was made for none."""
    made_for: Any = getattr(item, "callspec", None)
    return made_for and made_for.params.get("api")


def _name_at_home(item: pytest.Item) -> str:
    return item.nodeid.replace("[twins", "[local")


@pytest_asyncio.fixture(params=["local", pytest.param(TWINS, marks=pytest.mark.aws)])
async def api(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Api]:
    """The app over a ledger of its own, without rate limit; or its twins in both homes."""
    if request.param == "local":
        async with api_over(tmp_path) as one:
            yield one
        return
    from tests.api.twins import twins_over  # noqa: PLC0415 - most runs of one test need none

    async with twins_over(tmp_path, request.getfixturevalue("emulator")) as both:
        yield both
