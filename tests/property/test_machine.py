"""Whatever callers do, in whatever order and however late, the sandbox does as documented."""

import pytest
from hypothesis.stateful import run_state_machine_as_test  # pyright: ignore[reportUnknownVariableType]

from tests.property.homes import on_dynamodb, on_sqlite
from tests.property.machine import AT_THE_EMULATOR, IN_A_FILE, machine_on


def test_the_sandbox_does_as_the_model() -> None:
    """No sequence of requests, replays, rivals and waiting leads away from the model."""
    run_state_machine_as_test(machine_on(on_sqlite()), settings=IN_A_FILE)


@pytest.mark.aws
def test_the_sandbox_on_dynamodb_does_as_the_model(emulator: str) -> None:
    """No sequence leads away from the model where the ledger is in DynamoDB."""
    run_state_machine_as_test(machine_on(on_dynamodb(emulator)), settings=AT_THE_EMULATOR)
