"""Deliveries, as their merchant sees them: read back, sent again, tried out with a ping."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from payments_sandbox.domain.delivery import PING, Delivery, State
from payments_sandbox.domain.endpoint import Endpoint, found
from payments_sandbox.domain.errors import Conflict, EndpointDisabled, NotFound
from payments_sandbox.domain.identifiers import delivery_id_of, ping_id_of
from payments_sandbox.domain.times import iso_of
from payments_sandbox.services.merchants import MerchantTime
from payments_sandbox.services.ports import Ids, LostRace
from payments_sandbox.services.webhook_ports import (
    Courier,
    Deliveries,
    DeliveryFilter,
    DeliveryPage,
    Endpoints,
)

REDELIVER_MAX = 1_000
REDELIVER_TRIES_MAX = 8
PAGE = 100


@dataclass(frozen=True, slots=True)
class Span:
    """From one moment to another, the end not included."""

    since: datetime
    until: datetime


class Redelivered(NamedTuple):
    """How many are due again, and where to go on if there may be more."""

    redelivered: int
    next_before: str | None


class DeliveryDesk:
    """The use cases around deliveries."""

    def __init__(
        self,
        endpoints: Endpoints,
        deliveries: Deliveries,
        courier: Courier,
        time: MerchantTime,
        ids: Ids,
    ) -> None:
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._courier = courier
        self._time = time
        self._ids = ids

    async def one(self, merchant_id: str, delivery_id: str) -> Delivery:
        """Return one with its attempts; raise NotFound."""
        return await self._deliveries.delivery(merchant_id, delivery_id)

    async def page(
        self, merchant_id: str, wanted: DeliveryFilter, *, before: str | None, limit: int
    ) -> DeliveryPage:
        """Return deliveries newest first."""
        return await self._deliveries.deliveries(merchant_id, wanted, before=before, limit=limit)

    async def ping(self, merchant_id: str, endpoint_id: str) -> Delivery:
        """Send a message that is no event; raise NotFound, EndpointDisabled."""
        await self._enabled(merchant_id, endpoint_id)
        at = await self._time.now(merchant_id)
        message_id = ping_id_of(self._ids.core())
        ping = Delivery(
            delivery_id=delivery_id_of(message_id, endpoint_id),
            merchant_id=merchant_id,
            endpoint_id=endpoint_id,
            message_id=message_id,
            type=PING,
            created_at=at,
            due_at=at + self._courier.lease,
        )
        kept = await self._deliveries.add([ping])
        await self._courier.hand_over(kept)
        return ping

    async def redeliver(self, merchant_id: str, delivery_id: str) -> Delivery:
        """Have it attempted at once; raise NotFound, EndpointDisabled, Conflict."""
        delivery = await self._deliveries.delivery(merchant_id, delivery_id)
        await self._enabled(merchant_id, delivery.endpoint_id)
        again = await self._begin_again(delivery)
        await self._courier.hand_over([again])
        return again

    async def redeliver_all(
        self, merchant_id: str, endpoint_id: str, span: Span | None, before: str | None
    ) -> Redelivered:
        """Have an endpoint's dead deliveries attempted at once, or all that a span made.

        Looks at a thousand at most and tells where to go on. Raise NotFound, EndpointDisabled,
        Conflict.
        """
        await self._enabled(merchant_id, endpoint_id)
        wanted = DeliveryFilter(endpoint_id, state=None if span else State.DEAD)
        if span and before is None:
            before = iso_of(span.until)  # above all that was made before that moment
        count = 0
        for _ in range(REDELIVER_MAX // PAGE):
            page = await self._deliveries.deliveries(merchant_id, wanted, before=before, limit=PAGE)
            chosen = [one for one in page.deliveries if _is_within(one, span)]
            begun = await asyncio.gather(*map(self._begin_again_if_kept, chosen))
            again = [one for one in begun if one is not None]
            await self._courier.hand_over(again)
            count += len(again)
            before = page.next_before
            is_older = span and page.deliveries and page.deliveries[-1].created_at < span.since
            if before is None or is_older:
                return Redelivered(count, None)
        return Redelivered(count, before)

    async def _enabled(self, merchant_id: str, endpoint_id: str) -> Endpoint:
        endpoint = found(await self._endpoints.endpoints(merchant_id), endpoint_id)
        if not endpoint.enabled:
            raise EndpointDisabled
        return endpoint

    async def _begin_again_if_kept(self, delivery: Delivery) -> Delivery | None:
        try:
            return await self._begin_again(delivery)
        except NotFound:  # its payment's retention ended meanwhile
            return None

    async def _begin_again(self, delivery: Delivery) -> Delivery:
        for _ in range(REDELIVER_TRIES_MAX):
            at = await self._time.now(delivery.merchant_id)
            again = delivery.begun_again(at + self._courier.lease)
            try:
                await self._deliveries.replace(again)
            except LostRace:
                delivery = await self._deliveries.delivery(
                    delivery.merchant_id, delivery.delivery_id
                )
            else:
                return again
        raise Conflict


def _is_within(delivery: Delivery, span: Span | None) -> bool:
    return span is None or span.since <= delivery.created_at < span.until
