"""Webhook endpoints, in the same table as the ledger: one item for each merchant."""

from collections.abc import Callable

from botocore.exceptions import ClientError

from payments_sandbox.adapters.clock import SystemClock
from payments_sandbox.adapters.codec_webhooks import decode_endpoints, encode_endpoints
from payments_sandbox.adapters.dynamodb_table import (
    NEW,
    Table,
    key_of,
    merchant_key,
    put_of,
    was_race,
)
from payments_sandbox.domain.endpoint import Endpoint
from payments_sandbox.domain.errors import Conflict

CHANGE_TRIES_MAX = 16
CHANGE_PAUSE_S = 0.05
_ENDPOINTS = "endpoints"


class DynamoEndpoints:
    """Endpoints, read as they are by now."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._clock = SystemClock()

    async def endpoints(self, merchant_id: str) -> tuple[Endpoint, ...]:
        """Return the merchant's endpoints, oldest first."""
        body = await self._body(merchant_id)
        return decode_endpoints(body.encode()) if body else ()

    async def change_endpoints(
        self,
        merchant_id: str,
        change: Callable[[tuple[Endpoint, ...]], tuple[Endpoint, ...]],
    ) -> None:
        """Replace them by what `change` makes of those that are there; raise Conflict."""
        for tries in range(CHANGE_TRIES_MAX):
            before = await self._body(merchant_id)
            after = change(decode_endpoints(before.encode()) if before else ())
            if await self._write(merchant_id, before, encode_endpoints(after).decode()):
                return
            await self._clock.pause(CHANGE_PAUSE_S * (tries + 1))
        raise Conflict

    async def _body(self, merchant_id: str) -> str | None:
        item = await self._table.get(merchant_key(merchant_id), _ENDPOINTS)
        return item["body"]["S"] if item else None

    async def _write(self, merchant_id: str, before: str | None, after: str) -> bool:
        """Write the endpoints if they are what was read; tell whether they were.

        A transaction of one item, as only those are safe to send twice: a change whose answer was
        lost would meet itself, and be made again.
        """
        item = key_of(merchant_key(merchant_id), _ENDPOINTS) | {"body": {"S": after}}
        put = put_of(self._table, item, NEW)
        if before is not None:
            put = put_of(self._table, item, "body = :before", {":before": {"S": before}})
        try:
            await self._table.run(self._table.client.transact_write_items, TransactItems=[put])
        except ClientError as error:
            if not was_race(error):
                raise
            return False
        return True
