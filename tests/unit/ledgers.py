"""A SQLite ledger that can be told to lose races and notes what it is asked; its merchants."""

import sqlite3
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.adapters.sqlite_file import open_ledger_file
from payments_sandbox.adapters.sqlite_merchants import SqliteMerchants
from payments_sandbox.domain.merchant import ApiKey, Settings
from payments_sandbox.domain.payment import Payment
from payments_sandbox.domain.transaction import Transaction
from payments_sandbox.services.merchants import hash_of
from payments_sandbox.services.ports import Clock, IdempotencyKey, LostRace, Merchants
from tests.unit.stand_ins import NOW


class ContendedLedger(SqliteLedger):
    """The real ledger; its next `losses` appends lose their race before they are tried."""

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(path, clock, fail_the_test)
        self.losses = 0
        self.appends = 0
        self.keys: list[IdempotencyKey | None] = []

    async def append(
        self, payment: Payment, transactions: Sequence[Transaction], key: IdempotencyKey | None
    ) -> None:
        """Lose the race if told to, else append."""
        self.appends += 1
        self.keys.append(key)
        if self.losses:
            self.losses -= 1
            raise LostRace
        await super().append(payment, transactions, key)


def fail_the_test(error: sqlite3.Error) -> None:
    """Stand where the process would end: no flush to disk fails in a test."""
    raise AssertionError from error


@asynccontextmanager
async def opened_at(folder: Path, clock: Clock) -> AsyncGenerator[ContendedLedger]:
    """Open a ledger in the folder, and close it in the end."""
    path = folder / "ledger.db"
    open_ledger_file(path)
    ledger = ContendedLedger(path, clock)
    try:
        yield ledger
    finally:
        await ledger.close()


async def with_merchants(ledger: SqliteLedger, *merchant_ids: str) -> SqliteMerchants:
    """Add these merchants to the ledger, each with a key, and return all there are."""
    merchants = SqliteMerchants(ledger)
    for merchant_id in merchant_ids:
        key = ApiKey(f"key of {merchant_id}", merchant_id, NOW)
        await merchants.add_key(key, hash_of(key.key_id))
    return merchants


async def set_to(merchants: Merchants, merchant_id: str, settings: Settings) -> None:
    """Give the merchant these settings."""
    await merchants.change(merchant_id, lambda one: replace(one, settings=settings))
