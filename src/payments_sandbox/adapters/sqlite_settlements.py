"""Settlement batches, their lines and accounts, in the same SQLite file as the ledger."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from payments_sandbox.adapters.codec import (
    decode_account,
    decode_line,
    decode_payment,
    decode_settlement,
    encode_account,
    encode_line,
    encode_payment,
    encode_settlement,
    ms_of,
)
from payments_sandbox.adapters.sqlite import LOG, MOVE_ON, SqliteLedger, head_row, log_row
from payments_sandbox.adapters.sqlite_events import NEVER_MS
from payments_sandbox.domain.batch import Move
from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.payment import Payment
from payments_sandbox.domain.settlement import Account, BatchState, Line, Settlement, Totals
from payments_sandbox.services.ports import Clock, LostRace
from payments_sandbox.services.settlement_ports import (
    Settled,
    SettlementFilter,
    SettlementPage,
    listed_at,
)

LINES_PAGE = 500
_ABOVE_ALL = "a"  # places in the list begin with a year
_LINE = "INSERT INTO settlement_lines VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"


class SqliteSettlements:
    """Batches, read and written through the ledger's own connections."""

    writes_at_once = 2
    """One is made ready while the one before is committed."""

    def __init__(self, ledger: SqliteLedger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    async def due(self, merchant_id: str, up_to: datetime, limit: int) -> list[Payment]:
        """Return payments that something is due for, the longest due first; see the port."""
        with self._ledger.reading() as reader:
            rows = reader.execute(
                "SELECT body FROM payments WHERE merchant_id = ? AND due_at <= ?"
                " AND ifnull(expires_at, ?) > ? ORDER BY due_at LIMIT ?",
                (merchant_id, ms_of(up_to), NEVER_MS, self._now_ms(), limit),
            )
            return [decode_payment(body) for (body,) in rows]

    async def next_due(self, merchant_id: str) -> datetime | None:
        """Return the earliest moment at which something is due for a payment, or None."""
        with self._ledger.reading() as reader:
            row = reader.execute(
                "SELECT due_at FROM payments WHERE merchant_id = ? AND due_at IS NOT NULL"
                " AND ifnull(expires_at, ?) > ? ORDER BY due_at LIMIT 1",
                (merchant_id, NEVER_MS, self._now_ms()),
            ).fetchone()
        return datetime.fromtimestamp(row[0] / 1000, UTC) if row else None

    async def pending(self, merchant_id: str) -> Mapping[str, int]:
        """Return for each currency what is captured less refunded and in no batch yet."""
        with self._ledger.reading() as reader:
            rows = reader.execute(
                "SELECT currency, sum(unsettled) FROM payments"
                " WHERE merchant_id = ? AND due_at IS NOT NULL AND ifnull(expires_at, ?) > ?"
                " GROUP BY currency",
                (merchant_id, NEVER_MS, self._now_ms()),
            )
            return dict(rows.fetchall())

    async def accounts(self, merchant_id: str) -> list[Account]:
        """Return the merchant's accounts as they are now, by currency."""
        with self._ledger.reading() as reader:
            rows = reader.execute(
                "SELECT body FROM accounts WHERE merchant_id = ? ORDER BY currency",
                (merchant_id,),
            )
            return [decode_account(body) for (body,) in rows]

    async def settlement(self, merchant_id: str, settlement_id: str) -> Settlement:
        """Return a batch as it is now; raise NotFound."""
        with self._ledger.reading() as reader:
            row = reader.execute(
                "SELECT body FROM settlements WHERE settlement_id = ? AND merchant_id = ?"
                " AND ifnull(expires_at, ?) > ?",
                (settlement_id, merchant_id, NEVER_MS, self._now_ms()),
            ).fetchone()
        if row is None:
            raise NotFound
        return decode_settlement(row[0])

    async def settlements(
        self, merchant_id: str, wanted: SettlementFilter, *, before: str | None, limit: int
    ) -> SettlementPage:
        """Return batches below the place `before`, newest first."""
        with self._ledger.reading() as reader:
            rows = reader.execute(
                "SELECT body FROM settlements WHERE merchant_id = ? AND listed_at < ?"
                " AND ifnull(expires_at, ?) > ? AND ifnull(?, currency) = currency"
                " AND ifnull(?, state) = state ORDER BY listed_at DESC LIMIT ?",
                (
                    merchant_id,
                    before or _ABOVE_ALL,
                    NEVER_MS,
                    self._now_ms(),
                    wanted.currency,
                    wanted.state,
                    limit + 1,
                ),
            ).fetchall()
        found = [decode_settlement(body) for (body,) in rows[:limit]]
        return SettlementPage(found, listed_at(found[-1]) if len(rows) > limit else None)

    async def open(self, settlement: Settlement, account: Account) -> None:
        """Keep a new batch and its account; raise LostRace."""

        def write(connection: sqlite3.Connection) -> None:
            _write_account(connection, account)
            added = connection.execute(
                "INSERT INTO settlements (settlement_id, merchant_id, listed_at, currency, state,"
                " expires_at, body) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (
                    settlement.settlement_id,
                    settlement.merchant_id,
                    listed_at(settlement),
                    settlement.currency,
                    settlement.state,
                    ms_of(settlement.expires_at) if settlement.expires_at else None,
                    encode_settlement(settlement),
                ),
            )
            if not added.rowcount:
                raise LostRace

        await self._ledger.writer.run(write)

    async def settle(self, settlement: Settlement, some: Sequence[Settled]) -> list[Settled]:
        """Write those whose heads are the ones they follow; raise LostRace; see the port."""
        now_ms = self._now_ms()
        heads = [_head_row(one, now_ms) for one in some]
        logs = [[log_row(each) for each in one.transactions] for one in some]
        lines = [_line_row(one.line) for one in some]

        def write(connection: sqlite3.Connection) -> list[Settled]:
            state = connection.execute(
                "SELECT state FROM settlements WHERE settlement_id = ?",
                (settlement.settlement_id,),
            ).fetchone()
            if state != (BatchState.OPEN,):
                raise LostRace
            # All at once is faster by a third than one by one, and hardly ever is one lost.
            connection.execute("SAVEPOINT heads")
            if connection.executemany(MOVE_ON, heads).rowcount == len(heads):
                written = [*range(len(heads))]
            else:
                connection.execute("ROLLBACK TO heads")
                written = [
                    number
                    for number, head in enumerate(heads)
                    if connection.execute(MOVE_ON, head).rowcount
                ]
            connection.execute("RELEASE heads")
            connection.executemany(LOG, [row for number in written for row in logs[number]])
            connection.executemany(_LINE, [lines[number] for number in written])
            return [some[number] for number in written]

        written = await self._ledger.writer.run(write)
        self._ledger.on_appended()
        return written

    async def begin_closing(self, settlement: Settlement) -> None:
        """Have an open batch take no more; raise LostRace if it is not open."""
        closing = replace(settlement, state=BatchState.CLOSING)
        await self._ledger.writer.run(
            lambda connection: _write_batch(connection, closing, BatchState.OPEN)
        )

    async def move(self, move: Move) -> None:
        """Write a batch, its account and transaction; raise LostRace."""
        before = (
            BatchState.CLOSING if move.settlement.state is BatchState.CLOSED else BatchState.CLOSED
        )

        def write(connection: sqlite3.Connection) -> None:
            _write_batch(connection, move.settlement, before)
            _write_account(connection, move.account)
            connection.execute(LOG, log_row(move.transaction))

        await self._ledger.writer.run(write)
        self._ledger.on_appended()

    async def lines(self, settlement: Settlement) -> AsyncIterator[Line]:
        """Yield a batch's lines in the order of their payments."""
        for rows in self._line_pages(settlement, "body"):
            for _, _, body in rows:
                yield decode_line(body)

    async def totals(self, settlement: Settlement) -> Totals:
        """Return what the lines of a batch that takes no more add up to."""
        totals = Totals()
        for rows in self._line_pages(settlement, "captures, refunds, gross, refunded, fees"):
            _, _, *figures = zip(*rows, strict=True)
            totals = totals.plus(Totals(*map(sum, figures)))
            await asyncio.sleep(0)  # others get their turn
        return totals

    def _line_pages(self, settlement: Settlement, columns: str) -> Iterator[list[Any]]:
        """Yield payment, number and these columns of a batch's lines, a page at a time."""
        above = ("", 0)
        while True:
            with self._ledger.reading() as reader:
                rows = reader.execute(
                    f"SELECT payment_id, seq, {columns} FROM settlement_lines"  # noqa: S608 - ours
                    " WHERE settlement_id = ? AND (payment_id, seq) > (?, ?)"
                    " ORDER BY payment_id, seq LIMIT ?",
                    (settlement.settlement_id, *above, LINES_PAGE),
                ).fetchall()
            if rows:
                yield rows
            if len(rows) < LINES_PAGE:
                return
            above = rows[-1][:2]

    def _now_ms(self) -> int:
        return ms_of(self._clock.now())


def _head_row(one: Settled, now_ms: int) -> tuple[object, ...]:
    """Return what MOVE_ON takes."""
    before = one.payment.version - len(one.transactions)
    return (*head_row(one.payment, encode_payment(one.payment)), before, NEVER_MS, now_ms)


def _line_row(line: Line) -> tuple[object, ...]:
    totals = line.totals
    return (
        line.settlement_id,
        line.payment_id,
        line.seq,
        totals.captures,
        totals.refunds,
        totals.gross,
        totals.refunded,
        totals.fees,
        encode_line(line),
    )


def _write_batch(connection: sqlite3.Connection, after: Settlement, before: BatchState) -> None:
    """Write a batch in the place of what it was in that state; raise LostRace."""
    written = connection.execute(
        "UPDATE settlements SET state = ?, body = ? WHERE settlement_id = ? AND state = ?",
        (after.state, encode_settlement(after), after.settlement_id, before),
    )
    if not written.rowcount:
        raise LostRace


def _write_account(connection: sqlite3.Connection, account: Account) -> None:
    """Write the account that follows the one that is there; raise LostRace."""
    body, whose = encode_account(account), (account.merchant_id, account.currency)
    if account.version == 1:
        written = connection.execute(
            "INSERT INTO accounts (merchant_id, currency, version, body) VALUES (?, ?, 1, ?)"
            " ON CONFLICT DO NOTHING",
            (*whose, body),
        )
    else:
        written = connection.execute(
            "UPDATE accounts SET version = ?, body = ?"
            " WHERE merchant_id = ? AND currency = ? AND version = ?",
            (account.version, body, *whose, account.version - 1),
        )
    if not written.rowcount:
        raise LostRace
