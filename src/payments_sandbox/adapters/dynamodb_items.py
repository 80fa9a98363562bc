"""Payments, the log, spent keys and deliveries as items of the table and back.

`expires_at` is when the table may delete an item, in seconds of real time; the table is late, so
every read looks at it too. `listed_at` orders the indexes: a payment by its id, what is in the log
by when it was written, a delivery by when it was made.
"""

from datetime import datetime
from typing import Any

from payments_sandbox.adapters.codec import (
    decode_logged,
    decode_payment,
    decode_transaction,
    encode_logged,
    encode_payment,
    ms_of,
)
from payments_sandbox.adapters.codec_webhooks import decode_delivery, encode_delivery
from payments_sandbox.adapters.dynamodb_table import Item, key_of
from payments_sandbox.domain.delivery import Delivery
from payments_sandbox.domain.event import Logged
from payments_sandbox.domain.payment import Payment
from payments_sandbox.domain.times import iso_of
from payments_sandbox.domain.transaction import Transaction
from payments_sandbox.services.ports import IdempotencyKey
from payments_sandbox.services.webhook_ports import listed_at

HEAD, SPENT, DELIVERY = "payment", "key", "delivery#"
FOLLOWS = (
    "version = :before AND merchant_id = :merchant"
    " AND (attribute_not_exists(expires_at) OR expires_at > :now)"
)
"""The condition under which a head or a delivery is replaced, with what `following` returns."""


def record_of(seq: int) -> str:
    """Return the sort key of a transaction, a payment's or a batch's."""
    return f"txn#{seq:06}"


def listed_in(merchant_id: str, what: str) -> dict[str, str]:
    """Return the list of a merchant's payments, events, deliveries or settlements."""
    return {"S": f"{merchant_id}#{what}"}


def head_item(payment: Payment) -> dict[str, Any]:
    """Return the head; while something is due it says when."""
    item = key_of(payment.payment_id, HEAD) | {
        "merchant_id": {"S": payment.merchant_id},
        "version": {"N": str(payment.version)},
        "card_id": {"S": payment.card.card_id},
        "listed_in": listed_in(payment.merchant_id, "payments"),
        "listed_at": {"S": payment.payment_id},
        "body": {"S": encode_payment(payment).decode()},
    }
    if payment.due_at is not None:
        item["due_at"] = {"S": iso_of(payment.due_at)}
    return item | expiring(payment.expires_at)


def transaction_item(
    payment: Payment, transaction: Transaction, written_at: datetime
) -> dict[str, Any]:
    """Return one transaction of the payment."""
    return logged_item(transaction, written_at, payment.expires_at)


def logged_item(
    logged: Logged, written_at: datetime, expires_at: datetime | None
) -> dict[str, Any]:
    """Return what stands in the log: a transaction of a payment or of a settlement batch."""
    return (
        key_of(logged.subject_id, record_of(logged.seq))
        | {
            "listed_in": listed_in(logged.merchant_id, "events"),
            "listed_at": {"S": f"{iso_of(written_at)}#{logged.transaction_id}"},
            "body": {"S": encode_logged(logged).decode()},
        }
        | expiring(expires_at)
    )


def spent_item(key: IdempotencyKey, payment: Payment) -> dict[str, Any]:
    """Return the key, spent on the payment's last transaction for as long as that is kept.

    `ends_at` is on the merchant's clock, in milliseconds.
    """
    return (
        spent_key(key)
        | {
            "fingerprint": {"B": key.fingerprint},
            "payment_id": {"S": payment.payment_id},
            "seq": {"N": str(payment.version)},
            "ends_at": {"N": str(ms_of(key.expires_at))},
        }
        | expiring(min(key.forgotten_at, payment.expires_at or key.forgotten_at))
    )


def spent_key(key: IdempotencyKey) -> dict[str, Any]:
    """Return the primary key of a spent key."""
    return key_of(f"idem#{key.scope_hash.hex()}", SPENT)


def delivery_item(delivery: Delivery) -> dict[str, Any]:
    """Return the delivery; while an attempt is due it says when."""
    item = key_of(delivery.message_id, DELIVERY + delivery.endpoint_id) | {
        "merchant_id": {"S": delivery.merchant_id},
        "version": {"N": str(delivery.version)},
        "listed_in": listed_in(delivery.merchant_id, "deliveries"),
        "listed_at": {"S": listed_at(delivery)},
        "body": {"S": encode_delivery(delivery).decode()},
    }
    if delivery.due_at is not None:
        item["due_at"] = {"S": iso_of(delivery.due_at)}
    return item | expiring(delivery.expires_at)


def following(version: int, merchant_id: str, now: datetime) -> dict[str, Any]:
    """Return what FOLLOWS compares: the item there is the merchant's, of this version, and kept."""
    return {
        ":before": {"N": str(version)},
        ":merchant": {"S": merchant_id},
        ":now": seconds_of(now),
    }


def seconds_of(now: datetime) -> dict[str, str]:
    """Return real time as `expires_at` is compared with it: what is kept is above it."""
    return {"N": str(ms_of(now) // 1000)}


def payment_of(item: Item) -> Payment:
    """Return the head an item holds."""
    return decode_payment(item["body"]["S"].encode())


def transaction_of(item: Item) -> Transaction:
    """Return the payment's transaction an item holds."""
    return decode_transaction(item["body"]["S"].encode())


def logged_of(item: Item) -> Logged:
    """Return the transaction an item holds, a payment's or a settlement batch's."""
    return decode_logged(item["transaction_id"]["S"], item["body"]["S"].encode())


def delivery_of(item: Item) -> Delivery:
    """Return the delivery an item holds."""
    return decode_delivery(item["body"]["S"].encode())


def is_kept(item: Item, now: datetime) -> bool:
    """Tell whether an item's retention lasts; the table may hold it two days longer."""
    return "expires_at" not in item or int(item["expires_at"]["N"]) * 1000 > ms_of(now)


def expiring(at: datetime | None) -> dict[str, Any]:
    """Return when the table may delete the item: the whole second that is not too early."""
    return {} if at is None else {"expires_at": {"N": str(-(-ms_of(at) // 1000))}}
