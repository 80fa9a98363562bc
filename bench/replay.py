"""Replays of recorded calls beside first calls: a replay must not be slower."""

from collections.abc import Sequence
from itertools import islice

from bench.calls import authorizations, authorize, in_turn
from bench.client import Connection, Load, Run, WrongAnswerError, run_load
from bench.report import Comparison, Report
from bench.rounds import Plan, interleaved
from bench.servers import Server, sandbox

ROUNDS = 7
RECORDED = 2_000
CHECKED = 50
LOAD = Load(connections=16, duration_s=1.5, warm_up_s=0.3)


def run(plan: Plan) -> Report:
    """Measure first calls and replays in turn on one server."""
    recorded = list(islice(authorizations(), RECORDED))
    with sandbox(plan.folder / "replay.db") as server:
        _record(recorded, server)
        replay = in_turn(recorded, expect=201)
        sides = {
            "replay": lambda: run_load(LOAD, replay, port=server.port, pid=server.pid),
            "first": lambda: run_load(LOAD, authorize(), port=server.port, pid=server.pid),
        }
        found = interleaved(plan, "replay", sides, rounds=plan.rounds_or(ROUNDS))
    return Report(
        title="replay: recorded calls again, 16 connections, beside first calls",
        comparisons=_comparisons(found["replay"], found["first"]),
        remarks=[f"{RECORDED:,} recorded calls in turn; {CHECKED} checked to give the same bytes"],
    )


def _comparisons(replay: Sequence[Run], first: Sequence[Run]) -> list[Comparison]:
    requests = Comparison(
        what="requests",
        unit="/s",
        baseline="first calls",
        ours=[run.requests_per_s for run in replay],
        theirs=[run.requests_per_s for run in first],
        goal=1.0,
    )
    # Pauses that only replays cause (garbage of exceptions, say) show here and not in the rate.
    latency = Comparison(
        what="p99 latency",
        unit="ms",
        baseline="first calls",
        ours=[run.percentile_ms(99) for run in replay],
        theirs=[run.percentile_ms(99) for run in first],
        smaller_is_better=True,
    )
    return [requests, latency]


def _record(requests: list[bytes], server: Server) -> None:
    first_load = Load(connections=16, count=len(requests))
    run_load(first_load, in_turn(requests, expect=201), port=server.port, pid=server.pid)

    async def check(connection: Connection) -> None:
        for request in requests[:CHECKED]:
            first = await connection.ask(request, expect=201)
            if connection.headers.get(b"idempotent-replayed") != b"true":
                raise WrongAnswerError("a repeated call did not come back as a replay")
            if await connection.ask(request, expect=201) != first:
                raise WrongAnswerError("two replays differ")

    run_load(Load(connections=1, count=1), check, port=server.port, pid=server.pid)
