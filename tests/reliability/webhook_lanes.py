"""What one bad endpoint costs the good ones and the payments, as ratios of interleaved rounds."""

import asyncio
import json
import signal
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from pathlib import Path
from statistics import median, quantiles

import aiohttp

from tests.reliability.load import authorization
from tests.reliability.webhook_load import Shop, call, counted, served, until
from tests.reliability.webhook_receivers import (
    Arrival,
    Subscriber,
    elsewhere,
    hanging,
    listening,
)
from tests.running import Running

ROUNDS = 8
LANE_EVENTS = 240
EVERY_S = 0.32
DUE = 3_000
AUTHORIZATIONS = 200
NEVER = 1 << 30


@dataclass
class Rounds:
    """What each round took, in milliseconds, beside the bad endpoint and without it."""

    beside: list[list[float]] = field(default_factory=list[list[float]])
    without: list[list[float]] = field(default_factory=list[list[float]])
    note: str = ""

    @property
    def ratios(self) -> list[float]:
        """The p95 of each round to that of the round before it."""
        pairs = zip(self.beside, self.without, strict=True)
        return [p95(beside) / p95(without) for beside, without in pairs]

    def told(self, what: str) -> str:
        """Return what was measured as a line."""
        beside, without = [*chain(*self.beside)], [*chain(*self.without)]
        spread = f"rounds {min(self.ratios):.2f} to {max(self.ratios):.2f}"
        return (
            f"{what}: p50 {median(beside):.1f} ms to {median(without):.1f} ms, p95 "
            f"{p95(beside):.1f} ms to {p95(without):.1f} ms; p95 ratio "
            f"{p95(beside) / p95(without):.2f}, median of {len(self.ratios)} rounds "
            f"{median(self.ratios):.2f} ({spread}){self.note}"
        )


def p95(values: Sequence[float]) -> float:
    """Return what 95 in 100 are below."""
    return quantiles(values, n=20)[-1]


async def lane_ratio(folder: Path) -> Rounds:
    """Measure from an event's time to its arrival at three endpoints, with and without a fourth.

    Two sandboxes take turns; in one of them an endpoint hangs all the time.
    """
    good = {name: [Subscriber(f"{name}-{n}") for n in range(3)] for name in ("beside", "without")}
    bad = Subscriber("hanging", hanging(NEVER))
    rounds = Rounds()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(listening(*good["beside"], *good["without"], bad))
        sandboxes: dict[str, Running] = {}
        for name, subscribers in good.items():
            sandbox = await stack.enter_async_context(served(folder / f"lanes-{name}.db"))
            for one in [*subscribers, *([bad] if name == "beside" else [])]:
                await asyncio.to_thread(one.register, sandbox)
            sandboxes[name] = sandbox
            await _lane_round(sandbox, "warm", subscribers)
        for number in range(ROUNDS):
            for name, into in (("without", rounds.without), ("beside", rounds.beside)):
                into.append(await _lane_round(sandboxes[name], f"{number}", good[name]))
        rounds.note = f"; {len(bad.taken)} of {len(bad.arrivals)} requests were answered there"
        bad.released.set()
    return rounds


async def _lane_round(sandbox: Running, name: str, good: list[Subscriber]) -> list[float]:
    """Pay at a steady pace and return each arrival's delay in milliseconds."""
    before = [len(one.arrivals) for one in good]
    await Shop(sandbox.port).pay(name, LANE_EVENTS, every_s=EVERY_S)
    await until(
        lambda: all(
            len(one.arrivals) - start >= LANE_EVENTS
            for one, start in zip(good, before, strict=True)
        )
    )
    return [
        delay_s(arrival) * 1_000
        for one, start in zip(good, before, strict=True)
        for arrival in one.arrivals[start:]
    ]


def delay_s(arrival: Arrival) -> float:
    """Return how long after its event's time a request arrived."""
    happened_at = datetime.fromisoformat(json.loads(arrival.body)["timestamp"])
    return arrival.at - happened_at.timestamp()


async def money_ratio(folder: Path) -> Rounds:
    """Measure authorizations one by one, with and without thousands of retries that are due.

    Two sandboxes take turns; the one with the retries is stopped meanwhile, as it is never idle.
    """
    rounds = Rounds()
    async with (
        elsewhere(500) as url,
        served(folder / "money-without.db") as without,
        served(folder / "money-beside.db") as beside,
    ):
        await call(beside, "PATCH", "/sandbox/settings", {"webhook_schedule": "fast"})
        for sandbox in (without, beside):
            await _authorized(sandbox, "warm")
        await call(beside, "POST", "/webhooks/endpoints", {"url": url})
        await Shop(beside.port).pay("due", DUE)
        await until(lambda: counted(beside.data)["pending"] == DUE)
        at_first = counted(beside.data)
        for number in range(ROUNDS):
            beside.process.send_signal(signal.SIGSTOP)
            rounds.without.append(await _authorized(without, f"{number}"))
            beside.process.send_signal(signal.SIGCONT)
            rounds.beside.append(await _authorized(beside, f"{number}"))
        rounds.note = f"; pending there: {at_first['pending']} to {counted(beside.data)['pending']}"
        beside.process.kill()  # what is still due need not be drained
    return rounds


async def _authorized(sandbox: Running, name: str) -> list[float]:
    """Return how long each authorization took, in milliseconds."""
    took: list[float] = []
    shop = Shop(sandbox.port)
    async with aiohttp.ClientSession() as session:
        for number in range(AUTHORIZATIONS):
            began = time.perf_counter()
            await shop.send(session, authorization(f"{name}-{number}"))
            took.append((time.perf_counter() - began) * 1_000)
    assert shop.retried == 0
    return took
