"""The idempotency key of a request: X-Idempotency-Key, or its alias Idempotency-Key."""

import re

from starlette.requests import Request

from payments_sandbox.api.problems import Problem

_NAMES = ("x-idempotency-key", "idempotency-key")
KEY_PARAMETER: dict[str, object] = {
    "name": "X-Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "A new value for each request; the same value to send the same request again"
    " within 24 hours. Idempotency-Key is an alias.",
    "schema": {"type": "string", "pattern": "^[ -~]{1,255}$"},
}
_FORM = re.compile(r"[\x20-\x7e]{1,255}")


def idempotency_key(request: Request) -> str:
    """Return the key, without the quotes of a structured field; raise Problem."""
    values = {_bare(value) for name in _NAMES for value in request.headers.getlist(name)}
    if not values:
        raise Problem("idempotency_key_missing")
    key = values.pop()
    if values or _FORM.fullmatch(key) is None:
        raise Problem("idempotency_key_invalid")
    return key


def _bare(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] == '"'
    return value[1:-1] if quoted else value
