"""Events in SQLite: the log, read by merchant in the order it was written."""

import sqlite3
from datetime import datetime
from typing import Any

from payments_sandbox.adapters.codec import decode_logged, ms_of
from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.event import Logged
from payments_sandbox.domain.identifiers import event_place_of
from payments_sandbox.services.ports import EventPage

NEVER_MS = 1 << 62
EXPIRES_AT = "ifnull(p.expires_at, s.expires_at)"
LOG = (
    " FROM transactions t LEFT JOIN payments p"
    " ON p.merchant_id = t.merchant_id AND p.payment_id = t.payment_id"
    " LEFT JOIN settlements s ON s.settlement_id = t.payment_id"
)
"""The log, and whose each entry is: a payment's or a settlement batch's."""
_KEPT = f"{LOG} WHERE t.merchant_id = ? AND ifnull({EXPIRES_AT}, ?) > ?"


def event_of(reader: sqlite3.Connection, merchant_id: str, event_id: str, now: datetime) -> Logged:
    """Return the transaction that an event is; raise NotFound."""
    body = _found(reader, merchant_id, event_id, now, "t.body")
    return decode_logged(event_place_of(event_id).subject_id, body)


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
        f"SELECT t.payment_id, t.body{_KEPT} AND {beyond} ORDER BY t.position {order} LIMIT ?",
        (merchant_id, NEVER_MS, ms_of(now), start, limit + 1),
    ).fetchall()
    found = [decode_logged(*row) for row in rows[:limit]]
    return EventPage(found, len(rows) > limit)


def _found(
    reader: sqlite3.Connection, merchant_id: str, event_id: str, now: datetime, column: str
) -> Any:  # noqa: ANN401 - a column of any type
    place = event_place_of(event_id)
    row = reader.execute(
        f"SELECT {column}{_KEPT} AND t.payment_id = ? AND t.seq = ?",
        (merchant_id, NEVER_MS, ms_of(now), place.subject_id, place.seq),
    ).fetchone()
    if row is None:
        raise NotFound
    return row[0]
