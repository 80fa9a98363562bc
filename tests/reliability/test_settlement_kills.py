"""Settlement that ends at any of its writes: the next run goes on, and everything happens once."""

import asyncio
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from pathlib import Path
from typing import Any

import pytest

from payments_sandbox.adapters.group_commit import Write
from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.services.merchants import LOCAL_MERCHANT
from tests.reliability.settlement_checker import counts
from tests.reliability.settlement_kills import Result, kill_while_settling
from tests.reliability.settlement_month import Shop, opened
from tests.reliability.settlement_work import Work, prepare, wrong_with
from tests.unit.stand_ins import ManualClock

pytestmark = pytest.mark.reliability
# More of a currency than one write takes.
WORK = Work(payments=80, days=1)
KILLED = Work(payments=500, days=40)
KILLS, SEED = 3, 20_260_203


class Killed(Exception):
    """The process is no more."""


class End(Enum):
    """How a write ends a run."""

    BEFORE = auto()
    """Nothing of it is stored."""
    AFTER = auto()
    """It is stored, and nobody hears of it."""


class Counting:
    """Stands before the one writer; lets nothing through once it has ended the run."""

    def __init__(self, run: Callable[[Write[Any]], Awaitable[Any]], at: int, end: End) -> None:
        self.writes = 0
        self._run, self._at, self._end = run, at, end

    async def __call__(self, write: Write[Any]) -> Any:
        """Run the write, if there is still somebody to do so."""
        self.writes += 1
        if self.writes > self._at or (self.writes == self._at and self._end is End.BEFORE):
            raise Killed
        result = await self._run(write)
        if self.writes >= self._at:
            raise Killed
        return result


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Have a day's captures."""
    folder = tmp_path_factory.mktemp("kills") / "prepared"
    folder.mkdir()
    asyncio.run(prepare(folder / "ledger.db", WORK))
    return folder


@pytest.mark.parametrize("end", End, ids=lambda end: end.name)
async def test_an_advance_that_ends_at_each_of_its_writes(
    end: End, prepared: Path, tmp_path: Path
) -> None:
    """Whichever write is the last, two do what one would have; the clock passed nothing over."""
    whole = await _settled(prepared, tmp_path / "whole", 10_000, end)
    expected = counts(tmp_path / "whole" / "ledger.db")

    assert whole >= 10
    assert expected["settlement"] >= WORK.payments
    for at in range(1, whole + 1):
        folder = tmp_path / f"{at}"
        assert await _settled(prepared, folder, at, end) >= at
        assert counts(folder / "ledger.db") == expected, f"write {at} of {whole}"
        assert await wrong_with(folder / "ledger.db", WORK.over_at) == [], f"write {at} of {whole}"
        shutil.rmtree(folder)


async def _settled(prepared: Path, folder: Path, at: int, end: End) -> int:
    """Settle a copy, ending the first run at that write; return how many writes were begun."""
    shutil.copytree(prepared, folder)
    clock = ManualClock(WORK.begins_at)
    first = opened(folder / "ledger.db", clock)
    try:
        counting = _counted(first, at, end)
        advance = first.clocks.advance_to(LOCAL_MERCHANT, WORK.over_at)
        (ended,) = await asyncio.gather(advance, return_exceptions=True)
    finally:
        await first.close()
    assert isinstance(ended, Killed) or counting.writes < at
    second = opened(folder / "ledger.db", clock)
    try:
        reading = await second.clocks.read(LOCAL_MERCHANT)
        assert reading.next_due_at is None or reading.next_due_at >= reading.now
        advanced = await second.clocks.advance_to(LOCAL_MERCHANT, WORK.over_at)
        assert advanced.progress.complete
        assert (await second.clocks.read(LOCAL_MERCHANT)).now == WORK.over_at
    finally:
        await second.close()
    return counting.writes


def _counted(shop: Shop, at: int, end: End) -> Counting:
    ledger = shop.store.ledger
    assert isinstance(ledger, SqliteLedger)
    counting = Counting(ledger.writer.run, at, end)
    ledger.writer.run = counting  # type: ignore[method-assign]
    return counting


def test_kills_while_a_sandbox_settles(tmp_path: Path) -> None:
    """Across kills at random moments every capture settles once, and the books add up."""
    rounds: list[Result] = []

    result = kill_while_settling(tmp_path, KILLED, KILLS, SEED, rounds.append)

    assert result.wrong == []
    assert (len(rounds), result.kills) == (KILLS, KILLS)
    assert Counter(result.midway)[True] >= 1
