"""The function over a table of its own, invoked with events of one's own, and what it writes."""

import asyncio
import io
import json
import logging
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import (
    asynccontextmanager,
    contextmanager,
    redirect_stderr,
    redirect_stdout,
)
from dataclasses import dataclass
from typing import Any, cast

import httpx

from payments_sandbox.adapters.clock import RandomIds, SystemClock
from payments_sandbox.adapters.dynamodb_merchants import DynamoMerchants
from payments_sandbox.adapters.dynamodb_table import Table
from payments_sandbox.domain.merchant import ApiKey, Settings
from payments_sandbox.entrypoints.api_function import ApiFunction, logger
from payments_sandbox.services.merchants import LOCAL_KEY, LOCAL_MERCHANT, hash_of
from tests.contract.homes import new_table
from tests.gateway import Context, GatewayTransport, Handler, response_of, rest_event
from tests.unit.stand_ins import NOW, SECRETS

KEY_ID = "a1b2c3d4e5"
KEY_IDS = {LOCAL_KEY: KEY_ID}
JSON = {"content-type": "application/json"}
KEYED = {"x-api-key": LOCAL_KEY}
Event = dict[str, Any]


def event_of(
    method: str,
    path: str,
    headers: Mapping[str, str] | list[tuple[str, str]] = KEYED,
    content: bytes = b"",
    **members: object,
) -> Event:
    """Return the gateway's event of a request, with these members in place of its own."""
    request = httpx.Request(method, f"http://api.test{path}", headers=headers, content=content)
    return rest_event(request, KEY_IDS) | members


def posted(operation: str, content: object, key: str = "k1", **members: object) -> Event:
    """Return the event of a POST under /payments, of bytes as they are or of anything as JSON."""
    headers = KEYED | JSON | {"x-idempotency-key": key}
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return event_of("POST", f"/payments/{operation}", headers, data, **members)


@dataclass(frozen=True)
class Rig:
    """A function, its table, and what the caller of it needs."""

    table: Table
    merchants: DynamoMerchants
    handle: Handler
    """Answers in the function's own thread."""

    def answer(self, event: Event) -> dict[str, Any]:
        """Return the function's answer."""
        return self.handle(event, Context())

    def invoke(self, event: Event) -> httpx.Response:
        """Return what the gateway makes of the function's answer."""
        return response_of(self.answer(event))


async def let_in(table: Table, settings: Settings | None = None) -> DynamoMerchants:
    """Have the local key at the gateway."""
    merchants = DynamoMerchants(table, settings or Settings())
    key = ApiKey(KEY_ID, LOCAL_MERCHANT, NOW)
    await merchants.add_key(key, hash_of(LOCAL_KEY), at_gateway=True)
    return merchants


def function_over(table: Table) -> Handler:
    """Return the handler of a new function with real time and ids."""
    return ApiFunction(table, SECRETS, SystemClock(), RandomIds()).handle


@contextmanager
def function_at(endpoint: str, make: Callable[[Table], Handler] = function_over) -> Generator[Rig]:
    """Make a table and a function over it, which runs in a thread with a loop of its own."""
    thread = ThreadPoolExecutor(1, initializer=_with_loop)
    with new_table(endpoint) as table:
        merchants = asyncio.run(let_in(table))
        handle = thread.submit(make, table).result()

        def in_thread(event: Event, context: object) -> dict[str, Any]:
            return thread.submit(handle, event, context).result()

        try:
            yield Rig(table, merchants, in_thread)
        finally:
            thread.submit(_end_loop).result()
            thread.shutdown()
            asyncio.run(table.close())


@asynccontextmanager
async def gateway_at(endpoint: str, functions: int = 1) -> AsyncGenerator[httpx.AsyncClient]:
    """Yield a client of a gateway before so many functions that share a table."""
    with new_table(endpoint) as table:
        await let_in(table)
        transport = GatewayTransport(lambda: function_over(table), KEY_IDS, functions)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://api.test", headers=KEYED
        ) as client:
            yield client
        await table.close()


@contextmanager
def written() -> Generator[io.StringIO]:
    """Yield all that is written from here on: the function's log, and both standard streams."""
    handler: logging.StreamHandler[Any] = cast("Any", logger.registered_handler)
    output = io.StringIO()
    before = handler.setStream(output)
    try:
        with redirect_stdout(output), redirect_stderr(output):
            yield output
    finally:
        handler.setStream(before or io.StringIO())


def _with_loop() -> None:
    asyncio.set_event_loop(asyncio.new_event_loop())


def _end_loop() -> None:
    asyncio.get_event_loop().close()
