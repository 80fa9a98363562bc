"""The same requests to both homes: a local server's app, and the function behind a gateway.

Every test of the API that asks for `api` runs on the twins too; an answer that differs fails it.
"""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx

from payments_sandbox.adapters.dynamodb_merchants import DynamoMerchants
from payments_sandbox.adapters.dynamodb_table import Table
from payments_sandbox.adapters.secrets import load_secrets
from payments_sandbox.adapters.sqlite_file import secrets_path
from payments_sandbox.domain.merchant import ApiKey, Settings
from payments_sandbox.entrypoints.api_function import ApiFunction
from payments_sandbox.services.merchants import LOCAL_KEY, LOCAL_MERCHANT, hash_of
from tests.api.harness import (
    SECOND_KEY,
    SECOND_MERCHANT,
    START,
    Api,
    api_over,
    client_of,
)
from tests.contract.homes import new_table
from tests.gateway import GatewayTransport, Handler
from tests.unit.stand_ins import SeededIds

KEY_IDS = {LOCAL_KEY: "a1b2c3d4e5", SECOND_KEY: "f6g7h8i9j0"}
# All but those that name the request or the moment.
DIFFERENT_HEADERS = {"x-request-id"}
# What is written in one millisecond of real time has no order that both homes share, and how far
# the log was made into deliveries is a count in one of them alone.
_OF_ONE_HOME = re.compile(rb'"(events_cursor":"\w+|after_relay_mark":\d+)')


class Twins(httpx.AsyncBaseTransport):
    """Sends a request to both, and hands on the function's answer if they are the same."""

    def __init__(self, local: httpx.AsyncBaseTransport, function: httpx.AsyncBaseTransport) -> None:
        self._local = local
        self._function = function

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it; what differs is an AssertionError."""
        await request.aread()
        expected = await _answer(self._local, request)
        actual = await _answer(self._function, request)
        assert expected.status_code == actual.status_code, (expected.text, actual.text)
        assert _shared(expected) == _shared(actual)
        # What one home streams is whole in the other, and what it leaves out had a length.
        if expected.content != actual.content or "content-length" not in expected.headers:
            actual.headers.pop("content-length", None)
            expected.headers.pop("content-length", None)
        assert _of_both(expected) == _of_both(actual)
        return actual

    async def aclose(self) -> None:
        """End both."""
        await self._local.aclose()
        await self._function.aclose()


def _shared(response: httpx.Response) -> bytes:
    return _OF_ONE_HOME.sub(b"", response.content)


def _of_both(response: httpx.Response) -> dict[str, str]:
    return {
        name: value for name, value in response.headers.items() if name not in DIFFERENT_HEADERS
    }


async def _answer(transport: httpx.AsyncBaseTransport, request: httpx.Request) -> httpx.Response:
    one = httpx.Request(
        request.method, request.url, headers=request.headers.raw, content=request.content
    )
    response = await transport.handle_async_request(one)
    await response.aread()
    return response


@asynccontextmanager
async def twins_over(folder: Path, endpoint: str) -> AsyncGenerator[Api]:
    """Build both under one clock, with ids of one seed and the secrets of one file."""
    with new_table(endpoint) as table:
        await _let_in(table)
        async with api_over(folder, ids=SeededIds()) as local:
            secrets = load_secrets(secrets_path(folder / "ledger.db"))

            def function() -> Handler:
                return ApiFunction(table, secrets, local.clock, SeededIds()).handle

            transport = GatewayTransport(function, KEY_IDS)
            twins = Twins(httpx.ASGITransport(local.app), transport)
            async with client_of(twins, LOCAL_KEY) as client:
                yield replace(local, client=client, second=client_of(twins, SECOND_KEY))
        await table.close()


async def _let_in(table: Table) -> None:
    """Have the keys at the gateway, and their merchants with the settings of the other home."""
    merchants = DynamoMerchants(table, Settings())
    owners = {LOCAL_KEY: LOCAL_MERCHANT, SECOND_KEY: SECOND_MERCHANT}
    for api_key, merchant_id in owners.items():
        key = ApiKey(KEY_IDS[api_key], merchant_id, START)
        await merchants.add_key(key, hash_of(api_key), at_gateway=True)
