"""Payments to test with, brought to each state by the operations themselves."""

from dataclasses import replace
from datetime import datetime, timedelta

from payments_sandbox.domain.card import PresentedCard
from payments_sandbox.domain.identifiers import payment_id_of
from payments_sandbox.domain.issuer import Simulate
from payments_sandbox.domain.merchant import Merchant, Settings
from payments_sandbox.domain.operations import Authorize, Capture, Operation, Refund, Void
from payments_sandbox.domain.payment import Change, Payment, advance
from payments_sandbox.domain.transaction import Transaction
from tests.unit.stand_ins import NOW

CORE = "01kjm0000000abcdefghjkmnpq"
AUTH_ID = payment_id_of(CORE)
CARD_ID = "card_abc"
MERCHANT_ID, OTHER_ID = "default", "other"
MERCHANT = Merchant(MERCHANT_ID, Settings())
VISA = PresentedCard("4242424242424242", 12, 2035, "123")
AUTHORIZE = Authorize(VISA, 1000, "USD")
DECLINE = replace(AUTHORIZE, simulate=Simulate("05"))
EXPIRY_AT = NOW + timedelta(days=7)
MILLISECOND = timedelta(milliseconds=1)


def opened(
    operation: Authorize = AUTHORIZE,
    *,
    payment_id: str = AUTH_ID,
    card_id: str = CARD_ID,
    merchant: Merchant = MERCHANT,
    at: datetime = NOW,
) -> Change:
    """Return a new payment and its authorization."""
    return operation.apply(payment_id, card_id, merchant, at)


def after(*operations: Operation, payment: Payment | None = None, at: datetime = NOW) -> Change:
    """Return the payment after the operations, with their transactions and what was due."""
    payment = payment or opened().payment
    transactions: list[Transaction] = []
    for operation in operations:
        payment, due = advance(payment, at)
        payment, added = operation.apply(payment, at)
        transactions += [*due, *added]
    return Change(payment, tuple(transactions))


def expired(payment: Payment) -> Payment:
    """Return the payment after its rest expired."""
    return advance(payment, EXPIRY_AT).payment


CAPTURE, VOID, REFUND = Capture(AUTH_ID), Void(AUTH_ID), Refund(AUTH_ID)
SOME = Capture(AUTH_ID, 300)

# One payment in each state that the rules tell apart.
STATES: dict[str, Payment] = {
    "declined": opened(DECLINE).payment,
    "authorized": opened().payment,
    "partially captured": after(SOME).payment,
    "captured": after(CAPTURE).payment,
    "captured, the rest released": after(Capture(AUTH_ID, 300, final=True)).payment,
    "captured, the rest voided": after(SOME, VOID).payment,
    "captured, the rest expired": expired(after(SOME).payment),
    "partially refunded": after(CAPTURE, Refund(AUTH_ID, amount=1)).payment,
    "partially captured, all of it refunded": after(SOME, REFUND).payment,
    "refunded": after(CAPTURE, REFUND).payment,
    "voided": after(VOID).payment,
    "expired": expired(opened().payment),
}
