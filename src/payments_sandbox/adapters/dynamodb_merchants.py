"""Merchants and their hashed API keys, in the same table as the ledger."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from payments_sandbox.adapters.clock import SystemClock
from payments_sandbox.adapters.codec import decode_merchant, encode_merchant
from payments_sandbox.adapters.dynamodb_items import HEAD, is_kept, payment_of
from payments_sandbox.adapters.dynamodb_listing import items_at
from payments_sandbox.adapters.dynamodb_table import (
    BY_MERCHANT,
    NEW,
    Item,
    Table,
    key_of,
    merchant_key,
    put_of,
    was_race,
)
from payments_sandbox.domain.errors import Conflict, NotFound
from payments_sandbox.domain.identifiers import is_payment_id
from payments_sandbox.domain.merchant import ApiKey, Merchant, Settings
from payments_sandbox.domain.payment import Payment
from payments_sandbox.services.ports import Clock

if TYPE_CHECKING:
    from types_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

AWS_SETTINGS = Settings(test_cards_only=True, retention_days=90)
"""What merchants begin with where many share a table and its bill: no real card gets in."""
CHANGE_TRIES_MAX = 16
CHANGE_PAUSE_S = 0.025
_SETTINGS, _OWNER = "settings", "merchant"
_LIST: Final = {"S": "merchants"}


class DynamoMerchants:
    """Merchants, which begin with the settings given."""

    def __init__(
        self,
        table: Table,
        first_settings: Settings = AWS_SETTINGS,
        *,
        clock: Clock | None = None,
    ) -> None:
        self._table = table
        self._first_settings = first_settings
        self._clock = clock or SystemClock()

    async def merchant_id_by_key(self, api_key_hash: bytes) -> str | None:
        """Return whose key this is, or None if it is unknown or revoked."""
        return await self._owner(_by_hash(api_key_hash))

    async def merchant_id_by_gateway_key(self, key_id: str) -> str | None:
        """Return whose key it is that a gateway knows by this id, or None."""
        return await self._owner(_by_gateway(key_id))

    async def merchant(self, merchant_id: str) -> Merchant:
        """Return the merchant with its settings and clock as they are now; raise NotFound."""
        return _merchant_of(await self._settings(merchant_id))

    async def merchants(self) -> list[str]:
        """Return the ids of all merchants; one that was made a moment ago may be missing."""
        items = await self._table.all(
            {
                "TableName": self._table.name,
                "IndexName": BY_MERCHANT,
                "KeyConditionExpression": "listed_in = :list",
                "ExpressionAttributeValues": {":list": _LIST},
            }
        )
        return [one["listed_at"]["S"] for one in items]

    async def with_payment(self, merchant_id: str, payment_id: str) -> tuple[Merchant, Payment]:
        """Return the merchant and one of its payments, read in one call; raise NotFound."""
        if not is_payment_id(payment_id):
            raise NotFound
        settings, head = (merchant_key(merchant_id), _SETTINGS), (payment_id, HEAD)
        items = await items_at(self._table, [settings, head], is_exact=True)
        merchant, item = items.get(settings), items.get(head)
        if (
            merchant is None
            or item is None
            or item["merchant_id"]["S"] != merchant_id
            or not is_kept(item, self._clock.now())
        ):
            raise NotFound
        return _merchant_of(merchant), payment_of(item)

    async def change(self, merchant_id: str, change: Callable[[Merchant], Merchant]) -> Merchant:
        """Replace settings and clock by what `change` makes of them; raise NotFound, Conflict.

        A transaction of one item, as only those are safe to send twice.
        """
        for tries in range(CHANGE_TRIES_MAX):
            before = await self._settings(merchant_id)
            merchant = change(_merchant_of(before))
            values = {":before": before["body"]}
            put = put_of(self._table, _settings_item(merchant), "body = :before", values)
            try:
                await self._table.run(self._table.client.transact_write_items, TransactItems=[put])
            except ClientError as error:
                if not was_race(error):
                    raise
                await self._clock.pause(CHANGE_PAUSE_S * (tries + 1))
            else:
                return merchant
        raise Conflict

    async def add_key(self, key: ApiKey, api_key_hash: bytes, *, at_gateway: bool = False) -> None:
        """Keep a new key, and its merchant if that is new; raise Conflict.

        `at_gateway` says that a gateway knows the key by its id too.
        """
        first = _settings_item(Merchant(key.merchant_id, self._first_settings))
        await self._table.run(
            self._table.client.update_item,
            TableName=self._table.name,
            Key=key_of(merchant_key(key.merchant_id), _SETTINGS),
            UpdateExpression="SET body = if_not_exists(body, :first),"
            " listed_in = :list, listed_at = :place",
            ExpressionAttributeValues={
                ":first": first["body"],
                ":list": first["listed_in"],
                ":place": first["listed_at"],
            },
        )
        found_by = [_by_hash(api_key_hash)] + ([_by_gateway(key.key_id)] if at_gateway else [])
        kept = key_of(merchant_key(key.merchant_id), f"key#{key.key_id}") | {
            "created_at": {"S": key.created_at.isoformat()},
            "found_by": {"L": [{"S": one} for one in found_by]},
        }
        owned = [key_of(one, _OWNER) | {"merchant_id": {"S": key.merchant_id}} for one in found_by]
        await self._write(put_of(self._table, item, NEW) for item in (kept, *owned))

    async def keys(self, merchant_id: str) -> list[ApiKey]:
        """Return the merchant's keys, oldest first, the revoked ones too."""
        items = await self._table.records(merchant_key(merchant_id), "key#")
        found = [_api_key(merchant_id, one) for one in items]
        return sorted(found, key=lambda one: (one.created_at, one.key_id))

    async def revoke_key(self, merchant_id: str, key_id: str, at: datetime) -> None:
        """Revoke a key at once: nothing finds it any more; raise NotFound."""
        kept = key_of(merchant_key(merchant_id), f"key#{key_id}")
        item = await self._table.get(kept["transaction_id"]["S"], kept["record"]["S"])
        if item is None:
            raise NotFound
        end: TransactWriteItemTypeDef = {
            "Update": {
                "TableName": self._table.name,
                "Key": kept,
                "UpdateExpression": "SET revoked_at = if_not_exists(revoked_at, :at)",
                "ExpressionAttributeValues": {":at": {"S": at.isoformat()}},
            }
        }
        forget: list[TransactWriteItemTypeDef] = [
            {"Delete": {"TableName": self._table.name, "Key": key_of(one["S"], _OWNER)}}
            for one in item["found_by"]["L"]
        ]
        await self._write([end, *forget])

    async def _write(self, actions: "Iterable[TransactWriteItemTypeDef]") -> None:
        """Write all or nothing; raise Conflict if others write the same or it is there."""
        try:
            await self._table.run(self._table.client.transact_write_items, TransactItems=[*actions])
        except ClientError as error:
            if not was_race(error):
                raise
            raise Conflict from error

    async def _settings(self, merchant_id: str) -> Item:
        item = await self._table.get(merchant_key(merchant_id), _SETTINGS)
        if item is None:
            raise NotFound
        return item

    async def _owner(self, found_by: str) -> str | None:
        item = await self._table.get(found_by, _OWNER)
        return item["merchant_id"]["S"] if item else None


def _settings_item(merchant: Merchant) -> dict[str, Any]:
    """Return settings and clock, in the list of all merchants."""
    return key_of(merchant_key(merchant.merchant_id), _SETTINGS) | {
        "listed_in": _LIST,
        "listed_at": {"S": merchant.merchant_id},
        "body": {"S": encode_merchant(merchant).decode()},
    }


def _merchant_of(item: Item) -> Merchant:
    return decode_merchant(item["body"]["S"].encode())


def _by_hash(api_key_hash: bytes) -> str:
    return f"key#{api_key_hash.hex()}"


def _by_gateway(key_id: str) -> str:
    return f"key#{key_id}"


def _api_key(merchant_id: str, item: Item) -> ApiKey:
    revoked_at = item.get("revoked_at")
    return ApiKey(
        item["record"]["S"].removeprefix("key#"),
        merchant_id,
        datetime.fromisoformat(item["created_at"]["S"]),
        datetime.fromisoformat(revoked_at["S"]) if revoked_at else None,
    )
