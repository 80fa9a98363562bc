"""The well-known key on a table: servers that start together make it once, and none fails."""

import asyncio
import time
from pathlib import Path

import pytest

from payments_sandbox.adapters.clock import RandomIds, SystemClock
from payments_sandbox.adapters.dynamodb_merchants import DynamoMerchants
from payments_sandbox.adapters.dynamodb_open import open_table, parse_address
from payments_sandbox.adapters.dynamodb_table import Table
from payments_sandbox.domain.merchant import ApiKey
from payments_sandbox.services.merchants import LOCAL_KEY_ID, LOCAL_MERCHANT, Tenancy
from tests.aws.served import new_place

pytestmark = pytest.mark.aws

SERVERS = 12


class Late(DynamoMerchants):
    """Sees no keys at first, as a server does that looks before another one has written."""

    looked = False

    async def keys(self, merchant_id: str) -> list[ApiKey]:
        """Return none the first time."""
        found = await super().keys(merchant_id)
        self.looked, before = True, self.looked
        return found if before else []


@pytest.fixture
def table(emulator: str, tmp_path: Path) -> Table:
    """Return an empty table."""
    address = parse_address(new_place(emulator, tmp_path).address)
    return open_table(address, time.monotonic).table


def tenancy(merchants: DynamoMerchants) -> Tenancy:
    """Return the use cases of one server."""
    return Tenancy(merchants, SystemClock(), RandomIds())


async def test_servers_that_start_together(table: Table) -> None:
    """The key is made once and works for all of them."""
    merchants = DynamoMerchants(table)
    servers = [tenancy(merchants) for _ in range(SERVERS)]
    works = await asyncio.gather(*[one.ensure_local_key() for one in servers])
    kept = await merchants.keys(LOCAL_MERCHANT)
    await table.close()

    assert works == [True] * SERVERS
    assert [one.key_id for one in kept] == [LOCAL_KEY_ID]


async def test_a_server_that_comes_second(table: Table) -> None:
    """It finds the key that the first one made, even if it looked too early."""
    first = await tenancy(DynamoMerchants(table)).ensure_local_key()
    late = Late(table)
    second = await tenancy(late).ensure_local_key()
    kept = await late.keys(LOCAL_MERCHANT)
    await table.close()

    assert (first, second) == (True, True)
    assert [one.key_id for one in kept] == [LOCAL_KEY_ID]


async def test_a_key_that_was_revoked(table: Table) -> None:
    """It stays revoked when the next server starts."""
    server = tenancy(DynamoMerchants(table))
    await server.ensure_local_key()
    await server.revoke_key(LOCAL_MERCHANT, LOCAL_KEY_ID)
    works = await server.ensure_local_key()
    await table.close()

    assert not works
