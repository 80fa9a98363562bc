"""Kills a sandbox while its webhooks go to ten endpoints, three of them bad, and looks for losses.

python -m tests.reliability.webhooks --events 10000
python -m tests.reliability.webhooks --lanes
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from infra.emulator import free_port
from tests.reliability.webhook_checker import Counts, Finding, check, counts_of, planted
from tests.reliability.webhook_lanes import lane_ratio, money_ratio
from tests.reliability.webhook_load import Evidence, Shop, call, gathered, served, settled, until
from tests.reliability.webhook_receivers import (
    Subscriber,
    breaking,
    failing,
    hanging,
    listening,
    slow,
)

_AUTHORIZED, _DECLINED = ("payment_authorized",), ("payment_declined",)
_CAPTURED, _CAPTURE_FAILED = ("payment_captured",), ("payment_capture_failed",)
FINDINGS_SHOWN = 20
HUNG_AT_LAST = 4
KILL_DEADLINE_S = 600.0


@dataclass(frozen=True)
class Plan:
    """How much, and how bad."""

    events: int
    kills: int
    hung: int
    """How many requests the hanging endpoint never answers."""
    always_every: int | None
    """To one event in so many the failing endpoint answers 500 for ever: ten attempts, 25 s."""


@dataclass
class Result:
    """What a run found."""

    evidence: Evidence
    findings: list[Finding]
    counts: Counts
    kills: int
    retried: int
    """How many requests of the clients were sent again."""


@dataclass
class Told:
    """How far a run is."""

    answered: int = 0
    kills: int = 0
    unsettled: int = 0


def subscribers_of(plan: Plan) -> list[Subscriber]:
    """Return ten: the good ones share the many events, the slow and the bad ones hear the rare."""
    rare = _DECLINED + _CAPTURE_FAILED
    return [
        Subscriber("everything"),
        Subscriber("authorized-1", events=_AUTHORIZED),
        Subscriber("authorized-2", events=_AUTHORIZED),
        Subscriber("captured-1", events=_CAPTURED),
        Subscriber("captured-2", events=_CAPTURED),
        Subscriber("rare", events=rare),
        Subscriber("slow", slow, _DECLINED),
        Subscriber("failing", failing(plan.always_every), _CAPTURE_FAILED),
        Subscriber("breaking", breaking, rare),
        Subscriber("hanging", hanging(plan.hung), _CAPTURE_FAILED),
    ]


async def run(data: Path, plan: Plan, on_step: Callable[[Told], None] = lambda _: None) -> Result:
    """Pay, kill and restart; wait until every delivery has ended; check."""
    told = Told()
    subscribers = subscribers_of(plan)

    def answered() -> None:
        told.answered += 1
        on_step(told)

    def looked(left: int) -> None:
        told.unsettled = left
        on_step(told)

    shop = Shop(free_port(), answered)
    async with listening(*subscribers), asyncio.TaskGroup() as tasks:
        async with served(data, shop.port) as sandbox:
            for one in subscribers:
                await asyncio.to_thread(one.register, sandbox)
            await call(sandbox, "PATCH", "/sandbox/settings", {"webhook_schedule": "fast"})
        shop.is_open.clear()
        paying = tasks.create_task(shop.pay("run", plan.events))
        await _kill_now_and_then(data, plan, shop, told, subscribers[-1])
        async with served(data, shop.port) as sandbox:
            shop.is_open.set()
            await paying
            await settled(data, looked)
            evidence = await gathered(sandbox, shop, subscribers)
    return Result(evidence, check(evidence), counts_of(evidence), told.kills, shop.retried)


async def _kill_now_and_then(
    data: Path, plan: Plan, shop: Shop, told: Told, hanging_one: Subscriber
) -> None:
    """Kill when a share of the events is answered; the last time with all of them.

    By then the hanging endpoint has requests, which the last kill breaks off at the latest.
    """
    while told.kills < plan.kills:
        enough = plan.events * (told.kills + 1) // plan.kills
        hung = min(plan.hung, HUNG_AT_LAST) if enough == plan.events else 0
        async with served(data, shop.port) as sandbox:
            shop.is_open.set()
            await until(
                lambda enough=enough, hung=hung: (
                    told.answered >= enough and hanging_one.hung >= hung
                ),
                KILL_DEADLINE_S,
            )
            shop.is_open.clear()
            sandbox.process.kill()
            await asyncio.to_thread(sandbox.process.wait)
        told.kills += 1


def _shown(data: Path, plan: Plan, console: Console) -> Result:
    """Run with a progress bar, then print what came of it."""
    columns = (TextColumn("events"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    began = time.monotonic()
    with Progress(*columns, TextColumn("{task.description}"), console=console) as progress:
        task = progress.add_task("", total=plan.events)

        def advance(told: Told) -> None:
            words = f"{told.kills} kills"
            words += f", {told.unsettled} deliveries on their way" if told.unsettled else ""
            progress.update(task, completed=told.answered, description=words)

        result = asyncio.run(run(data, plan, advance))
    seconds = time.monotonic() - began
    missed = [
        loss
        for loss, evidence in planted(result.evidence).items()
        if loss not in {one.loss for one in check(evidence)}
    ]
    result.findings += [Finding(loss, "planted, and not seen") for loss in missed]
    for finding in result.findings[:FINDINGS_SHOWN]:
        console.print(f"[red]{finding.loss}[/]: {finding.subject}", highlight=False)
    counts = result.counts
    dead = ", ".join(f"{count} {reason}" for reason, count in counts.dead.items()) or "none"
    console.print(
        f"{counts.events} events to {len(result.evidence.wanted)} endpoints, {result.kills} kills, "
        f"{result.retried} requests sent again: {counts.deliveries} deliveries, "
        f"{counts.delivered} delivered, dead: {dead}; [bold]{len(result.findings)} losses[/]\n"
        f"{counts.attempts} attempts recorded, {counts.arrivals} requests heard, {counts.taken} "
        f"of them taken; {counts.duplicates} duplicates, {counts.duplicate_rate:.3%} of what was "
        f"taken once; each of {len(planted(result.evidence))} planted faults "
        f"{'was not ' if missed else ''}seen; {seconds:.0f} s",
        highlight=False,
        soft_wrap=True,
    )
    return result


def _lanes(folder: Path, console: Console) -> None:
    """Print the two ratios."""
    lane = asyncio.run(lane_ratio(folder))
    console.print(lane.told("delay at three endpoints beside one that hangs"), soft_wrap=True)
    money = asyncio.run(money_ratio(folder))
    console.print(money.told("authorize beside thousands of due retries"), soft_wrap=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code, 1 on any loss."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.reliability.webhooks", description=__doc__
    )
    parser.add_argument("--events", type=int, default=10_000, help="how many (default: 10000)")
    parser.add_argument("--kills", type=int, default=6, help="how many (default: 6)")
    parser.add_argument("--lanes", action="store_true", help="measure instead what slows what")
    options = parser.parse_args(arguments)
    console = Console()
    folder = Path(tempfile.mkdtemp(prefix="payments-sandbox-webhooks-"))
    if options.lanes:
        _lanes(folder, console)
    else:
        plan = Plan(int(options.events), int(options.kills), hung=24, always_every=20)
        result = _shown(folder / "ledger.db", plan, console)
        if result.findings:
            console.print(f"The ledger is kept: {folder}", highlight=False, soft_wrap=True)
            return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
