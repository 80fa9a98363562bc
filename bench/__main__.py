"""Runs the benchmarks from the repository's root: `python -m bench [NAME ...]`."""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from bench import authorize, disk, flow, growth, memory, replay, settlement, startup, webhooks
from bench.report import Report, print_report, write_json
from bench.rounds import Plan
from bench.servers import SkippedError

BENCHMARKS: dict[str, Callable[[Plan], Report]] = {
    "authorize": authorize.run,
    "flow": flow.run,
    "startup": startup.run,
    "growth": growth.run,
    "replay": replay.run,
    "memory": memory.run,
    "disk": disk.run,
    "webhooks": webhooks.run,
    "settlement": settlement.run,
}
HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.json"
WIDTH_MIN = 130


def main(arguments: Sequence[str]) -> int:
    """Run what was asked for; 1 when a benchmark broke, never because something was slow."""
    asked = _asked(arguments)
    console = _console()
    reports: list[Report] = []
    broken = 0
    for name in asked.names or BENCHMARKS:
        # Beside the sources, not in the system's temporary folder: that may be memory, which
        # flushes for nothing.
        with tempfile.TemporaryDirectory(prefix=".run-", dir=HERE) as folder:
            plan = Plan(
                rounds=asked.rounds, quick=asked.quick, folder=Path(folder), console=console
            )
            broken += not _ran(name, plan, reports)
    about = _about(asked)
    write_json(RESULTS, reports, about=about)
    console.print(f"written to {RESULTS.relative_to(HERE.parent)}", style="dim")
    return 1 if broken else 0


def _ran(name: str, plan: Plan, reports: list[Report]) -> bool:
    try:
        report = BENCHMARKS[name](plan)
    except SkippedError as reason:
        report = Report(title=name, comparisons=[], remarks=[f"skipped: {reason}"])
    except Exception:  # noqa: BLE001  one broken benchmark must not cost the others' results
        plan.console.print(f"[red]{name}: broken[/]")
        plan.console.print_exception()
        return False
    reports.append(report)
    print_report(plan.console, report)
    return True


def _asked(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Compare the sandbox with what people know, as ratios. Slowness never fails.",
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"any of: {', '.join(BENCHMARKS)} (all)"
    )
    parser.add_argument("--rounds", type=_positive, help="interleaved rounds of each comparison")
    parser.add_argument(
        "--quick", action="store_true", help="half the rounds; growth up to 100,000 payments"
    )
    asked = parser.parse_args(arguments)
    unknown = set(asked.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    return asked


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_MIN)


def _about(asked: argparse.Namespace) -> dict[str, object]:
    packages = ("payments-sandbox", "fastapi", "uvicorn", "uvloop", "httptools", "pydantic")
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "packages": {package: version(package) for package in packages},
        "quick": asked.quick,
        "rounds": asked.rounds,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
