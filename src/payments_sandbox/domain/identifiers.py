"""Ids that are ordered by time and tell their payment, so that none needs a look-up.

`auth_<core>` is the payment and its authorization, `cap_<core>_2` its second transaction,
`ref_<core>_3` its third, and `evt_<core>_2` the event that the second is. `stl_<core>` is a
settlement batch, `evt_stl_<core>_1` the event of its first transaction. A delivery's id is made
of its message's and its endpoint's, a ping counting as number 0. A core is 26 characters of
lower-case Crockford base 32.
"""

import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.transaction import TransactionType

_PREFIXES = {
    TransactionType.AUTHORIZATION: "auth",
    TransactionType.CAPTURE: "cap",
    TransactionType.REFUND: "ref",
    TransactionType.VOID: "void",
    TransactionType.EXPIRY: "exp",
    TransactionType.SETTLEMENT: "set",
}
_TYPES = {prefix: kind for kind, prefix in _PREFIXES.items()}
_PAYMENT = re.compile(r"auth_([0-9a-hjkmnp-tv-z]{26})")
_TRANSACTION = re.compile(r"([a-z]{3,4})_([0-9a-hjkmnp-tv-z]{26})_([2-9]|[1-9][0-9]{1,3})")
_EVENT = re.compile(r"evt_(stl_)?([0-9a-hjkmnp-tv-z]{26})_([1-9][0-9]{0,3})")
_SETTLEMENT = re.compile(r"stl_[0-9a-hjkmnp-tv-z]{26}")
_PING = re.compile(r"ping_([0-9a-hjkmnp-tv-z]{26})")
_DELIVERY = re.compile(
    r"dlv_((?:stl_)?[0-9a-hjkmnp-tv-z]{26})_(0|[1-9][0-9]{0,3})_([0-9a-hjkmnp-tv-z]{26})"
)
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_CHANCE_BITS = 80
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Place(NamedTuple):
    """Where a transaction stands: its payment, its number there, its type."""

    payment_id: str
    seq: int
    type: TransactionType


class EventPlace(NamedTuple):
    """Which transaction an event is: whose, a payment's or a settlement batch's, and its number."""

    subject_id: str
    seq: int


class DeliveryPlace(NamedTuple):
    """Which message goes to which endpoint."""

    message_id: str
    endpoint_id: str


def payment_id_of(core: str) -> str:
    """Return the id of the payment, and of its authorization, with this core."""
    return f"auth_{core}"


def transaction_id_of(payment_id: str, seq: int, kind: TransactionType) -> str:
    """Return the id of the payment's transaction number `seq`."""
    if seq == 1:
        return payment_id
    return f"{_PREFIXES[kind]}_{payment_id.removeprefix('auth_')}_{seq}"


def is_payment_id(text: str) -> bool:
    """Tell whether the text has the form of a payment's id."""
    return _PAYMENT.fullmatch(text) is not None


def place_of(transaction_id: str) -> Place:
    """Return where the transaction stands; raise NotFound for what cannot be an id of ours."""
    if is_payment_id(transaction_id):
        return Place(transaction_id, 1, TransactionType.AUTHORIZATION)
    match = _TRANSACTION.fullmatch(transaction_id)
    if match is None:
        raise NotFound
    prefix, core, seq = match.groups()
    kind = _TYPES.get(prefix)
    if kind is None or kind is TransactionType.AUTHORIZATION:
        raise NotFound
    return Place(payment_id_of(core), int(seq), kind)


def core_of(at: datetime, *named: str) -> str:
    """Return the core of a time, with chance that the names alone decide."""
    ms = (at - _EPOCH) // timedelta(milliseconds=1)
    chance = sha256("\0".join(named).encode()).digest()[: _CHANCE_BITS // 8]
    number = (ms << _CHANCE_BITS) | int.from_bytes(chance)
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


def settlement_id_of(closes_at: datetime, *named: str) -> str:
    """Return the id of the batch that closes then; `named` tells it from others of that time.

    The same batch has the same id whoever opens it.
    """
    return f"stl_{core_of(closes_at, *named)}"


def is_settlement_id(text: str) -> bool:
    """Tell whether the text has the form of a settlement batch's id."""
    return _SETTLEMENT.fullmatch(text) is not None


def batch_transaction_id_of(settlement_id: str, seq: int) -> str:
    """Return the id of the batch's own transaction number `seq`."""
    return f"{settlement_id}_{seq}"


def event_id_of(subject_id: str, seq: int) -> str:
    """Return the id of the event that the transaction `seq` of a payment or a batch is."""
    return f"evt_{subject_id.removeprefix('auth_')}_{seq}"


def event_place_of(event_id: str) -> EventPlace:
    """Return which transaction it is; raise NotFound for what cannot be an event's id."""
    match = _EVENT.fullmatch(event_id)
    if match is None:
        raise NotFound
    batch, core, seq = match.groups()
    return EventPlace(batch + core if batch else payment_id_of(core), int(seq))


def endpoint_id_of(core: str) -> str:
    """Return the id of the endpoint with this core."""
    return f"ep_{core}"


def ping_id_of(core: str) -> str:
    """Return the id of the ping with this core."""
    return f"ping_{core}"


def delivery_id_of(message_id: str, endpoint_id: str) -> str:
    """Return the id of the delivery of an event or a ping to an endpoint."""
    ping = _PING.fullmatch(message_id)
    message = f"{ping[1]}_0" if ping else message_id.removeprefix("evt_")
    return f"dlv_{message}_{endpoint_id.removeprefix('ep_')}"


def delivery_place_of(delivery_id: str) -> DeliveryPlace:
    """Return its message and endpoint; raise NotFound for what cannot be a delivery's id."""
    match = _DELIVERY.fullmatch(delivery_id)
    if match is None:
        raise NotFound
    core, seq, endpoint_core = match.groups()
    if seq == "0" and core.startswith("stl_"):
        raise NotFound
    message_id = f"evt_{core}_{seq}" if seq != "0" else ping_id_of(core)
    return DeliveryPlace(message_id, endpoint_id_of(endpoint_core))
