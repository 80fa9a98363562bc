"""A month of a shop, made by the real use cases on a clock that is set: same seed, same month."""

import asyncio
from collections.abc import Awaitable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.adapters.sqlite_deliveries import SqliteDeliveries
from payments_sandbox.adapters.sqlite_endpoints import SqliteEndpoints
from payments_sandbox.adapters.sqlite_file import open_ledger_file
from payments_sandbox.adapters.sqlite_merchants import SqliteMerchants
from payments_sandbox.adapters.sqlite_settlements import SqliteSettlements
from payments_sandbox.adapters.sqlite_trail import SqliteTrail
from payments_sandbox.domain.calendar import SettlementDays
from payments_sandbox.domain.card import PresentedCard
from payments_sandbox.domain.fees import FeeOnRefund
from payments_sandbox.domain.merchant import Settings
from payments_sandbox.domain.operations import Authorize, Capture, Operation, Refund, Void
from payments_sandbox.domain.void_capture import VoidCapture
from payments_sandbox.entrypoints.wiring import Store, sweep_over
from payments_sandbox.services.audit import Audit
from payments_sandbox.services.clocks import Clocks
from payments_sandbox.services.merchants import LOCAL_MERCHANT, Tenancy
from payments_sandbox.services.payments import Outcome, Payments, Request
from payments_sandbox.services.ports import Clock
from payments_sandbox.services.sweep import Sweep
from tests.unit.ledgers import fail_the_test
from tests.unit.stand_ins import SECRETS, ManualClock, SeededIds

CARD = PresentedCard("4242424242424242", 12, 2050, None)
NO_HURRY = timedelta(days=1)
SLOT, SLOTS = timedelta(hours=3), 8
HOLIDAY = date(2026, 2, 17)
SETTINGS = Settings(
    settlement_cutoff=time(18),
    settlement_days=SettlementDays.WEEKDAYS,
    settlement_holidays=(HOLIDAY,),
    fee_rate_bps=290,
    fee_fixed=30,
    fee_on_refund=FeeOnRefund.RETURNED,
)


class Shop(NamedTuple):
    """The use cases of one process over a ledger's file."""

    store: Store
    payments: Payments
    sweep: Sweep
    clocks: Clocks
    audit: Audit
    tenancy: Tenancy

    async def close(self) -> None:
        """Let go of the file."""
        ledger = self.store.ledger
        assert isinstance(ledger, SqliteLedger)
        await ledger.close()

    async def do(self, operation: Authorize | Operation, key: str) -> Outcome:
        """Do something under a key."""
        request = Request(LOCAL_MERCHANT, type(operation).__name__, key, repr(operation))
        if isinstance(operation, Authorize):
            return await self.payments.authorize(operation, request)
        return await self.payments.execute(operation, request)

    async def settle(self, up_to: datetime) -> None:
        """Do all that is due."""
        assert (await self.sweep.run(LOCAL_MERCHANT, up_to, NO_HURRY)).complete

    async def holds(self) -> bool:
        """Tell whether the audit finds nothing."""
        return (await self.audit.run(LOCAL_MERCHANT, within=None)).holds


def opened(path: Path, clock: Clock, seed: int = 0) -> Shop:
    """Open a ledger's file, made new if need be."""
    open_ledger_file(path)
    ledger = SqliteLedger(path, clock, fail_the_test)
    merchants, settlements = SqliteMerchants(ledger), SqliteSettlements(ledger, clock)
    trail = SqliteTrail(ledger, clock)
    store = Store(
        ledger,
        merchants,
        SqliteEndpoints(ledger),
        SqliteDeliveries(ledger, clock),
        settlements,
        trail,
    )
    sweep = sweep_over(store, clock)
    return Shop(
        store,
        Payments(ledger, merchants, clock, SeededIds(seed), SECRETS),
        sweep,
        Clocks(merchants, sweep, clock),
        Audit(merchants, settlements, trail, clock),
        Tenancy(merchants, clock, SeededIds(seed)),
    )


async def month(path: Path, seed: int, payments: int, begins_at: datetime, days: int) -> datetime:
    """Write the month into a new file; return when it was over."""
    clock, chance = ManualClock(begins_at), Random(seed)  # noqa: S311 - a seed is the point
    shop = opened(path, clock, seed)
    try:
        await shop.tenancy.ensure_local_key()
        await shop.tenancy.change_settings(LOCAL_MERCHANT, lambda _: SETTINGS)
        kept: list[str] = []
        for slot in range(days * SLOTS):
            clock.at = begins_at + slot * SLOT
            await shop.settle(clock.at)
            clock.at += timedelta(milliseconds=chance.choice([0, 1, 999_999]))
            due = payments * (slot + 1) // (days * SLOTS) - len(kept)
            kept += await asyncio.gather(
                *[_bought(shop, chance, len(kept) + n) for n in range(due)]
            )
            known = chance.sample(kept, min(len(kept), 2 * due))
            await asyncio.gather(*[_done(shop, chance, one, f"{slot} {one}") for one in known])
        clock.at = begins_at + days * SLOTS * SLOT
        await shop.settle(clock.at)
        assert await shop.holds()
        return clock.at
    finally:
        await shop.close()


def _bought(shop: Shop, chance: Random, number: int) -> Awaitable[str]:
    """Authorize something, and mostly capture it or a part at once."""
    amount, part = chance.randint(1, 30_000), chance.choice([None, None, 0.4, 0.0])
    wanted = Authorize(CARD, amount, chance.choice(["USD", "USD", "EUR"]), f"order {number}")

    async def run() -> str:
        auth_id = (await shop.do(wanted, f"buy {number}")).transaction.payment_id
        if part != 0.0:
            some = None if part is None else max(1, int(amount * part))
            await shop.do(Capture(auth_id, some), f"take {number}")
        return auth_id

    return run()


def _done(shop: Shop, chance: Random, auth_id: str, key: str) -> Awaitable[None]:
    """Capture, refund or void something of a payment, whether that may be or not."""
    what, amount = chance.choice("crrrrvx"), chance.choice([None, None, chance.randint(1, 9_000)])

    async def run() -> None:
        payment = await shop.store.ledger.payment(LOCAL_MERCHANT, auth_id)
        last = payment.captures[-1].transaction_id if payment.captures else None
        operation: Operation = Void(auth_id)
        if what == "c":
            operation = Capture(auth_id, amount)
        elif what == "r":
            operation = Refund(auth_id, None, amount)
        elif what == "x" and last is not None:
            operation = VoidCapture(auth_id, last)
        await shop.do(operation, key)

    return run()
