"""Postings: what each transaction moves between which accounts, so that books add up."""

from enum import StrEnum
from typing import NamedTuple

from payments_sandbox.domain.event import Logged
from payments_sandbox.domain.settlement import BatchTransaction, BatchTransactionType
from payments_sandbox.domain.transaction import Transaction, TransactionStatus, TransactionType


class BookAccount(StrEnum):
    """Where money stands."""

    CARD_NETWORK = "card_network"
    """Below zero by what cardholders have paid."""
    MERCHANT_PENDING = "merchant_pending"
    """Captured, less refunded, and in no batch yet."""
    MERCHANT_AVAILABLE = "merchant_available"
    """Settled, and not yet paid out; below zero where more was refunded."""
    FEES = "fees"
    IN_TRANSIT = "in_transit"
    MERCHANT_BANK = "merchant_bank"


class Posting(NamedTuple):
    """An amount from one account to another, in minor units, zero or more."""

    source: BookAccount
    target: BookAccount
    amount: int
    currency: str


def postings_of(transaction: Logged) -> tuple[Posting, ...]:
    """Return what the transaction moves: nothing, if it failed or only reserves."""
    if isinstance(transaction, BatchTransaction):
        return (_of_batch(transaction),)
    if transaction.status is not TransactionStatus.COMPLETED:
        return ()
    amount, currency = transaction.amount, transaction.currency
    paid = Posting(BookAccount.CARD_NETWORK, BookAccount.MERCHANT_PENDING, amount, currency)
    if transaction.type is TransactionType.CAPTURE:
        return (paid,)
    is_reversal = transaction.type is TransactionType.VOID and transaction.allocations
    if transaction.type is TransactionType.REFUND or is_reversal:
        return (_back(paid),)
    return _of_settlement(transaction)


def _of_settlement(transaction: Transaction) -> tuple[Posting, ...]:
    details, currency = transaction.settlement, transaction.currency
    if details is None:
        return ()
    pending, available = BookAccount.MERCHANT_PENDING, BookAccount.MERCHANT_AVAILABLE
    return (
        _signed(Posting(pending, available, details.gross - details.refunds, currency)),
        _signed(Posting(available, BookAccount.FEES, details.fees, currency)),
    )


def _of_batch(transaction: BatchTransaction) -> Posting:
    batch = transaction.settlement
    if transaction.type is BatchTransactionType.CLOSING:
        source, target = BookAccount.MERCHANT_AVAILABLE, BookAccount.IN_TRANSIT
    else:
        source, target = BookAccount.IN_TRANSIT, BookAccount.MERCHANT_BANK
    return Posting(source, target, batch.payout, batch.currency)


def _back(posting: Posting) -> Posting:
    return posting._replace(source=posting.target, target=posting.source)


def _signed(posting: Posting) -> Posting:
    """Return the posting with an amount of zero or more, the other way round if need be."""
    return posting if posting.amount >= 0 else _back(posting._replace(amount=-posting.amount))
