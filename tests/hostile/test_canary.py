"""The canary: a marked card is sent everywhere it can be, and then looked for in all that is left.

Left are the answers, the log, the ledger with its write-ahead log, the secrets and the lock.
"""

import json
import secrets
import shutil
import sqlite3
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import chain, product
from pathlib import Path

import pytest

from tests.hostile import corpus
from tests.hostile.canary import Canary, planted
from tests.hostile.fields import SETTLEMENT_FIELDS
from tests.hostile.marks import CARD, CVC, PAN, TOKEN, grouped
from tests.hostile.wire import HOST, JSON, OURS, Header, Wire, request
from tests.running import Running, running

CANARY = Canary(PAN, CVC)
AUTHORIZE: Mapping[str, object] = {"card": CARD, "amount": 1000, "currency": "USD"}
BOTH = f'"number":"{PAN}","cvc":"{CVC}"'
HEADERS = (
    "x-api-key", "x-idempotency-key", "idempotency-key", "host", "content-type",
    "content-encoding", "transfer-encoding", "content-length", "connection", "upgrade", "expect",
    "user-agent", "cookie", "authorization", "referer", "origin", "accept", "range", "date",
    "if-modified-since", "x-forwarded-for", "x-request-id", "traceparent", "forwarded", PAN,
)  # fmt: skip
QUERIES = (
    "card_id", "status", "reference", "limit", "cursor", "number", PAN, f"card[number]={PAN}&cvc",
)  # fmt: skip
PATHS = (
    "/payments", "/payments/authorize", "/sandbox/settings", "/health", "/docs", "/nowhere",
    "/settlements", "/sandbox/clock/advance",
)  # fmt: skip


@dataclass(frozen=True)
class Remains:
    """What is left of a sandbox that was sent the card: answers and files, by name."""

    answers: Mapping[str, bytes]
    files: Mapping[str, bytes]
    auth_id: str


def in_fields() -> Iterator[bytes]:
    """Yield bodies with the card in the place of each field, as a text, a number and an object."""
    bodies = {
        "authorize": {**corpus.VALID_AUTHORIZE, "partial_approval": True},
        "capture": corpus.VALID_CAPTURE,
        "refund": corpus.VALID_REFUND,
        "void": {**corpus.VALID_VOID, "transaction_id": corpus.ID},
    }
    literals = [f'"{PAN}"', PAN, f"{{{BOTH}}}", f'"{grouped(PAN, " ")}"', f'"{CVC}"', CVC]
    for operation, valid in bodies.items():
        paths = [*valid, *(f"card.{name}" for name in CARD), "card.holder", "metadata.note", PAN]
        for path in paths:
            for literal in literals:
                yield posted(operation, corpus.spoiled(valid, path, literal))
    for method, way, names in (
        ("PATCH", "settings", [*corpus.VALID_SETTINGS, *SETTLEMENT_FIELDS, PAN]),
        ("POST", "clock/advance", ["by", "to", PAN]),
        ("POST", "reset", ["confirm", PAN]),
    ):
        for name, literal in product(names, [*literals, f'["{PAN}"]', f'"2026-12-25 {PAN}"']):
            body = corpus.spoiled({}, name, literal)
            yield request(method, f"/sandbox/{way}", (*OURS, JSON), body)


def posted(operation: str, body: bytes, *headers: Header) -> bytes:
    """Return a request for an operation under a new key."""
    key: Header = ("x-idempotency-key", secrets.token_hex(8))
    mine = headers or (JSON,)
    return request("POST", f"/payments/{operation}", (*OURS, key, *mine), body)


def in_the_corpus() -> Iterator[bytes]:
    """Yield all hostile bodies, as they are marked already."""
    calls = {
        "authorize": corpus.AUTHORIZE, "capture": corpus.CAPTURE, "refund": corpus.REFUND,
        "void": corpus.VOID,
    }  # fmt: skip
    for operation, cases in calls.items():
        for case in cases:
            yield posted(operation, case.body, *case.headers)
    for case in corpus.SETTINGS:
        yield request("PATCH", "/sandbox/settings", (*OURS, *case.headers), case.body)


def in_heads() -> Iterator[bytes]:
    """Yield requests with the card in headers, queries and paths."""
    body = json.dumps(AUTHORIZE).encode()
    for name in HEADERS:
        for value in (PAN, f"{PAN}; cvc={CVC}", f'"{PAN}"', f"bytes={PAN}-"):
            # Without a key where the header would make us wait for a body of that length.
            admitted = (HOST,) if name == "content-length" else OURS
            yield request("GET", "/docs", (*admitted, (name, value)))
            if name != "content-length":
                yield posted("authorize", body, JSON, (name, value))
    cursor = urlsafe_b64encode(PAN.encode()).decode()
    for path in PATHS:
        for query in QUERIES:
            yield request("GET", f"{path}?{query}={PAN}&cvc={CVC}")
            yield request("POST", f"{path}?{query}={PAN}", (*OURS, JSON), body)
        yield request("GET", f"{path}?cursor={cursor}")
        for rest in (f"/{PAN}", f"/auth_{PAN}", f"/{PAN}/{CVC}", f"/%34{PAN[1:]}", f"/{PAN}%00"):
            yield request("GET", path + rest)
            yield request("DELETE", path + rest)


def in_junk() -> Iterator[bytes]:
    """Yield what is no HTTP, and bodies that break off."""
    body = json.dumps(AUTHORIZE).encode()
    chunked = posted("authorize", b"", JSON, ("transfer-encoding", "chunked"))
    yield PAN.encode() + b"\r\n\r\n"
    yield f"{PAN} /payments HTTP/1.1\r\n\r\n".encode()
    yield f"GET /{PAN} HTTP/{PAN}\r\n\r\n".encode()
    yield f"GET /{PAN}\0 HTTP/1.1\r\n\r\n".encode()
    yield f"CONNECT {PAN}:{CVC} HTTP/1.1\r\n\r\n".encode()
    yield f"GET http://{PAN}:{CVC}@127.0.0.1/{PAN} HTTP/1.1\r\n\r\n".encode()
    yield f"GET / HTTP/1.1\r\n{PAN}\r\n\r\n".encode()
    yield chunked + f"{PAN};cvc={CVC}\r\n".encode()
    yield chunked + f"1;{PAN}\r\n{{\r\n1\r\n}}\r\n0\r\nx-{PAN}: {PAN}\r\n\r\n".encode()
    yield posted("authorize", body) + f"{PAN}\0\r\n\r\n".encode()
    yield posted("authorize", body)[:-20]


def in_operations(sandbox: Running) -> Iterator[tuple[str, bytes]]:
    """Make payments with the card, and yield all that can be read of them."""
    metadata = {"reference": TOKEN, "metadata": {TOKEN: TOKEN}}
    approved = sandbox.call("POST", "/payments/authorize", {**AUTHORIZE, **metadata}, key="first")
    auth_id = approved.json["auth_id"]
    payment, amount = {"auth_id": auth_id}, {"amount": 10_000}
    declined = {**AUTHORIZE, "simulate": {"response_code": "05"}}
    yield "auth_id", auth_id.encode()
    for number, (method, path, body, key) in enumerate((
        ("POST", "/payments/authorize", {**AUTHORIZE, **metadata}, "first"),
        ("POST", "/payments/authorize", AUTHORIZE, "first"),
        ("POST", "/payments/authorize", declined, "declined"),
        ("POST", "/payments/capture", payment | amount, "too much"),
        ("POST", "/payments/capture", payment, "captured"),
        ("POST", "/payments/refund", {"transaction_id": auth_id, "amount": 1}, "refunded"),
        ("POST", "/payments/void", payment, "voided"),
        ("PATCH", "/sandbox/settings", {"test_cards_only": True}, None),
        ("POST", "/payments/authorize", AUTHORIZE, "no test card"),
        ("PATCH", "/sandbox/settings", {"test_cards_only": False}, None),
        ("GET", f"/payments/{auth_id}", None, None),
        ("GET", f"/transactions/{auth_id}", None, None),
        ("GET", "/payments", None, None),
    )):  # fmt: skip
        answer = sandbox.call(method, path, body, key=key)
        yield f"operation {number}, {method} {path}", repr(answer).encode() + answer.body
    told = sandbox.call("POST", "/sandbox/clock/advance", {"by": "P3D"})
    stl = next(one["subject_id"] for one in told.json["happenings"] if "stl_" in one["subject_id"])
    yield "advance", repr(told).encode() + told.body
    for path in (
        *("/settlements", f"/settlements/{stl}", f"/settlements/{stl}/report.json"),
        *(f"/settlements/{stl}/report.csv", "/balances", "/postings", "/sandbox/invariants"),
        *("/sandbox/clock", "/events"),
    ):
        answer = sandbox.call("GET", path)
        assert answer.status == 200
        yield path, repr(answer).encode() + answer.body


def answers_to(sandbox: Running, requests: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    """Send each request and leave when it is answered, or at once when it breaks off."""
    for number, data in enumerate(requests):
        with Wire(sandbox.port, timeout_s=0.5) as wire, suppress(EOFError, TimeoutError):
            wire.send(data)
            answer = wire.answer(to="GET")
            yield f"{number} {data[:40]!r}", repr(answer.headers).encode() + answer.body


@pytest.fixture(scope="module", params=[(), ("--access-log",)], ids=["log", "access log"])
def remains(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Remains:
    """Send the card everywhere, stop the sandbox, and return what is left."""
    folder = tmp_path_factory.mktemp("canary")
    answers: dict[str, bytes] = {}
    with running(folder / "ledger.db", options=request.param) as sandbox:
        answers |= in_operations(sandbox)
        everywhere = chain(in_fields(), in_the_corpus(), in_heads(), in_junk())
        answers |= answers_to(sandbox, everywhere)
        for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
            shutil.copy(folder / name, folder / f"{name}.running")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return Remains(answers, files, answers["auth_id"].decode())


def test_the_card_is_in_no_answer(remains: Remains) -> None:
    """Bodies and headers of all answers are free of it, in every form."""
    found = {name: CANARY.found_in(data) for name, data in remains.answers.items()}

    assert len(found) > 1_000
    assert {name: forms for name, forms in found.items() if forms} == {}


def test_the_card_is_in_no_file(remains: Remains) -> None:
    """The log, the ledger and its companions are free of it, while running and afterwards."""
    found = {name: CANARY.found_in(data) for name, data in remains.files.items()}

    assert {name: forms for name, forms in found.items() if forms} == {}


def test_the_search_sees_all_that_is_kept(remains: Remains) -> None:
    """What may be kept is found in the same bytes, so the search looked in the right places."""
    log = next(data for name, data in remains.files.items() if name.endswith(".log"))
    holding = {
        name
        for name, data in remains.files.items()
        if remains.auth_id.encode() in data and TOKEN.encode() in data
    }

    assert "ledger.db" in holding
    assert "ledger.db-wal.running" in holding
    assert b"Payments Sandbox" in log
    assert {"ledger.db.secrets", "ledger.db.lock"} < remains.files.keys()


@pytest.mark.parametrize("form", planted(PAN, CVC))
def test_a_card_in_a_log_would_be_found(remains: Remains, form: str) -> None:
    """A careless line is caught, in whatever form it is written."""
    log = next(data for name, data in remains.files.items() if name.endswith(".log"))
    spoiled = log[:100] + planted(PAN, CVC)[form] + log[100:]

    assert CANARY.found_in(spoiled) != []


@pytest.mark.parametrize(
    "value",
    [PAN, int(PAN), PAN.encode(), json.dumps(CARD)],
    ids=["text", "number", "bytes", "JSON"],
)
def test_a_card_in_a_ledger_would_be_found(
    remains: Remains, tmp_path: Path, value: str | int | bytes
) -> None:
    """A careless row is caught, whatever type its column has."""
    ledger = tmp_path / "ledger.db"
    ledger.write_bytes(remains.files["ledger.db"])
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute("CREATE TABLE careless (value)")
        connection.execute("INSERT INTO careless VALUES (?)", (value,))
    files = [path.read_bytes() for path in tmp_path.iterdir()]

    assert any(CANARY.found_in(data) for data in files)


def test_a_line_of_the_access_log_names_no_content(remains: Remains) -> None:
    """Whatever the path was, a line holds the route as we wrote it."""
    log = next(data for name, data in remains.files.items() if name.endswith(".log")).decode()
    lines = [line for line in log.splitlines() if "payments_sandbox.access" in line]
    routes = {line.split()[3] for line in lines}

    assert routes <= {
        "-", "/health", "/payments", "/payments/authorize", "/payments/capture",
        "/payments/refund", "/payments/void", "/payments/{auth_id}", "/sandbox/settings",
        "/transactions/{transaction_id}", "/docs", "/docs/start.js", "/openapi.json",
        "/sandbox/clock", "/sandbox/clock/advance", "/sandbox/invariants", "/sandbox/reset",
        "/settlements", "/settlements/{settlement_id}", "/settlements/{settlement_id}/report.csv",
        "/settlements/{settlement_id}/report.json", "/balances", "/postings", "/events",
    }  # fmt: skip
