"""An API Gateway REST API in front of the function: real events in, answers out."""

import asyncio
import base64
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import httpx

STAGE = "dev"
Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


@dataclass(frozen=True)
class Context:
    """What Lambda tells a function of itself."""

    function_name: str = "payments-sandbox-api"
    function_version: str = "1"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:payments-sandbox"
    aws_request_id: str = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
    log_group_name: str = "/aws/lambda/payments-sandbox-api"
    log_stream_name: str = "2026/03/02/[1]abcdef"
    tenant_id: str | None = None


def rest_event(
    request: httpx.Request, key_ids: Mapping[str, str], number: int = 1
) -> dict[str, Any]:
    """Return the event a REST API makes of a request; `key_ids` are the keys it lets in, by key."""
    api_key = request.headers.get("x-api-key", "")
    query = parse_qs(request.url.query.decode("ascii"), keep_blank_values=True)
    headers: dict[str, list[str]] = {}
    for name, value in request.headers.raw:
        headers.setdefault(name.decode("latin-1").title(), []).append(value.decode("latin-1"))
    body, is_base64 = _body(request.content)
    path = request.url.raw_path.decode("ascii").partition("?")[0]
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in headers.items()} or None,
        "multiValueHeaders": headers or None,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": {"proxy": path.removeprefix("/")},
        "stageVariables": None,
        "requestContext": _context(request, path, number, api_key, key_ids.get(api_key)),
        "body": body,
        "isBase64Encoded": is_base64,
    }


def _context(
    request: httpx.Request, path: str, number: int, api_key: str, key_id: str | None
) -> dict[str, Any]:
    identity: dict[str, Any] = dict.fromkeys(
        ("accessKey", "accountId", "caller", "cognitoIdentityId", "user", "userArn")
    )
    identity |= {"sourceIp": "192.0.2.7", "userAgent": request.headers.get("user-agent")}
    if key_id is not None:
        identity |= {"apiKey": api_key, "apiKeyId": key_id}
    return {
        "accountId": "123456789012",
        "apiId": "a1b2c3d4e5",
        "domainName": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com",
        "domainPrefix": "a1b2c3d4e5",
        "extendedRequestId": f"extended-{number}",
        "httpMethod": request.method,
        "identity": identity,
        "path": f"/{STAGE}{path}",
        "protocol": "HTTP/1.1",
        "requestId": f"00000000-0000-4000-8000-{number:012}",
        "requestTime": "02/Mar/2026:12:00:00 +0000",
        "requestTimeEpoch": 1772452800000,
        "resourceId": "abc123",
        "resourcePath": "/{proxy+}",
        "stage": STAGE,
    }


def _body(content: bytes) -> tuple[str | None, bool]:
    if not content:
        return None, False
    try:
        return content.decode(), False
    except UnicodeDecodeError:  # what is not text comes as base64, once the API takes binary
        return base64.b64encode(content).decode(), True


class GatewayTransport(httpx.AsyncBaseTransport):
    """Sends requests to functions, each of which handles one at a time, as Lambda has it."""

    def __init__(
        self, make: Callable[[], Handler], key_ids: Mapping[str, str], functions: int = 1
    ) -> None:
        self._key_ids = key_ids
        self._count = 0
        self._threads = [ThreadPoolExecutor(1, initializer=_with_loop) for _ in range(functions)]
        self._functions = [thread.submit(make).result() for thread in self._threads]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Invoke the next function."""
        await request.aread()
        self._count += 1
        event = rest_event(request, self._key_ids, self._count)
        turn = self._count % len(self._threads)
        invoke = partial(self._functions[turn], event, Context())
        answer = await asyncio.get_running_loop().run_in_executor(self._threads[turn], invoke)
        return response_of(answer)

    async def aclose(self) -> None:
        """End the functions."""
        for thread in self._threads:
            thread.submit(_end_loop).result()
            thread.shutdown()


def response_of(answer: dict[str, Any]) -> httpx.Response:
    """Return what the gateway makes of a function's answer."""
    headers = [*answer["headers"].items()]
    headers += [
        (name, value) for name, values in answer["multiValueHeaders"].items() for value in values
    ]
    body, is_base64 = answer["body"], answer["isBase64Encoded"]
    media_type = answer["headers"].get("content-type", "")
    # A gateway without binary media types hands base64 on as it is.
    assert is_base64 == (bool(body) and media_type.startswith("image/")), media_type
    content = base64.b64decode(body) if is_base64 else body.encode()
    return httpx.Response(answer["statusCode"], headers=headers, content=content)


def _with_loop() -> None:
    asyncio.set_event_loop(asyncio.new_event_loop())


def _end_loop() -> None:
    asyncio.get_event_loop().close()
