"""What happens by itself: the rest of an authorization expires at its capture_before."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from payments_sandbox.domain.errors import PaymentFull
from payments_sandbox.domain.operations import Operation, Refund
from payments_sandbox.domain.payment import TRANSACTIONS_MAX, Change, Ended, Status, advance
from payments_sandbox.domain.transaction import TransactionStatus, TransactionType
from tests.unit.examples import (
    AUTH_ID,
    CAPTURE,
    EXPIRY_AT,
    MILLISECOND,
    NOW,
    REFUND,
    SETTINGS,
    SOME,
    STATES,
    VOID,
    after,
    opened,
)


def test_capture_before_is_seven_days_on() -> None:
    """An approved authorization can be captured for seven days."""
    expected = NOW + timedelta(days=7)

    assert expected == opened().payment.capture_before


def test_a_declined_payment_has_no_capture_before() -> None:
    """Nothing was authorized, so nothing expires."""
    assert STATES["declined"].capture_before is None


@pytest.mark.parametrize("at", [NOW, EXPIRY_AT - MILLISECOND])
def test_nothing_is_due_before(at: datetime) -> None:
    """Until the last millisecond before capture_before nothing changes."""
    payment = opened().payment

    assert Change(payment, ()) == advance(payment, at)


@pytest.mark.parametrize("late", [timedelta(0), MILLISECOND, timedelta(days=400)])
def test_expires_at_the_instant(late: timedelta) -> None:
    """From capture_before on the rest is released, dated as of then however late it is seen."""
    before = after(SOME).payment

    payment, transactions = advance(before, EXPIRY_AT + late)

    (expiry,) = transactions
    assert (expiry.type, expiry.status) == (TransactionType.EXPIRY, TransactionStatus.COMPLETED)
    assert (expiry.amount, expiry.created_at) == (700, EXPIRY_AT)
    assert (before.version + 1, payment.version) == (expiry.seq, expiry.seq)
    assert expiry.after == payment.amounts == replace(before.amounts, released=700)
    assert payment.ended is Ended.EXPIRY
    assert expiry.transaction_id == AUTH_ID.replace("auth_", "exp_") + "_3"


@pytest.mark.parametrize(
    "state", [name for name, payment in STATES.items() if not payment.amounts.capturable]
)
def test_only_what_is_open_expires(state: str) -> None:
    """A payment without anything capturable stays as it is for ever."""
    payment = STATES[state]

    assert Change(payment, ()) == advance(payment, EXPIRY_AT + timedelta(days=400))


def test_expires_once() -> None:
    """What has expired does not expire again."""
    payment = advance(opened().payment, EXPIRY_AT).payment

    assert Change(payment, ()) == advance(payment, EXPIRY_AT + timedelta(days=1))


@pytest.mark.parametrize(
    ("operation", "at", "expected"),
    [
        (CAPTURE, EXPIRY_AT - MILLISECOND, None),
        (CAPTURE, EXPIRY_AT, "authorization_expired"),
        (VOID, EXPIRY_AT - MILLISECOND, None),
        (VOID, EXPIRY_AT, "authorization_expired"),
        (REFUND, EXPIRY_AT, "not_captured"),
    ],
)
def test_operations_around_the_instant(
    operation: Operation, at: datetime, expected: str | None
) -> None:
    """The last millisecond still counts; at the instant the expiry comes first."""
    change = after(operation, at=at)

    assert expected == change.transactions[-1].error_code
    assert (1 if at < EXPIRY_AT else 2) == len(change.transactions)


def test_a_refund_outlives_the_authorization() -> None:
    """What was captured can be refunded after the rest expired."""
    change = after(Refund(AUTH_ID, amount=300), payment=after(SOME).payment, at=EXPIRY_AT)
    kinds = [TransactionType.EXPIRY, TransactionType.REFUND]

    assert kinds == [one.type for one in change.transactions]
    assert change.transactions[-1].error_code is None


def test_a_full_payment_expires_too() -> None:
    """There is always room for what happens by itself, a thousand transactions or not."""
    full = replace(opened().payment, version=TRANSACTIONS_MAX)
    expected = AUTH_ID.replace("auth_", "exp_") + "_1001"

    expired, (expiry,) = advance(full, EXPIRY_AT)

    assert expected == expiry.transaction_id
    assert expired.status is Status.EXPIRED


def test_the_last_place_may_be_the_expiry() -> None:
    """The thousandth transaction may be an expiry; an operation after it finds no room."""
    payment = replace(opened().payment, version=TRANSACTIONS_MAX - 1)

    expired = advance(payment, EXPIRY_AT).payment

    assert expired.version == TRANSACTIONS_MAX
    with pytest.raises(PaymentFull):
        CAPTURE.apply(expired, SETTINGS, EXPIRY_AT)
