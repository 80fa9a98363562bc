"""A real ledger and the services on it, with time and identity in the test's hand."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from payments_sandbox.adapters.sqlite_endpoints import SqliteEndpoints
from payments_sandbox.adapters.sqlite_merchants import SqliteMerchants
from payments_sandbox.api.answers import event_bytes
from payments_sandbox.api.deliveries import ping_bytes
from payments_sandbox.services.dispatch import Dispatch
from payments_sandbox.services.merchants import MerchantTime
from payments_sandbox.services.payments import Payments
from payments_sandbox.services.sweep import Sweep
from tests.unit.examples import MERCHANT_ID, OTHER_ID
from tests.unit.ledgers import ContendedLedger, opened_at, with_merchants
from tests.unit.shop import ContendedSettlements, Shop
from tests.unit.stand_ins import SECRETS, ManualClock, SeededIds
from tests.unit.webhooks import ContendedDeliveries, RecordingSender, Webhooks


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that stands still until the test sets it."""
    return ManualClock()


@pytest.fixture
def ids() -> SeededIds:
    """Return ids that every run repeats."""
    return SeededIds()


@pytest_asyncio.fixture
async def ledger(tmp_path: Path, clock: ManualClock) -> AsyncGenerator[ContendedLedger]:
    """Yield an empty SQLite ledger that loses races when told to."""
    async with opened_at(tmp_path, clock) as ledger:
        yield ledger


@pytest_asyncio.fixture
async def merchants(ledger: ContendedLedger) -> SqliteMerchants:
    """Return the two merchants of the ledger, with the settings everyone starts with."""
    return await with_merchants(ledger, MERCHANT_ID, OTHER_ID)


@pytest.fixture
def merchant_time(merchants: SqliteMerchants, clock: ManualClock) -> MerchantTime:
    """Return the merchants' clocks."""
    return MerchantTime(merchants, clock)


@pytest.fixture
def payments(
    ledger: ContendedLedger, merchants: SqliteMerchants, clock: ManualClock, ids: SeededIds
) -> Payments:
    """Return the use cases under test."""
    return Payments(ledger, merchants, clock, ids, SECRETS)


@pytest.fixture
def webhooks(
    ledger: ContendedLedger, merchants: SqliteMerchants, clock: ManualClock, payments: Payments
) -> Webhooks:
    """Return the way from a payment to a receiver, over the real ledger."""
    endpoints, sender = SqliteEndpoints(ledger), RecordingSender()
    deliveries = ContendedDeliveries(ledger, clock)
    dispatch = Dispatch(
        ledger=ledger,
        merchants=merchants,
        endpoints=endpoints,
        deliveries=deliveries,
        sender=sender,
        secrets=SECRETS,
        clock=clock,
        render=event_bytes,
        render_ping=ping_bytes,
    )
    return Webhooks(payments, endpoints, deliveries, sender, dispatch, clock)


@pytest.fixture
def shop(
    ledger: ContendedLedger,
    merchants: SqliteMerchants,
    merchant_time: MerchantTime,
    clock: ManualClock,
    payments: Payments,
) -> Shop:
    """Return a merchant that sells, and is settled with, over the real ledger."""
    settlements = ContendedSettlements(ledger, clock)
    sweep = Sweep(ledger, merchants, settlements, clock)
    return Shop(payments, ledger, merchants, settlements, sweep, merchant_time, clock)
