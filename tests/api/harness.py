"""The real app over a real ledger in one process, with time in the test's hand."""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from payments_sandbox.adapters.clock import RandomIds
from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.adapters.sqlite_deliveries import SqliteDeliveries
from payments_sandbox.adapters.sqlite_endpoints import SqliteEndpoints
from payments_sandbox.adapters.sqlite_file import open_ledger_file
from payments_sandbox.adapters.sqlite_merchants import SqliteMerchants
from payments_sandbox.adapters.sqlite_settlements import SqliteSettlements
from payments_sandbox.adapters.sqlite_trail import SqliteTrail
from payments_sandbox.api.app import create_app
from payments_sandbox.api.edge import Edge, EdgeSettings
from payments_sandbox.domain.destination import DestinationPolicy
from payments_sandbox.domain.merchant import ApiKey
from payments_sandbox.entrypoints.wiring import NoCourier, Store, use_cases_over
from payments_sandbox.services.merchants import Tenancy, hash_of
from payments_sandbox.services.payments import Patience, Payments
from payments_sandbox.services.ports import Ids
from tests.running import API_KEY, AUTHORIZE, CARD

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND_KEY = "sk_test_of_the_second_merchant"
SECOND_MERCHANT = "second"
Ledgers = Callable[[SqliteLedger], Any]


class ManualClock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        """Return the time it was set to."""
        return self.at

    def advance(self, **by: float) -> None:
        """Move on."""
        self.at += timedelta(**by)

    async def pause(self, up_to_s: float) -> None:
        """Let the longest pause pass at once."""
        self.advance(seconds=up_to_s)


@dataclass(frozen=True)
class Api:
    """A client of the app, one of a second merchant, and what a test may reach behind it."""

    client: httpx.AsyncClient
    second: httpx.AsyncClient
    app: Edge
    clock: ManualClock
    payments: Payments
    tenancy: Tenancy
    ledger: SqliteLedger

    def as_second(self) -> "Api":
        """Return the same app as the second merchant sees it."""
        return replace(self, client=self.second)

    async def post(
        self, operation: str, body: object, key: str | None = None, **headers: str
    ) -> httpx.Response:
        """Send a POST under /payments with a new key, or the one given."""
        names = {"x-idempotency-key": key or RandomIds().core()} | headers
        return await self.client.post(f"/payments/{operation}", json=body, headers=names)

    async def authorize(self, key: str | None = None, **changes: Any) -> dict[str, Any]:
        """Authorize 10.00 USD on a test card and return the answer."""
        response = await self.post("authorize", AUTHORIZE | changes, key)
        assert response.status_code == 201, response.text
        return json.loads(response.content)

    async def authorize_card(self, number: str, **changes: Any) -> dict[str, Any]:
        """Authorize on another card."""
        cvc = {"cvc": "1234"} if number.startswith(("34", "37")) else {}
        return await self.authorize(card=CARD | {"number": number} | cvc, **changes)


@asynccontextmanager
async def api_over(
    folder: Path,
    *,
    edge: EdgeSettings | None = None,
    around: Ledgers | None = None,
    patience: Patience | None = None,
    ids: Ids | None = None,
) -> AsyncGenerator[Api]:
    """Build the app as the local server does; `around` may stand between it and the ledger."""
    path = folder / "ledger.db"
    secrets = open_ledger_file(path)
    clock, ids = ManualClock(), ids or RandomIds()
    ledger = SqliteLedger(path, clock, _fail)
    await Tenancy(SqliteMerchants(ledger), clock, ids).ensure_local_key()
    second = ApiKey("second", SECOND_MERCHANT, START)
    await SqliteMerchants(ledger).add_key(second, hash_of(SECOND_KEY))
    seen = around(ledger) if around is not None else ledger
    deliveries = SqliteDeliveries(seen, clock)
    settlements, trail = SqliteSettlements(seen, clock), SqliteTrail(seen, clock)
    merchants, endpoints = SqliteMerchants(seen), SqliteEndpoints(seen)
    store = Store(seen, merchants, endpoints, deliveries, settlements, trail)
    use = use_cases_over(store, NoCourier(), secrets, clock, ids)
    if patience is not None:
        payments = Payments(seen, store.merchants, clock, ids, secrets, patience=patience)
        use = use._replace(payments=payments)
    app = create_app(use, edge or EdgeSettings(), DestinationPolicy())
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with client_of(transport, API_KEY) as client:
        others = client_of(transport, SECOND_KEY)
        yield Api(client, others, app, clock, use.payments, use.tenancy, ledger)
    await ledger.close()


def client_of(transport: httpx.AsyncBaseTransport, api_key: str) -> httpx.AsyncClient:
    """Return a client that sends this key."""
    headers = {"x-api-key": api_key}
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers)


def _fail(error: Exception) -> None:
    raise AssertionError("a flush failed") from error
