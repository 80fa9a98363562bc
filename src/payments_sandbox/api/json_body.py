"""Strict JSON: what a lenient parser would let through or trip over is refused here.

UTF-8 without a byte order mark, no duplicate names, no NaN or infinities, no lone surrogates,
a bounded size. `100.0` is the integer 100, as JSON Schema has
it; a fraction stays a float, which no field accepts.
"""

import json
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from pydantic import BaseModel
from starlette.requests import Request

from payments_sandbox.api.problems import Problem
from payments_sandbox.api.validation import an_object_of, validated

BODY_BYTES_MAX = 64 * 1024
_DRAIN_BYTES_MAX = 1024 * 1024
_EXACT_FLOAT_MAX = 2.0**53
_CLOSE = {"connection": "close"}

Body = TypeVar("Body", bound=BaseModel)


class ClientGone(Exception):
    """The client left before its request was whole; there is nobody to answer."""


async def read_json(request: Request, model: type[Body]) -> tuple[Body, str]:
    """Return the body as the model, and its canonical text; raise Problem or ClientGone."""
    _check_media_type(request)
    data = await _read(request)
    if not data:
        detail = f"The body is empty. Send {an_object_of(model)}."
        raise Problem("malformed_json", detail=detail)
    value, canonical = parse(data)
    return validated(model, value), canonical


def parse(data: bytes) -> tuple[object, str]:
    """Return the value and its canonical text: sorted names, no insignificant space."""
    try:
        value = _DECODER.decode(data.decode("utf-8"))
        canonical = _ENCODER.encode(value)
        canonical.encode("utf-8")  # a lone surrogate fails here
    except (ValueError, RecursionError):
        raise Problem("malformed_json") from None
    return value, canonical


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("duplicate name")
    return value


def _no_constant(_: str) -> object:
    raise ValueError("not JSON")


def _number(text: str) -> int | float:
    """Return an integral number as an int; the rest stays a float, which no field accepts."""
    number = float(text)
    if number.is_integer() and abs(number) < _EXACT_FLOAT_MAX:
        with suppress(InvalidOperation):  # an exponent past what a decimal can hold
            return int(number) if Decimal(text) == int(number) else number
    return number


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_number
)
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _check_media_type(request: Request) -> None:
    headers: dict[bytes, bytes] = dict(request.scope["headers"])
    media_type, _, parameters = headers.get(b"content-type", b"").lower().partition(b";")
    fine = media_type.strip() == b"application/json"
    if parameters:
        fine = fine and parameters.translate(None, b' "') == b"charset=utf-8"
    if not fine or headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise Problem("unsupported_media_type")


async def _read(request: Request) -> bytes:
    """Read the whole body; one that is too large is drained a while so that the answer arrives.

    How long a body may take is the server's to bound: it sees the bytes come.
    """
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size <= BODY_BYTES_MAX:
            chunks.append(chunk)
        if not message.get("more_body", False) or size > _DRAIN_BYTES_MAX:
            break
    if size > BODY_BYTES_MAX:
        raise Problem("body_too_large", headers=_CLOSE)
    return b"".join(chunks)
