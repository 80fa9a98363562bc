"""Lists of payments: along one index, newest first, a bounded number of rows."""

import sqlite3
from collections.abc import Iterator
from heapq import merge
from itertools import islice
from typing import NamedTuple

from payments_sandbox.domain.payment import Status
from payments_sandbox.services.ports import PaymentFilter

SCAN_MAX = 1_000
_ABOVE_ALL_IDS = "b"

# A stored status may be out of date by what fell due since; what each may have been before.
_STORED_AS = {
    Status.EXPIRED: (Status.EXPIRED, Status.AUTHORIZED),
    Status.CAPTURED: (Status.CAPTURED, Status.PARTIALLY_CAPTURED),
    Status.REFUNDED: (Status.REFUNDED, Status.PARTIALLY_REFUNDED),
}


class Row(NamedTuple):
    """What a list looks at before it reads a head."""

    payment_id: str
    card_id: str
    reference: str | None
    status: str
    expires_at: int | None
    body: bytes


def walk(
    reader: sqlite3.Connection, merchant_id: str, wanted: PaymentFilter, before: str | None
) -> Iterator[Row]:
    """Yield rows newest first along one index, SCAN_MAX at most."""
    narrow: list[tuple[str, str]] = [("merchant_id", merchant_id)]
    if wanted.reference is not None:
        narrow = [("reference", wanted.reference)]
    elif wanted.card_id is not None:
        narrow = [("card_id", wanted.card_id)]
    elif wanted.status is not None:
        narrow = [("status", stored) for stored in _stored_as(wanted.status)]
    walks = [
        reader.execute(
            "SELECT payment_id, card_id, reference, status, expires_at, body FROM payments"  # noqa: S608 - column is one of ours
            f" WHERE merchant_id = ? AND {column} = ? AND payment_id < ?"
            " ORDER BY payment_id DESC LIMIT ?",
            (merchant_id, value, before or _ABOVE_ALL_IDS, SCAN_MAX),
        )
        for column, value in narrow
    ]
    rows = (Row(*row) for row in merge(*walks, reverse=True))
    return islice(rows, SCAN_MAX)


def may_match(row: Row, wanted: PaymentFilter) -> bool:
    """Tell, before the body is read, whether the row can be wanted."""
    return (
        wanted.card_id in {None, row.card_id}
        and wanted.reference in {None, row.reference}
        and (wanted.status is None or row.status in _stored_as(wanted.status))
    )


def _stored_as(status: Status) -> tuple[Status, ...]:
    return _STORED_AS.get(status, (status,))
