"""Fixtures of the reliability tests."""

import pytest

from tests.reliability.injection import why_not


@pytest.fixture
def traceable() -> None:
    """Skip where no call can be made to fail."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
