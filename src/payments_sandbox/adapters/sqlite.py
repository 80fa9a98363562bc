"""The ledger on SQLite: one writer with group commit, readers on a connection of their own."""

import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from payments_sandbox.adapters.codec import (
    decode_payment,
    decode_transaction,
    encode_logged,
    encode_payment,
    ms_of,
)
from payments_sandbox.adapters.group_commit import GroupCommit
from payments_sandbox.adapters.sqlite_events import NEVER_MS, event_of, events_of
from payments_sandbox.adapters.sqlite_file import connect
from payments_sandbox.adapters.sqlite_listing import SCAN_MAX, may_match, walk
from payments_sandbox.adapters.sqlite_purge import purge_expired, wipe_merchant
from payments_sandbox.domain.errors import LedgerUnavailable, NotFound
from payments_sandbox.domain.event import Logged
from payments_sandbox.domain.identifiers import place_of
from payments_sandbox.domain.payment import Payment, advance
from payments_sandbox.domain.transaction import Transaction
from payments_sandbox.services.ports import (
    Clock,
    EventPage,
    IdempotencyKey,
    KeySpent,
    LostRace,
    Page,
    PaymentFilter,
    Spent,
)

_SPEND = (
    "INSERT INTO idempotency (scope_hash, fingerprint, payment_id, seq, ends_at, expires_at)"
    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_BEGIN = (
    "INSERT INTO payments (version, status, due_at, unsettled, body, merchant_id, payment_id,"
    " card_id, reference, currency, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT DO NOTHING"
)
MOVE_ON = (
    "UPDATE payments SET version = ?, status = ?, due_at = ?, unsettled = ?, body = ?"
    " WHERE merchant_id = ? AND payment_id = ? AND version = ? AND ifnull(expires_at, ?) > ?"
)
"""Moves on a head that is of a version, and kept at a time."""
LOG = "INSERT INTO transactions (merchant_id, payment_id, seq, body) VALUES (?, ?, ?, ?)"


def _heard_by_nobody() -> None: ...


class SqliteLedger:
    """Payments, their transactions and spent keys in one SQLite file.

    Reads run on the event loop: each is a few index look-ups, cheaper than a thread's hand-over.
    """

    def __init__(
        self, path: Path, clock: Clock, on_flush_failure: Callable[[sqlite3.Error], None]
    ) -> None:
        self.writer = GroupCommit(connect(path, cache_kib=16_000), on_flush_failure)
        self._reader = connect(path, cache_kib=8_000, read_only=True)
        self._clock = clock
        self.on_appended: Callable[[], None] = _heard_by_nobody
        self.on_asked: Callable[[], None] = _heard_by_nobody
        """Hears of what somebody asked for and waits for, not of what happens by itself."""

    async def close(self) -> None:
        """Finish what waits and let go of the file."""
        self._reader.close()
        await self.writer.close()

    async def payment(self, merchant_id: str, payment_id: str) -> Payment:
        """Return the latest committed head; raise NotFound."""
        with self.reading() as reader:
            return self._head(reader, merchant_id, payment_id)

    async def history(self, merchant_id: str, payment_id: str) -> tuple[Payment, list[Transaction]]:
        """Return head and transactions as of one moment; raise NotFound."""
        with self.reading() as reader, snapshot(reader):
            payment = self._head(reader, merchant_id, payment_id)
            rows = reader.execute(
                "SELECT body FROM transactions WHERE payment_id = ? ORDER BY seq", (payment_id,)
            )
            return payment, [decode_transaction(body) for (body,) in rows]

    async def transaction(self, merchant_id: str, transaction_id: str) -> Transaction:
        """Return one transaction; raise NotFound."""
        payment_id, seq, _ = place_of(transaction_id)
        with self.reading() as reader:
            row = reader.execute(
                "SELECT t.body FROM payments p"
                " JOIN transactions t ON t.payment_id = p.payment_id AND t.seq = ?"
                " WHERE p.merchant_id = ? AND p.payment_id = ? AND ifnull(p.expires_at, ?) > ?",
                (seq, merchant_id, payment_id, NEVER_MS, ms_of(self._clock.now())),
            ).fetchone()
        if row is None:
            raise NotFound
        transaction = decode_transaction(row[0])
        if transaction.transaction_id != transaction_id:
            raise NotFound
        return transaction

    async def event(self, merchant_id: str, event_id: str) -> Logged:
        """Return the transaction that an event is; raise NotFound."""
        with self.reading() as reader:
            return event_of(reader, merchant_id, event_id, self._clock.now())

    async def events(
        self, merchant_id: str, *, before: str | None, after: str | None, limit: int
    ) -> EventPage:
        """Return transactions in the order they were written; see the port."""
        with self.reading() as reader, snapshot(reader):
            now = self._clock.now()
            return events_of(reader, merchant_id, now, before=before, after=after, limit=limit)

    async def payments(
        self,
        merchant_id: str,
        wanted: PaymentFilter,
        at: datetime,
        *,
        before: str | None,
        limit: int,
    ) -> Page:
        """Return payments whose ids are below `before`, newest first; see the port."""
        found: list[Payment] = []
        scanned, last = 0, None
        with self.reading() as reader, snapshot(reader):
            now_ms = ms_of(self._clock.now())
            for row in walk(reader, merchant_id, wanted, before):
                scanned, last = scanned + 1, row.payment_id
                if (row.expires_at or NEVER_MS) > now_ms and may_match(row, wanted):
                    payment = decode_payment(row.body)
                    if wanted.status in {None, advance(payment, at).payment.status}:
                        found.append(payment)
                if len(found) > limit:
                    return Page(found[:limit], found[limit - 1].payment_id)
        return Page(found, last if scanned == SCAN_MAX else None)

    async def spent(self, key: IdempotencyKey) -> Spent | None:
        """Return what the key stands for, or None while it is not spent or its life is over."""
        with self.reading() as reader:
            return _spent(reader, key, self._clock.now())

    async def append(
        self, payment: Payment, transactions: Sequence[Transaction], key: IdempotencyKey | None
    ) -> None:
        """Write key, head and transactions, all or nothing; raise KeySpent or LostRace."""
        head = encode_payment(payment)
        bodies = [log_row(one) for one in transactions]

        def write(connection: sqlite3.Connection) -> None:
            if key is not None:
                _spend(connection, key, payment, self._clock.now())
            now_ms = ms_of(self._clock.now())
            if not write_head(connection, payment, payment.version - len(bodies), head, now_ms):
                raise LostRace
            for body in bodies:
                connection.execute(LOG, body)

        await self.writer.run(write)
        self.on_appended()
        if key is not None:
            self.on_asked()

    async def purge(self) -> int:
        """Delete some of what has expired; return how many rows went, 0 when all is gone."""
        now_ms = ms_of(self._clock.now())

        return await self.writer.run(lambda connection: purge_expired(connection, now_ms))

    async def wipe(self, merchant_id: str) -> int:
        """Delete some of what a merchant has; return how many rows went, 0 when all is gone."""
        return await self.writer.run(lambda connection: wipe_merchant(connection, merchant_id))

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        """Lend the reader; turn a fault of the storage into LedgerUnavailable."""
        try:
            yield self._reader
        except sqlite3.Error as error:
            raise LedgerUnavailable from error

    def _head(self, reader: sqlite3.Connection, merchant_id: str, payment_id: str) -> Payment:
        row = reader.execute(
            "SELECT body FROM payments WHERE merchant_id = ? AND payment_id = ?"
            " AND ifnull(expires_at, ?) > ?",
            (merchant_id, payment_id, NEVER_MS, ms_of(self._clock.now())),
        ).fetchone()
        if row is None:
            raise NotFound
        return decode_payment(row[0])


def log_row(transaction: Logged) -> tuple[str, str, int, bytes]:
    """Return what LOG inserts."""
    one = transaction
    return one.merchant_id, one.subject_id, one.seq, encode_logged(one)


def head_row(payment: Payment, body: bytes) -> tuple[object, ...]:
    """Return what of the head changes, and which it is; MOVE_ON takes more after it."""
    due_at = payment.due_at
    return (
        payment.version,
        payment.status,
        None if due_at is None else ms_of(due_at),
        payment.unsettled,
        body,
        payment.merchant_id,
        payment.payment_id,
    )


def write_head(
    connection: sqlite3.Connection, payment: Payment, version_before: int, body: bytes, now_ms: int
) -> bool:
    """Insert or move on the head; return False if it is not the one that was read."""
    changing = head_row(payment, body)
    if version_before:
        written = connection.execute(MOVE_ON, (*changing, version_before, NEVER_MS, now_ms))
    else:
        expires_at = ms_of(payment.expires_at) if payment.expires_at else None
        own = (payment.card.card_id, payment.reference, payment.currency, expires_at)
        written = connection.execute(_BEGIN, (*changing, *own))
    return written.rowcount > 0


@contextmanager
def snapshot(reader: sqlite3.Connection) -> Generator[None]:
    """Have what is read in the block be as of one moment."""
    reader.execute("BEGIN")
    try:
        yield
    finally:
        reader.execute("COMMIT")


def _spend(
    connection: sqlite3.Connection, key: IdempotencyKey, payment: Payment, real_now: datetime
) -> None:
    """Spend the key, first of all, for as long as its payment is kept; raise KeySpent."""
    forgotten_at = min(key.forgotten_at, payment.expires_at or key.forgotten_at)
    values = (
        key.scope_hash,
        key.fingerprint,
        payment.payment_id,
        payment.version,
        ms_of(key.expires_at),
        ms_of(forgotten_at),
    )
    if connection.execute(_SPEND, values).rowcount:
        return
    spent = _spent(connection, key, real_now)
    if spent is not None:
        raise KeySpent(spent)
    connection.execute("DELETE FROM idempotency WHERE scope_hash = ?", (key.scope_hash,))
    connection.execute(_SPEND, values)


def _spent(connection: sqlite3.Connection, key: IdempotencyKey, real_now: datetime) -> Spent | None:
    """Return what the key stands for; its life ends on the merchant's clock or in real time."""
    row = connection.execute(
        "SELECT i.fingerprint, t.body FROM idempotency i"
        " JOIN transactions t ON t.payment_id = i.payment_id AND t.seq = i.seq"
        " WHERE i.scope_hash = ? AND i.ends_at > ? AND i.expires_at > ?",
        (key.scope_hash, ms_of(key.spent_at), ms_of(real_now)),
    ).fetchone()
    return Spent(row[0], decode_transaction(row[1])) if row else None
