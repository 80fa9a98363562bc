"""A stage: one deployment in an AWS account, its names, and its API keys."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from payments_sandbox.adapters.clock import RandomIds, SystemClock
from payments_sandbox.adapters.dynamodb_merchants import DynamoMerchants
from payments_sandbox.adapters.dynamodb_table import Table, dynamodb_client
from payments_sandbox.adapters.gateway_keys import GatewayKeys, apigateway_client
from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.merchant import ApiKey
from payments_sandbox.services.merchants import hash_of


class StageNames(NamedTuple):
    """What a stage's resources are called."""

    table: str
    usage_plan: str


def names_of(stage: str) -> StageNames:
    """Return the names of the stage's resources."""
    return StageNames(f"PaymentsLedger-{stage}", f"payments-sandbox-{stage}")


class StageKeys:
    """API keys that the stage's gateway lets in and its ledger knows the merchant of."""

    def __init__(self, merchants: DynamoMerchants, gateway: GatewayKeys) -> None:
        self._merchants = merchants
        self._gateway = gateway
        self._clock, self._ids = SystemClock(), RandomIds()

    async def create_key(self, merchant_id: str) -> tuple[ApiKey, str]:
        """Make a key, and its merchant if that is new; it is let in once all of it is kept."""
        name, api_key = self._ids.api_key()
        key_id = self._gateway.create(f"{merchant_id}/{name}", api_key)
        key = ApiKey(key_id, merchant_id, self._clock.now())
        try:
            await self._merchants.add_key(key, hash_of(api_key), at_gateway=True)
            self._gateway.link(key_id)
        except BaseException:
            try:
                with suppress(NotFound):
                    await self._merchants.revoke_key(merchant_id, key_id, self._clock.now())
            finally:
                self._gateway.delete(key_id)
            raise
        return key, api_key

    async def keys(self, merchant_id: str) -> list[ApiKey]:
        """Return the merchant's keys, oldest first, the revoked ones too."""
        return await self._merchants.keys(merchant_id)

    async def revoke_key(self, merchant_id: str, key_id: str) -> None:
        """Shut the key out and forget whose it is; raise NotFound."""
        if key_id not in {key.key_id for key in await self._merchants.keys(merchant_id)}:
            raise NotFound
        self._gateway.delete(key_id)
        await self._merchants.revoke_key(merchant_id, key_id, self._clock.now())


@asynccontextmanager
async def stage_keys(stage: str) -> AsyncGenerator[StageKeys]:
    """Yield the keys of a stage; raise UsagePlanMissing."""
    names = names_of(stage)
    gateway = GatewayKeys(apigateway_client(), names.usage_plan)
    table = Table(dynamodb_client(), names.table)
    try:
        yield StageKeys(DynamoMerchants(table), gateway)
    finally:
        await table.close()
