"""Hostile requests to the paths of webhooks and events: a problem for each, and nothing saved."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from infra.emulator import free_port
from tests.hostile.corpus import VOID, Case, spoiled
from tests.hostile.fields import AMOUNTS, AUTHORIZE_FIELDS
from tests.hostile.marks import (
    ARABIC_ZERO,
    FULL_WIDTH_ZERO,
    PAN,
    TOKEN,
    assert_problem,
    assert_unrepeated,
    grouped,
    in_script,
)
from tests.hostile.wire import JSON, OURS, Header, Wire, exchange, request
from tests.running import Answer, Running

CORE = "0" * 26
ENDPOINTS, DELIVERIES = "/webhooks/endpoints", "/webhooks/deliveries"
EP, EVT = f"{ENDPOINTS}/ep_{CORE}", f"/events/evt_{CORE}_1"
DLV = f"{DELIVERIES}/dlv_{CORE}_1_{CORE}"
LOCAL = "http://127.0.0.1:1024/"
VALID: Mapping[str, Any] = {
    "url": LOCAL, "events": ["payment_captured"], "description": TOKEN, "enabled": True,
    "chaos": {"seed": 1, "drop": 1},
}  # fmt: skip
SPAN = {"since": "2020-01-01T00:00:00Z", "until": "2030-01-01T00:00:00Z"}
# What is wrong before any field is looked at is wrong here, too; {} is valid for two of the three.
COMMON = [case for case in VOID if case.body != b"{}"]
UNHEEDED = [case for case in COMMON if case.status == 400 or len(case.body) == 65_537]
_TEXTS = AUTHORIZE_FIELDS["reference"]
_NOT_PERCENTS = {name: text for name, text in AMOUNTS.items() if "zero" not in name}
_URLS = (
    "", "/hooks", "//127.0.0.1:8000/", "127.0.0.1:8000", "http:///hooks", "https://:8000/",
    f"ftp{LOCAL[4:]}", "javascript:alert(1)", f"{LOCAL}#x", f" {LOCAL}", f"{LOCAL} ", f"{LOCAL}\t",
    f"{LOCAL}\r\nx-injected: 1", f"{LOCAL}\0", f"{LOCAL}\\", "http://127.0.0.1\\@example.com/",
    f"http://{TOKEN}@127.0.0.1:8000/", "http://@127.0.0.1:8000/", "http://127.0.0.1:0/",
    "http://127.0.0.1:22/", "http://127.0.0.1:65536/", "http://127.0.0.1:8000x/",
    f"http://127.0.0.1:{in_script('8000', FULL_WIDTH_ZERO)}/", "http://l\u00f6calhost:8000/",
    f"http://{in_script('127', FULL_WIDTH_ZERO)}.0.0.1:8000/", "http://\u24dbocalhost:8000/",
    "http://local\u200bhost:8000/", "http://local\u202ehost:8000/", "http://127\u30020\u30020.1/",
    "http://2130706433:8000/", "http://0177.0.0.1:8000/", "http://[::1:8000/", "http://::1:8000/",
    "http://[::1%25lo]:8000/", "http://169.254.169.254/", "http://0.0.0.0:8000/", "http://a..b/",
    f"http://{'a' * 64}/", f"{LOCAL}{'x' * 2_048}", f"{LOCAL}?card={PAN}", f"{LOCAL}{PAN}",
    f"http://{PAN}.example.com/", f"http://localhost:{PAN}/", f"{LOCAL}{grouped(PAN, '/')}",
    f"{LOCAL}{grouped(PAN, '_')}", f"https://{grouped(PAN, '.')}/",
)  # fmt: skip
_EVENTS = {
    "none": "[]", "null": "null", "a text": '"*"', "an object": '{"*":1}', "null within": "[null]",
    "a list within": '[["*"]]', "empty": '[""]', "upper case": '["PAYMENT_CAPTURED"]',
    "twice": '["*","*"]', "a space": '["payment_captured "]', "a NUL": r'["*\u0000"]',
    "full-width": r'["\uff0a"]', "a pattern": '["payment_*"]', "a card": f'["{PAN}"]',
    "a soft hyphen": r'["payment\u00ad_captured"]', "a token": f'["*","{TOKEN}"]',
    "a Cyrillic letter": r'["p\u0430yment_captured"]', "deep": "[" * 900 + "]" * 900,
    "10,000 of one": json.dumps(["*"] * 10_000),
}  # fmt: skip
_TIMES = (
    "", "now", "2026-03-01", "2026-03-01T12:00:00", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z",
    "2026-03-01T12:00:60Z", "1e400", "12026-03-01T00:00:00Z", "0000-01-01T00:00:00Z", "1772366400",
    "2026-03-01T00:00:00+24:00", "2026-03-01T00:00:00Europe/Berlin", "2026-03-01T00:00:00Z\n",
    f"{in_script('2026', FULL_WIDTH_ZERO)}-03-01T00:00:00Z", PAN, TOKEN, "0" * 60_000,
)  # fmt: skip
_NOT_TEXTS = {one: one for one in ("1", "1e400", "true", "[]", "{}")}
_NOT_TIMES = {repr(one[:40]): json.dumps(one) for one in _TIMES} | _NOT_TEXTS
FIELDS: Mapping[str, Mapping[str, str]] = {
    "url": {f"number {at}": json.dumps(url) for at, url in enumerate(_URLS)} | _TEXTS,
    "events": _EVENTS,
    "description": _TEXTS | {"null": "null", "256 characters": json.dumps("x" * 256)},
    "enabled": {one: one for one in ('"true"', "1", "null", "[true]")},
    "chaos": {one: one for one in ("1", '"x"', "[]", "true", '{"thunder":1}', f'{{"{PAN}":1}}')},
    "chaos.drop": _NOT_PERCENTS | {"101": "101", "deep": '{"drop":' * 900 + "1" + "}" * 900},
    "chaos.delay": _NOT_PERCENTS | {"null": "null"},
    "chaos.seed": {"2 to the 31st": str(2**31), "negative": "-1", "a text": '"1"', "null": "null"},
    "since": _NOT_TIMES,
    "until": _NOT_TIMES,
}
OTHER_TIMES = (
    "0001-01-01T00:00:00+23:59", "2026-03-01T00:00:00Z\0", f"2026-03-01T00:00:00Z\0{PAN}",
    "2026-03-01\u00e900:00:00Z", "20260301T000000Z", "2026-W10-1T00:00:00Z",
    "2026-03-01T00:00:00,5Z",
)  # fmt: skip


def cursor(text: str) -> str:
    """Return the text as cursors are written."""
    return urlsafe_b64encode(text.encode()).decode()


CURSORS = [
    "", "x", "====", TOKEN, PAN, "a" * 161, "a" * 10_240, cursor(""), cursor(PAN), cursor("#"),
    cursor(f"evt_{CORE}_1"), cursor(f"=evt_{CORE}_1"), cursor(f">evt_{CORE}_0"), cursor(">"),
    cursor(f">evt_{CORE}_1\n"), cursor(f">evt_{CORE}_1"), cursor(f"<evt_{CORE}_9999"),
    cursor(f"2026-03-01T12:00:00.000Z#ep_{CORE}"), cursor(f"2026-03-01T12:00:00Z#dlv_{CORE}"),
    cursor(f"2026-03-01T12:00:00.000Z#dlv_{CORE}\n"), cursor("2026-03-01T12:00:00.000Z"),
    cursor("' OR 1=1 --"),
    cursor(f"{in_script('2026', ARABIC_ZERO)}-03-01T12:00:00.000Z#dlv_{CORE}"),
]  # fmt: skip
ALLOWED = {
    **{path: ["GET"] for path in ("/events", EVT, DELIVERIES, DLV)},
    ENDPOINTS: ["GET", "POST"],
    EP: ["DELETE", "GET", "PATCH"],
    DLV + "/redeliver": ["POST"],
    **{f"{EP}/{action}": ["POST"] for action in ("ping", "redeliver", "rotate-secret")},
}
METHODS = ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PATCH", "POST")
LISTS = ("/events", ENDPOINTS, DELIVERIES)


def of_fields() -> list[Any]:
    """Return the path of a field with each of its hostile values, named by both."""
    pairs = [(path, name) for path, texts in FIELDS.items() for name in texts]
    return [pytest.param(path, FIELDS[path][name], id=f"{path}: {name}") for path, name in pairs]


def sent(
    sandbox: Running, call: tuple[str, str], body: bytes, headers: Sequence[Header] = (JSON,)
) -> Answer:
    """Send the bytes, as JSON if nothing else is said."""
    return exchange(sandbox.port, request(*call, (*OURS, *headers), body))


def saved(sandbox: Running) -> bytes:
    """Return the endpoints; of them alone a call here could save something."""
    return sandbox.call("GET", ENDPOINTS).body


@pytest.fixture(scope="module")
def endpoint(sandbox: Running) -> str:
    """Return the path of an endpoint that nobody listens behind."""
    made = sandbox.call("POST", ENDPOINTS, {"url": f"http://127.0.0.1:{free_port()}/"})
    return f"{ENDPOINTS}/{made.json['endpoint_id']}"


def calls_on(endpoint: str) -> list[tuple[str, str]]:
    """Return the calls that take a body."""
    return [("POST", ENDPOINTS), ("PATCH", endpoint), ("POST", f"{endpoint}/redeliver")]


def test_what_is_not_spoiled_is_taken(sandbox: Running, endpoint: str) -> None:
    """Bodies are refused for what is wrong in them, and what is saved is seen."""
    before = saved(sandbox)
    pairs = zip(calls_on(endpoint), (VALID, VALID, SPAN), strict=True)
    answers = [sent(sandbox, call, json.dumps(body).encode()) for call, body in pairs]
    after = saved(sandbox)
    sandbox.call("DELETE", f"{ENDPOINTS}/{answers[0].json['endpoint_id']}")

    assert [one.status for one in answers] == [201, 200, 202]
    assert before != after


@pytest.mark.parametrize("case", COMMON, ids=str)
def test_what_no_call_takes(sandbox: Running, endpoint: str, case: Case) -> None:
    """It is refused by all three calls alike, and nothing is saved."""
    before = saved(sandbox)
    answers = [sent(sandbox, call, case.body, case.headers) for call in calls_on(endpoint)]

    for answer in answers:
        assert_problem(answer, case.status, case.code)
        assert_unrepeated(answer)
    assert saved(sandbox) == before


@pytest.mark.parametrize(("path", "text"), of_fields())
def test_a_bad_field(sandbox: Running, endpoint: str, path: str, text: str) -> None:
    """Each call that takes the field refuses it, names it, and saves nothing."""
    before = saved(sandbox)
    calls = calls_on(endpoint)[2:] if path in SPAN else calls_on(endpoint)[:2]
    body = spoiled(SPAN if path in SPAN else VALID, path, text)
    answers = [sent(sandbox, call, body) for call in calls]

    for answer in answers:
        assert_problem(answer, 422, "validation_failed")
        assert answer.json["param"] == path
        assert_unrepeated(answer)
    assert saved(sandbox) == before


@pytest.mark.parametrize("text", OTHER_TIMES, ids=range(len(OTHER_TIMES)))
def test_a_time_in_another_form(sandbox: Running, endpoint: str, text: str) -> None:
    """A time is one in UTC, and written as the documentation has it."""
    answer = sandbox.call("POST", f"{endpoint}/redeliver", SPAN | {"since": text})

    assert_problem(answer, 422, "validation_failed")
    assert answer.json["param"] == "since"


@pytest.mark.parametrize("made_up", CURSORS, ids=[f"number {at}" for at in range(len(CURSORS))])
def test_a_made_up_cursor(sandbox: Running, endpoint: str, made_up: str) -> None:
    """A cursor is one that was given, in a query as in a body."""
    answers = [
        sandbox.call("POST", f"{endpoint}/redeliver", {"cursor": made_up}),
        *(sandbox.call("GET", f"{path}?cursor={made_up}") for path in (LISTS[0], LISTS[2])),
    ]

    for answer in answers:
        assert_problem(answer, 422, "validation_failed")
        assert answer.json["param"] == "cursor"
        assert_unrepeated(answer)


@pytest.mark.parametrize("path", ALLOWED)
def test_a_method_that_a_path_does_not_take(sandbox: Running, path: str) -> None:
    """The answer names all methods the path takes, though nothing has that id."""
    for method in METHODS:
        answer = exchange(sandbox.port, request(method, path), to=method)
        allowed = answer.headers.get("allow", "").split(", ")

        assert (allowed == ALLOWED[path]) is (method not in ALLOWED[path])
        assert (answer.status == 405) is (method not in ALLOWED[path])


@pytest.mark.parametrize(
    "made_up",
    [
        "%00", "%0a", "%0d%0ax:y", "%20", "%ff", "%", "%zz", "%2e%2e", "..", ".", "...", "a%2fb",
        "%2f", "%5c", ";x", "ep_", "dlv_", "evt_", f"ep_{CORE}%00", f"ep_{CORE}%0a", f"EP_{CORE}",
        f"dlv_{CORE}_1_{CORE}%00", f"dlv_{CORE}_01_{CORE}", f"evt_{CORE}_0", f"evt_{CORE}_%D9%A2",
        f"evt_{CORE}_99999", f"ping_{CORE}", f"auth_{CORE}", PAN, TOKEN, "*", "'%20OR%201=1--",
        "a" * 10_240, "a/" * 5_000, "%00" * 3_000,
    ],
)  # fmt: skip
def test_an_id_that_is_none(sandbox: Running, made_up: str) -> None:
    """Nothing is found, cleaned, guessed or redirected, whatever the method."""
    calls = [("GET", f"{path}/{made_up}") for path in LISTS]
    calls += [("DELETE", f"{ENDPOINTS}/{made_up}"), ("POST", f"{DELIVERIES}/{made_up}/redeliver")]
    calls += [("POST", f"{ENDPOINTS}/{made_up}/{action}") for action in ("ping", "rotate-secret")]
    for method, path in calls:
        answer = exchange(sandbox.port, request(method, path))

        assert_problem(answer, 404, "not_found")
        assert "location" not in answer.headers
        assert_unrepeated(answer)


@pytest.mark.parametrize("path", [path for path in ALLOWED if path != EP])
@pytest.mark.parametrize(
    "query",
    ["x=1", f"{PAN}=1", f"x={TOKEN}", "Limit=1", "limit=1&limit=1", "cursor=a&cur%73or=a", "=1",
     "endpoint_id[]=1", "state=dead&state=dead", "after=start&after=start", "%ff=1", "limit=%ff",
     "&".join(f"x{at}=1" for at in range(1_000))],
    ids=range(13),
)  # fmt: skip
def test_a_query_that_is_not_known(sandbox: Running, path: str, query: str) -> None:
    """A misspelt or repeated parameter is refused before anything is looked up or done."""
    for method in ALLOWED[path]:
        answer = sent(sandbox, (method, f"{path}?{query}"), b"{}")

        assert_problem(answer, 422, "validation_failed")
        assert_unrepeated(answer)


@pytest.mark.parametrize(
    ("path", "param", "value"),
    [
        *((path, "limit", value) for path in (LISTS[0], LISTS[2])
          for value in ("0", "-1", "101", "1e2", "01", "", "%EF%BC%91", "1%0a", "9" * 5_000)),
        *((DELIVERIES, name, value) for name in ("endpoint_id", "event_id")
          for value in ("", "%00", "a%20b", "a" * 65, "%C3%A9", "x%0a")),
        *((DELIVERIES, "state", value) for value in ("", "DEAD", "dead%0a", "dead|dead")),
        *(("/events", "after", value) for value in
          ("", "Start", "start%0a", "evt_", f"evt_{CORE}_1", f"auth_{CORE}", "evt_%00", PAN,
           "evt_" + "a" * 61)),
    ],
)  # fmt: skip
def test_a_parameter_that_cannot_be(sandbox: Running, path: str, param: str, value: str) -> None:
    """What nothing can have is a mistake with a name, not an empty list."""
    answer = exchange(sandbox.port, request("GET", f"{path}?{param}={value}"))

    assert_problem(answer, 422, "validation_failed")
    assert answer.json["param"] == param
    assert_unrepeated(answer)


@pytest.mark.parametrize("case", UNHEEDED, ids=str)
def test_a_body_that_nobody_asked_for(sandbox: Running, endpoint: str, case: Case) -> None:
    """Calls without a body heed none, and the connection is of use afterwards."""
    ping = sandbox.call("POST", f"{endpoint}/ping").json
    calls = (
        ("POST", f"{endpoint}/ping", 202),
        ("POST", f"{endpoint}/rotate-secret", 200),
        ("POST", f"{DELIVERIES}/{ping['delivery_id']}/redeliver", 202),
        ("DELETE", EP, 404),
        ("GET", LISTS[2], 200),
    )
    for method, path, status in calls:
        with Wire(sandbox.port) as wire:
            wire.send(request(method, path, (*OURS, *case.headers), case.body))
            answer = wire.answer()
            wire.send(request("GET", "/health"))

            assert (answer.status, wire.answer().status) == (status, 200)
