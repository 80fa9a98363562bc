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
from rich.status import Status
from rich.table import Table

from payments_sandbox.adapters.sqlite_file import CHECKPOINT_PAGES
from payments_sandbox.domain.payment import TRANSACTIONS_MAX
from tests.reliability.checker import FINDINGS_MAX, Finding, Loss, census, check
from tests.reliability.flow import Flow
from tests.reliability.injection import TRACEABLE, Fault, injected, why_not
from tests.reliability.load import Journal, Sent, authorization, merged
from tests.running import Running, running

FAILED_WRITE = Fault("pwrite64", "error=EIO")
FAILED_FLUSH = Fault("fdatasync", "error=EIO")
FAILED_READ = Fault("pread64", "error=EIO")
FULL_DISK = Fault("pwrite64", "error=ENOSPC")
KILLED_AT_WRITE = Fault("pwrite64", "signal=KILL")
KILLED_AT_FLUSH = Fault("fdatasync", "signal=KILL")
KINDS = (
    ("disk is full (ENOSPC)", FULL_DISK),
    ("read fails (EIO)", FAILED_READ),
    ("write fails (EIO)", FAILED_WRITE),
    ("killed at a write", KILLED_AT_WRITE),
    ("flush fails (EIO)", FAILED_FLUSH),
    ("killed at a flush", KILLED_AT_FLUSH),
)
_EXIT_CODES = {FAILED_FLUSH: 70, KILLED_AT_WRITE: -9, KILLED_AT_FLUSH: -9}
_END_DEADLINE_S = 5.0
# SQLite copies the log into the database once it has so many pages; a flow adds about 20.
_BEFORE_CHECKPOINT_BYTES = (CHECKPOINT_PAGES - 14) * (4096 + 24)


@dataclass
class Walk:
    """One kind of fault, at one call after the other."""

    data: Path
    kind: Fault
    restart_each: bool = True
    to_checkpoint: bool = False
    """Whether to fill the log first, so that the flow's writes go on into the database."""
    points_max: int | None = None
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
        while left is not None or not self._at_end():
            with running(self.data, wrapper=TRACEABLE) as sandbox:
                if left is not None:
                    self._finish(sandbox, left)
                    left = None
                if self._at_end():
                    break
                if self.to_checkpoint:
                    self._fill_log(sandbox)
                while left is None:
                    left = self._point(sandbox)
                    on_point(self)
                    if self.over or self.findings or self.restart_each:
                        break
        self.findings += census(self.data, merged(self.journals))
        return self

    def _at_end(self) -> bool:
        enough = self.points == self.points_max or len(self.findings) >= FINDINGS_MAX
        return self.over or enough

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
        """Let one payment refuse voids until the log is nearly full."""
        log = self.data.with_name(self.data.name + "-wal")
        journal = Journal()
        self.journals.append(journal)
        declined = authorization("declined", simulate={"response_code": "05"})
        journal.note(declined, declined.to(sandbox))
        void = {"auth_id": journal.acknowledged[0].auth_id}
        for number in range(TRANSACTIONS_MAX - 1):
            if log.stat().st_size >= _BEFORE_CHECKPOINT_BYTES:
                return
            sent = Sent(f"fill-{number}", "/payments/void", void)
            journal.note(sent, sent.to(sandbox))
        raise AssertionError("the log did not grow")


def walk_one_ledger(folder: Path, kind: Fault, on_point: Callable[[Walk], None]) -> Walk:
    """Walk on one ledger, on a sandbox started anew for each call."""
    return Walk(folder / f"{kind.call}-{kind.instead}.db", kind).run(on_point)


def walk_to_checkpoint(folder: Path, kind: Fault, on_point: Callable[[Walk], None]) -> Walk:
    """Walk on a new ledger for each call, so that each has as much to copy."""
    total = Walk(folder, kind)
    while not total.over and not total.findings:
        data = folder / f"{kind.call}-{kind.instead}-{total.points}.db"
        walk = Walk(data, kind, points=total.points, points_max=total.points + 1)
        walk.to_checkpoint = True
        walk.run(on_point)
        total.points, total.over = walk.points, walk.over
        total.ended += walk.ended
        total.refused += walk.refused
        total.findings += walk.findings
    return total


def _walk_all(folder: Path, table: Table, status: Status) -> list[Finding]:
    """Walk every kind of fault, each a row of the table."""
    findings: list[Finding] = []
    walks = [(name, walk_one_ledger, kind) for name, kind in KINDS]
    walks += [(f"{name}, to a checkpoint", walk_to_checkpoint, kind) for name, kind in KINDS[-4:]]
    for name, walk_through, kind in walks:
        started = time.monotonic()
        walk = walk_through(
            folder, kind, lambda walk, name=name: status.update(f"{name}: call {walk.points}")
        )
        numbers = (walk.points, walk.refused, walk.ended, len(walk.findings))
        seconds = f"{time.monotonic() - started:.0f}"
        table.add_row(name, *(f"{number}" for number in numbers), seconds)
        findings += walk.findings
    return findings


def main() -> int:
    """Walk every kind of fault; return the exit code, 1 on any loss."""
    console = Console()
    reason = why_not()
    if reason is not None:
        console.print(f"Cannot walk: {reason}", highlight=False)
        return 1
    folder = Path(tempfile.mkdtemp(prefix="payments-sandbox-walk-"))
    table = Table("fault", "calls", "503 answers", "process ended", "losses", "seconds")
    with console.status("") as status:
        findings = _walk_all(folder, table, status)
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
