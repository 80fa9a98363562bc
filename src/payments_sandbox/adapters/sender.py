"""Requests to merchants' endpoints: cheap to make, it loads its HTTP client when first used."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from payments_sandbox.adapters.clock import SystemClock
from payments_sandbox.domain.delivery import Outcome
from payments_sandbox.domain.destination import DestinationPolicy, DestinationRefused, admitted

if TYPE_CHECKING:
    from payments_sandbox.adapters.guarded_http import GuardedClient

TIMEOUT_S = 15.0


class HttpSender:
    """Sends to where the policy admits and nowhere else; for one event loop."""

    def __init__(
        self,
        policy: DestinationPolicy,
        *,
        timeout_s: float = TIMEOUT_S,
        now: Callable[[], datetime] | None = None,
        lookup: Callable[[str], Awaitable[Sequence[str]]] | None = None,
    ) -> None:
        self._policy = policy
        self._timeout_s = timeout_s
        self._now = now or SystemClock().now
        self._lookup = lookup
        # By whether private addresses are allowed; they share no connections.
        self._clients: dict[bool, GuardedClient] = {}
        self._opening = asyncio.Lock()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Send one request and return what came of it; never raise for what the network does."""
        try:
            destination = admitted(url, self._policy)
        except DestinationRefused:
            return Outcome(duration_ms=0, error="address_not_allowed")
        # Lets the loop see which kept connections were closed after their last answer: a request
        # on one of those would be lost, and is not repeated, as it may have been heard.
        await asyncio.sleep(0)
        client = await self._client(allow_private=self._policy.reaches_private(destination))
        return await client.post(destination, headers, body)

    async def close(self) -> None:
        """Close all connections."""
        async with self._opening:
            while self._clients:
                _, client = self._clients.popitem()
                await client.close()

    async def _client(self, *, allow_private: bool) -> "GuardedClient":
        if client := self._clients.get(allow_private):
            return client
        async with self._opening:
            if allow_private not in self._clients:
                open_client = await asyncio.to_thread(_load)
                self._clients[allow_private] = open_client(
                    allow_private=allow_private,
                    timeout_s=self._timeout_s,
                    now=self._now,
                    lookup=self._lookup,
                )
            return self._clients[allow_private]


def _load() -> "type[GuardedClient]":
    from payments_sandbox.adapters.guarded_http import (  # noqa: PLC0415 - takes 0.2 s
        GuardedClient,
    )

    return GuardedClient
