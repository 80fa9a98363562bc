"""Process start to the first 200 on /health beside a bare FastAPI app."""

from itertools import count

from bench.report import Comparison, Report
from bench.rounds import Plan, interleaved
from bench.servers import baseline, sandbox

ROUNDS = 9


def run(plan: Plan) -> Report:
    """Start each kind of server in turn; ours on an existing database and on a new one."""
    existing = plan.folder / "startup.db"
    new = (plan.folder / f"startup-{number}.db" for number in count())
    with sandbox(existing), baseline("bench.bare"):
        pass  # now the database exists, and all modules are compiled

    def ours() -> float:
        with sandbox(existing) as server:
            return server.start_s * 1_000

    def ours_new() -> float:
        with sandbox(next(new)) as server:
            return server.start_s * 1_000

    def bare() -> float:
        with baseline("bench.bare") as server:
            return server.start_s * 1_000

    sides = {"ours": ours, "ours, new": ours_new, "bare": bare}
    found = interleaved(plan, "startup", sides, rounds=plan.rounds or ROUNDS)
    return Report(
        title="startup: process start to the first 200 on /health, beside a bare FastAPI app",
        comparisons=[
            _comparison("existing database", found["ours"], found["bare"], goal=1.25),
            _comparison("new database", found["ours, new"], found["bare"], goal=None),
        ],
        remarks=[
            "polled every 2 ms; bare = one route, uvicorn.Server in code",
            "modules are compiled beforehand, as after any first start",
        ],
    )


def _comparison(
    what: str, ours: list[float], bare: list[float], *, goal: float | None
) -> Comparison:
    return Comparison(
        what=what,
        unit="ms",
        baseline="bare",
        ours=ours,
        theirs=bare,
        goal=goal,
        smaller_is_better=True,
    )
