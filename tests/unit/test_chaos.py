"""Chaos: rates that hold, and choices that a seed repeats."""

from dataclasses import replace
from datetime import timedelta

import pytest

from payments_sandbox.domain.chaos import Chaos, Mischief, chance_of

IDS = [f"dlv_{number}" for number in range(2_000)]
AT_FIRST = [Mischief.DELAY, Mischief.REORDER]
ON_SENDING = [
    Mischief.DROP,
    Mischief.DUPLICATE,
    Mischief.STALE_TIMESTAMP,
    Mischief.BAD_SIGNATURE,
]


def chaos_of(kind: Mischief, rate: int, seed: int = 0) -> Chaos:
    """Return chaos of one kind."""
    return replace(Chaos(seed), **{kind: rate})


def met(chaos: Chaos, delivery_id: str) -> tuple[Mischief, ...]:
    """Return all that a delivery meets."""
    return chaos.at_first(delivery_id)[1] + chaos.on_sending(delivery_id)


def test_chances_stay_the_same() -> None:
    """A text's chance is below one and the same in every release: seeds rest on it."""
    chances = [chance_of(one) for one in ["", "a", "0:drop:dlv_1"]]

    assert pytest.approx(chances, abs=1e-6) == [0.889416, 0.791374, 0.217342]
    assert all(0 <= chance_of(one) < 1 for one in IDS)


@pytest.mark.parametrize("kind", Mischief)
def test_never_and_always(kind: Mischief) -> None:
    """At a rate of 0 nobody meets it, at 100 everybody does, and nothing else."""
    assert {()} == {met(chaos_of(kind, 0), one) for one in IDS}
    assert {(kind,)} == {met(chaos_of(kind, 100), one) for one in IDS}


@pytest.mark.parametrize("kind", Mischief)
@pytest.mark.parametrize("rate", [1, 10, 50, 90])
def test_rates(kind: Mischief, rate: int) -> None:
    """As many of a hundred meet it as the rate says, within what chance allows."""
    expected = rate / 100

    share = sum(bool(met(chaos_of(kind, rate), one)) for one in IDS) / len(IDS)

    assert share == pytest.approx(expected, abs=4 * (expected * (1 - expected) / len(IDS)) ** 0.5)


@pytest.mark.parametrize("kind", Mischief)
def test_a_seed_repeats(kind: Mischief) -> None:
    """The same seed harms the same deliveries, another seed others."""
    chaos, other = chaos_of(kind, 50, seed=1), chaos_of(kind, 50, seed=2)
    harmed = [one for one in IDS if met(chaos, one)]

    assert harmed == [one for one in IDS if met(replace(chaos), one)]
    both = [one for one in harmed if met(other, one)]
    assert len(both) == pytest.approx(len(IDS) / 4, rel=0.2)


@pytest.mark.parametrize("kind", Mischief)
def test_a_higher_rate_harms_more(kind: Mischief) -> None:
    """Who meets it at a lower rate meets it at a higher one too."""
    low, high = ({one for one in IDS if met(chaos_of(kind, rate), one)} for rate in (20, 60))

    assert low < high


def test_kinds_are_apart() -> None:
    """One kind does not bring another along."""
    chaos = Chaos(duplicate=50, stale_timestamp=50)
    kinds = [chaos.on_sending(one) for one in IDS]

    assert {(), (Mischief.DUPLICATE,), (Mischief.STALE_TIMESTAMP,), tuple(ON_SENDING[1:3])} == set(
        kinds
    )
    assert kinds.count(()) == pytest.approx(len(IDS) / 4, rel=0.2)


@pytest.mark.parametrize(
    ("chaos", "longest"),
    [
        (Chaos(delay=100), timedelta(seconds=30)),
        (Chaos(reorder=100), timedelta(seconds=3)),
        (Chaos(delay=100, reorder=100), timedelta(seconds=33)),
    ],
)
def test_waits(chaos: Chaos, longest: timedelta) -> None:
    """A delivery that has to wait does so for a time of its own, up to the longest."""
    waits = sorted(chaos.at_first(one)[0] for one in IDS)

    assert timedelta() <= waits[0] < longest * 0.01
    assert longest * 0.99 < waits[-1] < longest
    assert waits[len(waits) // 2] / longest == pytest.approx(0.5, abs=0.05)


def test_nobody_waits_without_a_reason() -> None:
    """Without delay and reorder the first attempt is due at once."""
    chaos = Chaos(drop=100, duplicate=100, stale_timestamp=100, bad_signature=100)

    assert (timedelta(), ()) == chaos.at_first(IDS[0])


def test_each_kind_has_its_time() -> None:
    """What makes a delivery wait is decided at first, the rest when it is sent."""
    chaos = Chaos(0, 100, 100, 0, 100, 100, 100)

    assert tuple(AT_FIRST) == chaos.at_first(IDS[0])[1]
    assert tuple(ON_SENDING[1:]) == chaos.on_sending(IDS[0])


def test_what_is_dropped_meets_nothing_else() -> None:
    """What is not sent can be neither duplicated nor signed badly, so it does not say so."""
    chaos = Chaos(0, 100, 100, 100, 100, 100, 100)

    assert chaos.on_sending(IDS[0]) == (Mischief.DROP,)
