"""What a payment is, as a function of its amounts."""

import pytest

from payments_sandbox.domain.payment import Ended, Status, status_of
from payments_sandbox.domain.transaction import Amounts
from tests.unit.examples import CUTOFF, EXPIRY_AT, MILLISECOND, SOME, STATES, after

FINAL, VOID, EXPIRY = Ended.FINAL_CAPTURE, Ended.VOID, Ended.EXPIRY
# What was captured on the day of the examples, and is in no batch yet.
UNSETTLED = {
    "partially captured",
    "captured",
    "captured, the rest released",
    "captured, the rest voided",
    "captured, the rest expired",
    "partially refunded",
    "partially captured, all of it refunded",
    "refunded",
}


@pytest.mark.parametrize(
    ("authorized", "captured", "refunded", "released", "ended", "expected"),
    [
        (0, 0, 0, 0, None, Status.DECLINED),
        (100, 0, 0, 0, None, Status.AUTHORIZED),
        (100, 0, 0, 100, VOID, Status.VOIDED),
        (100, 0, 0, 100, EXPIRY, Status.EXPIRED),
        (100, 40, 0, 0, None, Status.PARTIALLY_CAPTURED),
        (100, 100, 0, 0, None, Status.CAPTURED),
        (100, 100, 0, 0, FINAL, Status.CAPTURED),
        (100, 40, 0, 60, FINAL, Status.CAPTURED),
        (100, 40, 0, 60, VOID, Status.CAPTURED),
        (100, 40, 0, 60, EXPIRY, Status.CAPTURED),
        (100, 40, 1, 0, None, Status.PARTIALLY_REFUNDED),
        (100, 40, 40, 0, None, Status.PARTIALLY_REFUNDED),
        (100, 40, 1, 60, VOID, Status.PARTIALLY_REFUNDED),
        (100, 100, 99, 0, None, Status.PARTIALLY_REFUNDED),
        (100, 40, 40, 60, FINAL, Status.REFUNDED),
        (100, 40, 40, 60, VOID, Status.REFUNDED),
        (100, 40, 40, 60, EXPIRY, Status.REFUNDED),
        (100, 100, 100, 0, None, Status.REFUNDED),
    ],
)
def test_status_follows_from_the_amounts(  # noqa: PLR0913, PLR0917 - the columns of a table
    authorized: int,
    captured: int,
    refunded: int,
    released: int,
    ended: Ended | None,
    expected: Status,
) -> None:
    """Amounts and what released the rest say what a payment is."""
    amounts = Amounts(100, authorized, captured, refunded, released)

    assert expected is status_of(amounts, ended)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("declined", Status.DECLINED),
        ("authorized", Status.AUTHORIZED),
        ("partially captured", Status.PARTIALLY_CAPTURED),
        ("captured", Status.CAPTURED),
        ("captured, the rest released", Status.CAPTURED),
        ("captured, the rest voided", Status.CAPTURED),
        ("captured, the rest expired", Status.CAPTURED),
        ("partially refunded", Status.PARTIALLY_REFUNDED),
        ("partially captured, all of it refunded", Status.PARTIALLY_REFUNDED),
        ("refunded", Status.REFUNDED),
        ("voided", Status.VOIDED),
        ("expired", Status.EXPIRED),
        ("its capture voided", Status.AUTHORIZED),
        ("its final capture voided", Status.VOIDED),
        ("its last capture voided after the rest", Status.VOIDED),
        ("settled", Status.CAPTURED),
        ("settled in part", Status.PARTIALLY_CAPTURED),
        ("settled, then refunded", Status.REFUNDED),
    ],
)
def test_every_state_is_reached(state: str, expected: Status) -> None:
    """Operations bring a payment to each status, and no status is without a way to it."""
    assert expected is STATES[state].status


def test_no_status_is_unreachable() -> None:
    """The states that operations reach show every status there is."""
    assert set(Status) == {payment.status for payment in STATES.values()}


@pytest.mark.parametrize("state", STATES)
def test_due_while_something_awaits(state: str) -> None:
    """Something happens by itself while something is to be settled, or may still be captured."""
    payment = STATES[state]
    open_until = EXPIRY_AT if payment.amounts.capturable else None
    expected = CUTOFF if state in UNSETTLED else open_until

    assert expected == payment.due_at


def test_the_earlier_comes_first() -> None:
    """What expires before it is settled is due at its expiry."""
    late = after(SOME, at=EXPIRY_AT - MILLISECOND).payment

    assert late.due_at == EXPIRY_AT
    assert late.settles_at is not None
    assert late.settles_at > EXPIRY_AT


def test_amounts_add_up() -> None:
    """What may be captured is what is neither captured nor given back; refundable likewise."""
    amounts = Amounts(1000, 900, captured=500, refunded=120, released=100)
    expected = (300, 380)

    assert expected == (amounts.capturable, amounts.refundable)
