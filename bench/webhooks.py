"""Webhooks: deliveries a second, what they cost the payments beside them, and signing."""

import asyncio
import json
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from itertools import count
from pathlib import Path
from time import perf_counter, process_time, sleep

from bench.calls import authorize
from bench.client import Load, run_load
from bench.report import Comparison, Report
from bench.rounds import Plan, interleaved
from bench.seed import seed
from bench.servers import REPOSITORY, Server, baseline, sandbox
from payments_sandbox.adapters.clock import RandomIds, SystemClock
from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.adapters.sqlite_endpoints import SqliteEndpoints
from payments_sandbox.adapters.sqlite_file import open_ledger_file
from payments_sandbox.adapters.sqlite_merchants import SqliteMerchants
from payments_sandbox.domain.endpoint import ENDPOINTS_MAX
from payments_sandbox.domain.signature import signed_headers
from payments_sandbox.services.endpoints import EndpointBook, NewEndpoint
from payments_sandbox.services.merchants import LOCAL_MERCHANT, MerchantTime, Tenancy

ROUNDS = 5
LANES = 4
"""Endpoints, each with 16 attempts at a time: 64 in flight."""
EVENTS, OF_HTTPX = 1_500, 600
WAIT_S, POLL_S, QUIET_S = 120.0, 0.02, 1.0
LOAD = Load(connections=64, duration_s=3.0, warm_up_s=0.5)
SIGNED, SIGNING_GOAL_US = 20_000, 10.0


def run(plan: Plan) -> Report:
    """Measure all three."""
    rounds = plan.rounds_or(ROUNDS)
    with baseline("bench.sink") as sink:
        comparisons = [
            _deliveries(plan, sink, rounds),
            _beside(plan, sink, rounds),
            _behind(plan, sink, rounds),
            _signing(rounds),
        ]
    return Report(
        title="webhooks: to a sink on this machine, signed, 64 in flight",
        comparisons=comparisons,
        remarks=[
            f"deliveries: first to last of {EVENTS * LANES}, each on record; httpx keeps none",
            "authorize: with an endpoint that wants everything, beside a sandbox without one",
            f"behind: {EVENTS * ENDPOINTS_MAX:,} deliveries are due when it begins",
        ],
    )


def _deliveries(plan: Plan, sink: Server, rounds: int) -> Comparison:
    numbers = count()

    def ours() -> float:
        data = plan.folder / f"backlog{next(numbers)}.db"
        _make_backlog(data, sink, LANES)
        _ask(sink, "DELETE")
        with sandbox(data):
            return _rate(sink, EVENTS * LANES)

    def httpx() -> float:
        _ask(sink, "DELETE")
        command = [sys.executable, "-m", "bench.httpx_loop", str(sink.port), str(OF_HTTPX)]
        subprocess.run(command, cwd=REPOSITORY, check=True)
        return _rate(sink, OF_HTTPX)

    found = interleaved(plan, "deliveries", {"ours": ours, "httpx": httpx}, rounds=rounds)
    return Comparison(
        what="deliveries",
        unit="/s",
        baseline="httpx loop",
        ours=found["ours"],
        theirs=found["httpx"],
        goal=20.0,
    )


def _make_backlog(data: Path, sink: Server, endpoints: int) -> None:
    """Make a ledger whose events wait for a server that sends them."""
    asyncio.run(_make_endpoints(data, _hooks(sink), endpoints))
    seed(data, EVENTS, lambda _: None)


async def _make_endpoints(data: Path, url: str, count: int) -> None:
    """Make the ledger with its endpoints; what is written into it then waits for a server."""
    secrets, clock, ids = open_ledger_file(data), SystemClock(), RandomIds()
    ledger = SqliteLedger(data, clock, _give_up)
    merchants = SqliteMerchants(ledger)
    await Tenancy(merchants, clock, ids).ensure_local_key()
    book = EndpointBook(SqliteEndpoints(ledger), secrets, MerchantTime(merchants, clock), ids)
    for _ in range(count):
        await book.create(LOCAL_MERCHANT, NewEndpoint(url, ("*",), "", enabled=True, chaos=None))
    await ledger.close()


def _give_up(error: sqlite3.Error) -> None:
    raise error


def _beside(plan: Plan, sink: Server, rounds: int) -> Comparison:
    with sandbox(plan.folder / "on.db") as on, sandbox(plan.folder / "off.db") as off:
        _listen(on, _hooks(sink))

        def with_webhooks() -> float:
            requests_per_s = _load(on)()
            _wait_for_quiet(sink)  # or it would send while the other one is measured
            return requests_per_s

        found = interleaved(
            plan, "authorize", {"on": with_webhooks, "off": _load(off)}, rounds=rounds
        )
    return Comparison(
        what="authorize, webhooks on",
        unit="/s",
        baseline="off",
        ours=found["on"],
        theirs=found["off"],
        goal=0.75,
    )


def _behind(plan: Plan, sink: Server, rounds: int) -> Comparison:
    numbers = count()

    def on() -> float:
        data = plan.folder / f"behind{next(numbers)}.db"
        _make_backlog(data, sink, ENDPOINTS_MAX)
        with sandbox(data) as server:
            return _load(server)()

    with sandbox(plan.folder / "beside.db") as off:
        found = interleaved(plan, "backlog", {"on": on, "off": _load(off)}, rounds=rounds)
    return Comparison(
        what=f"authorize, {ENDPOINTS_MAX} endpoints behind",
        unit="/s",
        baseline="off",
        ours=found["on"],
        theirs=found["off"],
        goal=0.75,
    )


def _signing(rounds: int) -> Comparison:
    body, secret = b"x" * 700, bytes(32)

    def sign() -> float:
        started = process_time()
        for number in range(SIGNED):
            signed_headers("evt_01k00000000000000000000000_1", number, body, [secret])
        return (process_time() - started) / SIGNED * 1e6

    return Comparison(
        what="signing 700 bytes",
        unit="us",
        baseline="the goal",
        ours=[sign() for _ in range(rounds)],
        theirs=[SIGNING_GOAL_US] * rounds,
        goal=1.0,
        smaller_is_better=True,
    )


def _load(server: Server) -> Callable[[], float]:
    return lambda: run_load(LOAD, authorize(), port=server.port, pid=server.pid).requests_per_s


def _hooks(sink: Server) -> str:
    return f"http://127.0.0.1:{sink.port}/hooks"


def _listen(server: Server, url: str) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/webhooks/endpoints",
        json.dumps({"url": url}).encode(),
        {"x-api-key": "sk_test_local", "content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - loopback
        answer.read()


def _ask(sink: Server, method: str) -> dict[str, float]:
    url = f"http://127.0.0.1:{sink.port}/health"
    with urllib.request.urlopen(urllib.request.Request(url, method=method)) as answer:
        return json.loads(answer.read())


def _wait_for_quiet(sink: Server) -> None:
    """Wait until no more deliveries come."""
    before = -1.0
    while (now := _ask(sink, "GET")["count"]) > before:
        before = now
        sleep(QUIET_S)


def _rate(sink: Server, expected: int) -> float:
    """Wait until so many have come, and return how many a second."""
    until_s = perf_counter() + WAIT_S
    while (told := _ask(sink, "GET"))["count"] < expected:
        if perf_counter() > until_s:
            raise TimeoutError(f"{told['count']} of {expected} deliveries came")
        sleep(POLL_S)
    return expected / told["took_s"]
