"""Deliveries, in the same SQLite file as the ledger; made from its log, and found when due."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from payments_sandbox.adapters.codec import decode_logged, ms_of
from payments_sandbox.adapters.codec_webhooks import decode_delivery, encode_delivery
from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.adapters.sqlite_events import EXPIRES_AT, LOG, NEVER_MS
from payments_sandbox.domain.delivery import Delivery, State
from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.event import Logged as LoggedTransaction
from payments_sandbox.domain.identifiers import delivery_id_of
from payments_sandbox.services.ports import Clock, LostRace
from payments_sandbox.services.webhook_ports import DeliveryFilter, DeliveryPage, listed_at

SCAN_MAX = 1_000
_ABOVE_ALL = "a"  # places in the list begin with a year
_INSERT = (
    "INSERT INTO deliveries (delivery_id, merchant_id, endpoint_id, listed_at, version, state,"
    " due_at, expires_at, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)


class Logged(NamedTuple):
    """A transaction of the log, not read yet, and when its retention ends."""

    position: int
    merchant_id: str
    subject_id: str
    body: bytes
    expires_at_ms: int | None

    def transaction(self) -> LoggedTransaction:
        """Read it."""
        return decode_logged(self.subject_id, self.body)


class Due(NamedTuple):
    """What of an endpoint is due, oldest first, and when the next falls due after it."""

    deliveries: list[Delivery]
    next_due_ms: int | None


class SqliteDeliveries:
    """Deliveries, read and written through the ledger's own connections."""

    def __init__(self, ledger: SqliteLedger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    async def add(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Keep those that are new, durably; return each as it is there now."""
        rows = [_row(one) for one in deliveries]

        def write(connection: sqlite3.Connection) -> list[Delivery]:
            connection.executemany(_INSERT, rows)
            found = (
                connection.execute(
                    "SELECT body FROM deliveries WHERE delivery_id = ?", (one.delivery_id,)
                ).fetchone()
                for one in deliveries
            )
            return [decode_delivery(body) for (body,) in found]

        return await self._ledger.writer.run(write)

    async def replace(self, delivery: Delivery) -> None:
        """Write the version that follows the one that is there; raise LostRace if it is not."""
        body = encode_delivery(delivery)
        values = (
            delivery.version,
            delivery.state,
            _ms(delivery.due_at),
            body,
            delivery.merchant_id,
            delivery.delivery_id,
            delivery.version - 1,
            NEVER_MS,
        )

        def write(connection: sqlite3.Connection) -> None:
            written = connection.execute(
                "UPDATE deliveries SET version = ?, state = ?, due_at = ?, body = ?"
                " WHERE merchant_id = ? AND delivery_id = ? AND version = ?"
                " AND ifnull(expires_at, ?) > ?",
                (*values, ms_of(self._clock.now())),
            )
            if not written.rowcount:
                raise LostRace

        await self._ledger.writer.run(write)

    async def delivery(self, merchant_id: str, delivery_id: str) -> Delivery:
        """Return one as it is now; raise NotFound."""
        with self._ledger.reading() as reader:
            row = reader.execute(
                "SELECT body FROM deliveries WHERE merchant_id = ? AND delivery_id = ?"
                " AND ifnull(expires_at, ?) > ?",
                (merchant_id, delivery_id, NEVER_MS, ms_of(self._clock.now())),
            ).fetchone()
        if row is None:
            raise NotFound
        return decode_delivery(row[0])

    async def deliveries(
        self, merchant_id: str, wanted: DeliveryFilter, *, before: str | None, limit: int
    ) -> DeliveryPage:
        """Return deliveries below the place `before`, newest first; see the port."""
        found: list[Delivery] = []
        scanned, last = 0, None
        now_ms = ms_of(self._clock.now())
        with self._ledger.reading() as reader:
            for place, expires_at, fits, body in _walk(reader, merchant_id, wanted, before):
                scanned += 1
                if fits and (expires_at or NEVER_MS) > now_ms:
                    if len(found) == limit:
                        return DeliveryPage(found, listed_at(found[-1]))
                    found.append(decode_delivery(body))
                last = place
        return DeliveryPage(found, last if scanned == SCAN_MAX else None)

    def logged_after(self, position: int, limit: int) -> list[Logged]:
        """Return transactions of the log above a position, oldest first."""
        with self._ledger.reading() as reader:
            rows = reader.execute(
                f"SELECT t.position, t.merchant_id, t.payment_id, t.body, {EXPIRES_AT}{LOG}"
                " WHERE t.position > ? ORDER BY t.position LIMIT ?",
                (position, limit),
            )
            return [Logged(*row) for row in rows]

    def relayed_up_to(self) -> int:
        """Return the position up to which the log was made into deliveries."""
        with self._ledger.reading() as reader:
            (position,) = reader.execute("SELECT position FROM relayed").fetchone()
        return position

    async def relay(self, deliveries: Iterable[Delivery], up_to: int) -> None:
        """Keep the deliveries of the log up to a position, and the position, at once."""
        rows = [_row(one) for one in deliveries]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(_INSERT, rows)
            connection.execute("UPDATE relayed SET position = ?", (up_to,))

        await self._ledger.writer.run(write)

    def endpoints_with_due(self) -> list[tuple[str, str]]:
        """Return ids of all endpoints that something is or falls due for, and their merchants'."""
        with self._ledger.reading() as reader:
            rows = reader.execute(
                "SELECT DISTINCT endpoint_id, merchant_id FROM deliveries WHERE due_at IS NOT NULL"
            )
            return rows.fetchall()

    def due(self, endpoint_id: str, at: datetime, held: set[str], limit: int) -> Due:
        """Return what is due but not in `held`, at most so many."""
        found: list[Delivery] = []
        with self._ledger.reading() as reader:
            rows = reader.execute(
                "SELECT delivery_id, due_at, body FROM deliveries"
                " WHERE endpoint_id = ? AND due_at IS NOT NULL AND ifnull(expires_at, ?) > ?"
                " ORDER BY due_at",
                (endpoint_id, NEVER_MS, ms_of(self._clock.now())),
            )
            for delivery_id, due_at_ms, body in islice(rows, len(held) + limit + 1):
                if delivery_id in held:
                    continue
                if due_at_ms > ms_of(at) or len(found) == limit:
                    return Due(found, due_at_ms)
                found.append(decode_delivery(body))
        return Due(found, None)


def _row(delivery: Delivery) -> tuple[object, ...]:
    return (
        delivery.delivery_id,
        delivery.merchant_id,
        delivery.endpoint_id,
        listed_at(delivery),
        delivery.version,
        delivery.state,
        _ms(delivery.due_at),
        _ms(delivery.expires_at),
        encode_delivery(delivery),
    )


def _ms(at: datetime | None) -> int | None:
    return None if at is None else ms_of(at)


def _walk(
    reader: sqlite3.Connection, merchant_id: str, wanted: DeliveryFilter, before: str | None
) -> Iterator[tuple[str, int | None, bool, bytes]]:
    """Yield place, expiry, whether it is wanted, and body; newest first, SCAN_MAX at most."""
    narrow, values = "merchant_id = ? AND listed_at < ?", [merchant_id, before or _ABOVE_ALL]
    if wanted.event_id is not None:  # the ids of an event's deliveries begin alike
        narrow = "+merchant_id = ? AND +listed_at < ? AND delivery_id >= ? AND delivery_id < ?"
        first = delivery_id_of(wanted.event_id, "")
        values += [first, first + "~"]
    elif wanted.state is State.DEAD:
        narrow += " AND state = 'dead'"
    rows = reader.execute(
        "SELECT listed_at, expires_at, endpoint_id, state, body FROM deliveries"  # noqa: S608 - our own words
        f" WHERE {narrow} ORDER BY listed_at DESC LIMIT ?",
        (*values, SCAN_MAX),
    )
    for place, expires_at, endpoint_id, state, body in rows:
        fits = wanted.endpoint_id in {None, endpoint_id} and wanted.state in {None, state}
        yield place, expires_at, fits, body
