"""A payment: what follows from its transactions, kept small as every write rewrites it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from payments_sandbox.domain.card import Card
from payments_sandbox.domain.errors import PaymentFull
from payments_sandbox.domain.identifiers import transaction_id_of
from payments_sandbox.domain.transaction import (
    Allocation,
    Amounts,
    Transaction,
    TransactionStatus,
    TransactionType,
)

AUTHORIZATION_LIFE = timedelta(days=7)
CAPTURES_MAX = 100
TRANSACTIONS_MAX = 1_000


class Status(StrEnum):
    """What a payment can be."""

    DECLINED = "declined"
    AUTHORIZED = "authorized"
    PARTIALLY_CAPTURED = "partially_captured"
    CAPTURED = "captured"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    VOIDED = "voided"
    EXPIRED = "expired"


class Ended(StrEnum):
    """What released the rest of an authorization."""

    FINAL_CAPTURE = "final_capture"
    VOID = "void"
    EXPIRY = "expiry"


@dataclass(frozen=True, slots=True)
class Captured:
    """A completed capture and how much of it is refunded, in minor units."""

    transaction_id: str
    amount: int
    created_at: datetime
    refunded: int = 0

    @property
    def refundable(self) -> int:
        """What of it may still be refunded."""
        return self.amount - self.refunded


@dataclass(frozen=True, slots=True)
class Payment:
    """The head of a payment; `version` is the number of its last transaction."""

    payment_id: str
    merchant_id: str
    version: int
    card: Card
    currency: str
    amounts: Amounts
    created_at: datetime
    updated_at: datetime
    capture_before: datetime | None = None
    captures: tuple[Captured, ...] = ()
    ended: Ended | None = None
    reference: str | None = None
    expires_at: datetime | None = None
    """When retention ends, in real time and whole seconds; None keeps the payment for good."""

    @property
    def status(self) -> Status:
        """What the payment is; it is never set, it follows from the amounts."""
        return status_of(self.amounts, self.ended)

    @property
    def due_at(self) -> datetime | None:
        """The earliest moment at which something happens by itself, or None."""
        return self.capture_before if self.amounts.capturable else None


class Change(NamedTuple):
    """A payment after its new transactions, in order."""

    payment: Payment
    transactions: tuple[Transaction, ...]


def status_of(amounts: Amounts, ended: Ended | None) -> Status:
    """Return what a payment with these amounts is."""
    if amounts.authorized == 0:
        return Status.DECLINED
    if amounts.captured == 0:
        return {
            Ended.VOID: Status.VOIDED,
            Ended.EXPIRY: Status.EXPIRED,
        }.get(ended or Ended.FINAL_CAPTURE, Status.AUTHORIZED)
    if amounts.refunded:
        over = amounts.refundable == 0 and amounts.capturable == 0
        return Status.REFUNDED if over else Status.PARTIALLY_REFUNDED
    return Status.PARTIALLY_CAPTURED if amounts.capturable else Status.CAPTURED


def advance(payment: Payment, at: datetime) -> Change:
    """Apply what has become due by itself: the expiry of what is not captured."""
    due_at = payment.due_at
    if due_at is None or at < due_at or payment.version >= TRANSACTIONS_MAX:
        return Change(payment, ())
    rest = payment.amounts.capturable
    expired = replace(
        payment,
        amounts=replace(payment.amounts, released=payment.amounts.released + rest),
        ended=Ended.EXPIRY,
    )
    return record(expired, TransactionType.EXPIRY, rest, due_at)


def record(  # noqa: PLR0913 - a transaction has this many facts of its own
    payment: Payment,
    kind: TransactionType,
    amount: int,
    at: datetime,
    *,
    error_code: str | None = None,
    allocations: tuple[Allocation, ...] = (),
) -> Change:
    """Add one transaction to the payment as it is after it; raise PaymentFull."""
    seq = payment.version + 1
    if seq > TRANSACTIONS_MAX:
        raise PaymentFull
    transaction = Transaction(
        transaction_id=transaction_id_of(payment.payment_id, seq, kind),
        payment_id=payment.payment_id,
        seq=seq,
        merchant_id=payment.merchant_id,
        type=kind,
        status=TransactionStatus.FAILED if error_code else TransactionStatus.COMPLETED,
        amount=amount,
        currency=payment.currency,
        created_at=at,
        after=payment.amounts,
        error_code=error_code,
        allocations=allocations,
    )
    return Change(replace(payment, version=seq, updated_at=at), (transaction,))
