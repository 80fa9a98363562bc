"""Hostile bodies for each call that takes one, and the refusal each must meet.

`AUTHORIZE` and its neighbours are the tables; what is common to all calls is applied to the
valid body of each. `ID` in a body stands for the id of a payment or capture that exists.
"""

import copy
import gzip
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.hostile.fields import (
    AMOUNTS,
    AUTHORIZE_FIELDS,
    BROKEN_NUMBERS,
    IDS,
    REFUND_IDS,
    SETTINGS_FIELDS,
)
from tests.hostile.marks import CARD, PAN, TOKEN
from tests.hostile.wire import JSON, Header

BODY_BYTES_MAX = 64 * 1024
ID = "@id@"
_HERE = "@here@"
Valid = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """A body with its headers, and the status and code of the problem that answers it."""

    name: str
    body: bytes
    headers: tuple[Header, ...]
    status: int
    code: str

    def __str__(self) -> str:
        return self.name


VALID_AUTHORIZE: Valid = {
    "card": CARD,
    "amount": 1000,
    "currency": "USD",
    "reference": TOKEN,
    "metadata": {"note": TOKEN},
    "simulate": {"response_code": "00"},
}
VALID_CAPTURE: Valid = {"auth_id": ID, "amount": 100, "currency": "USD", "final": True}
VALID_REFUND: Valid = {"transaction_id": ID, "amount": 100, "currency": "USD"}
VALID_VOID: Valid = {"auth_id": ID}
VALID_SETTINGS: Valid = {"amount_rule": "off", "test_cards_only": False}


def spoiled(valid: Valid, path: str, literal: str) -> bytes:
    """Return the body with this JSON text in the place of the field at the path."""
    body, (*parents, name) = copy.deepcopy(dict(valid)), path.split(".")
    at = body
    for parent in parents:
        at = at.setdefault(parent, {})
    at[name] = _HERE
    return json.dumps(body).replace(f'"{_HERE}"', literal).encode()


def _without(valid: Valid, path: str) -> bytes:
    body, (*parents, name) = copy.deepcopy(dict(valid)), path.split(".")
    at = body
    for parent in parents:
        at = at[parent]
    del at[name]
    return json.dumps(body).encode()


def _of_fields(
    valid: Valid, fields: Mapping[str, Mapping[str, str]], status: int, code: str
) -> Iterable[Case]:
    for path, literals in fields.items():
        for name, literal in literals.items():
            body = spoiled(valid, path, literal)
            yield Case(f"{path}: {name}", body, (JSON,), status, code)


def _invalid(valid: Valid, fields: Mapping[str, Mapping[str, str]]) -> Iterable[Case]:
    return _of_fields(valid, fields, 422, "validation_failed")


def _missing(valid: Valid, *paths: str) -> Iterable[Case]:
    for path in paths:
        name = f"{path} is missing"
        yield Case(name, _without(valid, path), (JSON,), 422, "validation_failed")


def _unknown(valid: Valid, *parents: str) -> Iterable[Case]:
    names = {"a token": TOKEN, "a card number": PAN, "not a name": "a.b[0]\u202e"}
    for parent in parents:
        for name, field in names.items():
            body = copy.deepcopy(dict(valid))
            (body[parent] if parent else body)[field] = TOKEN
            label = f"{parent or 'body'} holds an unknown field, {name}"
            yield Case(label, json.dumps(body).encode(), (JSON,), 422, "validation_failed")


def _deep(before: str, after: str, depth: int) -> Callable[[bytes], bytes]:
    return lambda _: (before * depth + "1" + after * depth).encode()


def _padded(size: int) -> Callable[[bytes], bytes]:
    return lambda body: body + b" " * (size - len(body))


def _twice(body: bytes, name: bytes = b"") -> bytes:
    """Return the object with its first member twice, under another spelling if one is given."""
    first, value = next(iter(json.loads(body).items()))
    member = b"%s:%s" % (name or json.dumps(first).encode(), json.dumps(value).encode())
    return body[:-1] + b"," + member + b"}"


def _escaped_twice(body: bytes) -> bytes:
    first = next(iter(json.loads(body)))
    return _twice(body, b'"\\u%04x%s"' % (ord(first[0]), first[1:].encode()))


def _extended(member: str) -> Callable[[bytes], bytes]:
    return lambda body: body[:-1] + b"," + member.encode("utf-8", "surrogatepass") + b"}"


_MALFORMED: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "only space": lambda _: b" \r\n\t ",
    "NaN": lambda _: b"NaN",
    "minus Infinity": lambda _: b"-Infinity",
    "not finished": lambda body: body[:-1],
    "trailing garbage": lambda body: body + b"x",
    "trailing NUL": lambda body: body + b"\0",
    "trailing comma": lambda body: body[:-1] + b",}",
    "two documents": lambda body: body + body,
    "two lines": lambda body: body + b"\n" + body,
    "a block comment": lambda body: b"/* x */" + body,
    "a line comment": lambda body: body + b"// x",
    "single quotes": lambda body: body.replace(b'"', b"'"),
    "bare names": lambda body: b"{a:1}" + body[:0],
    "a vertical tab before": lambda body: b"\x0b" + body,
    "a no-break space before": lambda body: b"\xc2\xa0" + body,
    "a byte order mark": lambda body: b"\xef\xbb\xbf" + body,
    "UTF-16": lambda body: body.decode().encode("utf-16"),
    "UTF-16 without a mark": lambda body: body.decode().encode("utf-16-le"),
    "UTF-32": lambda body: body.decode().encode("utf-32"),
    "Latin-1": lambda body: body[:-1] + b',"\xe9":1}',
    "an overlong NUL": lambda body: body[:-1] + b',"\xc0\x80":1}',
    "a surrogate in UTF-8": lambda body: body[:-1] + b',"a":"\xed\xa0\x80"}',
    "a lone high surrogate": _extended(r'"a":"\ud800"'),
    "a lone low surrogate": _extended(r'"a":"\udc00x"'),
    "surrogates the wrong way round": _extended(r'"a":"\udc00\ud800"'),
    "a surrogate in a name": _extended(r'"\ud800":"a"'),
    "a raw control character": _extended('"a":"\x01"'),
    "a raw new line in a text": _extended('"a":"\n"'),
    "a raw NUL in a name": _extended('"\0":"a"'),
    "a bad escape": _extended(r'"a":"\x41"'),
    "a name twice": _twice,
    "a name twice, once escaped": _escaped_twice,
    "a name twice in an object within": _extended('"a":{"b":1,"b":1}'),
    "a name twice in a list": _extended('"a":[{"b":1,"b":1}]'),
    "30,000 brackets": _deep("[", "]", 30_000),
    "9,000 objects": _deep('{"a":', "}", 9_000),
    "brackets without an end": lambda _: b"[" * 60_000,
}
_NOT_OBJECTS: dict[str, Callable[[bytes], bytes]] = {
    "null": lambda _: b"null",
    "true": lambda _: b"true",
    "a number": lambda _: b"1",
    "a huge exponent": lambda _: b"1e999",
    "a text": lambda _: json.dumps(TOKEN).encode(),
    "an empty list": lambda _: b"[]",
    "a list of it": lambda body: b"[" + body + b"]",
}
_TOO_LARGE: dict[str, Callable[[bytes], bytes]] = {
    "64 KB and a byte": _padded(BODY_BYTES_MAX + 1),
    "100,000 brackets": _deep("[", "]", 100_000),
    "10 MB": _padded(10_000_000),
}
_WRONG_HEADERS: dict[str, tuple[Header, ...]] = {
    "no Content-Type": (),
    "an empty Content-Type": (("content-type", ""),),
    "text/plain": (("content-type", "text/plain"),),
    "a form": (("content-type", "application/x-www-form-urlencoded"),),
    "nearly JSON": (("content-type", "application/jsonp"),),
    "a suffix of JSON": (("content-type", "application/problem+json"),),
    "two types in one": (("content-type", "application/json, text/plain"),),
    "charset UTF-16": (("content-type", "application/json; charset=utf-16"),),
    "two charsets": (("content-type", "application/json; charset=utf-8; charset=utf-16"),),
    "gzip": (JSON, ("content-encoding", "gzip")),
    "two encodings": (JSON, ("content-encoding", "identity, gzip")),
}


def _common(valid: Valid) -> Iterable[Case]:
    """Yield what every call must refuse, made from its own valid body."""
    body = json.dumps(valid).encode()
    for name, spoil in _MALFORMED.items():
        yield Case(name, spoil(body), (JSON,), 400, "malformed_json")
    for name, spoil in _NOT_OBJECTS.items():
        yield Case(name, spoil(body), (JSON,), 422, "validation_failed")
    for name, spoil in _TOO_LARGE.items():
        yield Case(name, spoil(body), (JSON,), 413, "body_too_large")
    for name, headers in _WRONG_HEADERS.items():
        sent = gzip.compress(body, mtime=0) if name == "gzip" else body
        yield Case(name, sent, headers, 415, "unsupported_media_type")
    yield from _unknown(valid, "")


AUTHORIZE = [
    *_common(VALID_AUTHORIZE),
    *_invalid(VALID_AUTHORIZE, {"amount": AMOUNTS, "simulate.approved_amount": AMOUNTS}),
    *_of_fields(VALID_AUTHORIZE, {"amount": BROKEN_NUMBERS}, 400, "malformed_json"),
    *_of_fields(VALID_AUTHORIZE, {"card.exp_year": BROKEN_NUMBERS}, 400, "malformed_json"),
    *_invalid(VALID_AUTHORIZE, AUTHORIZE_FIELDS),
    *_missing(VALID_AUTHORIZE, "card", "amount", "currency", "simulate.response_code"),
    *_missing(VALID_AUTHORIZE, "card.number", "card.exp_month", "card.exp_year"),
    *_unknown(VALID_AUTHORIZE, "card", "simulate"),
]
CAPTURE = [
    *_common(VALID_CAPTURE),
    *_invalid(VALID_CAPTURE, {"amount": AMOUNTS, "auth_id": IDS}),
    *_of_fields(VALID_CAPTURE, {"amount": BROKEN_NUMBERS}, 400, "malformed_json"),
    *_invalid(VALID_CAPTURE, {"final": {"a text": '"true"', "one": "1", "null": "null"}}),
    *_missing(VALID_CAPTURE, "auth_id"),
]
REFUND = [
    *_common(VALID_REFUND),
    *_invalid(VALID_REFUND, {"amount": AMOUNTS, "transaction_id": IDS | REFUND_IDS}),
    *_of_fields(VALID_REFUND, {"amount": BROKEN_NUMBERS}, 400, "malformed_json"),
    *_missing(VALID_REFUND, "transaction_id"),
]
VOID = [
    *_common(VALID_VOID),
    *_invalid(VALID_VOID, {"auth_id": IDS}),
    *_missing(VALID_VOID, "auth_id"),
]
SETTINGS = [*_common(VALID_SETTINGS), *_invalid(VALID_SETTINGS, SETTINGS_FIELDS)]
