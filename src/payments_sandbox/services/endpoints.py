"""Webhook endpoints: made, changed, given new secrets."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from payments_sandbox.domain.chaos import Chaos
from payments_sandbox.domain.endpoint import (
    Endpoint,
    SecretVersion,
    added,
    found,
    replaced,
    without,
)
from payments_sandbox.domain.identifiers import endpoint_id_of
from payments_sandbox.domain.signature import secret_text
from payments_sandbox.services.merchants import MerchantTime
from payments_sandbox.services.ports import Ids, Secrets
from payments_sandbox.services.webhook_ports import Endpoints


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """What a merchant says of an endpoint."""

    url: str
    events: tuple[str, ...]
    description: str
    enabled: bool
    chaos: Chaos | None


class WithSecret(NamedTuple):
    """An endpoint, and its new secret to be shown once."""

    endpoint: Endpoint
    secret: str


class EndpointBook:
    """The use cases around endpoints."""

    def __init__(
        self, endpoints: Endpoints, secrets: Secrets, time: MerchantTime, ids: Ids
    ) -> None:
        self._endpoints = endpoints
        self._secrets = secrets
        self._time = time
        self._ids = ids

    async def create(self, merchant_id: str, new: NewEndpoint) -> WithSecret:
        """Make an endpoint; raise TooManyEndpoints, Conflict."""
        at = await self._time.now(merchant_id)
        endpoint = Endpoint(
            endpoint_id=endpoint_id_of(self._ids.core()),
            merchant_id=merchant_id,
            url=new.url,
            secrets=(SecretVersion(1, self._secrets.webhook_root_id()),),
            created_at=at,
            updated_at=at,
            events=new.events,
            description=new.description,
            enabled=new.enabled,
            chaos=new.chaos,
        )
        secret = self._secret_of(endpoint)
        await self._endpoints.change_endpoints(merchant_id, lambda all_: added(all_, endpoint))
        return WithSecret(endpoint, secret)

    async def all(self, merchant_id: str) -> tuple[Endpoint, ...]:
        """Return the merchant's endpoints, oldest first."""
        return await self._endpoints.endpoints(merchant_id)

    async def one(self, merchant_id: str, endpoint_id: str) -> Endpoint:
        """Return one of them; raise NotFound."""
        return found(await self._endpoints.endpoints(merchant_id), endpoint_id)

    async def change(
        self, merchant_id: str, endpoint_id: str, change: Callable[[Endpoint], Endpoint]
    ) -> Endpoint:
        """Change one as it is by now and return it; raise NotFound, Conflict."""
        at = await self._time.now(merchant_id)

        def changed(endpoint: Endpoint) -> Endpoint:
            return replace(change(endpoint), updated_at=at)

        return await self._replace(merchant_id, endpoint_id, changed)

    async def rotate_secret(self, merchant_id: str, endpoint_id: str) -> WithSecret:
        """Give it a new secret; the old one signs too for a day; raise NotFound, Conflict."""
        at, root_id = await self._time.now(merchant_id), self._secrets.webhook_root_id()
        endpoint = await self._replace(
            merchant_id, endpoint_id, lambda one: one.rotated(root_id, at)
        )
        return WithSecret(endpoint, self._secret_of(endpoint))

    async def delete(self, merchant_id: str, endpoint_id: str) -> None:
        """Delete it; what is on the way to it dies when it is due; raise NotFound, Conflict."""
        await self._endpoints.change_endpoints(merchant_id, lambda all_: without(all_, endpoint_id))

    async def _replace(
        self, merchant_id: str, endpoint_id: str, change: Callable[[Endpoint], Endpoint]
    ) -> Endpoint:
        written: list[Endpoint] = []

        def changed(all_: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
            written[:] = [change(found(all_, endpoint_id))]
            return replaced(all_, written[0])

        await self._endpoints.change_endpoints(merchant_id, changed)
        return written[0]

    def _secret_of(self, endpoint: Endpoint) -> str:
        current = endpoint.secrets[0]
        secret = self._secrets.webhook(current.root_id, endpoint.endpoint_id, current.version)
        return secret_text(secret)
