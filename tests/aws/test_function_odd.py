"""The function answers odd requests with the local server's status, bytes and headers."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from payments_sandbox.api.json_body import BODY_BYTES_MAX
from tests.api.twins import twins_over
from tests.aws.function_rig import JSON
from tests.running import AUTHORIZE

pytestmark = pytest.mark.aws

BODY = json.dumps(AUTHORIZE).encode()


def odd(name: str, method: str, path: str, body: bytes = b"", *more: tuple[str, str]) -> Any:
    """Return a request, under its name, with these headers beside the usual ones."""
    sent = [*JSON.items(), *more] if body else [*more]
    return pytest.param((method, path, sent, body), id=name)


KEY = ("x-idempotency-key", "k1")
AUTHORIZING = "/payments/authorize"
ODD = [
    odd("a key twice", "POST", AUTHORIZING, BODY, KEY, KEY),
    odd("a key that is no ASCII", "POST", AUTHORIZING, BODY, ("x-idempotency-key", "k\u00e9")),
    odd("two media types", "POST", AUTHORIZING, BODY, KEY, ("content-type", "text/plain")),
    odd("an encoded letter", "POST", "/p%61yments/%61uthorize", BODY, KEY),
    odd("an encoded slash", "POST", "/payments%2Fauthorize", BODY, KEY),
    odd("encoded twice", "POST", "/p%2561yments/authorize", BODY, KEY),
    odd("a question mark in the path", "GET", "/payments/auth_%3Fa=b"),
    odd("no UTF-8 in the path", "GET", "/payments/auth_%FF"),
    odd("two slashes", "GET", "//payments"),
    odd("a slash at the end", "GET", "/payments/"),
    odd("an unknown path", "GET", "/nowhere"),
    odd("an unknown method", "DELETE", AUTHORIZING),
    odd("a repeated parameter", "GET", "/payments?limit=1&limit=2"),
    odd("an unknown parameter", "GET", "/payments?nothing="),
    odd("a parameter with a space", "GET", "/payments?reference=a+b%20c%2Bd"),
    odd("a body that is no UTF-8", "POST", AUTHORIZING, b'{"a":"\xff\xfe"}', KEY),
    odd("a byte order mark", "POST", AUTHORIZING, b"\xef\xbb\xbf" + BODY, KEY),
    odd("the largest body", "POST", AUTHORIZING, BODY.ljust(BODY_BYTES_MAX), KEY),
    odd("a body too large", "POST", AUTHORIZING, BODY.ljust(BODY_BYTES_MAX + 1), KEY),
    odd("a head too large", "GET", "/payments", b"", ("x-filler", "f" * 16_384)),
    odd("no file", "GET", "/docs/assets/nothing.js"),
    odd("a file outside", "GET", "/docs/assets/%2e%2e/%2e%2e/__init__.py"),
    odd("the document", "GET", "/openapi.json"),
    odd("the page", "GET", "/docs"),
    odd("its start", "GET", "/docs/start.js"),
    odd("its style", "GET", "/docs/assets/swagger-ui.css"),
    odd("its script", "GET", "/docs/assets/swagger-ui-bundle.js"),
    odd("its picture", "GET", "/docs/assets/favicon.png"),
    odd("a part of a file", "GET", "/docs/assets/favicon.png", b"", ("range", "bytes=0-9")),
    odd("the head of a file", "HEAD", "/docs/assets/swagger-ui.css"),
]
PORTED = [
    odd("a port of words", "GET", "/health", b"", ("x-forwarded-port", "words")),
    odd("two ports", "GET", "/health", b"", ("x-forwarded-port", "443"), ("x-forwarded-port", "4")),
    odd("a host of three parts", "GET", "/health", b"", ("host", "a:b:c")),
]


async def answer_of(
    folder: Path, emulator: str, request: tuple[str, str, list[tuple[str, str]], bytes]
) -> httpx.Response:
    """Send a request to twins, which answer the same or fail the test."""
    method, path, headers, body = request
    async with twins_over(folder, emulator) as api:
        sent = [(name.encode(), value.encode("latin-1")) for name, value in headers]
        return await api.client.request(method, path, headers=sent, content=body)


@pytest.mark.parametrize("request_", ODD)
async def test_an_odd_request(
    tmp_path: Path, emulator: str, request_: tuple[str, str, list[tuple[str, str]], bytes]
) -> None:
    """Nothing of it breaks the function, and the local server says the same."""
    answer = await answer_of(tmp_path, emulator, request_)

    assert answer.status_code < 500


@pytest.mark.parametrize("request_", PORTED)
async def test_a_port_that_is_none(
    tmp_path: Path, emulator: str, request_: tuple[str, str, list[tuple[str, str]], bytes]
) -> None:
    """Nobody needs the port that a header names."""
    answer = await answer_of(tmp_path, emulator, request_)

    assert answer.status_code == 200


@pytest.mark.parametrize("other", ["x-idempotency-key", "idempotency-key"])
async def test_two_keys_in_one_request(tmp_path: Path, emulator: str, other: str) -> None:
    """Two different keys are refused, so nobody joins them into a third."""
    headers = [*JSON.items(), KEY, (other, "k2")]
    answer = await answer_of(tmp_path, emulator, ("POST", AUTHORIZING, headers, BODY))

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_invalid")
