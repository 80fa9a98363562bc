"""What is due of a merchant's payments: named by an index that lags, looked at in the table."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from payments_sandbox.adapters.dynamodb_items import HEAD, is_kept, payment_of
from payments_sandbox.adapters.dynamodb_listing import items_at
from payments_sandbox.adapters.dynamodb_table import BATCH_MAX, BY_DUE, Item, Table
from payments_sandbox.domain.payment import Payment
from payments_sandbox.domain.times import iso_of

if TYPE_CHECKING:
    from types_boto3_dynamodb.type_defs import QueryInputTypeDef

FIRST_FEW = 25
"""How many are looked at for the first of all: more than one, as the index may be late."""
MANY = 1_000


class _Named(NamedTuple):
    """Payments that something is due for, and up to where the index has named them."""

    payments: Sequence[Payment]
    up_to: str


@dataclass(frozen=True, slots=True)
class Due:
    """What is due for one merchant's payments as of `now`, real time."""

    table: Table
    merchant_id: str
    now: datetime

    async def payments(self, up_to: datetime, limit: int) -> list[Payment]:
        """Return those that something is due for at that moment, the longest due first."""
        found: list[tuple[datetime, Payment]] = []
        async for some, _ in self._named(min(max(limit, BATCH_MAX), MANY), up_to):
            found += [
                (one.due_at, one) for one in some if one.due_at is not None and one.due_at <= up_to
            ]
            if len(found) >= limit:
                break
        return [payment for _, payment in sorted(found, key=_in_order)[:limit]]

    async def first(self) -> datetime | None:
        """Return the earliest moment at which something is due, or None.

        The index may name a payment at a moment that has passed: it is due later, and others may
        come before it.
        """
        first: datetime | None = None
        async for some, named_up_to in self._named(FIRST_FEW):
            moments = [one.due_at for one in some if one.due_at is not None]
            first = min([*moments, first] if first else moments, default=None)
            if first is not None and iso_of(first) <= named_up_to:
                break
        return first

    async def unsettled(self) -> Mapping[str, int]:
        """Return for each currency what is captured less refunded and in no batch yet."""
        sums: Counter[str] = Counter()
        async for some, _ in self._named(MANY):
            for one in some:
                sums[one.currency] += one.unsettled
        return dict(sums)

    async def _named(self, at_once: int, up_to: datetime | None = None) -> AsyncIterator[_Named]:
        """Yield what the index names, in its order, each payment once and as it is by now."""
        seen: set[str] = set()
        async for places in self.table.pages(self._question(at_once, up_to)):
            if not places:
                continue
            ids = dict.fromkeys(one["transaction_id"]["S"] for one in places)
            new = [one for one in ids if one not in seen]
            seen.update(new)
            heads = await self._heads(new)
            yield _Named(
                [one for one in heads if one.due_at is not None], places[-1]["due_at"]["S"]
            )

    def _question(self, at_once: int, up_to: datetime | None) -> "QueryInputTypeDef":
        question: QueryInputTypeDef = {
            "TableName": self.table.name,
            "IndexName": BY_DUE,
            "KeyConditionExpression": "merchant_id = :merchant",
            "FilterExpression": "#record = :head",
            "ExpressionAttributeNames": {"#record": "record"},
            "ExpressionAttributeValues": {
                ":merchant": {"S": self.merchant_id},
                ":head": {"S": HEAD},
            },
            "Limit": at_once,
        }
        if up_to is not None:
            question["KeyConditionExpression"] += " AND due_at <= :at"
            question["ExpressionAttributeValues"] = {
                ":merchant": {"S": self.merchant_id},
                ":head": {"S": HEAD},
                ":at": {"S": iso_of(up_to)},
            }
        return question

    async def _heads(self, payment_ids: Sequence[str]) -> list[Payment]:
        """Return those that are there, in this order."""
        keys = [(one, HEAD) for one in payment_ids]
        some = await asyncio.gather(
            *(
                items_at(self.table, keys[start : start + BATCH_MAX], is_exact=True)
                for start in range(0, len(keys), BATCH_MAX)
            )
        )
        items: dict[tuple[str, str], Item] = {}
        for each in some:
            items |= each
        there = (items[key] for key in keys if key in items)
        return [payment_of(one) for one in there if is_kept(one, self.now)]


def _in_order(found: tuple[datetime, Payment]) -> tuple[datetime, str]:
    due_at, payment = found
    return due_at, payment.payment_id
