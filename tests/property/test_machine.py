"""Whatever callers do, in whatever order and however late, the sandbox does as documented."""

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test  # pyright: ignore[reportUnknownVariableType]

from tests.property.homes import on_dynamodb, on_sqlite
from tests.property.machine import machine_on

SETTINGS = settings(max_examples=60, stateful_step_count=40, deadline=None, derandomize=True)
# An emulator is a network away: fewer examples here, more by `python -m tests.property.long`.
AT_THE_EMULATOR = settings(SETTINGS, max_examples=10, stateful_step_count=28)


def test_the_sandbox_does_as_the_model() -> None:
    """No sequence of requests, replays, rivals and waiting leads away from the model."""
    run_state_machine_as_test(machine_on(on_sqlite()), settings=SETTINGS)


@pytest.mark.aws
def test_the_sandbox_on_dynamodb_does_as_the_model(emulator: str) -> None:
    """No sequence leads away from the model where the ledger is in DynamoDB."""
    run_state_machine_as_test(machine_on(on_dynamodb(emulator)), settings=AT_THE_EMULATOR)
