"""Resident memory under load at 64 connections beside a bare FastAPI hello world."""

from itertools import count

from bench.calls import authorize
from bench.client import Load, run_load
from bench.machine import rss_mb
from bench.report import Comparison, Report
from bench.rounds import Plan, interleaved
from bench.servers import Server, SkippedError, baseline, sandbox

ROUNDS = 3
LOAD = Load(connections=64, duration_s=3.0)


def run(plan: Plan) -> Report:
    """Measure fresh processes after equal time under load; raises SkippedError without /proc."""
    # A new file each time: memory shall not depend on what earlier rounds stored.
    files = (plan.folder / f"memory-{number}.db" for number in count())

    def ours() -> float:
        with sandbox(next(files)) as server:
            return _loaded_mb(server)

    def hello() -> float:
        with baseline("bench.hello") as server:
            return _loaded_mb(server)

    sides = {"ours": ours, "hello": hello}
    found = interleaved(plan, "memory", sides, rounds=plan.rounds_or(ROUNDS))
    resident = Comparison(
        what="resident memory",
        unit="MB",
        baseline="hello",
        ours=found["ours"],
        theirs=found["hello"],
        goal=1.5,
        smaller_is_better=True,
    )
    return Report(
        title="memory: after 3 s of load at 64 connections, beside FastAPI hello world",
        comparisons=[resident],
    )


def _loaded_mb(server: Server) -> float:
    run_load(LOAD, authorize(), port=server.port, pid=server.pid)
    resident_mb = rss_mb(server.pid)
    if resident_mb is None:
        raise SkippedError("this system has no /proc to read resident memory from")
    return resident_mb
