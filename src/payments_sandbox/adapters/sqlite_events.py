"""Events in SQLite: the log of transactions, read by merchant in the order it was written."""

import sqlite3
from datetime import datetime
from typing import Any

from payments_sandbox.adapters.codec import decode_transaction, ms_of
from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.identifiers import event_place_of
from payments_sandbox.domain.transaction import Transaction
from payments_sandbox.services.ports import EventPage

NEVER_MS = 1 << 62
_KEPT = (
    " FROM transactions t JOIN payments p"
    " ON p.merchant_id = t.merchant_id AND p.payment_id = t.payment_id"
    " WHERE t.merchant_id = ? AND ifnull(p.expires_at, ?) > ?"
)


def event_of(
    reader: sqlite3.Connection, merchant_id: str, event_id: str, now: datetime
) -> Transaction:
    """Return the transaction that an event is; raise NotFound."""
    return decode_transaction(_found(reader, merchant_id, event_id, now, "t.body"))


def events_of(  # noqa: PLR0913 - as the port has it
    reader: sqlite3.Connection,
    merchant_id: str,
    now: datetime,
    *,
    before: str | None,
    after: str | None,
    limit: int,
) -> EventPage:
    """Return transactions below `before`, newest first, or above `after`, oldest first."""
    beyond, order, start = "t.position < ?", "DESC", NEVER_MS
    if after is not None:
        beyond, order, start = "t.position > ?", "ASC", 0
    if after or before:
        start = _found(reader, merchant_id, after or before or "", now, "t.position")
    rows = reader.execute(
        f"SELECT t.body{_KEPT} AND {beyond} ORDER BY t.position {order} LIMIT ?",
        (merchant_id, NEVER_MS, ms_of(now), start, limit + 1),
    ).fetchall()
    found = [decode_transaction(body) for (body,) in rows[:limit]]
    return EventPage(found, len(rows) > limit)


def _found(
    reader: sqlite3.Connection, merchant_id: str, event_id: str, now: datetime, column: str
) -> Any:  # noqa: ANN401 - a column of any type
    place = event_place_of(event_id)
    row = reader.execute(
        f"SELECT {column}{_KEPT} AND t.payment_id = ? AND t.seq = ?",
        (merchant_id, NEVER_MS, ms_of(now), place.payment_id, place.seq),
    ).fetchone()
    if row is None:
        raise NotFound
    return row[0]
