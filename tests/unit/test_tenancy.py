"""Merchants, their API keys and their settings."""

import hashlib

import pytest

from payments_sandbox.adapters.sqlite_merchants import SqliteMerchants
from payments_sandbox.domain.errors import Conflict, NotFound
from payments_sandbox.domain.merchant import AmountRule, ApiKey, Settings
from payments_sandbox.services.merchants import LOCAL_KEY, LOCAL_MERCHANT, Tenancy, hash_of
from tests.unit.ledgers import ContendedLedger
from tests.unit.stand_ins import ManualClock, SeededIds


@pytest.fixture
def tenancy(ledger: ContendedLedger, clock: ManualClock, ids: SeededIds) -> Tenancy:
    """Return the use cases under test."""
    return Tenancy(SqliteMerchants(ledger), clock, ids)


def test_only_a_hash_is_kept() -> None:
    """Of a key its SHA-256 is kept."""
    assert hashlib.sha256(b"sk_test_local").digest() == hash_of("sk_test_local")


async def test_a_new_key_works(tenancy: Tenancy, clock: ManualClock) -> None:
    """A new key makes its merchant, with the settings everyone starts with."""
    key, api_key = await tenancy.create_key("acme")

    assert await tenancy.authenticate(api_key) == "acme"
    assert Settings() == await tenancy.settings("acme")
    assert ApiKey(key.key_id, "acme", clock.at) == key
    assert [key] == await tenancy.keys("acme")


@pytest.mark.parametrize("api_key", ["", "sk_test_", "sk_test_locaL", "é", "sk_test_local "])
async def test_an_unknown_key(tenancy: Tenancy, api_key: str) -> None:
    """A key that is not known is nobody's."""
    await tenancy.ensure_local_key()

    assert await tenancy.authenticate(api_key) is None


async def test_a_second_key_keeps_the_settings(tenancy: Tenancy) -> None:
    """Another key for a merchant leaves its settings as they are."""
    settings = Settings(AmountRule.CENTS, test_cards_only=True, retention_days=30)
    _, first = await tenancy.create_key("acme")

    changed = await tenancy.change_settings("acme", lambda _: settings)
    _, second = await tenancy.create_key("acme")

    assert settings == changed == await tenancy.settings("acme")
    assert await tenancy.authenticate(first) == await tenancy.authenticate(second) == "acme"


async def test_settings_of_nobody(tenancy: Tenancy) -> None:
    """Who is no merchant has no settings, not even those everyone starts with."""
    await tenancy.create_key("acme")

    with pytest.raises(NotFound):
        await tenancy.settings("nobody")


async def test_a_revoked_key(tenancy: Tenancy, clock: ManualClock) -> None:
    """A revoked key ends at once; the others go on, and it stays on the list."""
    gone, first = await tenancy.create_key("acme")
    stays, second = await tenancy.create_key("acme")

    await tenancy.revoke_key("acme", gone.key_id)

    assert await tenancy.authenticate(first) is None
    assert await tenancy.authenticate(second) is not None
    assert [ApiKey(gone.key_id, "acme", clock.at, clock.at), stays] == await tenancy.keys("acme")


async def test_only_ones_own_keys_are_revoked(tenancy: Tenancy) -> None:
    """Another merchant's key is not found, and goes on."""
    key, api_key = await tenancy.create_key("acme")

    with pytest.raises(NotFound):
        await tenancy.revoke_key("other", key.key_id)

    assert await tenancy.authenticate(api_key) is not None


async def test_the_local_key_is_there_once(tenancy: Tenancy) -> None:
    """A new ledger has the well-known key, and every start finds it working."""
    assert not await tenancy.local_key_works()
    assert await tenancy.ensure_local_key()
    assert await tenancy.ensure_local_key()
    assert await tenancy.authenticate(LOCAL_KEY) == LOCAL_MERCHANT == "default"
    assert Settings() == await tenancy.settings(LOCAL_MERCHANT)
    assert len(await tenancy.keys(LOCAL_MERCHANT)) == 1


class Contended(SqliteMerchants):
    """Merchants whose next `rivals` writers come first; the last of them makes the same key."""

    rivals = 0

    async def add_key(self, key: ApiKey, api_key_hash: bytes) -> None:
        """Let rivals come first, if there are any left."""
        self.rivals -= 1
        if self.rivals <= 0:
            await super().add_key(key, api_key_hash)
        if self.rivals >= 0:
            raise Conflict


@pytest.mark.parametrize("rivals", [0, 1, 3])
async def test_servers_that_start_together(
    ledger: ContendedLedger, clock: ManualClock, ids: SeededIds, rivals: int
) -> None:
    """Whichever server makes the well-known key, all of them find it working."""
    merchants = Contended(ledger)
    merchants.rivals = rivals
    tenancy = Tenancy(merchants, clock, ids)

    assert await tenancy.ensure_local_key()
    assert len(await tenancy.keys(LOCAL_MERCHANT)) == 1
    assert len(clock.pauses) == rivals


async def test_servers_that_never_come_to_an_end(
    ledger: ContendedLedger, clock: ManualClock, ids: SeededIds
) -> None:
    """Where the key can never be made a server says so."""
    merchants = Contended(ledger)
    merchants.rivals = 1_000

    with pytest.raises(Conflict):
        await Tenancy(merchants, clock, ids).ensure_local_key()


async def test_a_revoked_local_key_stays_revoked(tenancy: Tenancy) -> None:
    """Who revokes the well-known key does not find it back at the next start."""
    await tenancy.ensure_local_key()
    (key,) = await tenancy.keys(LOCAL_MERCHANT)

    await tenancy.revoke_key(LOCAL_MERCHANT, key.key_id)

    assert not await tenancy.ensure_local_key()
    assert await tenancy.authenticate(LOCAL_KEY) is None


async def test_no_local_key_beside_another(tenancy: Tenancy) -> None:
    """A default merchant that has a key of its own is not given the well-known one."""
    await tenancy.create_key(LOCAL_MERCHANT)

    assert not await tenancy.ensure_local_key()
