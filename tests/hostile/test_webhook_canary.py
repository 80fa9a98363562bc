"""The canary among webhooks: a marked card is sent to and echoed at all of them, and then sought.

Sought are the card and the endpoints' secrets, in the answers, the log, the ledger with its
write-ahead log, the secrets file and in what receivers were sent.
"""

import asyncio
import base64
import json
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from payments_sandbox.adapters.guarded_http import ANSWER_BYTES_KEPT, HOLDS_A_CARD
from tests.hostile.canary import planted
from tests.hostile.corpus import VOID, spoiled
from tests.hostile.marks import CARD, CVC, FULL_WIDTH_ZERO, PAN, TOKEN, grouped, in_script
from tests.hostile.receivers import OK, Receiver, Request, answer, answering, receiving
from tests.hostile.test_canary import AUTHORIZE, BOTH, CANARY, answers_to
from tests.hostile.test_webhook_life import call, created, served, until
from tests.hostile.wire import JSON, OURS, Header, request
from tests.running import Running

ENDPOINTS, DELIVERIES = "/webhooks/endpoints", "/webhooks/deliveries"
VALID = {
    "url": "http://127.0.0.1:1024/",
    "events": ["payment_captured"],
    "description": TOKEN,
    "enabled": False,
    "chaos": {"seed": 1},
}
SPAN = {"since": "2020-01-01T00:00:00Z", "until": "2020-01-02T00:00:00Z", "cursor": "x"}
LITERALS = (
    f'"{PAN}"', PAN, f"{{{BOTH}}}", f'["{PAN}"]', f'"{grouped(PAN, " ")}"', f'"{PAN} cvc: {CVC}"',
    f'"http://127.0.0.1:1024/{PAN}?cvc={CVC}"', f'"https://{PAN}:{CVC}@example.com/"',
    f'"{PAN}\\n"',
    f'"2026-03-01T12:00:00Z{PAN}"', f'"{base64.b64encode(PAN.encode()).decode()}"[', f'"{CVC}"',
)  # fmt: skip
HEADERS = (
    "x-api-key", "x-idempotency-key", "content-type", "user-agent", "cookie", "authorization",
    "referer", "traceparent", "webhook-id", "webhook-timestamp", "webhook-signature", PAN,
)  # fmt: skip
QUERIES = ("cursor", "after", "limit", "endpoint_id", "event_id", "state", "since", "until", PAN)
_CARD_JSON = json.dumps(CARD).encode()
_EDGE = ANSWER_BYTES_KEPT
ECHOES = (
    *(answer("200 OK", said) for said in (
        PAN.encode(), _CARD_JSON, grouped(PAN, " ").encode(), grouped(PAN, "-").encode(),
        PAN.encode("utf-16"), in_script(PAN, FULL_WIDTH_ZERO).encode(),
        b"\0".join([_CARD_JSON] * 9),
        *(b"x" * (_EDGE - cut) + PAN.encode() for cut in (1, 12, 15, 16)),
        b"x" * (_EDGE - 14) + grouped(PAN, " - ").encode(),
    )),
    answer("200 OK", TOKEN.encode(), f"x-card: {PAN}", f"set-cookie: card={PAN}; cvc={CVC}"),
    answer("302 Found", b"", f"location: http://127.0.0.1:1024/{PAN}?cvc={CVC}"),
    answer(f"500 {PAN} cvc {CVC}", b"no"),
    answer("503 Busy", b"", f"retry-after: {PAN}"),
    f"HTTP/1.1 {PAN} cvc {CVC}\r\n\r\n".encode(),
    f"HTTP/1.1 200 OK\r\n{PAN}\r\n\r\n".encode(),
    f"HTTP/1.1 200 OK\r\ncontent-length: {PAN}\r\n\r\n".encode(),
    f"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{PAN}x;cvc={CVC}\r\n\r\n".encode(),
    PAN.encode() + b"\r\n\r\n",
    OK,
)  # fmt: skip


ENCODED = (
    "".join(f"%{ord(digit):02x}" for digit in PAN), f"%34{PAN[1:]}", grouped(PAN, "%20"),
    grouped(PAN, "+"),
)  # fmt: skip


@dataclass
class Remains:
    """What is left after the card went everywhere, by name."""

    answers: dict[str, bytes]
    files: dict[str, bytes]
    heard: list[Request]
    secrets: list[str]
    modes: dict[str, int]


def in_fields(endpoint: str) -> Iterator[bytes]:
    """Yield bodies with the card in the place of each field, and bodies that are none."""
    calls = [("POST", ENDPOINTS, VALID), ("PATCH", endpoint, VALID)]
    calls += [("POST", f"{endpoint}/redeliver", SPAN)]
    for method, path, valid in calls:
        for field in (*valid, "chaos.seed", "chaos.drop", PAN, f"chaos.{PAN}"):
            if field.startswith("chaos.") and valid is SPAN:
                continue
            for literal in LITERALS:
                body = spoiled(valid, field, literal)
                yield request(method, path, (*OURS, JSON), body)
        for case in VOID:
            if case.body != b"{}":
                yield request(method, path, (*OURS, *case.headers), case.body)


def in_heads(endpoint: str, delivery: str) -> Iterator[bytes]:
    """Yield requests with the card in headers, queries, paths and bodies nobody asked for."""
    for name in HEADERS:
        header: Header = (name, f"{PAN}; cvc={CVC}")
        yield request("POST", f"{endpoint}/ping", (*OURS, JSON, header), _CARD_JSON)
        yield request("GET", DELIVERIES, (*OURS, header))
    for path in ("/events", ENDPOINTS, DELIVERIES, endpoint, delivery):
        yield from (request("GET", f"{path}?{name}={PAN}&cvc={CVC}") for name in QUERIES)
        yield from (request("GET", f"{path}?{name}={PAN}") for name in QUERIES)
        for rest in (f"/{PAN}", f"/{PAN}/ping", f"/{PAN}/redeliver", f"/{PAN}%00", f"/ep_{PAN}"):
            yield from (request(one, path + rest) for one in ("GET", "POST", "PATCH", "DELETE"))
    for action in (f"{endpoint}/rotate-secret?{PAN}", f"{delivery}/redeliver"):
        yield request("POST", action, (*OURS, JSON), _CARD_JSON)


async def pay(sandbox: Running) -> None:
    """Make an event of each kind that a card has a part in."""
    body = {**AUTHORIZE, "reference": TOKEN}
    declined = {**body, "simulate": {"response_code": "05"}}
    paid = await asyncio.to_thread(sandbox.call, "POST", "/payments/authorize", body, key="paid")
    await asyncio.to_thread(sandbox.call, "POST", "/payments/authorize", declined, key="declined")
    for operation, field in (
        ("capture", "auth_id"),
        ("refund", "transaction_id"),
        ("void", "auth_id"),
    ):
        sent = (
            {field: paid.json["auth_id"], "amount": 1}
            if operation != "void"
            else {field: paid.json["auth_id"]}
        )
        await asyncio.to_thread(sandbox.call, "POST", f"/payments/{operation}", sent, key=operation)


async def read_back(sandbox: Running) -> dict[str, bytes]:
    """Return all that can be read of events, endpoints and deliveries."""
    read: dict[str, bytes] = {}
    paths = ["/events?limit=100", ENDPOINTS, f"{DELIVERIES}?limit=100"]
    for path in paths:
        read[path] = (await call(sandbox, "GET", path)).body
    each = [f"/events/{one['id']}" for one in json.loads(read[paths[0]])["data"]]
    each += [f"{ENDPOINTS}/{one['endpoint_id']}" for one in json.loads(read[paths[1]])["data"]]
    each += [f"{DELIVERIES}/{one['delivery_id']}" for one in json.loads(read[paths[2]])["data"]]
    for path in each:
        read[path] = (await call(sandbox, "GET", path)).body
    return read


async def sent_everywhere(sandbox: Running, plain: Receiver, echo: Receiver) -> Remains:
    """Send the card everywhere, have it echoed, and return what was answered and heard."""
    made: list[Any] = [await created(sandbox, one.url) for one in (plain, echo)]
    paths = [f"{ENDPOINTS}/{one['endpoint_id']}" for one in made]
    made += [(await call(sandbox, "POST", f"{path}/rotate-secret")).json for path in paths]
    await call(sandbox, "PATCH", paths[1], {"events": ["authorization_expired"]})
    await pay(sandbox)
    for _ in ECHOES:
        await call(sandbox, "POST", f"{paths[1]}/ping")
    target = f"{ENDPOINTS}/{(await created(sandbox, VALID['url']))['endpoint_id']}"  # type: ignore[arg-type]
    await call(sandbox, "PATCH", target, {"enabled": False})
    ping = (await call(sandbox, "POST", f"{paths[0]}/ping")).json
    heads = in_heads(paths[0], f"{DELIVERIES}/{ping['delivery_id']}")
    requests = [*in_fields(target), *heads]
    answers = await asyncio.to_thread(lambda: dict(answers_to(sandbox, requests)))
    await until(lambda: len(echo.requests) >= len(ECHOES) and len(plain.requests) > len(HEADERS))
    answers |= await read_back(sandbox)
    return Remains(answers, {}, plain.requests + echo.requests, [one["secret"] for one in made], {})


async def served_and_sent(folder: Path) -> Remains:
    """Serve and send; keep a copy of the files as they are meanwhile."""
    async with (
        receiving(answering(OK)) as plain,
        receiving(answering(*ECHOES)) as echo,
        served(folder / "ledger.db", "--access-log") as sandbox,
    ):
        remains = await sent_everywhere(sandbox, plain, echo)
        for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
            shutil.copy(folder / name, folder / f"{name}.running")
        return remains


@pytest.fixture(scope="module")
def remains(tmp_path_factory: pytest.TempPathFactory) -> Remains:
    """Return what is left."""
    folder = tmp_path_factory.mktemp("canary")
    remains = asyncio.run(served_and_sent(folder))
    for path in sorted(folder.iterdir()):
        remains.files[path.name] = path.read_bytes()
        remains.modes[path.name] = stat.S_IMODE(path.stat().st_mode)
    return remains


def as_bytes(one: Request) -> bytes:
    """Return a request as the search reads it."""
    return f"{one.line}\n{one.headers}\n".encode() + one.body


def test_the_card_is_in_no_answer(remains: Remains) -> None:
    """Bodies and headers of all answers are free of it, what was read back too."""
    found = {name: CANARY.found_in(data) for name, data in remains.answers.items()}

    assert len(found) > 400
    assert {name: forms for name, forms in found.items() if forms} == {}


def test_the_card_is_in_no_file(remains: Remains) -> None:
    """The log, the ledger and its companions are free of it, while running and afterwards."""
    found = {name: CANARY.found_in(data) for name, data in remains.files.items()}

    assert {name: forms for name, forms in found.items() if forms} == {}


def test_the_card_is_in_no_webhook(remains: Remains) -> None:
    """Receivers are told the last four digits and the brand, and nothing more of the card."""
    found = {at: CANARY.found_in(as_bytes(one)) for at, one in enumerate(remains.heard)}
    events = [json.loads(one.body) for one in remains.heard]
    cards = [one["data"]["card"] for one in events if "card" in one["data"]]

    assert {at: forms for at, forms in found.items() if forms} == {}
    assert {one["type"] for one in events} >= {"payment_authorized", "payment_declined", "ping"}
    assert [(one["brand"], one["last4"]) for one in cards] == [("visa", PAN[-4:])] * 2
    assert TOKEN.encode() in b"".join(one.body for one in remains.heard)


def test_the_search_sees_what_receivers_said(remains: Remains) -> None:
    """What they answered is in the ledger and is read back, but where it held the card."""
    kept = b"".join(data for path, data in remains.answers.items() if path.startswith(DELIVERIES))
    files = {
        name
        for name, data in remains.files.items()
        if TOKEN.encode() in data and HOLDS_A_CARD.encode() in data
    }
    errors = [f'"error":"{code}"'.encode() for code in ("bad_response", "connection_reset")]

    assert kept.count(HOLDS_A_CARD.encode()) >= 10
    assert TOKEN.encode() in kept
    assert any(error in kept for error in errors)
    assert {"ledger.db", "ledger.db-wal.running"} & files


@pytest.mark.parametrize("form", planted(PAN, CVC))
def test_a_card_would_be_found(remains: Remains, tmp_path: Path, form: str) -> None:
    """A careless header, body and row are caught, in whatever form the card is written."""
    card = planted(PAN, CVC)[form]
    ledger = tmp_path / "ledger.db"
    ledger.write_bytes(remains.files["ledger.db"])
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute("UPDATE deliveries SET body = CAST(body || ? AS BLOB)", (card,))
    files = [path.read_bytes() for path in tmp_path.iterdir()]

    assert CANARY.found_in(as_bytes(remains.heard[0]) + card) != []
    assert any(CANARY.found_in(data) for data in files)


@pytest.mark.parametrize("path", ENCODED, ids=range(len(ENCODED)))
def test_a_card_number_in_an_encoded_url(sandbox: Running, path: str) -> None:
    """A card number in a url is found however the url writes it."""
    refused = sandbox.call("POST", ENDPOINTS, {"url": f"http://127.0.0.1:1024/{path}"})

    assert refused.status == 422


def forms_of(secret: str) -> list[bytes]:
    """Return how a secret could be written down."""
    raw = base64.b64decode(secret.removeprefix("whsec_"))
    return [secret[6:].encode(), raw, raw.hex().encode(), base64.urlsafe_b64encode(raw)]


def holders_of_secrets(remains: Remains, **more: bytes) -> set[str]:
    """Return the names of what holds a secret in any form."""
    forms = [form for secret in remains.secrets for form in forms_of(secret)]
    places = remains.files | remains.answers | more
    places |= {f"webhook {at}": as_bytes(one) for at, one in enumerate(remains.heard)}
    return {name for name, data in places.items() if any(form in data for form in forms)}


def test_a_secret_is_shown_once_and_kept_nowhere(remains: Remains) -> None:
    """No file, no webhook and no later answer holds one, in any form; its file is its owner's."""
    assert len(set(remains.secrets)) == 4
    assert holders_of_secrets(remains) == set()
    assert remains.modes["ledger.db.secrets"] == 0o600


@pytest.mark.parametrize("form", range(4))
def test_a_secret_would_be_found(remains: Remains, form: int) -> None:
    """A careless line is caught, whichever secret it holds and however it is written."""
    for secret in remains.secrets:
        line = b"signing with " + forms_of(secret)[form] + b"\n"

        assert holders_of_secrets(remains, line=line) == {"line"}
