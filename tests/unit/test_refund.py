"""Refunding: one capture or the whole payment, all or part, oldest capture first."""

from datetime import timedelta

import pytest

from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.operations import Capture, Refund
from payments_sandbox.domain.payment import Payment, Status
from payments_sandbox.domain.transaction import (
    Allocation,
    Amounts,
    Transaction,
    TransactionStatus,
    TransactionType,
)
from tests.unit.examples import (
    AUTH_ID,
    CAPTURE,
    CORE,
    NOW,
    REFUND,
    SETTINGS,
    SOME,
    VOID,
    after,
    opened,
)

FIRST, SECOND, THIRD = f"cap_{CORE}_2", f"cap_{CORE}_3", f"cap_{CORE}_4"


def thrice() -> Payment:
    """Return a payment captured in parts of 300, 200 and 500."""
    return after(Capture(AUTH_ID, 300), Capture(AUTH_ID, 200), Capture(AUTH_ID, 500)).payment


def test_all_of_it() -> None:
    """Without an amount a refund gives everything back, and says out of which captures."""
    later = NOW + timedelta(minutes=5)
    allocations = (Allocation(FIRST, 300), Allocation(SECOND, 200), Allocation(THIRD, 500))
    expected = Transaction(
        f"ref_{CORE}_5", AUTH_ID, 5, "default", TransactionType.REFUND,
        TransactionStatus.COMPLETED, 1000, "USD", later,
        Amounts(1000, 1000, captured=1000, refunded=1000), allocations=allocations,
    )  # fmt: skip

    payment, transactions = REFUND.apply(thrice(), SETTINGS, later)

    assert (expected,) == transactions
    assert payment.status is Status.REFUNDED
    assert payment.updated_at == later


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (1, [(FIRST, 1)]),
        (300, [(FIRST, 300)]),
        (301, [(FIRST, 300), (SECOND, 1)]),
        (500, [(FIRST, 300), (SECOND, 200)]),
        (999, [(FIRST, 300), (SECOND, 200), (THIRD, 499)]),
    ],
)
def test_oldest_capture_first(amount: int, expected: list[tuple[str, int]]) -> None:
    """A refund of the whole payment empties one capture before it touches the next."""
    payment, (refund,) = after(Refund(AUTH_ID, amount=amount), payment=thrice())

    assert expected == [(one.transaction_id, one.amount) for one in refund.allocations]
    assert dict(expected) == {
        one.transaction_id: one.refunded for one in payment.captures if one.refunded
    }
    assert amount == payment.amounts.refunded == refund.amount


def test_one_capture() -> None:
    """A refund that names a capture takes it out of that one alone."""
    payment, (refund,) = after(Refund(AUTH_ID, SECOND, 150), payment=thrice())
    expected = [0, 150, 0]

    assert expected == [one.refunded for one in payment.captures]
    assert (Allocation(SECOND, 150),) == refund.allocations


def test_the_rest_of_one_capture() -> None:
    """Without an amount, what is left of the named capture is refunded."""
    payment = after(Refund(AUTH_ID, THIRD, 499), Refund(AUTH_ID, THIRD), payment=thrice()).payment
    expected = [0, 0, 500]

    assert expected == [one.refunded for one in payment.captures]


def test_a_used_up_capture_is_passed_over() -> None:
    """A whole-payment refund goes on with what earlier refunds left of each capture."""
    changes = after(Refund(AUTH_ID, FIRST), Refund(AUTH_ID, SECOND, 50), payment=thrice())
    expected = (Allocation(SECOND, 150), Allocation(THIRD, 10))

    refund = after(Refund(AUTH_ID, amount=160), payment=changes.payment).transactions[-1]

    assert expected == refund.allocations


def test_more_than_the_named_capture() -> None:
    """One capture does not lend to another: more than is left of it is refused."""
    expected = "amount_exceeds_refundable"

    refund = after(Refund(AUTH_ID, SECOND, 201), payment=thrice()).transactions[-1]

    assert expected == refund.error_code
    assert refund.allocations == ()


def test_a_named_capture_already_refunded() -> None:
    """A capture that is refunded is refused, even while others are not."""
    expected = [None, "already_refunded"]

    change = after(Refund(AUTH_ID, FIRST), Refund(AUTH_ID, FIRST, 1), payment=thrice())

    assert expected == [one.error_code for one in change.transactions]


@pytest.mark.parametrize("seq", [3, 9])
def test_an_unknown_capture(seq: int) -> None:
    """Naming a capture this payment does not have finds nothing, and leaves nothing."""
    payment = after(SOME, VOID).payment

    with pytest.raises(NotFound):
        Refund(AUTH_ID, f"cap_{CORE}_{seq}").apply(payment, SETTINGS, NOW)


def test_a_failed_capture_cannot_be_named() -> None:
    """A capture that failed took nothing, so there is nothing to find in it."""
    failed = after(Capture(AUTH_ID, 1001), CAPTURE)

    with pytest.raises(NotFound):
        Refund(AUTH_ID, failed.transactions[0].transaction_id).apply(failed.payment, SETTINGS, NOW)


def test_before_everything_is_captured() -> None:
    """A refund while more may be captured leaves that more capturable."""
    payment = after(SOME, REFUND).payment
    expected = (700, 0)

    assert expected == (payment.amounts.capturable, payment.amounts.refundable)
    assert payment.status is Status.PARTIALLY_REFUNDED


def test_a_refund_does_not_make_room_to_capture() -> None:
    """What was refunded cannot be captured again."""
    expected = "already_captured"

    assert expected == after(CAPTURE, REFUND, CAPTURE).transactions[-1].error_code


def test_nothing_is_refunded_before_a_capture() -> None:
    """An authorization is voided, not refunded."""
    expected = "not_captured"

    assert expected == after(REFUND, payment=opened().payment).transactions[-1].error_code
