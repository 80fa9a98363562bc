"""Stream to deliveries: a function that relays what the table's stream tells of.

Each transaction that the table's stream tells of becomes a delivery for each endpoint that wants
it, only if it is new, and goes to the sender. Told twice, it changes nothing.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from payments_sandbox.adapters.dynamodb_items import logged_of
from payments_sandbox.api.edge import where
from payments_sandbox.domain.delivery import Delivery
from payments_sandbox.domain.endpoint import Endpoint
from payments_sandbox.entrypoints.function_parts import (
    Event,
    Parts,
    failed_items,
    run,
)
from payments_sandbox.services.dispatch import deliveries_of

_FIRST_VERSION = 1
_log = logging.getLogger(__name__)


class Relay:
    """The function over these adapters."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def handle(self, event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's
        """Relay a batch of the stream; return what is to come again."""
        del context
        return run(self._relay(event["Records"]))

    async def _relay(self, records: Sequence[Event]) -> dict[str, Any]:
        known: dict[str, asyncio.Task[tuple[Endpoint, ...]]] = {}
        results = await asyncio.gather(*(self._deliveries(one, known) for one in records))
        made = [one for some in results for one in some or ()]
        await self._parts.courier.hand_over(made)
        failed = [
            record["dynamodb"]["SequenceNumber"]
            for record, some in zip(records, results, strict=True)
            if some is None
        ]
        return failed_items(failed)

    async def _deliveries(
        self, record: Event, known: dict[str, asyncio.Task[tuple[Endpoint, ...]]]
    ) -> list[Delivery] | None:
        """Return what is to be handed over for a record, or None if it must come again."""
        if not _is_event(record):
            return []
        try:
            image = record["dynamodb"]["NewImage"]
            transaction = logged_of(image)
            merchant_id = transaction.merchant_id
            if merchant_id not in known:
                known[merchant_id] = asyncio.create_task(
                    self._parts.endpoints.endpoints(merchant_id)
                )
            made = deliveries_of(
                transaction,
                await known[merchant_id],
                await self._parts.time.now(merchant_id),
                lease=self._parts.courier.lease,
                expires_at=_expiry(image),
            )
            kept = await self._parts.deliveries.add(made)
        except Exception as error:  # noqa: BLE001 - one record must not keep the others back
            _log.error("a record of the stream failed: %s", where(error))
            return None
        # Those that mischief delays fall due by themselves.
        return [one for one in kept if one.version == _FIRST_VERSION and not one.chaos]


def _is_event(record: Event) -> bool:
    key = record["dynamodb"].get("Keys", {}).get("record", {}).get("S", "")
    return record["eventName"] == "INSERT" and key.startswith("txn#")


def _expiry(image: Event) -> datetime | None:
    if "expires_at" not in image:
        return None
    return datetime.fromtimestamp(int(image["expires_at"]["N"]), UTC)
