"""Kills a sandbox while it settles thousands of payments, again and again, and checks the books.

python -m tests.reliability.settlement_kills --rounds 200
"""

import argparse
import asyncio
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.reliability.settlement_checker import Finding
from tests.reliability.settlement_work import Work, prepare, wrong_with
from tests.running import running

KILL_WITHIN_S = 0.15
SETTLED_WITHIN_S = 60.0
# All of it is due since long: a sandbox that starts settles at once, day by day.
WORK = Work(payments=2_000, days=25)


@dataclass
class Result:
    """What some rounds found."""

    kills: int = 0
    files: int = 0
    """Settled to the end, and checked."""
    midway: list[bool] = field(default_factory=list[bool])
    """Whether each kill left something to do."""
    wrong: list[Finding | str] = field(default_factory=list[Finding | str])


def kill_while_settling(
    folder: Path, work: Work, rounds: int, seed: int, on_round: Callable[[Result], None]
) -> Result:
    """Kill `rounds` times; a file that is settled is checked, and a new one begun.

    Stop at the first that is wrong: the file is then as it was found.
    """
    chance = random.Random(seed)  # noqa: S311 - moments that can be repeated
    result, prepared = Result(), folder / "prepared"
    prepared.mkdir()
    asyncio.run(prepare(prepared / "ledger.db", work))
    data = _copied(prepared, folder / "0")
    for _ in range(rounds):
        with running(data) as sandbox:
            time.sleep(chance.uniform(0, KILL_WITHIN_S))
            sandbox.process.kill()
            sandbox.process.wait()
        result.kills += 1
        result.midway.append(_left(data) > 0)
        if not result.midway[-1]:
            _finish(data, work, result)
            if result.wrong:
                return result
            data = _copied(prepared, folder / f"{result.files}")
        on_round(result)
    _finish(data, work, result)
    return result


def _copied(prepared: Path, folder: Path) -> Path:
    shutil.copytree(prepared, folder)
    return folder / "ledger.db"


def _finish(data: Path, work: Work, result: Result) -> None:
    """Let a sandbox settle what is left, then check."""
    with running(data):
        deadline = time.monotonic() + SETTLED_WITHIN_S
        while _left(data):
            assert time.monotonic() < deadline, "nothing settles"
            time.sleep(0.02)
    result.files += 1
    result.wrong = asyncio.run(wrong_with(data, work.over_at))
    if not result.wrong:
        shutil.rmtree(data.parent)


def _left(data: Path) -> int:
    """Return how much is still due: payments, batches to close, payouts on their way."""
    with closing(sqlite3.connect(data)) as ledger:
        (left,) = ledger.execute(
            "SELECT (SELECT count(*) FROM payments WHERE due_at IS NOT NULL)"
            " + (SELECT count(*) FROM settlements WHERE state IN ('open', 'closing'))"
            " + (SELECT ifnull(sum(json_array_length(CAST(body AS TEXT), '$.in_transit')), 0)"
            " FROM accounts)"
        ).fetchone()
    return left


def _shown(folder: Path, rounds: int, seed: int, console: Console) -> Result:
    """Kill with a progress bar, then print what came of it."""
    columns = (TextColumn("kill -9"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    began = time.monotonic()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=rounds)
        result = kill_while_settling(folder, WORK, rounds, seed, lambda _: progress.advance(task))
    for one in result.wrong:
        console.print(f"[red]{one}[/]", highlight=False)
    console.print(
        f"{result.kills} kills, seed {seed}, {sum(result.midway)} of them amid a run; "
        f"{result.files} files of {WORK.payments} payments settled, "
        f"[bold]{len(result.wrong)} faults[/]; {time.monotonic() - began:.0f} s",
        highlight=False,
    )
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code, 1 if anything is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.reliability.settlement_kills", description=__doc__
    )
    parser.add_argument("--rounds", type=int, default=100, help="how many kills (default: 100)")
    parser.add_argument("--seed", type=int, help="repeat the moments of another run")
    options = parser.parse_args(arguments)
    console = Console()
    seed = random.randrange(1 << 32) if options.seed is None else int(options.seed)  # noqa: S311
    folder = Path(tempfile.mkdtemp(prefix="payments-sandbox-settle-"))
    result = _shown(folder, options.rounds, seed, console)
    if result.wrong:
        console.print(f"The ledgers are kept: {folder}", highlight=False, soft_wrap=True)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
