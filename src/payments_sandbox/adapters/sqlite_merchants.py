"""Merchants and their hashed API keys, in the same SQLite file as the ledger."""

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import datetime

from payments_sandbox.adapters.codec import decode_settings, encode_settings
from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.domain.errors import Conflict, NotFound
from payments_sandbox.domain.merchant import ApiKey, Merchant, Settings


class SqliteMerchants:
    """Merchants, read and written through the ledger's own connections."""

    def __init__(self, ledger: SqliteLedger) -> None:
        self._ledger = ledger
        self._owners: dict[bytes, str] = {}
        self._merchants: dict[str, Merchant] = {}
        self._known_at = -1
        self._asked = False

    async def merchant_id_by_key(self, api_key_hash: bytes) -> str | None:
        """Return whose key this is, or None if it is unknown or revoked."""
        self._forget_what_changed()
        if api_key_hash not in self._owners:
            with self._ledger.reading() as reader:
                row = reader.execute(
                    "SELECT merchant_id FROM api_keys WHERE api_key_hash = ?"
                    " AND revoked_at IS NULL",
                    (api_key_hash,),
                ).fetchone()
            if row is None:
                return None
            (self._owners[api_key_hash],) = row
        return self._owners[api_key_hash]

    async def merchant(self, merchant_id: str) -> Merchant:
        """Return the merchant with its settings as they are now; raise NotFound."""
        self._forget_what_changed()
        if merchant_id not in self._merchants:
            with self._ledger.reading() as reader:
                settings = _settings(reader, merchant_id)
            self._merchants[merchant_id] = Merchant(merchant_id, settings)
        return self._merchants[merchant_id]

    def _forget_what_changed(self) -> None:
        """Forget what was read if anybody has committed since, this process or another.

        Asked once in each turn of the event loop, so a revoked key ends at once.
        """
        if self._asked:
            return
        with self._ledger.reading() as reader:
            (version,) = reader.execute("PRAGMA data_version").fetchone()
        if version != self._known_at:
            self._owners.clear()
            self._merchants.clear()
            self._known_at = version
        self._asked = True
        asyncio.get_running_loop().call_soon(self._ask_again)

    def _ask_again(self) -> None:
        self._asked = False

    async def change_settings(
        self, merchant_id: str, change: Callable[[Settings], Settings]
    ) -> Settings:
        """Replace the settings by what `change` makes of them; return them; raise NotFound."""

        def write(connection: sqlite3.Connection) -> Settings:
            settings = change(_settings(connection, merchant_id))
            connection.execute(
                "UPDATE merchants SET settings = ? WHERE merchant_id = ?",
                (encode_settings(settings), merchant_id),
            )
            return settings

        return await self._ledger.writer.run(write)

    async def add_key(self, key: ApiKey, api_key_hash: bytes) -> None:
        """Keep a new key, and its merchant if that is new; raise Conflict."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO merchants (merchant_id, settings) VALUES (?, ?)"
                " ON CONFLICT DO NOTHING",
                (key.merchant_id, encode_settings(Settings())),
            )
            added = connection.execute(
                "INSERT INTO api_keys (api_key_hash, key_id, merchant_id, created_at)"
                " VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (api_key_hash, key.key_id, key.merchant_id, key.created_at.isoformat()),
            )
            if not added.rowcount:
                raise Conflict

        await self._ledger.writer.run(write)

    async def keys(self, merchant_id: str) -> list[ApiKey]:
        """Return the merchant's keys, oldest first, the revoked ones too."""
        with self._ledger.reading() as reader:
            rows = reader.execute(
                "SELECT key_id, created_at, revoked_at FROM api_keys WHERE merchant_id = ?"
                " ORDER BY created_at, key_id",
                (merchant_id,),
            ).fetchall()
        return [
            ApiKey(
                key_id,
                merchant_id,
                datetime.fromisoformat(created_at),
                datetime.fromisoformat(revoked_at) if revoked_at else None,
            )
            for key_id, created_at, revoked_at in rows
        ]

    async def revoke_key(self, merchant_id: str, key_id: str, at: datetime) -> None:
        """Revoke a key at once; raise NotFound."""

        def write(connection: sqlite3.Connection) -> None:
            changed = connection.execute(
                "UPDATE api_keys SET revoked_at = ifnull(revoked_at, ?)"
                " WHERE merchant_id = ? AND key_id = ?",
                (at.isoformat(), merchant_id, key_id),
            )
            if not changed.rowcount:
                raise NotFound

        await self._ledger.writer.run(write)


def _settings(connection: sqlite3.Connection, merchant_id: str) -> Settings:
    row = connection.execute(
        "SELECT settings FROM merchants WHERE merchant_id = ?", (merchant_id,)
    ).fetchone()
    if row is None:
        raise NotFound
    return decode_settings(row[0])
