"""Durable authorize at 64 connections beside a FastAPI hello world that stores nothing."""

from collections.abc import Sequence

from bench.calls import CARDS, authorization_body, authorize, post
from bench.client import Connection, Load, Run, WrongAnswerError, run_load
from bench.report import Comparison, Report
from bench.rounds import Plan, interleaved
from bench.servers import Server, baseline, sandbox

ROUNDS = 7
LOAD = Load(connections=64, duration_s=2.0, warm_up_s=0.5)


def run(plan: Plan) -> Report:
    """Measure both servers in turn; raises WrongAnswerError when a card is not approved."""
    with sandbox(plan.folder / "authorize.db") as ours, baseline("bench.hello") as hello:
        _check_cards(ours)
        sides = {
            "ours": lambda: run_load(LOAD, authorize(), port=ours.port, pid=ours.pid),
            "hello": lambda: run_load(LOAD, authorize(), port=hello.port, pid=hello.pid),
        }
        found = interleaved(plan, "authorize", sides, rounds=plan.rounds_or(ROUNDS))
    return Report(
        title="authorize: durable, 64 connections, beside FastAPI hello world",
        comparisons=_comparisons(found["ours"], found["hello"]),
        remarks=["hello = model in, response_model out, same shape, no store, same uvicorn"],
    )


def _check_cards(server: Server) -> None:
    async def script(connection: Connection) -> None:
        for number in CARDS:
            request = post("/payments/authorize", authorization_body(number))
            if b'"status":"approved"' not in await connection.ask(request, expect=201):
                raise WrongAnswerError(f"test card ending in {number[-4:]} is not approved")

    run_load(Load(connections=1, count=1), script, port=server.port, pid=server.pid)


def _comparisons(ours: Sequence[Run], hello: Sequence[Run]) -> list[Comparison]:
    return [
        Comparison(
            what="requests",
            unit="/s",
            baseline="hello",
            ours=[run.requests_per_s for run in ours],
            theirs=[run.requests_per_s for run in hello],
            goal=0.70,
            floor=0.50,
        ),
        _latency(99, ours, hello, goal=2.0),
        _latency(50, ours, hello, goal=None),
        *_cpu(ours, hello),
    ]


def _latency(
    percent: float, ours: Sequence[Run], hello: Sequence[Run], *, goal: float | None
) -> Comparison:
    return Comparison(
        what=f"p{percent:g} latency",
        unit="ms",
        baseline="hello",
        ours=[run.percentile_ms(percent) for run in ours],
        theirs=[run.percentile_ms(percent) for run in hello],
        goal=goal,
        smaller_is_better=True,
    )


def _cpu(ours: Sequence[Run], hello: Sequence[Run]) -> list[Comparison]:
    ours_us = [run.cpu_us for run in ours if run.cpu_us is not None]
    hello_us = [run.cpu_us for run in hello if run.cpu_us is not None]
    if not ours_us:
        return []
    return [
        Comparison(
            what="server CPU a request",
            unit="us",
            baseline="hello",
            ours=ours_us,
            theirs=hello_us,
            smaller_is_better=True,
        )
    ]
