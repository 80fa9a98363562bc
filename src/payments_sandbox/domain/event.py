"""Events: every transaction is one, under a name that says how it ended."""

from enum import StrEnum

from payments_sandbox.domain.settlement import BatchTransaction, BatchTransactionType
from payments_sandbox.domain.transaction import Transaction, TransactionStatus, TransactionType

EVERYTHING = "*"


class EventType(StrEnum):
    """What happened to a payment or a settlement batch."""

    PAYMENT_AUTHORIZED = "payment_authorized"
    PAYMENT_DECLINED = "payment_declined"
    PAYMENT_CAPTURED = "payment_captured"
    PAYMENT_CAPTURE_FAILED = "payment_capture_failed"
    PAYMENT_REFUNDED = "payment_refunded"
    PAYMENT_REFUND_FAILED = "payment_refund_failed"
    PAYMENT_VOIDED = "payment_voided"
    PAYMENT_VOID_FAILED = "payment_void_failed"
    AUTHORIZATION_EXPIRED = "authorization_expired"
    TRANSACTION_SETTLED = "transaction_settled"
    SETTLEMENT_CLOSED = "settlement_closed"
    SETTLEMENT_PAID = "settlement_paid"


Logged = Transaction | BatchTransaction
"""What stands in the log, and is an event: a payment's transaction, or a batch's."""

_NAMES = {
    (TransactionType.AUTHORIZATION, TransactionStatus.APPROVED): EventType.PAYMENT_AUTHORIZED,
    (TransactionType.AUTHORIZATION, TransactionStatus.DECLINED): EventType.PAYMENT_DECLINED,
    (TransactionType.CAPTURE, TransactionStatus.COMPLETED): EventType.PAYMENT_CAPTURED,
    (TransactionType.CAPTURE, TransactionStatus.FAILED): EventType.PAYMENT_CAPTURE_FAILED,
    (TransactionType.REFUND, TransactionStatus.COMPLETED): EventType.PAYMENT_REFUNDED,
    (TransactionType.REFUND, TransactionStatus.FAILED): EventType.PAYMENT_REFUND_FAILED,
    (TransactionType.VOID, TransactionStatus.COMPLETED): EventType.PAYMENT_VOIDED,
    (TransactionType.VOID, TransactionStatus.FAILED): EventType.PAYMENT_VOID_FAILED,
    (TransactionType.EXPIRY, TransactionStatus.COMPLETED): EventType.AUTHORIZATION_EXPIRED,
    (TransactionType.SETTLEMENT, TransactionStatus.COMPLETED): EventType.TRANSACTION_SETTLED,
}
_BATCH_NAMES = {
    BatchTransactionType.CLOSING: EventType.SETTLEMENT_CLOSED,
    BatchTransactionType.PAYOUT: EventType.SETTLEMENT_PAID,
}


def event_type_of(transaction: Logged) -> EventType:
    """Return the name of the event that the transaction is."""
    if isinstance(transaction, BatchTransaction):
        return _BATCH_NAMES[transaction.type]
    return _NAMES[transaction.type, transaction.status]
