"""Capturing: all, part, several times, or part and the rest released."""

from dataclasses import replace
from datetime import timedelta

from payments_sandbox.domain.operations import Capture
from payments_sandbox.domain.payment import Captured, Change, Ended, Status
from payments_sandbox.domain.transaction import (
    Amounts,
    Transaction,
    TransactionStatus,
    TransactionType,
)
from tests.unit.examples import AUTH_ID, CAPTURE, CORE, CUTOFF, NOW, SETTINGS, after, opened

LATER = NOW + timedelta(minutes=5)


def test_all_of_it() -> None:
    """Without an amount a capture takes everything, and the payment remembers it."""
    payment = opened().payment
    amounts = Amounts(1000, 1000, captured=1000)
    expected = Change(
        replace(
            payment,
            version=2,
            amounts=amounts,
            updated_at=LATER,
            captures=(Captured(f"cap_{CORE}_2", 1000, LATER, CUTOFF, fee=59),),
        ),
        (
            Transaction(
                f"cap_{CORE}_2", AUTH_ID, 2, "default", TransactionType.CAPTURE,
                TransactionStatus.COMPLETED, 1000, "USD", LATER, amounts,
            ),
        ),
    )  # fmt: skip

    assert expected == CAPTURE.apply(payment, SETTINGS, LATER)


def test_a_part() -> None:
    """A part captured leaves the rest capturable."""
    payment = after(Capture(AUTH_ID, 300)).payment
    expected = Amounts(1000, 1000, captured=300)

    assert expected == payment.amounts
    assert payment.status is Status.PARTIALLY_CAPTURED
    assert payment.ended is None


def test_several_parts() -> None:
    """Parts may be captured until nothing is left, each a capture of its own."""
    change = after(Capture(AUTH_ID, 300), Capture(AUTH_ID, 1), Capture(AUTH_ID))
    expected = [(f"cap_{CORE}_2", 300), (f"cap_{CORE}_3", 1), (f"cap_{CORE}_4", 699)]

    assert expected == [(one.transaction_id, one.amount) for one in change.payment.captures]
    assert expected == [(one.transaction_id, one.amount) for one in change.transactions]
    assert change.payment.status is Status.CAPTURED


def test_each_transaction_tells_the_amounts_after_it() -> None:
    """A transaction shows what the payment amounted to right after it, not today."""
    change = after(Capture(AUTH_ID, 300), Capture(AUTH_ID, 200))
    expected = [300, 500]

    assert expected == [one.after.captured for one in change.transactions]


def test_exactly_what_is_left() -> None:
    """An amount equal to what is left is not too large."""
    payment = after(Capture(AUTH_ID, 300), Capture(AUTH_ID, 700)).payment

    assert payment.status is Status.CAPTURED


def test_final_releases_the_rest() -> None:
    """A final capture gives back what it does not take."""
    payment = after(Capture(AUTH_ID, 300), Capture(AUTH_ID, 200, final=True)).payment
    expected = Amounts(1000, 1000, captured=500, released=500)

    assert expected == payment.amounts
    assert payment.ended is Ended.FINAL_CAPTURE
    assert payment.status is Status.CAPTURED


def test_final_of_everything() -> None:
    """A final capture of everything has nothing to release."""
    payment = after(Capture(AUTH_ID, final=True)).payment
    expected = Amounts(1000, 1000, captured=1000)

    assert expected == payment.amounts


def test_the_same_currency_may_be_named() -> None:
    """Naming the authorization's currency changes nothing."""
    assert after(CAPTURE) == after(replace(CAPTURE, currency="USD"))
