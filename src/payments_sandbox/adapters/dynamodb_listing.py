"""Lists: along one index, a bounded number of items, each read from the table and looked at.

An index lags behind the table by moments, and items are read from it at half price with the
same lag: a list may miss what was written a moment ago. What must be exact reads the one item.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeVar, cast

from payments_sandbox.adapters.dynamodb_items import is_kept, listed_in, payment_of
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
_JUST_ABOVE = " "  # a place with it comes right after the place, before any that goes on
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Line:
    """A list along an index: newest first, or, with `until`, oldest first and ending below it."""

    list_id: dict[str, str]
    index: str = BY_MERCHANT
    hashed: str = "listed_in"
    until: str | None = None
    is_picky: bool = False
    """Whether items are looked at that the index cannot tell from wanted ones."""
    is_exact: bool = False
    """Whether the items are read at full price, as they are by now."""


class Place(NamedTuple):
    """Where a list names an item, and the item's key."""

    at: str
    transaction_id: str
    record: str

    @property
    def key(self) -> tuple[str, str]:
        """The item's primary key."""
        return self.transaction_id, self.record


@dataclass(frozen=True, slots=True)
class Question:
    """Whose payments are wanted, with their status as of `at`, the merchant's now."""

    merchant_id: str
    wanted: PaymentFilter
    at: datetime
    real_now: datetime

    def line(self) -> Line:
        """Return the list to follow."""
        is_picky = self.wanted.status is not None or self.wanted.reference is not None
        if self.wanted.card_id is not None:
            return Line({"S": self.wanted.card_id}, BY_CARD, "card_id", is_picky=is_picky)
        return Line(listed_in(self.merchant_id, "payments"), is_picky=is_picky)

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


async def payments(table: Table, question: Question, *, before: str | None, limit: int) -> Page:
    """Return a page of payments, and where the next one starts if there is more or may be."""
    return Page(*await page(table, question.line(), question.has, start=before, limit=limit))


async def page(
    table: Table,
    line: Line,
    has: Callable[[Item], Found | None],
    *,
    start: str | None,
    limit: int,
) -> tuple[list[Found], str | None]:
    """Return what `has` finds beyond `start`, and where to go on if there is more or may be."""
    found: list[Found] = []
    scanned, last = 0, None
    while True:
        wanted = limit + 1 if line.is_picky else limit + 1 - len(found)
        places, start = await _beyond(table, line, start, min(wanted, BATCH_MAX))
        items = await items_at(table, [one.key for one in places], is_exact=line.is_exact)
        for place in places:
            one = has(items[place.key]) if place.key in items else None
            if one is None:
                continue
            if len(found) == limit:
                return found, last
            found.append(one)
            last = place.at
        scanned += len(places)
        if start is None or scanned >= SCAN_MAX:
            return found, start


async def _beyond(
    table: Table, line: Line, start: str | None, limit: int
) -> tuple[list[Place], str | None]:
    """Return places beyond `start` in their order, and where to go on from there."""
    condition, values = f"{line.hashed} = :list", {":list": line.list_id}
    if line.until is not None:
        above = (start or "") + _JUST_ABOVE
        if above > line.until:  # the table refuses a range that is upside down
            return [], None
        condition += " AND listed_at BETWEEN :above AND :until"
        values |= {":above": {"S": above}, ":until": {"S": line.until}}
    elif start is not None:
        condition += " AND listed_at < :start"
        values[":start"] = {"S": start}
    answer = await table.run(
        table.client.query,
        TableName=table.name,
        IndexName=line.index,
        KeyConditionExpression=condition,
        ExpressionAttributeValues=values,
        ScanIndexForward=line.until is not None,
        Limit=limit,
    )
    places = [
        Place(one["listed_at"]["S"], one["transaction_id"]["S"], one["record"]["S"])
        for one in cast("Sequence[Item]", answer["Items"])
    ]
    last = cast("Item", answer.get("LastEvaluatedKey", {}))
    return places, last["listed_at"]["S"] if last else None


async def items_at(
    table: Table, keys: Iterable[tuple[str, str]], *, is_exact: bool = False
) -> dict[tuple[str, str], Item]:
    """Return those of a hundred items that are there, by key.

    What a busy table left out is asked for again; raise LedgerUnavailable if it stays busy.
    """
    items: dict[tuple[str, str], Item] = {}
    asked: Any = {table.name: {"Keys": [key_of(*one) for one in keys]}}
    if is_exact:
        asked[table.name]["ConsistentRead"] = True
    for tries in range(BATCH_TRIES_MAX):
        if not asked or not asked[table.name]["Keys"]:
            return items
        await asyncio.sleep(BATCH_PAUSE_S * tries)
        answer = await table.run(table.client.batch_get_item, RequestItems=asked)
        found = cast("Sequence[Item]", answer["Responses"].get(table.name, []))
        items |= {(one["transaction_id"]["S"], one["record"]["S"]): one for one in found}
        asked = answer.get("UnprocessedKeys", {})
    if asked:
        raise LedgerUnavailable
    return items
