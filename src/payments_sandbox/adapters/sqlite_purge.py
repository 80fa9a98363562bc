"""Deleting in SQLite, a little at a time: what has expired, and all of a merchant's data."""

import sqlite3

PURGE_MAX = 500


def purge_expired(connection: sqlite3.Connection, now_ms: int) -> int:
    """Delete some of what has expired; return how many rows went, 0 when all is gone."""
    payments = connection.execute(
        "SELECT merchant_id, payment_id FROM payments WHERE expires_at <= ? LIMIT ?",
        (now_ms, PURGE_MAX),
    ).fetchall()
    keys = connection.execute(
        "DELETE FROM idempotency WHERE expires_at <= ? AND position IN"
        " (SELECT position FROM idempotency ORDER BY position LIMIT ?)",
        (now_ms, PURGE_MAX),
    )
    deliveries = connection.execute(
        "DELETE FROM deliveries WHERE position IN"
        " (SELECT position FROM deliveries WHERE expires_at <= ? LIMIT ?)",
        (now_ms, PURGE_MAX),
    )
    batches = connection.execute(
        "SELECT settlement_id FROM settlements WHERE expires_at <= ? LIMIT 1", (now_ms,)
    ).fetchall()
    gone = _delete_payments(connection, payments) + _delete_batches(connection, batches)
    return gone + keys.rowcount + deliveries.rowcount


def wipe_merchant(connection: sqlite3.Connection, merchant_id: str) -> int:
    """Delete some of what a merchant has but its keys, settings and endpoints."""
    payments = connection.execute(
        "SELECT merchant_id, payment_id FROM payments WHERE merchant_id = ? LIMIT ?",
        (merchant_id, PURGE_MAX),
    ).fetchall()
    deliveries = connection.execute(
        "DELETE FROM deliveries WHERE position IN"
        " (SELECT position FROM deliveries WHERE merchant_id = ? LIMIT ?)",
        (merchant_id, PURGE_MAX),
    )
    batches = connection.execute(
        "SELECT settlement_id FROM settlements WHERE merchant_id = ? LIMIT 1", (merchant_id,)
    ).fetchall()
    accounts = connection.execute("DELETE FROM accounts WHERE merchant_id = ?", (merchant_id,))
    gone = _delete_payments(connection, payments) + _delete_batches(connection, batches)
    return gone + deliveries.rowcount + accounts.rowcount


def _delete_payments(connection: sqlite3.Connection, payments: list[tuple[str, str]]) -> int:
    connection.executemany(
        "DELETE FROM transactions WHERE payment_id = ?", [(one,) for _, one in payments]
    )
    connection.executemany(
        "DELETE FROM payments WHERE merchant_id = ? AND payment_id = ?", payments
    )
    return len(payments)


def _delete_batches(connection: sqlite3.Connection, batches: list[tuple[str]]) -> int:
    """Delete some of the batches' lines, or, once there are none, the batches."""
    gone = 0
    for (settlement_id,) in batches:
        lines = connection.execute(
            "DELETE FROM settlement_lines WHERE settlement_id = ? AND (payment_id, seq) IN"
            " (SELECT payment_id, seq FROM settlement_lines WHERE settlement_id = ? LIMIT ?)",
            (settlement_id, settlement_id, PURGE_MAX),
        )
        gone += lines.rowcount
        if lines.rowcount < PURGE_MAX:
            batch = (settlement_id,)
            connection.execute("DELETE FROM transactions WHERE payment_id = ?", batch)
            connection.execute("DELETE FROM settlements WHERE settlement_id = ?", batch)
            gone += 1
    return gone
