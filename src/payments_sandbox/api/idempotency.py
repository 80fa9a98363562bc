"""The idempotency key of a request: X-Idempotency-Key, or its alias Idempotency-Key."""

import re

from starlette.requests import Request

from payments_sandbox.api.problems import Problem

KEY_PARAMETER: dict[str, object] = {
    "name": "X-Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "A new value for each request; the same value to send the same request again"
    " within 24 hours. Idempotency-Key is an alias.",
    "schema": {"type": "string", "pattern": "^[ -~]{1,255}$"},
}
_NAMES = (b"x-idempotency-key", b"idempotency-key")
_FORM = re.compile(rb"[\x20-\x7e]{1,255}")


def idempotency_key(request: Request) -> str:
    """Return the key, without the quotes of a structured field; raise Problem."""
    values = {_bare(value) for name, value in request.scope["headers"] if name in _NAMES}
    if not values:
        raise Problem("idempotency_key_missing")
    key = values.pop()
    if values or _FORM.fullmatch(key) is None:
        raise Problem("idempotency_key_invalid")
    return key.decode("ascii")


def _bare(value: bytes) -> bytes:
    quoted = len(value) > 1 and value[:1] == value[-1:] == b'"'
    return value[1:-1] if quoted else value
