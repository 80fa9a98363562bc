"""Makes every read, write and flush of an authorize-capture-refund go wrong once, in turn.

Run it as `python -m tests.reliability.fault_walk`; it exits with 1 on any loss. It takes minutes:
the sandbox is started anew for each call.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.reliability.checker import FINDINGS_MAX, Finding, Loss, census, check
from tests.reliability.flow import Flow
from tests.reliability.injection import TRACEABLE, Fault, injected, why_not
from tests.reliability.load import Journal, merged
from tests.running import Running, running

FAILED_WRITE = Fault("pwrite64", "error=EIO")
FAILED_FLUSH = Fault("fdatasync", "error=EIO")
FAILED_READ = Fault("pread64", "error=EIO")
FULL_DISK = Fault("pwrite64", "error=ENOSPC")
KILLED_AT_WRITE = Fault("pwrite64", "signal=KILL")
KILLED_AT_FLUSH = Fault("fdatasync", "signal=KILL")
_EXIT_CODES = {FAILED_FLUSH: 70, KILLED_AT_WRITE: -9, KILLED_AT_FLUSH: -9}
_END_DEADLINE_S = 5.0
# SQLite copies the log into the database once it has so many pages; a flow adds about 20.
_CHECKPOINT_PAGES = 1_000
_BEFORE_CHECKPOINT_BYTES = (_CHECKPOINT_PAGES - 10) * (4096 + 24)


@dataclass
class Walk:
    """One kind of fault, at one call after the other."""

    data: Path
    kind: Fault
    restart_each: bool = True
    to_checkpoint: bool = False
    """Whether to fill the log first, so that the flow's writes go on into the database."""
    points: int = 0
    ended: int = 0
    """How many of them ended the process."""
    refused: int = 0
    """How many answers said that the ledger cannot be written."""
    over: bool = False
    findings: list[Finding] = field(default_factory=list[Finding])
    journals: list[Journal] = field(default_factory=list[Journal])

    def run(self, on_point: Callable[["Walk"], None]) -> "Walk":
        """Walk until the flow meets no fault, then count what is stored."""
        left: Flow | None = None
        while not self.over and len(self.findings) < FINDINGS_MAX:
            with running(self.data, wrapper=TRACEABLE) as sandbox:
                if left is not None:
                    self._finish(sandbox, left)
                    left = None
                if self.to_checkpoint:
                    self._fill_log(sandbox)
                while left is None:
                    left = self._point(sandbox)
                    on_point(self)
                    if self.over or self.findings or self.restart_each:
                        break
        self.findings += census(self.data, merged(self.journals))
        return self

    def _point(self, sandbox: Running) -> Flow | None:
        """Go through one flow with the next call made to fail; return it if the process ended."""
        flow = Flow(f"{self.kind.call}-{self.points + 1}")
        self.journals.append(flow.journal)
        with injected(sandbox, self.kind._replace(when=str(self.points + 1))) as injection:
            flow.go_on(sandbox)
            if not flow.done:
                self._await_end(sandbox)
        self.refused += flow.unavailable
        self.over = injection.hits == 0
        self.points += not self.over
        if injection.calls(self.kind.call) == 0:
            self.findings.append(Finding(Loss.UNEXPECTED, "nothing was traced: the walk is void"))
        if not flow.done and sandbox.process.returncode is not None:
            return flow
        self._finish(sandbox, flow)
        return None

    def _finish(self, sandbox: Running, flow: Flow) -> None:
        flow.go_on(sandbox)
        if not flow.done:
            self.findings.append(Finding(Loss.UNEXPECTED, f"{flow.name} never got through"))
        self.findings += check(sandbox, flow.journal)

    def _await_end(self, sandbox: Running) -> None:
        """Wait until the process has ended by itself, as it should."""
        try:
            code = sandbox.process.wait(_END_DEADLINE_S)
        except subprocess.TimeoutExpired:
            code = None
        self.ended += 1
        if code != _EXIT_CODES.get(self.kind):
            what = f"exit code {code} after {self.kind.call} {self.points + 1}"
            self.findings.append(Finding(Loss.UNEXPECTED, what))

    def _fill_log(self, sandbox: Running) -> None:
        """Write one page again and again, so that each point has as much to copy as the last."""
        log = self.data.with_name(self.data.name + "-wal")
        for number in range(_CHECKPOINT_PAGES):
            if log.exists() and log.stat().st_size >= _BEFORE_CHECKPOINT_BYTES:
                return
            sandbox.call("PATCH", "/sandbox/settings", {"test_cards_only": number % 2 == 0})
        raise AssertionError("the log did not grow")


def _walks(folder: Path) -> list[tuple[str, Walk]]:
    kinds = {
        "write fails (EIO)": (FAILED_WRITE, False),
        "disk is full (ENOSPC)": (FULL_DISK, False),
        "read fails (EIO)": (FAILED_READ, False),
        "killed at a write": (KILLED_AT_WRITE, False),
        "flush fails (EIO)": (FAILED_FLUSH, False),
        "killed at a flush": (KILLED_AT_FLUSH, False),
        "write fails, to a checkpoint": (FAILED_WRITE, True),
        "killed at a write, to a checkpoint": (KILLED_AT_WRITE, True),
        "flush fails, to a checkpoint": (FAILED_FLUSH, True),
        "killed at a flush, to a checkpoint": (KILLED_AT_FLUSH, True),
    }
    return [
        (name, Walk(folder / f"{number}.db", kind, to_checkpoint=to_checkpoint))
        for number, (name, (kind, to_checkpoint)) in enumerate(kinds.items())
    ]


def main() -> int:
    """Walk every kind of fault; return the exit code, 1 on any loss."""
    console = Console()
    reason = why_not()
    if reason is not None:
        console.print(f"Cannot walk: {reason}", highlight=False)
        return 1
    folder = Path(tempfile.mkdtemp(prefix="payments-sandbox-walk-"))
    table = Table("fault", "calls", "503 answers", "process ended", "losses", "seconds")
    findings: list[Finding] = []
    with console.status("") as status:
        for name, walk in _walks(folder):
            started = time.monotonic()
            walk.run(lambda walk, name=name: status.update(f"{name}: call {walk.points}"))
            numbers = (walk.points, walk.refused, walk.ended, len(walk.findings))
            seconds = f"{time.monotonic() - started:.0f}"
            table.add_row(name, *(f"{number}" for number in numbers), seconds)
            findings += walk.findings
    console.print(table)
    for finding in findings:
        console.print(f"[red]{finding.loss}[/]: {finding.subject}", highlight=False)
    if findings:
        console.print(f"The ledgers are kept: {folder}", highlight=False, soft_wrap=True)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
