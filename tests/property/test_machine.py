"""Whatever callers do, in whatever order and however late, the sandbox does as documented."""

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test  # pyright: ignore[reportUnknownVariableType]

from tests.property.machine import PaymentsMachine

SETTINGS = settings(max_examples=60, stateful_step_count=40, deadline=None, derandomize=True)


def test_the_sandbox_does_as_the_model() -> None:
    """No sequence of requests, replays, rivals and waiting leads away from the model."""
    run_state_machine_as_test(PaymentsMachine, settings=SETTINGS)
