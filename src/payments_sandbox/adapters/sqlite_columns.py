"""The columns beside the records of a SQLite ledger, derived anew from the records.

The ledger finds and adds up rows by their columns, so one that says another thing than its record
is settled or shown wrongly. As the auditor, this shares no code with what wrote them; in records
what has its default value may be left out, and times in columns are milliseconds since 1970.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.adapters.sqlite_trail import Head, record_of
from payments_sandbox.services.auditor import Check, Record

PAGE = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BATCH = "settlement_id, listed_at, currency, state, expires_at"
_LINE = "payment_id, settlement_id, seq, captures, refunds, gross, refunded, fees"
_ACCOUNT = "currency, version"
Columns = tuple[object, ...]


class SqliteColumns:
    """Compares the columns of one merchant's rows with their records."""

    def __init__(self, ledger: SqliteLedger) -> None:
        self._ledger = ledger
        self.check = Check("columns_follow_from_records")

    def heads(self, page: Sequence[Head]) -> None:
        """Compare payments as a trail reads them."""
        for columns, record in page:
            self._compare(columns, record, _payment)

    async def others(self, merchant_id: str) -> None:
        """Compare accounts, batches and the lines of all batches; raise LedgerUnavailable."""
        self._page("accounts", _ACCOUNT, "merchant_id = ?", (merchant_id,), _account)
        last: object = ""
        while True:
            where = "merchant_id = ? AND listed_at > ? ORDER BY listed_at"
            batches = self._page("settlements", _BATCH, where, (merchant_id, last), _batch)
            for settlement_id, *_ in batches:
                await self._lines(settlement_id)
            if len(batches) < PAGE:
                return
            last = batches[-1][1]

    async def _lines(self, settlement_id: object) -> None:
        place: Columns = ("", 0)
        while True:
            where = "settlement_id = ? AND (payment_id, seq) > (?, ?) ORDER BY payment_id, seq"
            lines = self._page("settlement_lines", _LINE, where, (settlement_id, *place), _line)
            await asyncio.sleep(0)
            if len(lines) < PAGE:
                return
            place = (lines[-1][0], lines[-1][2])

    def _page(
        self,
        table: str,
        names: str,
        where: str,
        wanted: Columns,
        derive: Callable[[Record], Columns],
    ) -> list[Columns]:
        """Compare a page of a table, and return its columns."""
        with self._ledger.reading() as reader:
            rows = reader.execute(
                f"SELECT body, {names} FROM {table} WHERE {where} LIMIT {PAGE}",  # noqa: S608 - ours
                wanted,
            ).fetchall()
        for body, *columns in rows:
            self._compare(tuple(columns), record_of(body), derive)
        return [row[1:] for row in rows]

    def _compare(
        self, columns: Columns, record: Record, derive: Callable[[Record], Columns]
    ) -> None:
        self.check.looked_at += 1
        try:
            is_right = columns == derive(record)
        except (KeyError, TypeError, AttributeError, ValueError):  # not in the form of a record
            is_right = False
        if not is_right:
            self.check.fault(str(columns[0]))


def _payment(head: Record) -> Columns:
    amounts, captures, refunds = head["amounts"], head.get("captures", ()), head.get("refunds", ())
    awaiting = [one for one in captures if "settled" not in one and "voided" not in one]
    due = [_ms(one["settles_at"]) for one in (*awaiting, *refunds)]
    if _open(amounts):
        due.append(_ms(head["capture_before"]))
    return (
        head["payment_id"],
        head["version"],
        _status(amounts, head.get("ended")),
        min(due, default=None),
        sum([one["amount"] for one in awaiting]) - sum([one["amount"] for one in refunds]),
        head["card"]["card_id"],
        head.get("reference"),
        head["currency"],
        _ms_or_none(head.get("expires_at")),
    )


def _status(amounts: Record, ended: str | None) -> str:
    """Return what the lists say of a payment."""
    captured, refunded = amounts.get("captured", 0), amounts.get("refunded", 0)
    if not amounts["authorized"]:
        return "declined"
    if not captured:
        return {"void": "voided", "expiry": "expired"}.get(ended or "", "authorized")
    is_over = not _open(amounts)
    if refunded:
        return "refunded" if is_over and refunded == captured else "partially_refunded"
    return "captured" if is_over else "partially_captured"


def _open(amounts: Record) -> int:
    """Return what may still be captured."""
    return amounts["authorized"] - amounts.get("captured", 0) - amounts.get("released", 0)


def _batch(batch: Record) -> Columns:
    return (
        batch["settlement_id"],
        f"{batch['business_day']}#{batch['currency']}",
        batch["currency"],
        batch.get("state", "open"),
        _ms_or_none(batch.get("expires_at")),
    )


def _line(line: Record) -> Columns:
    count, amount = {"capture": 0, "refund": 0}, {"capture": 0, "refund": 0}
    fees = 0
    for item in line["items"]:
        kind = item["type"]
        count[kind] += 1
        amount[kind] += item["amount"]
        fees += item["fee"]
    return (
        line["payment_id"],
        line["settlement_id"],
        line["seq"],
        *count.values(),
        *amount.values(),
        fees,
    )


def _account(account: Record) -> Columns:
    return account["currency"], account["version"]


@lru_cache(maxsize=1_024)
def _ms(text: str) -> int:
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)


def _ms_or_none(text: str | None) -> int | None:
    return None if text is None else _ms(text)
