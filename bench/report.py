"""What a benchmark found: ratios with their goals, as tables for people and JSON for machines."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Literal

from rich.console import Console
from rich.table import Table

Verdict = Literal["goal met", "floor met", "missed", "for information"]
COLOURS: dict[Verdict, str] = {
    "goal met": "green",
    "floor met": "yellow",
    "missed": "red",
    "for information": "dim",
}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One figure of ours beside the same figure of a baseline, round by round.

    `goal` and `floor` bound the ratio ours / baseline from below, or from above when
    `smaller_is_better`. A comparison without a goal is there for information.
    """

    what: str
    unit: str
    baseline: str
    ours: Sequence[float]
    theirs: Sequence[float]
    goal: float | None = None
    floor: float | None = None
    smaller_is_better: bool = False

    @property
    def ratio(self) -> float:
        """Ratio of the medians over all rounds."""
        return _quotient(median(self.ours), median(self.theirs))

    @property
    def spread(self) -> tuple[float, float]:
        """Smallest and largest ratio of a single round."""
        ratios = [_quotient(a, b) for a, b in zip(self.ours, self.theirs, strict=True)]
        return min(ratios), max(ratios)

    @property
    def verdict(self) -> Verdict:
        """Whether the goal is met, or at least the floor."""
        if self.goal is None:
            return "for information"
        if self._holds(self.goal):
            return "goal met"
        if self.floor is not None and self._holds(self.floor):
            return "floor met"
        return "missed"

    def _holds(self, bound: float) -> bool:
        shown = round(self.ratio, 2)  # what is printed decides
        return shown <= bound if self.smaller_is_better else shown >= bound

    def bound(self, value: float | None) -> str:
        """Write a goal or floor as people do."""
        if value is None:
            return ""
        return f"{'<=' if self.smaller_is_better else '>='} {value:g}x"


@dataclass(frozen=True, kw_only=True)
class Report:
    """The comparisons of one benchmark under a title, with remarks on how they were got."""

    title: str
    comparisons: Sequence[Comparison]
    remarks: Sequence[str] = ()


def print_report(console: Console, report: Report) -> None:
    """Print one table with a row for each comparison."""
    table = Table(title=report.title, title_justify="left", title_style="bold")
    for heading in ("what", "ratio", "goal", "floor", "ours", "baseline", "rounds", "verdict"):
        table.add_column(heading, justify="left" if heading in {"what", "verdict"} else "right")
    for comparison in report.comparisons:
        table.add_row(*_cells(comparison))
    console.print(table if report.comparisons else f"[bold]{report.title}[/]")
    for remark in report.remarks:
        console.print(f"  {remark}", style="dim", highlight=False)
    console.print()


def write_json(path: Path, reports: Sequence[Report], *, about: dict[str, object]) -> None:
    """Write every round of every comparison, with the ratio and the verdict."""
    found = [
        {
            "title": report.title,
            "remarks": list(report.remarks),
            "comparisons": [
                asdict(comparison) | {"ratio": comparison.ratio, "verdict": comparison.verdict}
                for comparison in report.comparisons
            ],
        }
        for report in reports
    ]
    path.write_text(json.dumps({"about": about, "reports": found}, indent=2) + "\n", "utf-8")


def _cells(comparison: Comparison) -> list[str]:
    low, high = comparison.spread
    verdict = comparison.verdict
    return [
        comparison.what,
        f"[bold]{comparison.ratio:.2f}x[/]",
        comparison.bound(comparison.goal),
        comparison.bound(comparison.floor),
        _figure(comparison.ours, comparison.unit),
        f"{_figure(comparison.theirs, comparison.unit)} ({comparison.baseline})",
        f"{low:.2f}-{high:.2f}x of {len(comparison.ours)}",
        f"[{COLOURS[verdict]}]{verdict}[/]",
    ]


def _quotient(ours: float, theirs: float) -> float:
    return ours / theirs if theirs else float("inf")


def _figure(rounds: Sequence[float], unit: str) -> str:
    value = median(rounds)
    number = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{number} {unit}".rstrip()
