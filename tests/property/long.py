"""Runs the machine for longer than a test may, with other chances each time.

python -m tests.property.long --examples 500 --steps 50 --ledger dynamodb
"""

import argparse
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test  # pyright: ignore[reportUnknownVariableType]
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import tests.conftest  # noqa: F401  # pyright: ignore[reportUnusedImport] - hides the real AWS
from tests.emulator import emulated
from tests.property.homes import Opens, on_dynamodb, on_sqlite
from tests.property.machine import machine_on

LEDGERS = ("sqlite", "dynamodb")


def run(opens: Opens, examples: int, steps: int, on_example: Callable[[], None]) -> None:
    """Run so many examples of so many steps; raise the first failure, not made smaller.

    To make it smaller would take as long again; the steps that led to it are its notes.
    """

    class Counted(machine_on(opens)):
        def teardown(self) -> None:
            super().teardown()
            on_example()

    bounded = settings(
        max_examples=examples,
        stateful_step_count=steps,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    run_state_machine_as_test(Counted, settings=bounded)


@contextmanager
def _home_of(ledger: str) -> Generator[Opens]:
    if ledger == "sqlite":
        yield on_sqlite()
        return
    with emulated() as endpoint:
        yield on_dynamodb(endpoint)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code, 1 if the sandbox left the model."""
    parser = argparse.ArgumentParser(prog="python -m tests.property.long", description=__doc__)
    parser.add_argument("--examples", type=int, default=200, help="how many (default: 200)")
    parser.add_argument("--steps", type=int, default=40, help="of how many steps (default: 40)")
    parser.add_argument("--ledger", choices=LEDGERS, default="sqlite")
    options = parser.parse_args(arguments)
    console = Console()
    columns = (TextColumn(options.ledger), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    started = time.monotonic()
    with _home_of(options.ledger) as opens, Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=options.examples)
        try:
            run(opens, options.examples, options.steps, lambda: progress.advance(task))
        except Exception:  # noqa: BLE001 - whatever it is, it is what this looks for
            console.print_exception(max_frames=4)
            return 1
    console.print(
        f"{options.examples} examples of {options.steps} steps on {options.ledger}, "
        f"[bold]none left the model[/]; {time.monotonic() - started:.0f} s",
        highlight=False,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
