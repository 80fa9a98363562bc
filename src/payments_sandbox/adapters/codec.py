"""What a ledger keeps of payments, settlement and merchants, as bytes and back.

What has its default value is left out, so a default may never change: old records would.
"""

from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter

from payments_sandbox.domain.event import Logged
from payments_sandbox.domain.identifiers import is_settlement_id
from payments_sandbox.domain.merchant import Merchant, Settings
from payments_sandbox.domain.payment import Payment
from payments_sandbox.domain.settlement import (
    Account,
    BatchTransaction,
    Line,
    Settlement,
)
from payments_sandbox.domain.transaction import Transaction

_PAYMENT = TypeAdapter(Payment)
_TRANSACTION = TypeAdapter(Transaction)
_SETTINGS = TypeAdapter(Settings)
_MERCHANT = TypeAdapter(Merchant)
_BATCH_TRANSACTION = TypeAdapter(BatchTransaction)
_SETTLEMENT = TypeAdapter(Settlement)
_ACCOUNT = TypeAdapter(Account)
_LINE = TypeAdapter(Line)
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


def encode_logged(transaction: Logged) -> bytes:
    """Return what stands in the log as JSON."""
    if isinstance(transaction, BatchTransaction):
        return _BATCH_TRANSACTION.dump_json(transaction, exclude_defaults=True)
    return encode_transaction(transaction)


def decode_logged(subject_id: str, data: bytes) -> Logged:
    """Return what `encode_logged` wrote for a payment or a settlement batch."""
    if is_settlement_id(subject_id):
        return _BATCH_TRANSACTION.validate_json(data)
    return decode_transaction(data)


def encode_settlement(settlement: Settlement) -> bytes:
    """Return a batch as JSON; what has its default value is left out."""
    return _SETTLEMENT.dump_json(settlement, exclude_defaults=True)


def decode_settlement(data: bytes) -> Settlement:
    """Return the batch that `encode_settlement` wrote."""
    return _SETTLEMENT.validate_json(data)


def encode_account(account: Account) -> bytes:
    """Return an account as JSON; what has its default value is left out."""
    return _ACCOUNT.dump_json(account, exclude_defaults=True)


def decode_account(data: bytes) -> Account:
    """Return the account that `encode_account` wrote."""
    return _ACCOUNT.validate_json(data)


def encode_line(line: Line) -> bytes:
    """Return a batch's line as JSON."""
    return _LINE.dump_json(line)


def decode_line(data: bytes) -> Line:
    """Return the line that `encode_line` wrote."""
    return _LINE.validate_json(data)


def encode_merchant(merchant: Merchant) -> bytes:
    """Return a merchant as JSON."""
    return _MERCHANT.dump_json(merchant)


def decode_merchant(data: bytes) -> Merchant:
    """Return the merchant that `encode_merchant` wrote; what was added later has its default."""
    return _MERCHANT.validate_json(data)


def encode_settings(settings: Settings) -> bytes:
    """Return the settings as JSON; a setting added later takes its default."""
    return _SETTINGS.dump_json(settings)


def decode_settings(data: bytes) -> Settings:
    """Return the settings that `encode_settings` wrote."""
    return _SETTINGS.validate_json(data)


def ms_of(at: datetime) -> int:
    """Return milliseconds since 1970, as a ledger compares times."""
    return (at - _EPOCH) // _MILLISECOND
