"""Merchants and their hashed API keys, in the same SQLite file as the ledger."""

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta

from payments_sandbox.adapters.codec import decode_settings, encode_settings
from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.domain.errors import Conflict, NotFound
from payments_sandbox.domain.merchant import ApiKey, Merchant, Settings
from payments_sandbox.domain.payment import Payment

_MILLISECOND = timedelta(milliseconds=1)


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
                self._merchants[merchant_id] = _merchant(reader, merchant_id)
        return self._merchants[merchant_id]

    async def merchants(self) -> list[str]:
        """Return the ids of all merchants."""
        with self._ledger.reading() as reader:
            rows = reader.execute("SELECT merchant_id FROM merchants ORDER BY merchant_id")
            return [merchant_id for (merchant_id,) in rows]

    async def with_payment(self, merchant_id: str, payment_id: str) -> tuple[Merchant, Payment]:
        """Return the merchant and one of its payments, read together; raise NotFound."""
        merchant = await self.merchant(merchant_id)
        return merchant, await self._ledger.payment(merchant_id, payment_id)

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

    async def change(self, merchant_id: str, change: Callable[[Merchant], Merchant]) -> Merchant:
        """Replace settings and clock by what `change` makes of them; raise NotFound."""

        def write(connection: sqlite3.Connection) -> Merchant:
            merchant = change(_merchant(connection, merchant_id))
            connection.execute(
                "UPDATE merchants SET settings = ?, clock_offset_ms = ?, resets = ?"
                " WHERE merchant_id = ?",
                (
                    encode_settings(merchant.settings),
                    merchant.clock_offset // _MILLISECOND,
                    merchant.resets,
                    merchant_id,
                ),
            )
            return merchant

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


def _merchant(connection: sqlite3.Connection, merchant_id: str) -> Merchant:
    row = connection.execute(
        "SELECT settings, clock_offset_ms, resets FROM merchants WHERE merchant_id = ?",
        (merchant_id,),
    ).fetchone()
    if row is None:
        raise NotFound
    settings, offset_ms, resets = row
    return Merchant(merchant_id, decode_settings(settings), offset_ms * _MILLISECOND, resets)
