"""The same calls with 10,000 and with 1,000,000 payments stored: they must stay as fast."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from random import Random

from bench.calls import authorize, get, in_turn
from bench.client import Load, Script, run_load
from bench.report import Comparison, Report
from bench.rounds import Plan, interleaved, progress
from bench.seed import Seeded, seed
from bench.servers import Server, sandbox

ROUNDS = 9
SMALL = 10_000
LARGE = 1_000_000
LARGE_QUICK = 100_000
CALLS = 300
READ_BYTES = 1 << 20
GOAL = 1.3

Scripts = dict[str, Script]


def run(plan: Plan) -> Report:
    """Seed two databases, serve both, and measure each kind of call on them in turn."""
    large_count = LARGE_QUICK if plan.quick else LARGE
    with ExitStack() as stack:
        small = _served(plan, SMALL, stack.enter_context)
        large = _served(plan, large_count, stack.enter_context)
        comparisons = [
            _compare(plan, kind, small=small, large=large) for kind in ("get", "list", "authorize")
        ]
    return Report(
        title=f"growth: {large_count:,} payments stored beside {SMALL:,}, 1 connection",
        comparisons=comparisons,
        remarks=[
            "get: payments of any age; list: 25 by card, newest first",
            "both files were read once beforehand, so no read waits for the disk",
        ],
    )


def _served(
    plan: Plan,
    count: int,
    enter: Callable[[AbstractContextManager[Server]], Server],
) -> tuple[Server, Scripts]:
    path = plan.folder / f"growth-{count}.db"
    with progress(plan, f"seed {count:,}", total=count) as advance:
        seeded = seed(path, count, advance)
    os.sync()  # else the disk is still busy with the seed when the measuring begins
    _cache(path)
    return enter(sandbox(path)), _scripts(seeded)


def _cache(path: Path) -> None:
    # Read it all once: growth is about the sandbox's work, not about a disk's cold reads.
    with path.open("rb") as file:
        while file.read(READ_BYTES):
            pass


def _scripts(seeded: Seeded) -> Scripts:
    payment_ids = Random(1).sample(seeded.payment_ids, len(seeded.payment_ids))
    lists = [get(f"/payments?card_id={card_id}&limit=25") for card_id in seeded.card_ids]
    return {
        "get": in_turn([get(f"/payments/{payment_id}") for payment_id in payment_ids], expect=200),
        "list": in_turn(lists, expect=200),
        "authorize": authorize(),
    }


def _compare(
    plan: Plan, kind: str, *, small: tuple[Server, Scripts], large: tuple[Server, Scripts]
) -> Comparison:
    sides = {"small": partial(_p50_ms, kind, *small), "large": partial(_p50_ms, kind, *large)}
    found = interleaved(plan, f"growth: {kind}", sides, rounds=plan.rounds_or(ROUNDS))
    return Comparison(
        what=f"{kind} p50",
        unit="ms",
        baseline=f"{SMALL:,} stored",
        ours=found["large"],
        theirs=found["small"],
        goal=GOAL,
        smaller_is_better=True,
    )


def _p50_ms(kind: str, server: Server, scripts: Scripts) -> float:
    load = Load(connections=1, count=CALLS, warm_up_s=0.1)
    return run_load(load, scripts[kind], port=server.port, pid=server.pid).percentile_ms(50)
