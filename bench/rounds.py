"""How everything is measured: in interleaved rounds, so that a noisy minute hits both sides."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

Found = TypeVar("Found")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What was asked for: how many rounds (None: as many as each benchmark likes), how big.

    `folder` is where databases may lie until the end; it is on the disk of the repository.
    """

    rounds: int | None
    quick: bool
    folder: Path
    console: Console

    def rounds_or(self, usual: int) -> int:
        """How many rounds to do."""
        return self.rounds or (max(usual // 2, 2) if self.quick else usual)


def interleaved(
    plan: Plan, title: str, sides: Mapping[str, Callable[[], Found]], *, rounds: int
) -> dict[str, list[Found]]:
    """Measure each side once in every round; who goes first alternates."""
    found: dict[str, list[Found]] = {side: [] for side in sides}
    with progress(plan, title, total=rounds * len(sides)) as advance:
        for number in range(rounds):
            order = list(sides) if number % 2 == 0 else list(sides)[::-1]
            for side in order:
                found[side].append(sides[side]())
                advance(1)
    return found


@contextmanager
def progress(plan: Plan, title: str, *, total: int) -> Generator[Callable[[int], None], None, None]:
    """Show a bar; the block calls what it is given with the number of steps done."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    # No refresh by itself: the bar's thread would take its turns from the load generator.
    bar = Progress(
        *columns,
        console=plan.console,
        auto_refresh=False,
        transient=True,
        disable=not plan.console.is_terminal,
    )
    with bar:
        task = bar.add_task(title, total=total)

        def advance(steps: int) -> None:
            bar.advance(task, steps)
            bar.refresh()

        bar.refresh()
        yield advance
