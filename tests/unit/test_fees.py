"""Fees, to the unit: against exact arithmetic, and however a refund is cut up."""

from fractions import Fraction
from itertools import pairwise
from math import floor
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payments_sandbox.domain.fees import FeeOnRefund, FeePolicy
from payments_sandbox.domain.merchant import Settings

SETTINGS = settings(deadline=None, derandomize=True, max_examples=300)
HALF = Fraction(1, 2)
ROUNDS = 100_000
AMOUNT_MAX = 999_999_999_999
RETURNED = FeePolicy(290, 30, FeeOnRefund.RETURNED)
KEPT = FeePolicy(290, 30, FeeOnRefund.KEPT)


def half_up(exact: Fraction) -> int:
    """Round a half up."""
    return floor(exact + HALF)


@pytest.mark.parametrize(
    ("amount", "expected"),
    [(1, 30), (17, 30), (18, 31), (1000, 59), (10_000, 320), (50, 31), (51, 31), (52, 32)],
)
def test_what_everyone_starts_with(amount: int, expected: int) -> None:
    """Without a choice a capture costs 2.9 % and 30 minor units."""
    assert expected == Settings().fees.of_capture(amount)


@pytest.mark.parametrize(
    ("rate_bps", "amount", "expected"),
    [(1, 4_999, 0), (1, 5_000, 1), (1, 15_000, 2), (5_000, 1, 1), (5_000, 3, 2), (0, 10**12, 0)],
)
def test_a_half_is_rounded_up(rate_bps: int, amount: int, expected: int) -> None:
    """Exactly half a unit counts as a whole one, anything below as none."""
    assert expected == FeePolicy(rate_bps, 0, FeeOnRefund.KEPT).of_capture(amount)


def test_against_exact_arithmetic() -> None:
    """A hundred thousand fees are what fractions say, rounded once."""
    chance = Random(5)  # noqa: S311 - a seed is the point
    for _ in range(ROUNDS):
        rate_bps, fixed = chance.randrange(10_001), chance.randrange(1_000)
        amount = chance.randint(1, 10 ** chance.randint(1, 12) - 1)
        exact = Fraction(amount * rate_bps, 10_000)

        assert (
            FeePolicy(rate_bps, fixed, FeeOnRefund.KEPT).of_capture(amount)
            == half_up(exact) + fixed
        )


def test_what_comes_back_against_exact_arithmetic() -> None:
    """What refunds have given back by then is their share of the fee, rounded once."""
    chance = Random(6)  # noqa: S311 - a seed is the point
    for _ in range(ROUNDS):
        captured = chance.randint(1, 10 ** chance.randint(1, 12) - 1)
        fee = RETURNED.of_capture(captured)
        after = chance.randint(1, captured)
        before = chance.randrange(after)
        by_then = half_up(Fraction(fee * after, captured))
        by_before = half_up(Fraction(fee * before, captured))

        assert by_then - by_before == RETURNED.returned(fee, captured, before=before, after=after)


@SETTINGS
@given(st.data(), st.integers(1, 10**6))
def test_many_refunds_return_what_one_does(data: st.DataObject, captured: int) -> None:
    """However a refund is cut up, the parts give back in sum what the whole does, and all of it."""
    fee = RETURNED.of_capture(captured)
    cuts = data.draw(st.lists(st.integers(1, captured), unique=True, max_size=20))
    steps = [0, *sorted({*cuts, captured})]
    parts = [
        RETURNED.returned(fee, captured, before=before, after=after)
        for before, after in pairwise(steps)
    ]

    assert fee == sum(parts) == RETURNED.returned(fee, captured, before=0, after=captured)
    assert min(parts) >= 0


def test_a_capture_refunded_unit_by_unit() -> None:
    """A thousand refunds of one unit give back exactly the whole fee."""
    captured, fee = 1_000, RETURNED.of_capture(1_000)
    parts = [
        RETURNED.returned(fee, captured, before=before, after=before + 1)
        for before in range(captured)
    ]

    assert fee == sum(parts)
    assert set(parts) == {0, 1}


@SETTINGS
@given(st.integers(1, AMOUNT_MAX), st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_whole_refund_returns_the_whole_fee(amount: int, rate_bps: int, fixed: int) -> None:
    """Nothing of the fee is left once all is refunded, the fixed part included."""
    policy = FeePolicy(rate_bps, fixed, FeeOnRefund.RETURNED)
    fee = policy.of_capture(amount)

    assert fee == policy.returned(fee, amount, before=0, after=amount)


@SETTINGS
@given(st.integers(1, AMOUNT_MAX), st.integers(0, 10_000))
def test_a_fee_that_is_kept(amount: int, fixed: int) -> None:
    """Where the fee is kept a refund gives nothing of it back."""
    fee = FeePolicy(290, fixed, FeeOnRefund.KEPT).of_capture(amount)

    assert KEPT.returned(fee, amount, before=0, after=amount) == 0
