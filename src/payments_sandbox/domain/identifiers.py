"""Ids that are ordered by time and tell their payment, so that none needs a look-up.

`auth_<core>` is the payment and its authorization, `cap_<core>_2` its second transaction,
`ref_<core>_3` its third. A core is 26 characters of lower-case Crockford base 32.
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


class Place(NamedTuple):
    """Where a transaction stands: its payment, its number there, its type."""

    payment_id: str
    seq: int
    type: TransactionType


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
