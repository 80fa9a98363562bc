"""Voiding: what is not captured is released."""

from dataclasses import replace
from datetime import timedelta

from payments_sandbox.domain.payment import Change, Ended, Status
from payments_sandbox.domain.transaction import (
    Amounts,
    Transaction,
    TransactionStatus,
    TransactionType,
)
from tests.unit.examples import AUTH_ID, CORE, NOW, SETTINGS, SOME, VOID, after, opened

LATER = NOW + timedelta(minutes=5)


def test_an_authorization() -> None:
    """Voiding an authorization releases all of it."""
    payment = opened().payment
    amounts = Amounts(1000, 1000, released=1000)
    expected = Change(
        replace(payment, version=2, amounts=amounts, updated_at=LATER, ended=Ended.VOID),
        (
            Transaction(
                f"void_{CORE}_2", AUTH_ID, 2, "default", TransactionType.VOID,
                TransactionStatus.COMPLETED, 1000, "USD", LATER, amounts,
            ),
        ),
    )  # fmt: skip

    assert expected == VOID.apply(payment, SETTINGS, LATER)


def test_the_rest_of_a_captured_one() -> None:
    """After a partial capture a void releases the rest and leaves the capture alone."""
    payment, transactions = after(SOME, VOID)
    expected = Amounts(1000, 1000, captured=300, released=700)
    released = 700

    assert expected == payment.amounts
    assert released == transactions[-1].amount
    assert payment.status is Status.CAPTURED
