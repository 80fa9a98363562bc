"""Webhook endpoints, in the same SQLite file as the ledger: one row for each merchant."""

import asyncio
import sqlite3
from collections.abc import Callable

from payments_sandbox.adapters.codec_webhooks import decode_endpoints, encode_endpoints
from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.domain.endpoint import Endpoint


class SqliteEndpoints:
    """Endpoints, written through the ledger's own connection and remembered.

    Only the process that holds the ledger serves it, so nobody else changes them.
    """

    def __init__(self, ledger: SqliteLedger) -> None:
        self._ledger = ledger
        self._known: dict[str, tuple[Endpoint, ...]] = {}

    async def endpoints(self, merchant_id: str) -> tuple[Endpoint, ...]:
        """Return the merchant's endpoints, oldest first."""
        if merchant_id not in self._known:
            with self._ledger.reading() as reader:
                self._known[merchant_id] = _read(reader, merchant_id)
        return self._known[merchant_id]

    async def change_endpoints(
        self,
        merchant_id: str,
        change: Callable[[tuple[Endpoint, ...]], tuple[Endpoint, ...]],
    ) -> None:
        """Replace them by what `change` makes of those that are there."""

        def write(connection: sqlite3.Connection) -> None:
            body = encode_endpoints(change(_read(connection, merchant_id)))
            connection.execute(
                "INSERT INTO endpoints (merchant_id, body) VALUES (?, ?)"
                " ON CONFLICT DO UPDATE SET body = excluded.body",
                (merchant_id, body),
            )

        # A caller may leave before it is written; what is remembered then is not true any more.
        writing = asyncio.ensure_future(self._ledger.writer.run(write))
        writing.add_done_callback(lambda _: self._known.pop(merchant_id, None))
        await asyncio.shield(writing)


def _read(connection: sqlite3.Connection, merchant_id: str) -> tuple[Endpoint, ...]:
    row = connection.execute(
        "SELECT body FROM endpoints WHERE merchant_id = ?", (merchant_id,)
    ).fetchone()
    return decode_endpoints(row[0]) if row else ()
