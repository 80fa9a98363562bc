"""Fills a database with payments by the real use case: many authorizations in flight at once."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import uvloop

from bench.calls import CARDS
from payments_sandbox.adapters.clock import RandomIds, SystemClock
from payments_sandbox.adapters.secrets import FileSecrets
from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.adapters.sqlite_file import open_ledger_file
from payments_sandbox.adapters.sqlite_merchants import SqliteMerchants
from payments_sandbox.domain.card import PresentedCard
from payments_sandbox.domain.operations import Authorize, Capture
from payments_sandbox.services.merchants import LOCAL_MERCHANT, Tenancy
from payments_sandbox.services.payments import Payments, Request
from payments_sandbox.services.ports import Clock

# As many as one group commit takes: the fewer commits, the fewer pages are written twice.
IN_FLIGHT = 256
KEPT_IDS = 5_000
STEP = 1_000

OPERATIONS = tuple(
    Authorize(PresentedCard(number, 12, 2035, None), amount=1000, currency="USD")
    for number in CARDS
)


@dataclass(frozen=True, kw_only=True)
class Seeded:
    """Some of the payments stored, evenly spread over their time, and all cards."""

    payment_ids: list[str]
    card_ids: list[str]


class PastClock(SystemClock):
    """The machine's clock, two days late: what is captured by it is due for settlement."""

    def now(self) -> datetime:
        """Return the time two days ago."""
        return super().now() - timedelta(days=2)


def seed(path: Path, count: int, progress: Callable[[int], None]) -> Seeded:
    """Store `count` authorized payments; call `progress` now and then with how many were added."""
    secrets = open_ledger_file(path)
    return uvloop.run(_seed(path, secrets, SystemClock(), count, progress))


def seed_captured(path: Path, count: int, progress: Callable[[int], None]) -> None:
    """Store `count` payments that were captured two days ago, their webhooks long relayed."""
    secrets = open_ledger_file(path)
    uvloop.run(_seed(path, secrets, PastClock(), count, progress, is_captured=True))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE relayed SET position = (SELECT max(position) FROM transactions)")


async def _seed(  # noqa: PLR0913 - what tells one ledger from another
    path: Path,
    secrets: FileSecrets,
    clock: Clock,
    count: int,
    progress: Callable[[int], None],
    *,
    is_captured: bool = False,
) -> Seeded:
    ids, every = RandomIds(), max(count // KEPT_IDS, 1)
    ledger = SqliteLedger(path, clock, _give_up)
    merchants = SqliteMerchants(ledger)
    await Tenancy(merchants, clock, ids).ensure_local_key()
    payments = Payments(ledger, merchants, clock, ids, secrets)
    numbers = iter(range(count))
    payment_ids: list[str] = []
    card_ids: set[str] = set()

    async def work() -> None:
        for number in numbers:
            operation = OPERATIONS[number % len(OPERATIONS)]
            request = Request(LOCAL_MERCHANT, "authorize", f"seed-{number}", "")
            transaction = (await payments.authorize(operation, request)).transaction
            if is_captured:
                capture = Request(LOCAL_MERCHANT, "capture", f"seed-{number}", "")
                await payments.execute(Capture(transaction.payment_id), capture)
            if transaction.authorization is not None:
                card_ids.add(transaction.authorization.card.card_id)
            if number % every == 0:
                payment_ids.append(transaction.payment_id)
            if number % STEP == STEP - 1:
                progress(STEP)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(work())
    finally:
        await ledger.close()
    return Seeded(payment_ids=payment_ids, card_ids=sorted(card_ids))


def _give_up(error: sqlite3.Error) -> None:
    raise error
