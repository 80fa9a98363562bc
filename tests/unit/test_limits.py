"""How much fits on a payment: 100 captures and 1,000 transactions."""

from dataclasses import replace
from functools import cache

import pytest

from payments_sandbox.domain.errors import PaymentFull
from payments_sandbox.domain.operations import Capture, Operation, Refund
from payments_sandbox.domain.payment import CAPTURES_MAX, TRANSACTIONS_MAX, Payment
from tests.unit.examples import (
    AUTH_ID,
    AUTHORIZE,
    CAPTURE,
    CORE,
    NOW,
    REFUND,
    SETTINGS,
    VOID,
    after,
    opened,
)

ONE = Capture(AUTH_ID, 1)


@cache
def with_captures(count: int) -> Payment:
    """Return a payment with so many captures of 1."""
    return after(*[ONE] * count).payment


def with_transactions(count: int) -> Payment:
    """Return an authorized payment that says it has so many transactions."""
    return replace(opened().payment, version=count)


def test_the_limits() -> None:
    """The limits are what the documentation says."""
    expected = (100, 1000)

    assert expected == (CAPTURES_MAX, TRANSACTIONS_MAX)


def test_a_hundred_captures_fit() -> None:
    """The hundredth capture is done; the next finds the payment full."""
    full = with_captures(100)
    expected = 100

    assert expected == len(full.captures) == full.amounts.captured
    with pytest.raises(PaymentFull):
        ONE.apply(full, SETTINGS, NOW)


@pytest.mark.parametrize(
    "operation", [VOID, REFUND, Refund(AUTH_ID, f"cap_{CORE}_101"), Refund(AUTH_ID, amount=55)]
)
def test_full_of_captures_is_not_full(operation: Operation) -> None:
    """A hundred captures still leave room to void the rest and to refund."""
    assert operation.apply(with_captures(100), SETTINGS, NOW).transactions[0].error_code is None


def test_failed_captures_do_not_count_as_captures() -> None:
    """Refusals fill a payment's transactions, never its captures."""
    refused = [Capture(AUTH_ID, AUTHORIZE.amount + 1)] * 150

    change = after(*refused, CAPTURE)

    assert change.transactions[-1].error_code is None


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (Capture(AUTH_ID, 10**12), "amount_exceeds_capturable"),
        (Capture(AUTH_ID, 1, "EUR"), "currency_mismatch"),
    ],
)
def test_a_refusal_comes_before_the_hundred(operation: Operation, expected: str) -> None:
    """A capture the rules refuse is refused as ever, whether or not it would have fitted."""
    assert expected == operation.apply(with_captures(100), SETTINGS, NOW).transactions[0].error_code


@pytest.mark.parametrize(
    "operation", [CAPTURE, VOID, REFUND, Capture(AUTH_ID, 10**12), Capture(AUTH_ID, 1, "EUR")]
)
def test_a_thousand_transactions_fit(operation: Operation) -> None:
    """The thousandth transaction is written; after it nothing is, refusals included."""
    last = operation.apply(with_transactions(999), SETTINGS, NOW)
    expected = 1000

    assert expected == last.payment.version == last.transactions[0].seq
    with pytest.raises(PaymentFull):
        operation.apply(with_transactions(1000), SETTINGS, NOW)
