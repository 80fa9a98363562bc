"""Voiding a capture: before its cut-off it is reversed whole, after it only a refund helps."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from payments_sandbox.domain.errors import NotFound, PaymentFull
from payments_sandbox.domain.operations import Capture, Refund, Void
from payments_sandbox.domain.payment import TRANSACTIONS_MAX, Change, Ended, Payment, Status
from payments_sandbox.domain.transaction import (
    Allocation,
    Amounts,
    Transaction,
    TransactionStatus,
    TransactionType,
)
from payments_sandbox.domain.void_capture import VoidCapture
from tests.unit.examples import (
    AUTH_ID,
    CAPTURE,
    CORE,
    CUTOFF,
    DAY,
    EXPIRY_AT,
    FIRST_CAPTURE,
    MILLISECOND,
    NOW,
    REFUND,
    SETTINGS,
    SOME,
    VOID,
    VOID_CAPTURE,
    after,
    expired,
    opened,
    settled,
)

LATER = NOW + timedelta(minutes=5)
SECOND = f"cap_{CORE}_3"
# A day before the authorization ends, so that its captures may be voided after it has.
LAST_DAY = EXPIRY_AT - MILLISECOND


def error_of(payment: Payment, at: datetime, operation: VoidCapture = VOID_CAPTURE) -> str | None:
    """Return why the void is refused then, if it is."""
    return after(operation, payment=payment, at=at).transactions[-1].error_code


def test_a_capture() -> None:
    """The whole capture is reversed: nothing of it is captured, and no batch takes it."""
    payment = after(CAPTURE).payment
    (capture,) = payment.captures
    amounts = Amounts(1000, 1000)
    expected = Change(
        replace(
            payment,
            version=3,
            amounts=amounts,
            updated_at=LATER,
            captures=(replace(capture, voided=True),),
        ),
        (
            Transaction(
                f"void_{CORE}_3", AUTH_ID, 3, "default", TransactionType.VOID,
                TransactionStatus.COMPLETED, 1000, "USD", LATER, amounts,
                allocations=(Allocation(FIRST_CAPTURE, 1000),),
            ),
        ),
    )  # fmt: skip

    change = VOID_CAPTURE.apply(payment, SETTINGS, LATER)

    assert expected == change
    assert change.payment.unsettled == 0
    assert change.payment.settles_at is None


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (CUTOFF - MILLISECOND, None),
        (CUTOFF, "already_settled"),
        (CUTOFF + MILLISECOND, "already_settled"),
        (CUTOFF + 30 * DAY, "already_settled"),
    ],
)
def test_around_the_cutoff(at: datetime, expected: str | None) -> None:
    """The last millisecond before the cut-off still counts, though no batch has run by then."""
    assert expected == error_of(after(CAPTURE).payment, at)


def test_the_cutoff_is_that_of_the_capture() -> None:
    """A merchant who moves the cut-off moves it for what comes, not for what is captured."""
    payment = after(CAPTURE).payment
    sooner = replace(SETTINGS, settlement_cutoff=LATER.time())

    change = after(VOID_CAPTURE, payment=payment, settings=sooner, at=CUTOFF - MILLISECOND)

    assert change.transactions[-1].error_code is None


def test_one_that_a_batch_has_taken() -> None:
    """What is in a batch cannot be voided, whatever the clock says."""
    expected = "already_settled"

    assert expected == error_of(settled(after(CAPTURE).payment), NOW)


@pytest.mark.parametrize(
    ("refund", "expected"),
    [
        (REFUND, "already_refunded"),
        (Refund(AUTH_ID, amount=1), "already_refunded"),
        (Refund(AUTH_ID, SECOND, 1), None),
    ],
)
def test_one_that_a_refund_has_touched(refund: Refund, expected: str | None) -> None:
    """A refund of a unit keeps its capture from being voided, and no other."""
    payment = after(SOME, Capture(AUTH_ID, 200), refund).payment

    assert expected == error_of(payment, LATER)


def test_twice() -> None:
    """A capture is voided once; who tries again is told so, cut-off passed or not."""
    once = after(VOID_CAPTURE, payment=after(CAPTURE).payment).payment
    expected = "already_voided"

    assert expected == error_of(once, LATER)
    assert expected == error_of(once, CUTOFF + DAY)


def test_a_refusal_shows_the_captures_amount() -> None:
    """A refused void shows what it would have reversed, allocates nothing and changes nothing."""
    payment = after(SOME).payment
    expected = replace(payment, version=3, updated_at=CUTOFF)

    after_it, (refused,) = VOID_CAPTURE.apply(payment, SETTINGS, CUTOFF)

    assert expected == after_it
    assert (refused.amount, refused.allocations) == (SOME.amount, ())
    assert refused.status is TransactionStatus.FAILED


@pytest.mark.parametrize("named", [AUTH_ID, SECOND, f"cap_{CORE}_9", f"void_{CORE}_2"])
def test_an_unknown_capture(named: str) -> None:
    """What is no capture of this payment is not found, and leaves nothing."""
    failed = after(CAPTURE, Capture(AUTH_ID, 1)).payment

    with pytest.raises(NotFound):
        VoidCapture(AUTH_ID, named).apply(failed, SETTINGS, LATER)


def test_on_a_full_payment() -> None:
    """A void of a capture takes room like any other operation."""
    full = replace(after(CAPTURE).payment, version=TRANSACTIONS_MAX)

    with pytest.raises(PaymentFull):
        VOID_CAPTURE.apply(full, SETTINGS, LATER)


def test_while_the_authorization_is_open() -> None:
    """What was voided may be captured again, and is released when the authorization expires."""
    open_again = after(CAPTURE, VOID_CAPTURE).payment
    again = after(CAPTURE, payment=open_again).payment
    gone = expired(open_again)

    assert (open_again.status, open_again.ended) == (Status.AUTHORIZED, None)
    assert (again.amounts.captured, again.unsettled, len(again.captures)) == (1000, 1000, 2)
    assert (gone.status, gone.amounts.released) == (Status.EXPIRED, 1000)


def test_after_a_final_capture() -> None:
    """A final capture has ended the authorization: what it took is released, never captured."""
    payment = after(replace(SOME, final=True), VOID_CAPTURE).payment

    assert (payment.status, payment.ended) == (Status.VOIDED, Ended.VOID)
    assert Amounts(1000, 1000, released=1000) == payment.amounts
    assert payment.due_at is None


def test_after_the_rest_was_voided() -> None:
    """With the rest released already, all of it is."""
    payment = after(SOME, VOID, VOID_CAPTURE).payment

    assert (payment.status, payment.amounts.released) == (Status.VOIDED, 1000)


@pytest.mark.parametrize("some", [SOME, CAPTURE], ids=["in part", "whole"])
def test_after_the_authorization_has_expired(some: Capture) -> None:
    """A capture of the last day may be voided after the authorization's end: it is released."""
    payment = after(some, at=LAST_DAY).payment

    change = after(VOID_CAPTURE, payment=payment, at=EXPIRY_AT + timedelta(hours=1))

    assert change.transactions[-1].error_code is None
    assert Amounts(1000, 1000, released=1000) == change.payment.amounts
    assert (change.payment.status, change.payment.due_at) == (Status.VOIDED, None)


def test_at_the_instant_of_expiry() -> None:
    """At capture_before what is voided is released; a millisecond sooner it may be captured."""
    payment = after(CAPTURE, at=LAST_DAY).payment

    at_it = after(VOID_CAPTURE, payment=payment, at=EXPIRY_AT).payment
    before = after(VOID_CAPTURE, payment=payment, at=LAST_DAY).payment

    assert (at_it.amounts.capturable, at_it.amounts.released) == (0, 1000)
    assert (before.amounts.capturable, before.amounts.released) == (1000, 0)


@pytest.mark.parametrize(
    ("ending", "capturable", "status"),
    [
        ((), 800, Status.PARTIALLY_CAPTURED),
        ((Void(AUTH_ID),), 0, Status.CAPTURED),
        ((Capture(AUTH_ID, 100, final=True),), 0, Status.CAPTURED),
    ],
)
def test_other_captures_are_left(
    ending: tuple[Capture | Void, ...], capturable: int, status: Status
) -> None:
    """The other captures stay: the payment is captured still, and ended as it was."""
    payment = after(SOME, Capture(AUTH_ID, 200), *ending).payment
    kept = payment.amounts.captured - 300

    voided = after(VOID_CAPTURE, payment=payment).payment

    assert (voided.amounts.captured, voided.unsettled) == (kept, kept)
    assert (voided.amounts.capturable, voided.status) == (capturable, status)
    assert payment.ended is voided.ended
    assert payment.captures[1:] == voided.captures[1:]


def test_a_refund_of_it() -> None:
    """Of a voided capture there is nothing to refund."""
    payment = after(CAPTURE, VOID_CAPTURE).payment
    expected = ["already_voided"] * 2

    change = after(REFUND, Refund(AUTH_ID, FIRST_CAPTURE, 1), payment=payment)

    assert expected == [one.error_code for one in change.transactions]


def test_a_refund_of_the_others() -> None:
    """A refund of the whole payment passes over what was voided."""
    payment = after(SOME, Capture(AUTH_ID, 200), VOID_CAPTURE).payment

    (refund,) = after(REFUND, payment=payment).transactions
    (too_much,) = after(Refund(AUTH_ID, amount=201), payment=payment).transactions

    assert (Allocation(SECOND, 200),) == refund.allocations
    assert too_much.error_code == "amount_exceeds_refundable"


def test_voided_and_refunded() -> None:
    """Where one capture is voided and the other refunded, nothing is left to refund."""
    payment = after(SOME, Capture(AUTH_ID, 200), VOID_CAPTURE, REFUND).payment
    expected = "already_refunded"

    assert expected == after(REFUND, payment=payment).transactions[-1].error_code


def test_before_any_capture() -> None:
    """An authorization is not a capture."""
    with pytest.raises(NotFound):
        VOID_CAPTURE.apply(opened().payment, SETTINGS, LATER)
