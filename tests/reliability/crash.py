"""Kills a sandbox under load, again and again, and looks for losses after each restart.

python -m tests.reliability.crash --rounds 200
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.reliability.checker import Finding, census, check, read_back
from tests.reliability.load import Journal, is_replayed, merged, start_clients
from tests.running import Running, running

KILL_WITHIN_S = 0.3


@dataclass
class Result:
    """What some rounds found."""

    kills: int = 0
    acknowledged: int = 0
    in_doubt: int = 0
    took_effect: int = 0
    """Of those in doubt: stored, but killed before the answer."""
    findings: list[Finding] = field(default_factory=list[Finding])


def crash(data: Path, rounds: int, seed: int, on_round: Callable[[Result], None]) -> Result:
    """Load, kill and check `rounds` times; a round is checked where the next one begins.

    Stop at the first loss: the ledger is then as it was found.
    """
    chance = random.Random(seed)  # noqa: S311 - a seeded load
    result, before = Result(), Journal()
    journals: list[Journal] = []
    for number in range(rounds):
        with running(data) as sandbox:
            _check(sandbox, before, result)
            if result.findings:
                return result
            before = _load_and_kill(sandbox, f"{seed}-{number}", chance.uniform(0, KILL_WITHIN_S))
        journals.append(before)
        result.kills += 1
        on_round(result)
    with running(data) as sandbox:
        _check(sandbox, before, result)
        everything = merged(journals)
        result.findings += read_back(sandbox, everything)
    result.findings += census(data, everything)
    return result


def _load_and_kill(sandbox: Running, seed: str, after_s: float) -> Journal:
    journal = Journal()
    clients = start_clients(sandbox, seed, journal)
    time.sleep(after_s)
    sandbox.process.kill()
    sandbox.process.wait()
    for client in clients:
        client.join()
    return journal


def _check(sandbox: Running, journal: Journal, result: Result) -> None:
    result.acknowledged += len(journal.acknowledged)
    result.in_doubt += len(journal.in_doubt)
    doubted = set(journal.in_doubt)
    result.findings += check(sandbox, journal)
    result.took_effect += sum(
        one.sent.key in doubted and is_replayed(one.answer) for one in journal.acknowledged
    )


def _shown(data: Path, rounds: int, seed: int, console: Console) -> Result:
    """Crash with a progress bar, then print what came of it."""
    columns = (TextColumn("kill -9"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    started = time.monotonic()
    with Progress(*columns, TextColumn("{task.description}"), console=console) as progress:
        task = progress.add_task("", total=rounds)

        def advance(result: Result) -> None:
            told = f"{result.acknowledged} acknowledged, {len(result.findings)} losses"
            progress.update(task, advance=1, description=told)

        result = crash(data, rounds, seed, advance)
    for finding in result.findings:
        console.print(f"[red]{finding.loss}[/]: {finding.subject}", highlight=False)
    console.print(
        f"{result.kills} kills, seed {seed}: {result.acknowledged} requests acknowledged, "
        f"[bold]{len(result.findings)} losses[/]; {result.in_doubt} in doubt, of which "
        f"{result.took_effect} had taken effect; {time.monotonic() - started:.0f} s",
        highlight=False,
    )
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code, 1 on any loss."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.crash", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="how many kills (default: 100)")
    parser.add_argument("--seed", type=int, help="repeat the moments and requests of another run")
    options = parser.parse_args(arguments)
    console = Console()
    seed = random.randrange(1 << 32) if options.seed is None else int(options.seed)  # noqa: S311
    folder = Path(tempfile.mkdtemp(prefix="payments-sandbox-crash-"))
    console.print(f"seed {seed}", highlight=False)
    result = _shown(folder / "ledger.db", options.rounds, seed, console)
    if result.findings:
        console.print(f"The ledger is kept: {folder}", highlight=False, soft_wrap=True)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
