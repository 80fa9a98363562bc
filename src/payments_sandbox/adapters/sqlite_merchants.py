"""Merchants and their hashed API keys, in the same SQLite file as the ledger."""

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import datetime

from payments_sandbox.adapters.codec import decode_settings, encode_settings
from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.merchant import ApiKey, Merchant, Settings


class SqliteMerchants:
    """Merchants, read and written through the ledger's own connections."""

    def __init__(self, ledger: SqliteLedger) -> None:
        self._ledger = ledger
        self._known: dict[bytes, Merchant] = {}
        self._known_at = -1
        self._asked = False

    async def merchant_by_key(self, api_key_hash: bytes) -> Merchant | None:
        """Return whose key this is, or None if it is unknown or revoked.

        What was read is remembered until anybody commits, this process or another, so a revoked
        key ends at once. Whether anybody did is asked once in each turn of the event loop.
        """
        if not self._asked:
            self._forget_what_changed()
        known = self._known.get(api_key_hash)
        if known is not None:
            return known
        with self._ledger.reading() as reader:
            row = reader.execute(
                "SELECT m.merchant_id, m.settings FROM api_keys k JOIN merchants m"
                " USING (merchant_id) WHERE k.api_key_hash = ? AND k.revoked_at IS NULL",
                (api_key_hash,),
            ).fetchone()
        if row is None:
            return None
        merchant = self._known[api_key_hash] = Merchant(row[0], decode_settings(row[1]))
        return merchant

    def _forget_what_changed(self) -> None:
        with self._ledger.reading() as reader:
            (version,) = reader.execute("PRAGMA data_version").fetchone()
        if version != self._known_at:
            self._known.clear()
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
            row = connection.execute(
                "SELECT settings FROM merchants WHERE merchant_id = ?", (merchant_id,)
            ).fetchone()
            if row is None:
                raise NotFound
            settings = change(decode_settings(row[0]))
            connection.execute(
                "UPDATE merchants SET settings = ? WHERE merchant_id = ?",
                (encode_settings(settings), merchant_id),
            )
            return settings

        return await self._ledger.writer.run(write)

    async def add_key(self, key: ApiKey, api_key_hash: bytes) -> None:
        """Keep a new key, and its merchant if that is new."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO merchants (merchant_id, settings) VALUES (?, ?)"
                " ON CONFLICT DO NOTHING",
                (key.merchant_id, encode_settings(Settings())),
            )
            connection.execute(
                "INSERT INTO api_keys (api_key_hash, key_id, merchant_id, created_at)"
                " VALUES (?, ?, ?, ?)",
                (api_key_hash, key.key_id, key.merchant_id, key.created_at.isoformat()),
            )

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
