"""What is refused when, in which order of precedence, and that a refusal changes no amount."""

from dataclasses import replace
from datetime import timedelta

import pytest

from payments_sandbox.domain.operations import Capture, Operation, Refund
from payments_sandbox.domain.payment import Payment
from payments_sandbox.domain.transaction import Transaction, TransactionStatus
from tests.unit.examples import (
    AUTH_ID,
    CAPTURE,
    NOW,
    REFUND,
    SETTINGS,
    SOME,
    STATES,
    VOID,
    after,
)

LATER = NOW + timedelta(minutes=5)

# State -> what refuses a capture, a void and a refund in it; None where it is done.
REFUSED_BY: dict[str, tuple[str | None, str | None, str | None]] = {
    "declined": ("authorization_declined", "authorization_declined", "authorization_declined"),
    "authorized": (None, None, "not_captured"),
    "partially captured": (None, None, None),
    "captured": ("already_captured", "already_captured", None),
    "captured, the rest released": ("already_captured", "already_captured", None),
    "captured, the rest voided": ("authorization_voided", "authorization_voided", None),
    "captured, the rest expired": ("authorization_expired", "authorization_expired", None),
    "partially refunded": ("already_captured", "already_captured", None),
    "partially captured, all of it refunded": (None, None, "already_refunded"),
    "refunded": ("already_captured", "already_captured", "already_refunded"),
    "voided": ("authorization_voided", "authorization_voided", "not_captured"),
    "expired": ("authorization_expired", "authorization_expired", "not_captured"),
    "its capture voided": (None, None, "already_voided"),
    "its final capture voided": ("authorization_voided", "authorization_voided", "already_voided"),
    "its last capture voided after the rest": (
        "authorization_voided",
        "authorization_voided",
        "already_voided",
    ),
    "settled": ("already_captured", "already_captured", None),
    "settled in part": (None, None, None),
    "settled, then refunded": ("already_captured", "already_captured", "already_refunded"),
}
TABLE = [
    pytest.param(STATES[state], operation, expected, id=f"{name} {state}")
    for state, row in REFUSED_BY.items()
    for name, operation, expected in zip(
        ("capture", "void", "refund"), (CAPTURE, VOID, REFUND), row, strict=True
    )
]
REFUSED = [
    pytest.param(STATES[state], operation, expected, id=f"{name} {state}")
    for state, row in REFUSED_BY.items()
    for name, operation, expected in zip(
        ("capture", "refund"),
        (Capture(AUTH_ID, 10**12, "EUR"), Refund(AUTH_ID, amount=10**12, currency="EUR")),
        (row[0], row[2]),
        strict=True,
    )
]


def outcome(payment: Payment, operation: Operation) -> Transaction:
    """Return the transaction that the operation leaves."""
    (transaction,) = operation.apply(payment, SETTINGS, LATER).transactions
    return transaction


def test_the_table_is_whole() -> None:
    """The table has a row for every state."""
    assert set(STATES) == set(REFUSED_BY)


@pytest.mark.parametrize(("payment", "operation", "expected"), TABLE)
def test_every_operation_in_every_state(
    payment: Payment, operation: Operation, expected: str | None
) -> None:
    """Each operation is done or refused by what the payment is."""
    assert expected == outcome(payment, operation).error_code


@pytest.mark.parametrize(("payment", "operation", "expected"), TABLE)
def test_every_outcome_is_recorded(
    payment: Payment, operation: Operation, expected: str | None
) -> None:
    """Done or refused, an operation leaves one transaction, the next in number."""
    after_it, (transaction,) = operation.apply(payment, SETTINGS, LATER)
    status = TransactionStatus.FAILED if expected else TransactionStatus.COMPLETED

    assert status is transaction.status
    assert payment.version + 1 == transaction.seq == after_it.version
    assert transaction.after == after_it.amounts
    assert LATER == transaction.created_at == after_it.updated_at


@pytest.mark.parametrize(
    ("payment", "operation"),
    [pytest.param(*one.values[:2], id=one.id) for one in TABLE if one.values[2]],
)
def test_a_refusal_changes_nothing_else(payment: Payment, operation: Operation) -> None:
    """A refused operation changes no amount, no capture and no status."""
    expected = replace(payment, version=payment.version + 1, updated_at=LATER)

    assert expected == operation.apply(payment, SETTINGS, LATER).payment


@pytest.mark.parametrize(("payment", "operation", "expected"), REFUSED)
def test_precedence(payment: Payment, operation: Operation, expected: str | None) -> None:
    """What the payment is comes before the currency, and the currency before the amount."""
    assert (expected or "currency_mismatch") == outcome(payment, operation).error_code


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (Capture(AUTH_ID, 701), "amount_exceeds_capturable"),
        (Capture(AUTH_ID, 701, "USD"), "amount_exceeds_capturable"),
        (Capture(AUTH_ID, 701, final=True), "amount_exceeds_capturable"),
        (Capture(AUTH_ID, 700), None),
        (Capture(AUTH_ID, 1, "usd"), "currency_mismatch"),
        (Refund(AUTH_ID, amount=301), "amount_exceeds_refundable"),
        (Refund(AUTH_ID, amount=300), None),
        (Refund(AUTH_ID, amount=1, currency="EUR"), "currency_mismatch"),
        (Refund(AUTH_ID, amount=1, currency="USD"), None),
    ],
)
def test_currency_and_amount(operation: Operation, expected: str | None) -> None:
    """On a payment captured in part, the currency must be its own and the amount must fit."""
    assert expected == outcome(after(SOME).payment, operation).error_code


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (Capture(AUTH_ID, 701), 701),
        (Refund(AUTH_ID, amount=301), 301),
        (Capture(AUTH_ID, currency="EUR"), 700),
        (Refund(AUTH_ID, currency="EUR"), 300),
    ],
)
def test_a_refusal_shows_the_amount_asked_for(operation: Operation, expected: int) -> None:
    """A failed transaction has the amount asked for, or what would have been taken."""
    assert expected == outcome(after(SOME).payment, operation).amount
