"""Ids that are ordered by time and tell their payment, so that none needs a look-up.

`auth_<core>` is the payment and its authorization, `cap_<core>_2` its second transaction,
`ref_<core>_3` its third, and `evt_<core>_2` the event that the second is. A delivery's id is made
of its message's and its endpoint's, a ping counting as number 0. A core is 26 characters of
lower-case Crockford base 32.
"""

import re
from typing import NamedTuple

from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.transaction import TransactionType

_PREFIXES = {
    TransactionType.AUTHORIZATION: "auth",
    TransactionType.CAPTURE: "cap",
    TransactionType.REFUND: "ref",
    TransactionType.VOID: "void",
    TransactionType.EXPIRY: "exp",
}
_TYPES = {prefix: kind for kind, prefix in _PREFIXES.items()}
_PAYMENT = re.compile(r"auth_([0-9a-hjkmnp-tv-z]{26})")
_TRANSACTION = re.compile(r"([a-z]{3,4})_([0-9a-hjkmnp-tv-z]{26})_([2-9]|[1-9][0-9]{1,3})")
_EVENT = re.compile(r"evt_([0-9a-hjkmnp-tv-z]{26})_([1-9][0-9]{0,3})")
_PING = re.compile(r"ping_([0-9a-hjkmnp-tv-z]{26})")
_DELIVERY = re.compile(r"dlv_([0-9a-hjkmnp-tv-z]{26})_(0|[1-9][0-9]{0,3})_([0-9a-hjkmnp-tv-z]{26})")


class Place(NamedTuple):
    """Where a transaction stands: its payment, its number there, its type."""

    payment_id: str
    seq: int
    type: TransactionType


class EventPlace(NamedTuple):
    """Which transaction an event is."""

    payment_id: str
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


def event_id_of(payment_id: str, seq: int) -> str:
    """Return the id of the event that the payment's transaction number `seq` is."""
    return f"evt_{payment_id.removeprefix('auth_')}_{seq}"


def event_place_of(event_id: str) -> EventPlace:
    """Return which transaction it is; raise NotFound for what cannot be an event's id."""
    match = _EVENT.fullmatch(event_id)
    if match is None:
        raise NotFound
    return EventPlace(payment_id_of(match[1]), int(match[2]))


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
    message_id = f"evt_{core}_{seq}" if seq != "0" else ping_id_of(core)
    return DeliveryPlace(message_id, endpoint_id_of(endpoint_core))
