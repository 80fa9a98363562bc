"""Requests as an API Gateway REST API hands them to a function."""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote, urlencode

from mangum.handlers import APIGateway
from starlette.types import Scope

from payments_sandbox.adapters.dynamodb_merchants import DynamoMerchants
from payments_sandbox.services.merchants import Tenancy

REMEMBERED_S: Final = 60.0
REMEMBERED_MAX: Final = 1_000


class RestApiRequest(APIGateway):
    """A request as the local server would have it.

    Repeated headers stay apart, so that the edge can refuse them, and no header is read for an
    address that nobody asks for.
    """

    @classmethod
    def infer(cls, event: Any, context: Any, config: Any) -> bool:  # noqa: ANN401 - JSON
        """Tell whether this is such a request."""
        del context, config
        return "httpMethod" in event and "requestContext" in event

    @property
    def scope(self) -> Scope:
        """The request as ASGI has it."""
        event: dict[str, Any] = self.event
        single: dict[str, str] = event.get("headers") or {}
        headers: dict[str, list[str]] = event.get("multiValueHeaders") or {
            name: [value] for name, value in single.items()
        }
        query = event.get("multiValueQueryStringParameters") or event.get("queryStringParameters")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "http_version": "1.1",
            "method": event["httpMethod"],
            "scheme": "https",
            "path": unquote(event["path"]),
            "root_path": "",
            "query_string": urlencode(query or {}, doseq=True).encode(),
            "headers": [
                (name.lower().encode(), value.encode())
                for name, values in headers.items()
                for value in values
            ],
            "aws.event": event,
        }


def request_id_of(scope: Scope) -> str:
    """Return the id that the gateway gave the request."""
    return scope["aws.event"]["requestContext"].get("requestId", "-")


class GatewayCaller:
    """Tells whose key the gateway let in.

    The gateway shuts a revoked key out, so whose it is may be remembered a minute. A gateway that
    does not tell the key's id, as an emulator's, is not believed: the key itself is looked up.
    """

    def __init__(
        self, merchants: DynamoMerchants, tenancy: Tenancy, monotonic: Callable[[], float]
    ) -> None:
        self._merchants = merchants
        self._tenancy = tenancy
        self._monotonic = monotonic
        self._remembered: dict[str, tuple[float, str]] = {}

    async def __call__(self, scope: Scope) -> str | None:
        """Return the merchant's id, or None if the key is nobody's."""
        key_id = scope["aws.event"]["requestContext"].get("identity", {}).get("apiKeyId")
        if key_id:
            return await self._owner(key_id)
        headers = dict(scope["headers"])
        api_key = headers.get(b"x-api-key", b"").decode("latin-1")
        return await self._tenancy.authenticate(api_key) if api_key else None

    async def _owner(self, key_id: str) -> str | None:
        now = self._monotonic()
        until, merchant_id = self._remembered.get(key_id, (now, ""))
        if now < until:
            return merchant_id
        found = await self._merchants.merchant_id_by_gateway_key(key_id)
        if len(self._remembered) >= REMEMBERED_MAX:
            self._remembered.clear()
        if found is not None:
            self._remembered[key_id] = (now + REMEMBERED_S, found)
        return found
