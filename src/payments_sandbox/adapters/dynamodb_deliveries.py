"""Deliveries, in the same table as the ledger: under their message, one for each endpoint."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from payments_sandbox.adapters.dynamodb_items import (
    DELIVERY,
    FOLLOWS,
    delivery_item,
    delivery_of,
    following,
    is_kept,
    listed_in,
)
from payments_sandbox.adapters.dynamodb_listing import Line, items_at, page
from payments_sandbox.adapters.dynamodb_table import BATCH_MAX, BY_DUE, Item, Table
from payments_sandbox.domain.delivery import Delivery
from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.identifiers import delivery_place_of
from payments_sandbox.domain.times import iso_of
from payments_sandbox.services.ports import Clock, LostRace
from payments_sandbox.services.webhook_ports import DeliveryFilter, DeliveryPage, listed_at

if TYPE_CHECKING:
    from types_boto3_dynamodb.type_defs import PutItemInputTypeDef

ADDED_AT_ONCE = 16
DUE_MAX = 1_000
MESSAGE_ID_MAX = 64
_log = logging.getLogger(__name__)
_MESSAGES = ("evt_", "ping_")
_NEW = "attribute_not_exists(transaction_id)"


class DynamoDeliveries:
    """Deliveries, which the table lists by merchant and, while pending, by when they are due."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    async def add(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Keep those that are new, durably; return each as it is there now."""
        room = asyncio.Semaphore(ADDED_AT_ONCE)

        async def added(one: Delivery) -> Delivery:
            async with room:
                there = await self._put(one, _NEW, {})
            return one if there is None else delivery_of(there)

        return await asyncio.gather(*map(added, deliveries))

    async def replace(self, delivery: Delivery) -> None:
        """Write the version that follows the one that is there; raise LostRace if it is not."""
        values = following(delivery.version - 1, delivery.merchant_id, self._clock.now())
        if await self._put(delivery, FOLLOWS, values) is not None:
            raise LostRace

    async def delivery(self, merchant_id: str, delivery_id: str) -> Delivery:
        """Return one as it is now; raise NotFound."""
        message_id, endpoint_id = delivery_place_of(delivery_id)
        item = await self._table.get(message_id, DELIVERY + endpoint_id)
        delivery = self._wanted(merchant_id, DeliveryFilter())(item) if item else None
        if delivery is None:
            raise NotFound
        return delivery

    async def deliveries(
        self, merchant_id: str, wanted: DeliveryFilter, *, before: str | None, limit: int
    ) -> DeliveryPage:
        """Return deliveries below the place `before`, newest first; see the port."""
        has = self._wanted(merchant_id, wanted)
        if wanted.event_id is not None:
            return await self._of_message(wanted.event_id, has, before, limit)
        is_picky = wanted.endpoint_id is not None or wanted.state is not None
        line = Line(listed_in(merchant_id, "deliveries"), is_picky=is_picky)
        return DeliveryPage(*await page(self._table, line, has, start=before, limit=limit))

    async def due(self, merchant_id: str, at: datetime) -> list[Delivery]:
        """Return what is due as of the merchant's `at`, the longest due first, 1,000 at most.

        The index holds payments too, and lags: each is read as it is by now.
        """
        named = await self._table.all(
            {
                "TableName": self._table.name,
                "IndexName": BY_DUE,
                "KeyConditionExpression": "merchant_id = :merchant AND due_at <= :at",
                "FilterExpression": "begins_with(#record, :delivery)",
                "ExpressionAttributeNames": {"#record": "record"},
                "ExpressionAttributeValues": {
                    ":merchant": {"S": merchant_id},
                    ":at": {"S": iso_of(at)},
                    ":delivery": {"S": DELIVERY},
                },
            }
        )
        # One that moved on meanwhile may be named twice, which a batch must not.
        keys = [*dict.fromkeys((one["transaction_id"]["S"], one["record"]["S"]) for one in named)]
        has = self._wanted(merchant_id, DeliveryFilter())
        found: list[Delivery] = []
        for start in range(0, len(keys), BATCH_MAX):
            some = keys[start : start + BATCH_MAX]
            items = await items_at(self._table, some, is_exact=True)
            there = (_readable(has, items[key]) for key in some if key in items)
            found += [one for one in there if one is not None and one.is_due(at)]
            if len(found) >= DUE_MAX:
                break
        return found[:DUE_MAX]

    async def _of_message(
        self,
        message_id: str,
        has: Callable[[Item], Delivery | None],
        before: str | None,
        limit: int,
    ) -> DeliveryPage:
        """Return the deliveries of one event or ping, which are few and stand together."""
        if not message_id.startswith(_MESSAGES) or len(message_id) > MESSAGE_ID_MAX:
            return DeliveryPage([], None)
        items = await self._table.records(message_id, DELIVERY)
        found = [one for one in map(has, items) if one is not None]
        below = [one for one in found if before is None or listed_at(one) < before]
        below.sort(key=listed_at, reverse=True)
        return DeliveryPage(
            below[:limit], listed_at(below[limit - 1]) if len(below) > limit else None
        )

    def _wanted(
        self, merchant_id: str, wanted: DeliveryFilter
    ) -> Callable[[Item], Delivery | None]:
        """Return what finds the delivery in an item: the merchant's own, kept and wanted."""
        now = self._clock.now()

        def has(item: Item) -> Delivery | None:
            if item["merchant_id"]["S"] != merchant_id or not is_kept(item, now):
                return None
            delivery = delivery_of(item)
            fits = wanted.endpoint_id in {None, delivery.endpoint_id} and wanted.state in {
                None,
                delivery.state,
            }
            return delivery if fits else None

        return has

    async def _put(self, delivery: Delivery, condition: str, values: dict[str, Any]) -> Item | None:
        """Write a delivery on a condition; return None, or what was there and is not as it should.

        The client sends a call again whose answer was lost, and that meets what it wrote itself:
        by the mark it is known.
        """
        mark = {"S": secrets.token_hex(8)}
        put: PutItemInputTypeDef = {
            "TableName": self._table.name,
            "Item": delivery_item(delivery) | {"mark": mark},
            "ConditionExpression": condition,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if values:
            put["ExpressionAttributeValues"] = values
        try:
            await self._table.run(self._table.client.put_item, **put)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ConditionalCheckFailedException":
                raise
            there: Any = error.response.get("Item", {})
            return None if there.get("mark") == mark else there
        return None


def _readable(has: Callable[[Item], Delivery | None], item: Item) -> Delivery | None:
    try:
        return has(item)
    except (ValueError, KeyError) as error:  # one must not keep the others back
        _log.error("a delivery cannot be read: %s", type(error).__name__)
        return None
