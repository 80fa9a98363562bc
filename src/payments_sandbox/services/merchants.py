"""Merchants: whose API key a request carries, their keys and their settings."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from payments_sandbox.domain.errors import Conflict
from payments_sandbox.domain.merchant import ApiKey, Settings
from payments_sandbox.services.ports import Clock, Ids, Merchants

LOCAL_KEY = "sk_test_local"
LOCAL_KEY_ID = "local"
LOCAL_MERCHANT = "default"
LOCAL_KEY_TRIES_MAX = 16
LOCAL_KEY_PAUSE_S = 0.1


def hash_of(api_key: str) -> bytes:
    """Return what is kept of a key; keys are full of chance, so a plain SHA-256 will do."""
    return hashlib.sha256(api_key.encode()).digest()


class MerchantTime:
    """Each merchant's now."""

    def __init__(self, merchants: Merchants, clock: Clock) -> None:
        self._merchants = merchants
        self._clock = clock

    async def now(self, merchant_id: str) -> datetime:
        """Return the time on the merchant's clock; raise NotFound."""
        return (await self._merchants.merchant(merchant_id)).now(self._clock.now())


class Tenancy:
    """The use cases around merchants."""

    def __init__(self, merchants: Merchants, clock: Clock, ids: Ids) -> None:
        self._merchants = merchants
        self._clock = clock
        self._ids = ids

    async def authenticate(self, api_key: str) -> str | None:
        """Return the id of the merchant whose key this is; None if it is unknown or revoked."""
        return await self._merchants.merchant_id_by_key(hash_of(api_key))

    async def settings(self, merchant_id: str) -> Settings:
        """Return the merchant's settings; raise NotFound."""
        return (await self._merchants.merchant(merchant_id)).settings

    async def change_settings(
        self, merchant_id: str, change: Callable[[Settings], Settings]
    ) -> Settings:
        """Change the merchant's settings as they are by now, and return them; raise NotFound."""
        changed = await self._merchants.change(
            merchant_id, lambda one: replace(one, settings=change(one.settings))
        )
        return changed.settings

    async def create_key(self, merchant_id: str) -> tuple[ApiKey, str]:
        """Make a key, and its merchant if that is new; return the key to show it once.

        Raise Conflict.
        """
        key_id, api_key = self._ids.api_key()
        key = ApiKey(key_id, merchant_id, self._clock.now())
        await self._merchants.add_key(key, hash_of(api_key))
        return key, api_key

    async def ensure_local_key(self) -> bool:
        """Give the merchant `default` its well-known key, once; return whether it works.

        Raise Conflict if others are at it all the time.
        """
        for _ in range(LOCAL_KEY_TRIES_MAX):
            if await self._merchants.keys(LOCAL_MERCHANT):
                return await self.local_key_works()
            key = ApiKey(LOCAL_KEY_ID, LOCAL_MERCHANT, self._clock.now())
            try:
                await self._merchants.add_key(key, hash_of(LOCAL_KEY))
            except Conflict:  # another server, which starts too, is making it
                await self._clock.pause(LOCAL_KEY_PAUSE_S)
        raise Conflict

    async def local_key_works(self) -> bool:
        """Tell whether the well-known key is there and not revoked."""
        return await self.authenticate(LOCAL_KEY) is not None

    async def keys(self, merchant_id: str) -> list[ApiKey]:
        """Return the merchant's keys, oldest first."""
        return await self._merchants.keys(merchant_id)

    async def revoke_key(self, merchant_id: str, key_id: str) -> None:
        """Revoke a key at once; raise NotFound."""
        await self._merchants.revoke_key(merchant_id, key_id, self._clock.now())
