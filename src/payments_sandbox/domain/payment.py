"""A payment: what follows from its transactions, kept small as every write rewrites it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from payments_sandbox.domain.card import Card
from payments_sandbox.domain.errors import NotFound, PaymentFull
from payments_sandbox.domain.identifiers import transaction_id_of
from payments_sandbox.domain.transaction import (
    Allocation,
    Amounts,
    SettlementDetails,
    Transaction,
    TransactionStatus,
    TransactionType,
)

AUTHORIZATION_LIFE = timedelta(days=7)
CAPTURES_MAX = 100
TRANSACTIONS_MAX = 1_000
_BY_ITSELF = {TransactionType.EXPIRY, TransactionType.SETTLEMENT}


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
    """A completed capture and what became of it, in minor units."""

    transaction_id: str
    amount: int
    created_at: datetime
    settles_at: datetime
    """The cut-off from which on it cannot be reversed any more."""
    fee: int = 0
    refunded: int = 0
    settled: bool = False
    voided: bool = False

    @property
    def refundable(self) -> int:
        """What of it may still be refunded."""
        return 0 if self.voided else self.amount - self.refunded

    @property
    def awaits_settlement(self) -> bool:
        """Whether a batch is still to take it."""
        return not (self.settled or self.voided)


@dataclass(frozen=True, slots=True)
class Refunded:
    """A completed refund that a batch is still to take, in minor units."""

    transaction_id: str
    amount: int
    created_at: datetime
    settles_at: datetime
    fee_returned: int = 0


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
    refunds: tuple[Refunded, ...] = ()
    """Those that await settlement."""
    ended: Ended | None = None
    reference: str | None = None
    expires_at: datetime | None = None
    """When retention ends, in real time and whole seconds; None keeps the payment for good."""

    @property
    def status(self) -> Status:
        """What the payment is; it is never set, it follows from the amounts."""
        return status_of(self.amounts, self.ended)

    def capture(self, capture_id: str) -> Captured:
        """Return the completed capture of that id; raise NotFound."""
        for one in self.captures:
            if one.transaction_id == capture_id:
                return one
        raise NotFound

    @property
    def awaiting(self) -> tuple[Captured | Refunded, ...]:
        """What a batch is still to take."""
        return (*[one for one in self.captures if one.awaits_settlement], *self.refunds)

    @property
    def unsettled(self) -> int:
        """What it adds to the merchant's pending balance: captured less refunded."""
        captured = sum(one.amount for one in self.captures if one.awaits_settlement)
        return captured - sum(one.amount for one in self.refunds)

    @property
    def settles_at(self) -> datetime | None:
        """The earliest cut-off at which a batch takes some of it, or None."""
        return min([one.settles_at for one in self.awaiting], default=None)

    @property
    def due_at(self) -> datetime | None:
        """The earliest moment at which something happens by itself, or None."""
        settles_at = self.settles_at
        if self.capture_before is None or not self.amounts.capturable:
            return settles_at
        return min(self.capture_before, settles_at or self.capture_before)


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
    """Apply what has become due by itself: the expiry of what is not captured.

    Settlement is not among it: that takes a batch, which only the run knows.
    """
    rest, due_at = payment.amounts.capturable, payment.capture_before
    if not rest or due_at is None or at < due_at:
        return Change(payment, ())
    expired = replace(
        payment,
        amounts=replace(payment.amounts, released=payment.amounts.released + rest),
        ended=Ended.EXPIRY,
    )
    return record(expired, TransactionType.EXPIRY, rest, max(due_at, payment.updated_at))


def record(  # noqa: PLR0913 - a transaction has this many facts of its own
    payment: Payment,
    kind: TransactionType,
    amount: int,
    at: datetime,
    *,
    error_code: str | None = None,
    allocations: tuple[Allocation, ...] = (),
    settlement: SettlementDetails | None = None,
    **changes: Any,  # noqa: ANN401 - as replace takes them
) -> Change:
    """Add one transaction to the payment as it is after it, but for these changes.

    Raise PaymentFull; there is always room for what happens by itself.
    """
    seq = payment.version + 1
    if seq > TRANSACTIONS_MAX and kind not in _BY_ITSELF:
        raise PaymentFull
    payment = replace(payment, version=seq, updated_at=at, **changes)
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
        settlement=settlement,
    )
    return Change(payment, (transaction,))
