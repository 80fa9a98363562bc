"""Settlement: what a batch takes of a payment, and the batch until it is paid out.

A batch is a merchant's for one currency and business day. It takes captures and refunds while it
is open; closing, it takes no more and is summed up from its lines; closed, its net is on the way
to the merchant, or carried forward if nothing is left to pay out.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from enum import StrEnum

from payments_sandbox.domain.card import Card
from payments_sandbox.domain.identifiers import transaction_id_of
from payments_sandbox.domain.payment import Captured, Change, Payment, Refunded, record
from payments_sandbox.domain.transaction import (
    SettledItem,
    SettlementDetails,
    Transaction,
    TransactionType,
)


class BatchState(StrEnum):
    """What a batch can be."""

    OPEN = "open"
    CLOSING = "closing"
    """Takes no more, and is being summed up."""
    CLOSED = "closed"
    PAID = "paid"


class BatchTransactionType(StrEnum):
    """What happens to a batch."""

    CLOSING = "closing"
    PAYOUT = "payout"


@dataclass(frozen=True, slots=True)
class Totals:
    """What lines add up to, in minor units; `captures` and `refunds` count them."""

    captures: int = 0
    refunds: int = 0
    gross: int = 0
    refunded: int = 0
    fees: int = 0

    @property
    def net(self) -> int:
        """What is left for the merchant; below zero if more was refunded."""
        return self.gross - self.refunded - self.fees

    def plus(self, other: "Totals") -> "Totals":
        """Return the sum of both."""
        return Totals(
            self.captures + other.captures,
            self.refunds + other.refunds,
            self.gross + other.gross,
            self.refunded + other.refunded,
            self.fees + other.fees,
        )


@dataclass(frozen=True, slots=True)
class Line:
    """What a batch took of one payment: a line of its report for each item."""

    settlement_id: str
    payment_id: str
    seq: int
    """Of the payment's settlement transaction."""
    card: Card
    reference: str | None
    items: tuple[SettledItem, ...]

    @property
    def transaction_id(self) -> str:
        """The payment's settlement transaction."""
        return transaction_id_of(self.payment_id, self.seq, TransactionType.SETTLEMENT)

    @property
    def totals(self) -> Totals:
        """What its items add up to."""
        captured = [one.amount for one in self.items if one.type is TransactionType.CAPTURE]
        refunded = [one.amount for one in self.items if one.type is TransactionType.REFUND]
        fees = sum([one.fee for one in self.items])
        return Totals(len(captured), len(refunded), sum(captured), sum(refunded), fees)


@dataclass(frozen=True, slots=True)
class Settlement:
    """A settlement batch; `version` is the number of its last transaction."""

    settlement_id: str
    merchant_id: str
    currency: str
    business_day: date
    closes_at: datetime
    payout_date: date
    created_at: datetime
    state: BatchState = BatchState.OPEN
    version: int = 0
    totals: Totals = field(default_factory=Totals)
    """Of its lines, once it is closed."""
    brought_forward: int = 0
    """What earlier batches left below zero."""
    closed_at: datetime | None = None
    paid_at: datetime | None = None
    expires_at: datetime | None = None
    """When its retention ends, in real time; None keeps it for good."""

    @property
    def payout(self) -> int:
        """What is paid out of it, in minor units."""
        return max(self.totals.net + self.brought_forward, 0)

    @property
    def carried_forward(self) -> int:
        """What it leaves to the next batch, zero or below."""
        return min(self.totals.net + self.brought_forward, 0)

    @property
    def payout_at(self) -> datetime:
        """When it is paid out."""
        return datetime.combine(self.payout_date, time(0), UTC)


@dataclass(frozen=True, slots=True)
class BatchTransaction:
    """What happened to a batch, and the batch after it; in the log as a payment's are."""

    transaction_id: str
    seq: int
    type: BatchTransactionType
    created_at: datetime
    settlement: Settlement

    @property
    def merchant_id(self) -> str:
        """Whose it is."""
        return self.settlement.merchant_id

    @property
    def subject_id(self) -> str:
        """Whose log it stands in: the batch's id."""
        return self.settlement.settlement_id


@dataclass(frozen=True, slots=True)
class Payout:
    """What is on its way to the merchant, in minor units."""

    settlement_id: str
    amount: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Account:
    """A merchant's batches in one currency: at most one takes or is summed up at a time.

    `version` counts its writes. What a closing leaves stands here in the same write.
    """

    merchant_id: str
    currency: str
    version: int = 0
    batch_id: str | None = None
    """The batch that is open or closing."""
    closes_at: datetime | None = None
    last_day: date | None = None
    """The business day of the last batch that was opened."""
    carried_forward: int = 0
    in_transit: tuple[Payout, ...] = ()
    totals: Totals = field(default_factory=Totals)
    """Of all closed batches."""
    paid_out: int = 0

    @property
    def due_at(self) -> datetime | None:
        """When the next thing happens to its batches by itself: a closing or a payout."""
        moments = [one.at for one in self.in_transit]
        return min([*moments, self.closes_at] if self.closes_at else moments, default=None)


def settle(payment: Payment, settlement_id: str, cutoff: datetime) -> Change:
    """Return the payment with all settled that a cut-off takes, and the transaction of it.

    It happens at the cut-off, or after what the payment has gone through since.
    """
    taken = [one for one in payment.awaiting if one.settles_at <= cutoff]
    items = tuple(map(_item, taken))
    details = SettlementDetails(settlement_id, items)
    return record(
        payment,
        TransactionType.SETTLEMENT,
        details.net,
        max(cutoff, payment.updated_at),
        settlement=details,
        amounts=replace(payment.amounts, settled=payment.amounts.settled + details.gross),
        captures=tuple(
            [
                replace(one, settled=True)
                if one.awaits_settlement and one.settles_at <= cutoff
                else one
                for one in payment.captures
            ]
        ),
        refunds=tuple([one for one in payment.refunds if one.settles_at > cutoff]),
    )


def line_of(payment: Payment, transaction: Transaction) -> Line:
    """Return the line of a batch for the settlement of a payment."""
    details = transaction.settlement
    assert details is not None  # noqa: S101 - it is a settlement
    return Line(
        details.settlement_id,
        payment.payment_id,
        transaction.seq,
        payment.card,
        payment.reference,
        details.items,
    )


def _item(one: Captured | Refunded) -> SettledItem:
    is_refund = isinstance(one, Refunded)
    return SettledItem(
        one.transaction_id,
        TransactionType.REFUND if is_refund else TransactionType.CAPTURE,
        one.amount,
        -one.fee_returned if is_refund else one.fee,
        one.created_at,
    )
