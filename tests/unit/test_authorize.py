"""Authorizing: the payment and the transaction that come out of it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from payments_sandbox.domain.card import Card
from payments_sandbox.domain.issuer import Simulate
from payments_sandbox.domain.merchant import AmountRule, Merchant, Settings
from payments_sandbox.domain.operations import retained
from payments_sandbox.domain.payment import Change, Payment
from payments_sandbox.domain.transaction import (
    Amounts,
    AuthorizationDetails,
    Simulation,
    Transaction,
    TransactionStatus,
    TransactionType,
)
from tests.unit.examples import (
    AUTH_ID,
    AUTHORIZE,
    DECLINE,
    EXPIRY_AT,
    MERCHANT,
    MILLISECOND,
    NOW,
    VISA,
    opened,
)

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
CARD = Card("card_abc", "visa", "4242", 12, 2035)


def test_an_approval() -> None:
    """An approved authorization makes a payment of which everything may be captured."""
    operation = replace(AUTHORIZE, reference="order 7", metadata={"cart": "a"})
    amounts = Amounts(requested=1000, authorized=1000)
    details = AuthorizationDetails(
        CARD, 1000, "00", Simulation("test_card", "card.number"),
        approval_code="JKMNPQ", cvc_result="M",
        capture_before=EXPIRY_AT, reference="order 7", metadata={"cart": "a"},
    )  # fmt: skip
    expected = Change(
        Payment(
            AUTH_ID, "default", 1, CARD, "USD", amounts, NOW, NOW,
            capture_before=EXPIRY_AT, reference="order 7",
        ),
        (
            Transaction(
                AUTH_ID, AUTH_ID, 1, "default", TransactionType.AUTHORIZATION,
                TransactionStatus.APPROVED, 1000, "USD", NOW, amounts, authorization=details,
            ),
        ),
    )  # fmt: skip

    assert expected == opened(operation)


def test_the_smallest_approval() -> None:
    """One minor unit is an approval like any other."""
    payment, (authorization,) = opened(replace(AUTHORIZE, amount=1))

    assert authorization.status is TransactionStatus.APPROVED
    assert Amounts(1, 1) == payment.amounts


def test_a_decline() -> None:
    """A decline is a payment too: nothing authorized, nothing capturable, no approval code."""
    payment, (authorization,) = opened(DECLINE)
    details = authorization.authorization

    assert details is not None
    assert authorization.status is TransactionStatus.DECLINED
    assert Amounts(1000, 0) == authorization.after == payment.amounts
    assert (
        details.response_code,
        details.decline_code,
        details.approved_amount,
    ) == ("05", "do_not_honor", 0)
    assert details.approval_code is details.capture_before is payment.capture_before is None
    assert authorization.error_code is None


def test_a_partial_approval() -> None:
    """A part approved is all that may be captured; the amount asked for stays on record."""
    operation = replace(AUTHORIZE, partial_approval=True, simulate=Simulate("10", 400))

    payment, (authorization,) = opened(operation)

    assert authorization.status is TransactionStatus.APPROVED
    assert Amounts(1000, 400) == payment.amounts == authorization.after
    assert operation.amount == authorization.amount


def test_a_partial_approval_that_was_not_asked_for() -> None:
    """Who does not say that a part will do is declined instead."""
    operation = replace(AUTHORIZE, simulate=Simulate("10", 400))

    payment, (authorization,) = opened(operation)

    assert authorization.status is TransactionStatus.DECLINED
    assert Amounts(1000, 0) == payment.amounts


def test_the_amount_rule_is_the_merchants() -> None:
    """Whether an amount decides is a setting of the merchant who asks."""
    card = replace(VISA, number="4539578763621486")
    operation = replace(AUTHORIZE, card=card, amount=1005)
    merchant = Merchant("m", Settings(amount_rule=AmountRule.CENTS))

    assert opened(operation, merchant=merchant).payment.amounts.authorized == 0
    assert opened(operation).payment.amounts.authorized == operation.amount


def test_no_number_or_cvc_is_kept() -> None:
    """Neither the card's number nor its CVC is anywhere in what is recorded."""
    change = opened(replace(AUTHORIZE, card=replace(VISA, cvc="987")))

    assert VISA.number not in repr(change)
    assert "987" not in repr(change)


def test_an_authorization_repeats_nothing_secret() -> None:
    """The operation itself prints neither number nor CVC."""
    assert VISA.number not in repr(AUTHORIZE)


@pytest.mark.parametrize("days", [1, 90, 3650])
def test_retention(days: int) -> None:
    """A payment is kept so many days of real time after its authorization."""
    real_at = NOW + timedelta(days=30)
    payment = opened().payment
    expected = replace(payment, expires_at=real_at + timedelta(days=days))

    assert expected == retained(payment, Merchant("m", Settings(retention_days=days)), real_at)


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        (timedelta(0), DAY),
        (timedelta(microseconds=1), DAY + SECOND),
        (MILLISECOND, DAY + SECOND),
        (SECOND - MILLISECOND, DAY + SECOND),
        (SECOND, DAY + SECOND),
    ],
)
def test_retention_ends_at_a_whole_second(late: timedelta, expected: timedelta) -> None:
    """A payment is kept to the end of the second, never shorter; a whole one stays exact."""
    merchant = Merchant("m", Settings(retention_days=1))

    assert retained(opened().payment, merchant, NOW + late).expires_at == NOW + expected


def test_without_retention_it_is_kept_for_good() -> None:
    """A merchant without a retention keeps payments for good."""
    payment = opened().payment

    assert payment == retained(payment, MERCHANT, NOW)
    assert payment.expires_at is None
