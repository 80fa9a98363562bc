"""A root in use: processes that make it at the same moment, and requests while it is away."""

import json
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from payments_sandbox.adapters.clock import RandomIds, SystemClock
from payments_sandbox.adapters.dynamodb_open import open_table, parse_address
from payments_sandbox.adapters.secrets import create_secrets, load_secrets
from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.adapters.sqlite_deliveries import SqliteDeliveries
from payments_sandbox.adapters.sqlite_endpoints import SqliteEndpoints
from payments_sandbox.adapters.sqlite_file import open_ledger_file
from payments_sandbox.adapters.sqlite_merchants import SqliteMerchants
from payments_sandbox.adapters.sqlite_settlements import SqliteSettlements
from payments_sandbox.adapters.sqlite_trail import SqliteTrail
from payments_sandbox.adapters.ssm_secrets import SsmSecrets, parameter_names
from payments_sandbox.api.app import create_app
from payments_sandbox.api.edge import EdgeSettings
from payments_sandbox.domain.destination import DestinationPolicy
from payments_sandbox.entrypoints.wiring import NoCourier, Store, use_cases_over
from payments_sandbox.services.ports import Secrets
from tests.aws.peer import race
from tests.aws.served import new_place
from tests.emulator import client
from tests.running import API_KEY, AUTHORIZE

RACERS = 8
ROUNDS = 10
TABLES = 3


def made(path: Path) -> str | None:
    """Make a root as a process does that found none; return it as hashed, or None."""
    try:
        return create_secrets(path).check_value()
    except FileExistsError:
        return None


def test_a_file_that_many_make_at_the_same_moment(tmp_path: Path) -> None:
    """One makes it, and has what the file holds; the others learn that they did not."""
    for number in range(ROUNDS):
        path = tmp_path / f"{number}.secrets"
        results = race(RACERS, lambda _, path=path: made(path))

        assert [one for one in results if one] == [load_secrets(path).check_value()]
    assert len([*tmp_path.iterdir()]) == ROUNDS


@pytest.mark.aws
def test_a_table_that_many_open_at_the_same_moment(emulator: str, tmp_path: Path) -> None:
    """All have the one root that the file holds, whoever was first at the file or the table."""
    for _ in range(TABLES):
        place = new_place(emulator, tmp_path)
        address = parse_address(place.address)
        opened = race(RACERS, lambda _, address=address: open_table(address, time.monotonic))
        expected = load_secrets(place.secrets).identity("card", "a")

        assert [one.secrets.identity("card", "a") for one in opened] == [expected] * RACERS
        for one in opened:
            one.table.client.close()


async def status_with(secrets: Secrets, folder: Path) -> tuple[int, str | None]:
    """Authorize on a ledger with these secrets; return the status and when to come again."""
    path = folder / "ledger.db"
    open_ledger_file(path)
    clock, ids = SystemClock(), RandomIds()
    ledger = SqliteLedger(path, clock, lambda _: None)
    store = Store(
        ledger,
        SqliteMerchants(ledger),
        SqliteEndpoints(ledger),
        SqliteDeliveries(ledger, clock),
        SqliteSettlements(ledger, clock),
        SqliteTrail(ledger, clock),
    )
    use = use_cases_over(store, NoCourier(), secrets, clock, ids)
    await use.tenancy.ensure_local_key()
    app = create_app(use, EdgeSettings(), DestinationPolicy())
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"x-api-key": API_KEY, "x-idempotency-key": "first"}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        answer = await http.post("/payments/authorize", json=AUTHORIZE, headers=headers)
    await ledger.close()
    return answer.status_code, answer.headers.get("retry-after")


@pytest.mark.aws
@pytest.mark.parametrize("value", [None, "{}", json.dumps({"root": "ab" * 32})])
async def test_a_request_while_the_root_is_away(
    emulator: str, tmp_path: Path, value: str | None
) -> None:
    """Missing or junk, it is told to come again; with a root it is answered."""
    stage = f"away-{time.time_ns()}"
    name = parameter_names(stage).identity
    with closing(client("ssm", emulator)) as ssm:
        if value:
            ssm.put_parameter(Name=name, Value=value, Type="SecureString")
        found = await status_with(SsmSecrets(ssm, stage, time.monotonic), tmp_path)

    assert found == ((201, None) if value and "root" in value else (503, "1"))
