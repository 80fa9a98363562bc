"""Webhooks and the sweep stand back while payments want the whole process."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from payments_sandbox.entrypoints import pace
from payments_sandbox.entrypoints.pace import (
    IN_FLIGHT_MAX,
    IN_FLIGHT_MIN,
    PAGE_BESIDE,
    PAYMENTS_ARE_OVER_S,
    REST_S,
    Pace,
    SweepPace,
)
from payments_sandbox.services.sweep import PAGE


@dataclass
class Time:
    """Time and the CPU time used in it, in the test's hand."""

    now_s: float = 100.0
    used_s: float = 7.0

    def pass_by(self, seconds: float, *, share: float) -> None:
        """Let time pass in which this share of a core is used."""
        self.now_s += seconds
        self.used_s += seconds * share


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    """Return the time that the pace goes by."""
    time = Time()
    monkeypatch.setattr(pace, "monotonic", lambda: time.now_s)
    monkeypatch.setattr(pace, "process_time", lambda: time.used_s)
    return time


async def after(pace: Pace, time: Time, *shares: float, payments: bool) -> list[int]:
    """Return the room after each eighth of a second in which this share of a core is used."""
    rooms: list[int] = []
    for share in shares:
        if payments:
            pace.heard()
        time.pass_by(0.125, share=share)
        await pace.turn(pace.room)
        rooms.append(pace.room)
    return rooms


async def test_payments_come_first(time: Time) -> None:
    """While payments are written and the process is busy, the room halves down to two."""
    one = Pace()

    assert await after(one, time, *[0.9] * 9, payments=True) == [256, 128, 64, 32, 16, 8, 4, 2, 2]
    assert one.room == IN_FLIGHT_MIN
    assert one.is_strained


async def test_room_comes_back(time: Time) -> None:
    """While payments are written but something is left, the room grows."""
    one = Pace()
    await after(one, time, *[0.9] * 8, payments=True)

    assert await after(one, time, 0.5, 0.69, 0.71, 0.5, payments=True) == [3, 4, 2, 3]
    await after(one, time, *[0.1] * 509, payments=True)
    assert one.room == IN_FLIGHT_MAX


async def test_without_payments_there_is_all_the_room(time: Time) -> None:
    """Webhooks alone may keep the process busy, a second after the last payment."""
    one = Pace()
    await after(one, time, *[0.9] * 8, payments=True)

    assert await after(one, time, *[1.0] * 8, payments=False) == [*[2] * 7, IN_FLIGHT_MAX]
    assert await after(one, time, *[1.0] * 3, payments=False) == [IN_FLIGHT_MAX] * 3
    assert not one.is_strained


async def test_it_looks_ten_times_a_second(time: Time) -> None:
    """Between two looks nothing changes, however often it is asked."""
    one = Pace()
    one.heard()
    time.pass_by(0.099, share=1.0)
    await one.turn(IN_FLIGHT_MAX)

    assert one.room == IN_FLIGHT_MAX


async def test_long_turns(time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where others use the machine, long turns of the loop tell that payments wait."""
    one = Pace()
    one.heard()
    time.pass_by(0.1, share=0.1)
    moments = iter([time.now_s, time.now_s + 0.021])
    monkeypatch.setattr(pace, "monotonic", lambda: next(moments))
    await one.turn(IN_FLIGHT_MAX)

    assert one.room == IN_FLIGHT_MAX // 2


async def test_it_halves_what_is_in_flight(time: Time) -> None:
    """Room that nobody takes is gone at once."""
    one = Pace()
    one.heard()
    time.pass_by(0.125, share=0.9)
    await one.turn(16)

    assert one.room == 8


async def test_the_sweep_takes_small_steps(time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside payments a step is small and leaves the loop for some time; else it is a page."""
    rests: list[float] = []

    async def sleep(seconds: float) -> None:
        rests.append(seconds)

    monkeypatch.setattr(pace, "asyncio", SimpleNamespace(sleep=sleep))
    payments = Pace()
    sweep = SweepPace(payments)

    pages = [sweep.page]
    await sweep.rest(PAGE)
    payments.heard()
    pages.append(sweep.page)
    await sweep.rest(PAGE_BESIDE)
    time.pass_by(PAYMENTS_ARE_OVER_S + 0.1, share=0.5)
    pages.append(sweep.page)
    await sweep.rest(1)

    assert pages == [PAGE, PAGE_BESIDE, PAGE]
    assert rests == [0, PAGE_BESIDE * REST_S, 0]
