"""Settlement of 100,000 payments, what it costs the payments beside it, and checking the books."""

import shutil
from itertools import count
from pathlib import Path

from bench.calls import authorize
from bench.client import Load, run_load
from bench.report import Comparison, Report
from bench.rounds import Plan, interleaved, progress
from bench.seed import seed_captured
from bench.servers import sandbox
from bench.settlement_runs import Measured, measured

ROUNDS = 5
PAYMENTS, FEW, QUICK = 100_000, 10_000, 20_000
TRANSACTIONS, TRANSACTIONS_QUICK = 1_000_000, 60_000
CLIENTS = (1, 16)


def run(plan: Plan) -> Report:
    """Measure settling, the payments beside it, and verifying."""
    rounds = plan.rounds_or(ROUNDS)
    many = _captured(plan, QUICK if plan.quick else PAYMENTS)
    few = _captured(plan, FEW)
    settled = plan.folder / "settled.db"
    _copy(many, settled)
    measured("settle", settled)
    comparisons = [
        _settling(plan, many, settled, rounds),
        *[_beside(plan, many, settled, rounds, clients) for clients in CLIENTS],
        _memory(plan, "settle", "resident memory of a run", many, few, rounds),
        *_verifying(plan, rounds),
    ]
    return Report(
        title="settlement: captured payments that are due, one batch",
        comparisons=comparisons,
        remarks=[
            "settled: the sweep in this process, pages of 64, each in a commit of its own (FULL)",
            "bare: the same heads, transactions and lines put into an empty ledger, 64 in a commit",
            "verified: all checks; read: the same rows read and decoded by json, in their order",
        ],
    )


def _captured(plan: Plan, payments: int) -> Path:
    path = plan.folder / f"captured-{payments}.db"
    with progress(plan, f"seeding {payments:,}", total=payments) as advance:
        seed_captured(path, payments, advance)
    return path


def _copy(source: Path, target: Path) -> None:
    for end in ("", ".secrets"):
        shutil.copy(f"{source}{end}", f"{target}{end}")


def _settling(plan: Plan, due: Path, settled: Path, rounds: int) -> Comparison:
    numbers = count()

    def ours() -> float:
        data = plan.folder / f"settling{next(numbers)}.db"
        _copy(due, data)
        return measured("settle", data).per_s

    def bare() -> float:
        return measured("bare", settled, plan.folder / f"bare{next(numbers)}.db").per_s

    found = interleaved(plan, "settling", {"ours": ours, "bare": bare}, rounds=rounds)
    return Comparison(
        what="payments settled",
        unit="/s",
        baseline="bare",
        ours=found["ours"],
        theirs=found["bare"],
        goal=0.3,
    )


def _beside(plan: Plan, due: Path, settled: Path, rounds: int, clients: int) -> Comparison:
    """Authorize beside a run, and in a ledger of the same size that all is settled in."""
    numbers, load = count(), Load(connections=clients, duration_s=4.0, warm_up_s=0.5)

    def p99_ms(source: Path) -> float:
        data = plan.folder / f"beside{clients}-{next(numbers)}.db"
        _copy(source, data)
        with sandbox(data) as server:
            run = run_load(load, authorize(), port=server.port, pid=server.pid)
        return run.percentile_ms(99)

    sides = {"during": lambda: p99_ms(due), "idle": lambda: p99_ms(settled)}
    found = interleaved(plan, f"beside {clients}", sides, rounds=rounds)
    return Comparison(
        what=f"p99 of authorize during a run, {clients} at once",
        unit="ms",
        baseline="all settled",
        ours=found["during"],
        theirs=found["idle"],
        goal=3.0,
        smaller_is_better=True,
    )


def _memory(  # noqa: PLR0913, PLR0917 - what is run on which of two files
    plan: Plan, task: str, what: str, many: Path, few: Path, rounds: int
) -> Comparison:
    def resident(source: Path) -> float:
        data = plan.folder / "memory.db"
        _copy(source, data)
        return measured(task, data).rss_mb

    sides = {"many": lambda: resident(many), "few": lambda: resident(few)}
    found = interleaved(plan, what, sides, rounds=max(rounds // 2, 2))
    return Comparison(
        what=what,
        unit="MB",
        baseline=f"{FEW:,} payments",
        ours=found["many"],
        theirs=found["few"],
        goal=1.2,
        smaller_is_better=True,
    )


def _verifying(plan: Plan, rounds: int) -> list[Comparison]:
    """Verify a ledger whose payments have three transactions each."""
    transactions = TRANSACTIONS_QUICK if plan.quick else TRANSACTIONS
    many, few = _captured(plan, transactions // 3 + 1), _captured(plan, FEW)
    for one in (many, few):
        measured("settle", one)

    def side(task: str) -> Measured:
        return measured(task, many)

    sides = {"ours": lambda: side("verify").per_s, "read": lambda: side("read").per_s}
    found = interleaved(plan, "verifying", sides, rounds=rounds)
    verified = Comparison(
        what=f"{transactions:,} transactions verified",
        unit="/s",
        baseline="read, decoded",
        ours=found["ours"],
        theirs=found["read"],
        goal=0.5,
    )
    return [verified, _memory(plan, "verify", "resident memory of verify", many, few, rounds)]
