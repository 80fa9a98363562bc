"""Merchants and their hashed API keys, in the same table as the ledger."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from payments_sandbox.adapters.codec import decode_settings, encode_settings
from payments_sandbox.adapters.dynamodb_table import Item, Table, key_of, was_race
from payments_sandbox.domain.errors import Conflict, NotFound
from payments_sandbox.domain.merchant import ApiKey, Merchant, Settings

if TYPE_CHECKING:
    from types_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

AWS_SETTINGS = Settings(test_cards_only=True, retention_days=90)
"""What merchants begin with where many share a table and its bill: no real card gets in."""
CHANGE_TRIES_MAX = 16
_SETTINGS, _OWNER = "settings", "merchant"


class DynamoMerchants:
    """Merchants, which begin with the settings given."""

    def __init__(self, table: Table, first_settings: Settings = AWS_SETTINGS) -> None:
        self._table = table
        self._first_settings = first_settings

    async def merchant_id_by_key(self, api_key_hash: bytes) -> str | None:
        """Return whose key this is, or None if it is unknown or revoked."""
        return await self._owner(_by_hash(api_key_hash))

    async def merchant_id_by_gateway_key(self, key_id: str) -> str | None:
        """Return whose key it is that a gateway knows by this id, or None."""
        return await self._owner(_by_gateway(key_id))

    async def merchant(self, merchant_id: str) -> Merchant:
        """Return the merchant with its settings as they are now; raise NotFound."""
        return Merchant(merchant_id, decode_settings((await self._settings(merchant_id)).encode()))

    async def change_settings(
        self, merchant_id: str, change: Callable[[Settings], Settings]
    ) -> Settings:
        """Replace the settings by what `change` makes of them; raise NotFound or Conflict."""
        for _ in range(CHANGE_TRIES_MAX):
            before = await self._settings(merchant_id)
            settings = change(decode_settings(before.encode()))
            try:
                await self._table.run(
                    self._table.client.update_item,
                    TableName=self._table.name,
                    Key=key_of(_merchant(merchant_id), _SETTINGS),
                    UpdateExpression="SET body = :after",
                    ConditionExpression="body = :before",
                    ExpressionAttributeValues={
                        ":before": {"S": before},
                        ":after": {"S": encode_settings(settings).decode()},
                    },
                )
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") != "ConditionalCheckFailedException":
                    raise
            else:
                return settings
        raise Conflict

    async def add_key(self, key: ApiKey, api_key_hash: bytes, *, at_gateway: bool = False) -> None:
        """Keep a new key, and its merchant if that is new; raise Conflict.

        `at_gateway` says that a gateway knows the key by its id too.
        """
        await self._table.run(
            self._table.client.update_item,
            TableName=self._table.name,
            Key=key_of(_merchant(key.merchant_id), _SETTINGS),
            UpdateExpression="SET body = if_not_exists(body, :first)",
            ExpressionAttributeValues={
                ":first": {"S": encode_settings(self._first_settings).decode()}
            },
        )
        found_by = [_by_hash(api_key_hash)] + ([_by_gateway(key.key_id)] if at_gateway else [])
        kept = key_of(_merchant(key.merchant_id), f"key#{key.key_id}") | {
            "created_at": {"S": key.created_at.isoformat()},
            "found_by": {"L": [{"S": one} for one in found_by]},
        }
        owned = [key_of(one, _OWNER) | {"merchant_id": {"S": key.merchant_id}} for one in found_by]
        await self._write(
            {
                "Put": {
                    "TableName": self._table.name,
                    "Item": item,
                    "ConditionExpression": "attribute_not_exists(transaction_id)",
                }
            }
            for item in (kept, *owned)
        )

    async def keys(self, merchant_id: str) -> list[ApiKey]:
        """Return the merchant's keys, oldest first, the revoked ones too."""
        items = await self._table.records(_merchant(merchant_id), "key#")
        found = [_api_key(merchant_id, one) for one in items]
        return sorted(found, key=lambda one: (one.created_at, one.key_id))

    async def revoke_key(self, merchant_id: str, key_id: str, at: datetime) -> None:
        """Revoke a key at once: nothing finds it any more; raise NotFound."""
        kept = key_of(_merchant(merchant_id), f"key#{key_id}")
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

    async def _owner(self, found_by: str) -> str | None:
        item = await self._table.get(found_by, _OWNER)
        return item["merchant_id"]["S"] if item else None

    async def _settings(self, merchant_id: str) -> str:
        item = await self._table.get(_merchant(merchant_id), _SETTINGS)
        if item is None:
            raise NotFound
        return item["body"]["S"]


def _merchant(merchant_id: str) -> str:
    return f"merchant_{merchant_id}"


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
