"""Lists of payments: along one index, newest first, a bounded number of heads.

An index lags behind the table by moments, and heads are read from it at half price with the
same lag: a list may miss what was written a moment ago. What must be exact reads the payment.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from payments_sandbox.adapters.dynamodb_items import HEAD, is_kept, listed_in, payment_of
from payments_sandbox.adapters.dynamodb_table import (
    BATCH_MAX,
    BY_CARD,
    BY_MERCHANT,
    Item,
    Table,
    key_of,
)
from payments_sandbox.domain.errors import LedgerUnavailable
from payments_sandbox.domain.payment import Payment, advance
from payments_sandbox.services.ports import Page, PaymentFilter

SCAN_MAX = 300
BATCH_TRIES_MAX = 4
BATCH_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Question:
    """Whose payments are wanted, with their status as of `at`, the merchant's now."""

    merchant_id: str
    wanted: PaymentFilter
    at: datetime
    real_now: datetime

    @property
    def is_picky(self) -> bool:
        """Tell whether heads are looked at that the index cannot tell from wanted ones."""
        return self.wanted.status is not None or self.wanted.reference is not None

    def has(self, item: Item) -> Payment | None:
        """Return the payment an item holds if it is wanted."""
        if item["merchant_id"]["S"] != self.merchant_id or not is_kept(item, self.real_now):
            return None
        payment, wanted = payment_of(item), self.wanted
        fits = (
            wanted.card_id in {None, payment.card.card_id}
            and wanted.reference in {None, payment.reference}
            and wanted.status in {None, advance(payment, self.at).payment.status}
        )
        return payment if fits else None


async def page(table: Table, question: Question, *, before: str | None, limit: int) -> Page:
    """Return a page, and where the next one starts if there is more or may be."""
    found: list[Payment] = []
    scanned = 0
    while True:
        wanted = limit + 1 if question.is_picky else limit + 1 - len(found)
        payment_ids, before = await _below(table, question, before, min(wanted, BATCH_MAX))
        heads = await _heads(table, payment_ids)
        for payment_id in payment_ids:
            payment = question.has(heads[payment_id]) if payment_id in heads else None
            if payment is not None:
                found.append(payment)
            if len(found) > limit:
                return Page(found[:limit], found[limit - 1].payment_id)
        scanned += len(payment_ids)
        if before is None or scanned >= SCAN_MAX:
            return Page(found, before)


async def _below(
    table: Table, question: Question, before: str | None, limit: int
) -> tuple[list[str], str | None]:
    """Return ids below `before`, newest first along one index, and where to go on from there."""
    index, name, value = BY_MERCHANT, "listed_in", listed_in(question.merchant_id, "payments")
    if question.wanted.card_id is not None:
        index, name, value = BY_CARD, "card_id", {"S": question.wanted.card_id}
    condition, values = f"{name} = :list", {":list": value}
    if before is not None:
        condition += " AND listed_at < :before"
        values[":before"] = {"S": before}
    answer = await table.run(
        table.client.query,
        TableName=table.name,
        IndexName=index,
        KeyConditionExpression=condition,
        ExpressionAttributeValues=values,
        ScanIndexForward=False,
        Limit=limit,
    )
    items = cast("Sequence[Item]", answer["Items"])
    last = cast("Item", answer.get("LastEvaluatedKey", {}))
    return [one["transaction_id"]["S"] for one in items], last["listed_at"]["S"] if last else None


async def _heads(table: Table, payment_ids: Sequence[str]) -> dict[str, Item]:
    """Return the heads that are there, by id; what a busy table left out is asked for again."""
    heads: dict[str, Item] = {}
    asked: Any = {table.name: {"Keys": [key_of(one, HEAD) for one in payment_ids]}}
    for tries in range(BATCH_TRIES_MAX):
        if not asked or not asked[table.name]["Keys"]:
            return heads
        await asyncio.sleep(BATCH_PAUSE_S * tries)
        answer = await table.run(table.client.batch_get_item, RequestItems=asked)
        items = cast("Sequence[Item]", answer["Responses"].get(table.name, []))
        heads |= {one["transaction_id"]["S"]: one for one in items}
        asked = answer.get("UnprocessedKeys", {})
    if asked:
        raise LedgerUnavailable
    return heads
