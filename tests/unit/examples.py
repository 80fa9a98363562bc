"""Payments to test with, brought to each state by the operations themselves."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from payments_sandbox.domain.card import PresentedCard
from payments_sandbox.domain.identifiers import payment_id_of
from payments_sandbox.domain.issuer import Simulate
from payments_sandbox.domain.merchant import Merchant, Settings
from payments_sandbox.domain.operations import (
    Authorize,
    Capture,
    Operation,
    Refund,
    Void,
)
from payments_sandbox.domain.payment import Change, Payment, advance
from payments_sandbox.domain.settlement import settle
from payments_sandbox.domain.transaction import Transaction
from payments_sandbox.domain.void_capture import VoidCapture
from tests.unit.stand_ins import NOW

CORE = "01kjm0000000abcdefghjkmnpq"
AUTH_ID = payment_id_of(CORE)
CARD_ID = "card_abc"
MERCHANT_ID, OTHER_ID = "default", "other"
SETTINGS = Settings()
MERCHANT = Merchant(MERCHANT_ID, SETTINGS)
VISA = PresentedCard("4242424242424242", 12, 2035, "123")
AUTHORIZE = Authorize(VISA, 1000, "USD")
DECLINE = replace(AUTHORIZE, simulate=Simulate("05"))
EXPIRY_AT = NOW + timedelta(days=7)
CUTOFF = datetime(2026, 3, 2, tzinfo=UTC)
"""Of what is captured now."""
DAY, MILLISECOND = timedelta(days=1), timedelta(milliseconds=1)
SETTLEMENT_ID = f"stl_{CORE}"


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


def after(
    *operations: Operation,
    payment: Payment | None = None,
    settings: Settings = SETTINGS,
    at: datetime = NOW,
) -> Change:
    """Return the payment after the operations, with their transactions and what was due."""
    payment = payment or opened().payment
    transactions: list[Transaction] = []
    for operation in operations:
        payment, due = advance(payment, at)
        payment, added = operation.apply(payment, settings, at)
        transactions += [*due, *added]
    return Change(payment, tuple(transactions))


def expired(payment: Payment) -> Payment:
    """Return the payment after its rest expired."""
    return advance(payment, EXPIRY_AT).payment


def settled(payment: Payment, cutoff: datetime = CUTOFF) -> Payment:
    """Return the payment after a batch took all it takes at a cut-off."""
    return settle(payment, SETTLEMENT_ID, cutoff).payment


def settled_refund() -> Payment:
    """Return a payment that was refunded after it was settled, both in a batch."""
    captured = settled(after(Capture(AUTH_ID)).payment)
    later = CUTOFF + timedelta(hours=1)
    return settled(after(Refund(AUTH_ID), payment=captured, at=later).payment, CUTOFF + DAY)


CAPTURE, VOID, REFUND = Capture(AUTH_ID), Void(AUTH_ID), Refund(AUTH_ID)
SOME = Capture(AUTH_ID, 300)
FIRST_CAPTURE = f"cap_{CORE}_2"
VOID_CAPTURE = VoidCapture(AUTH_ID, FIRST_CAPTURE)

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
    "its capture voided": after(SOME, VOID_CAPTURE).payment,
    "its final capture voided": after(replace(SOME, final=True), VOID_CAPTURE).payment,
    "its last capture voided after the rest": after(SOME, VOID, VOID_CAPTURE).payment,
    "settled": settled(after(CAPTURE).payment),
    "settled in part": settled(after(SOME).payment),
    "settled, then refunded": settled_refund(),
}
