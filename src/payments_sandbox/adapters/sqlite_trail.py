"""What an audit reads of a SQLite ledger: payments with their logs, and what became of events."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence

from pydantic_core import from_json

from payments_sandbox.adapters.codec import ms_of
from payments_sandbox.adapters.sqlite import SqliteLedger, snapshot
from payments_sandbox.adapters.sqlite_events import NEVER_MS
from payments_sandbox.services.audit import History, Traffic
from payments_sandbox.services.auditor import Record
from payments_sandbox.services.ports import Clock

PAGE = 50
STRAY_MAX = 10
_COLUMNS = (
    "payment_id, version, status, due_at, unsettled, card_id, reference, currency, expires_at"
)
Head = tuple[tuple[object, ...], Record]
"""The columns of a payment, and its record."""


def _heard_by_nobody(_: Sequence[Head]) -> None: ...


class SqliteTrail:
    """Reads in pages, each as of one moment; others run between them.

    `on_heads` hears of each page with the columns that stand beside its heads.
    """

    def __init__(
        self,
        ledger: SqliteLedger,
        clock: Clock,
        on_heads: Callable[[Sequence[Head]], None] = _heard_by_nobody,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._on_heads = on_heads

    async def histories(self, merchant_id: str) -> AsyncIterator[Sequence[History]]:
        """Yield pages of payments in the order of their ids, each with its log."""
        last = ""
        while True:
            page, last = self._page(merchant_id, last)
            if not page:
                return
            yield page
            await asyncio.sleep(0)

    async def traffic(self, merchant_id: str) -> Traffic:
        """Return what became of the merchant's events."""
        with self._ledger.reading() as reader:
            states = reader.execute(
                "SELECT state, count(*) FROM deliveries WHERE merchant_id = ? GROUP BY state",
                (merchant_id,),
            ).fetchall()
            stray = reader.execute(
                "SELECT delivery_id FROM deliveries WHERE merchant_id = ?"
                " AND (state = 'pending') = (due_at IS NULL) LIMIT ?",
                (merchant_id, STRAY_MAX),
            ).fetchall()
            (after_mark,) = reader.execute(
                "SELECT count(*) FROM transactions WHERE merchant_id = ?"
                " AND position > (SELECT position FROM relayed)",
                (merchant_id,),
            ).fetchone()
        return Traffic(dict(states), [one for (one,) in stray], after_mark)

    def _page(self, merchant_id: str, after: str) -> tuple[list[History], str]:
        now_ms = ms_of(self._clock.now())
        with self._ledger.reading() as reader, snapshot(reader):
            heads = reader.execute(
                f"SELECT body, {_COLUMNS} FROM payments"  # noqa: S608 - ours
                " WHERE merchant_id = ? AND payment_id > ?"
                " AND ifnull(expires_at, ?) > ? ORDER BY payment_id LIMIT ?",
                (merchant_id, after, NEVER_MS, now_ms, PAGE),
            ).fetchall()
            if not heads:
                return [], after
            logs: defaultdict[str, list[Record]] = defaultdict(list)
            # The + keeps the planner from the merchant's index: that has no payments together.
            for payment_id, body in reader.execute(
                "SELECT payment_id, body FROM transactions WHERE payment_id BETWEEN ? AND ?"
                " AND +merchant_id = ? ORDER BY payment_id, seq",
                (heads[0][1], heads[-1][1], merchant_id),
            ):
                logs[payment_id].append(record_of(body))
        page: list[Head] = [(row[1:], record_of(row[0])) for row in heads]
        self._on_heads(page)
        found = [History(head, logs[row[1]]) for row, (_, head) in zip(heads, page, strict=True)]
        return found, heads[-1][1]


def record_of(body: bytes) -> Record:
    """Return what is stored; nothing, if it cannot be read."""
    try:
        return from_json(body)
    except ValueError:
        return {}
