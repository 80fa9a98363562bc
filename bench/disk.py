"""Flushes and log bytes for each payment, counted by tracing the server's system calls."""

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from time import time

from bench.calls import authorize
from bench.client import Load, run_load
from bench.machine import flush_ms
from bench.report import Comparison, Report
from bench.rounds import Plan, progress
from bench.servers import Server, ServerError, SkippedError, free_port, running, sandbox_command

PAYMENTS = {1: 500, 16: 3_000, 64: 6_000}
TRACED_CALLS = "fdatasync,fsync,pwrite64"
# A line: thread, seconds since the epoch, call, descriptor with its path, and for writes the size.
LINE = re.compile(r"^\d+ +(\d+\.\d+) (fdatasync|fsync|pwrite64)\(\d+<([^>]*)>(?:.*, (\d+), \d+)?")


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What one load at so many connections did to the disk, for each payment."""

    connections: int
    flushes: float
    log_bytes: float
    file_bytes: float


def run(plan: Plan) -> Report:
    """Count at 1, 16 and 64 connections; raises SkippedError without strace."""
    flush = f"writing and flushing 4 KB takes {flush_ms(plan.folder):.2f} ms here"
    try:
        counted = _count(plan)
    except ServerError as error:
        raise SkippedError(f"the server does not start under strace here: {error}") from error
    alone = counted[0]
    comparisons = [
        _comparison(at, what, unit, getattr(at, name), getattr(alone, name))
        for what, unit, name in (
            ("flushes", "", "flushes"),
            ("log written", "B", "log_bytes"),
            ("database written", "B", "file_bytes"),
        )
        for at in counted
    ]
    return Report(
        title="disk: for each payment at 1, 16 and 64 connections, beside 1 connection",
        comparisons=comparisons,
        remarks=[
            flush,
            "flushes = fdatasync + fsync; log = SQLite's WAL; database = checkpoints of the log",
            f"payments: {', '.join(f'{n:,} at {c}' for c, n in PAYMENTS.items())} connections",
            "a traced server is slower, so batches at 16 and 64 differ a little from untraced ones",
        ],
    )


def _count(plan: Plan) -> list[Counted]:
    strace = shutil.which("strace")
    if strace is None:
        raise SkippedError("strace is not installed (Linux: install the package `strace`)")
    data, trace = plan.folder / "disk.db", plan.folder / "disk.trace"
    options = ["-f", "-y", "-ttt", "-s0", "--seccomp-bpf", "-e", f"trace={TRACED_CALLS}"]
    port = free_port()
    command = [strace, *options, "-o", str(trace), *sandbox_command(data, port)]
    spans: dict[int, tuple[float, float]] = {}
    with (
        running(command, port=port, traced=True) as server,
        progress(plan, "disk", total=len(PAYMENTS)) as advance,
    ):
        for connections, payments in PAYMENTS.items():
            spans[connections] = _load(server, connections, payments)
            advance(1)
    lines = trace.read_text(encoding="utf-8").splitlines()
    return [_counted(lines, data, connections, *span) for connections, span in spans.items()]


def _load(server: Server, connections: int, payments: int) -> tuple[float, float]:
    warm_up = Load(connections=connections, count=connections)
    run_load(warm_up, authorize(), port=server.port, pid=server.pid)
    start_s = time()
    load = Load(connections=connections, count=payments)
    run_load(load, authorize(), port=server.port, pid=server.pid)
    return start_s, time()


def _counted(
    lines: Iterable[str], data: Path, connections: int, start_s: float, end_s: float
) -> Counted:
    flushes = log_bytes = file_bytes = 0
    for line in lines:
        match = LINE.match(line)
        if match is None or not start_s <= float(match[1]) <= end_s:
            continue
        if match[2] != "pwrite64":
            flushes += 1
        elif match[3].endswith("-wal"):
            log_bytes += int(match[4])
        elif match[3] == str(data):
            file_bytes += int(match[4])
    payments = PAYMENTS[connections]
    return Counted(
        connections=connections,
        flushes=flushes / payments,
        log_bytes=log_bytes / payments,
        file_bytes=file_bytes / payments,
    )


def _comparison(at: Counted, what: str, unit: str, value: float, alone: float) -> Comparison:
    return Comparison(
        what=f"{what} at {at.connections}",
        unit=unit,
        baseline="at 1",
        ours=[value],
        theirs=[alone],
        smaller_is_better=True,
    )
