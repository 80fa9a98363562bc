"""Webhook endpoints over HTTP; a secret is shown when it is made and never again."""

from collections.abc import Sequence
from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import Response

from payments_sandbox.api.answers import Json, json_response, time_text
from payments_sandbox.api.edge import merchant_id_of
from payments_sandbox.api.endpoint_bodies import EndpointBody, EndpointChanges
from payments_sandbox.api.json_body import read_json
from payments_sandbox.api.query import no_parameters
from payments_sandbox.api.routing import DirectRoute
from payments_sandbox.domain.destination import DestinationPolicy
from payments_sandbox.domain.endpoint import Endpoint
from payments_sandbox.services.endpoints import EndpointBook, WithSecret


class EndpointRoutes:
    """The endpoints over the use cases of a webhook endpoint."""

    def __init__(self, book: EndpointBook, policy: DestinationPolicy) -> None:
        self._book = book
        self._policy = policy

    async def create(self, request: Request) -> Response:
        """Make an endpoint; the answer shows its secret, this once."""
        no_parameters(request)
        body, _ = await read_json(request, EndpointBody)
        new = body.to_new(self._policy)
        made = await self._book.create(merchant_id_of(request.scope), new)
        return json_response(_with_secret(made), 201)

    async def list(self, request: Request) -> Response:
        """List this merchant's endpoints, oldest first; there are 16 at most."""
        no_parameters(request)
        endpoints = await self._book.all(merchant_id_of(request.scope))
        return json_response({"data": [_endpoint(one) for one in endpoints], "next_cursor": None})

    async def read(self, request: Request) -> Response:
        """Return one endpoint."""
        no_parameters(request)
        return json_response(_endpoint(await self._book.one(*_named(request))))

    async def change(self, request: Request) -> Response:
        """Change what is sent; the rest stays."""
        no_parameters(request)
        body, _ = await read_json(request, EndpointChanges)
        body.check(self._policy)
        return json_response(_endpoint(await self._book.change(*_named(request), body.applied_to)))

    async def delete(self, request: Request) -> Response:
        """Delete an endpoint; what is still on its way there is given up."""
        no_parameters(request)
        await self._book.delete(*_named(request))
        return Response(status_code=204)

    async def rotate_secret(self, request: Request) -> Response:
        """Make a new secret and show it, this once; the old one signs too for 24 hours."""
        no_parameters(request)
        return json_response(_with_secret(await self._book.rotate_secret(*_named(request))))


def endpoint_routes(book: EndpointBook, policy: DestinationPolicy) -> Sequence[DirectRoute]:
    """Return the routes over these use cases."""
    one = EndpointRoutes(book, policy)
    path = "/webhooks/endpoints"
    each = path + "/{endpoint_id}"
    return [
        DirectRoute("POST", path, one.create, "create_endpoint"),
        DirectRoute("GET", path, one.list, "list_endpoints"),
        DirectRoute("GET", each, one.read, "read_endpoint"),
        DirectRoute("PATCH", each, one.change, "change_endpoint"),
        DirectRoute("DELETE", each, one.delete, "delete_endpoint"),
        DirectRoute("POST", each + "/rotate-secret", one.rotate_secret, "rotate_secret"),
    ]


def _named(request: Request) -> tuple[str, str]:
    return merchant_id_of(request.scope), request.path_params["endpoint_id"]


def _with_secret(made: WithSecret) -> Json:
    return _endpoint(made.endpoint) | {"secret": made.secret}


def _endpoint(endpoint: Endpoint) -> Json:
    chaos = endpoint.chaos
    return {
        "endpoint_id": endpoint.endpoint_id,
        "url": endpoint.url,
        "events": endpoint.events,
        "description": endpoint.description,
        "enabled": endpoint.enabled,
        "disabled_reason": endpoint.disabled_reason,
        "secret_versions": [
            {"version": one.version, "valid_until": time_text(one.until)}
            for one in endpoint.secrets
        ],
        "chaos": None if chaos is None else asdict(chaos),
        "created_at": time_text(endpoint.created_at),
        "updated_at": time_text(endpoint.updated_at),
    }
