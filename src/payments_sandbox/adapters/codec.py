"""Payments and transactions as bytes in a ledger and back.

What has its default value is left out, so a default may never change: old records would.
"""

from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter

from payments_sandbox.domain.merchant import Settings
from payments_sandbox.domain.payment import Payment
from payments_sandbox.domain.transaction import Transaction

_PAYMENT = TypeAdapter(Payment)
_TRANSACTION = TypeAdapter(Transaction)
_SETTINGS = TypeAdapter(Settings)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def encode_payment(payment: Payment) -> bytes:
    """Return the head as JSON; what has its default value is left out."""
    return _PAYMENT.dump_json(payment, exclude_defaults=True)


def decode_payment(data: bytes) -> Payment:
    """Return the head that `encode_payment` wrote."""
    return _PAYMENT.validate_json(data)


def encode_transaction(transaction: Transaction) -> bytes:
    """Return the transaction as JSON; what has its default value is left out."""
    return _TRANSACTION.dump_json(transaction, exclude_defaults=True)


def decode_transaction(data: bytes) -> Transaction:
    """Return the transaction that `encode_transaction` wrote."""
    return _TRANSACTION.validate_json(data)


def encode_settings(settings: Settings) -> bytes:
    """Return the settings as JSON; a setting added later takes its default."""
    return _SETTINGS.dump_json(settings)


def decode_settings(data: bytes) -> Settings:
    """Return the settings that `encode_settings` wrote."""
    return _SETTINGS.validate_json(data)


def ms_of(at: datetime) -> int:
    """Return milliseconds since 1970, as a ledger compares times."""
    return (at - _EPOCH) // _MILLISECOND
