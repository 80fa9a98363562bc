"""Hostile requests to the paths of time, settlement and books: a problem for each, nothing done."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from tests.hostile.corpus import VALID_SETTINGS, VOID, spoiled
from tests.hostile.fields import AMOUNTS, AUTHORIZE_FIELDS, SETTLEMENT_FIELDS
from tests.hostile.marks import (
    ARABIC_ZERO,
    FULL_WIDTH_ZERO,
    PAN,
    TOKEN,
    assert_problem,
    assert_unrepeated,
    in_script,
)
from tests.hostile.wire import JSON, OURS, Header, Wire, exchange, request
from tests.running import Answer, Running

CORE = "0" * 26
ADVANCE, RESET, RUN = "/sandbox/clock/advance", "/sandbox/reset", "/sandbox/settlements/run"
STL = f"/settlements/stl_{CORE}"
CONFIRMED: Mapping[str, Any] = {"confirm": "delete all my data"}
BY: Mapping[str, Any] = {"by": "PT1S"}
COMMON = [case for case in VOID if "auth_id" not in str(case)]
ALLOWED = {
    **{one: ["GET"] for one in ("/sandbox/clock", "/sandbox/invariants", "/settlements", STL)},
    **{one: ["GET"] for one in (f"{STL}/report.csv", f"{STL}/report.json")},
    **{one: ["GET"] for one in ("/balances", "/postings")},
    **{one: ["POST"] for one in (ADVANCE, RESET, RUN)},
}
METHODS = ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PATCH", "POST")
_DURATIONS = (
    "", "P", "PT", "P1DT", "1D", "p1d", "P1Y", "P1M", "P1.5D", "P1,5D", "-P1D", "P-1D", "+P1D",
    "P1D ", "P1D\n", "P1D\0", "P401D", "P58W", "PT9601H", "P9999D", "PT999999999S", "P1e2D",
    f"P{in_script('1', FULL_WIDTH_ZERO)}D", f"P{in_script('1', ARABIC_ZERO)}D", "P1D/P1D",
    "P" + "1" * 4_000 + "D", "P" + "0" * 60_000 + "1D", "PT1S" * 9_000, "R5/P1D", PAN, TOKEN,
)  # fmt: skip
_TIMES = (
    "", "now", "2026-03-01", "2026-03-01T12:00:00", "2026-13-01T00:00:00Z", "2026-03-01T24:00:00Z",
    "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999-23:59", "12026-03-01T00:00:00Z",
    "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "1772366400", "1e400",
    "2226-03-01T00:00:00Z", "2026-03-01T00:00:00Z\n", "2026-03-01T00:00:00Z\0", PAN, TOKEN,
    f"{in_script('2026', FULL_WIDTH_ZERO)}-03-01T00:00:00Z", "0" * 60_000,
)  # fmt: skip
_NOT_TEXTS = ("1", "1e400", "true", "null", "[]", "{}", '["PT1S"]')


def texts(*values: str) -> list[str]:
    """Return them as JSON, with what is no text."""
    return [*map(json.dumps, values), *_NOT_TEXTS]


FIELDS: list[tuple[str, str, Mapping[str, Any], str, Sequence[str]]] = [
    ("POST", ADVANCE, BY, "by", texts(*_DURATIONS)),
    ("POST", ADVANCE, {}, "to", texts(*_TIMES)),
    (
        *("POST", RESET, CONFIRMED, "confirm"),
        [
            *texts("", "yes", "delete all my data ", "DELETE ALL MY DATA", "delete all my data\0"),
            *AUTHORIZE_FIELDS["reference"].values(),
        ],
    ),
    *(
        ("PATCH", "/sandbox/settings", VALID_SETTINGS, name, [*values.values()])
        for name, values in SETTLEMENT_FIELDS.items()
    ),
    *(
        ("PATCH", "/sandbox/settings", VALID_SETTINGS, name, [*AMOUNTS.values()])
        for name in ("settlement_days", "settlement_cutoff", "settlement_holidays")
    ),
]
QUERIES = (
    "x=1", f"{PAN}=1", f"x={TOKEN}", "Limit=1", "limit=1&limit=1", "cursor=a&cur%73or=a", "=1",
    "currency[]=USD", "state=open&state=open", "%ff=1", "limit=%ff", "confirm=delete",
    "&".join(f"x{at}=1" for at in range(1_000)),
)  # fmt: skip


def cursor(text: str) -> str:
    """Return the text as cursors are written."""
    return urlsafe_b64encode(text.encode()).decode()


CURSORS = (
    "", "x", "====", TOKEN, PAN, "a" * 161, "a" * 10_240, cursor(""), cursor(PAN), cursor("#"),
    cursor("2026-03-02"), cursor("2026-03-02#usd"), cursor("2026-03-02#USD\n"), cursor("' OR 1=1"),
    cursor(f"auth_{CORE}"), cursor(f"stl_{CORE}"), cursor(f">evt_stl_{CORE}_1"),
    cursor(f"{in_script('2026', ARABIC_ZERO)}-03-02#USD"),
)  # fmt: skip
PARAMETERS = (
    *(("limit", one) for one in ("0", "-1", "101", "1e2", "01", "", "%EF%BC%91", "9" * 5_000)),
    *(("currency", one) for one in ("", "usd", "US", "USDD", "XXX", "USD%0a", "USD%00", TOKEN)),
    *(("state", one) for one in ("", "OPEN", "open%0a", "open|paid", "closed,paid", PAN)),
    *(("cursor", one) for one in CURSORS),
)
IDS = (
    "%00", "%0a", "%0d%0ax:y", "%20", "%ff", "%", "%zz", "%2e%2e", "..", ".", "%2f", "%5c", ";x",
    "stl_", f"stl_{CORE}%00", f"stl_{CORE}%0a", f"STL_{CORE}", f"stl_{CORE}_1", f"stl_{CORE[1:]}",
    f"stl_{'u' * 26}", f"auth_{CORE}", f"evt_stl_{CORE}_1", PAN, TOKEN, "*", "'%20OR%201=1--",
    "a" * 10_240, "%00" * 3_000,
)  # fmt: skip


def sent(
    sandbox: Running, method: str, path: str, body: bytes = b"", headers: Sequence[Header] = (JSON,)
) -> Answer:
    """Send the bytes, as JSON if nothing else is said."""
    return exchange(sandbox.port, request(method, path, (*OURS, *headers), body))


def view_of(sandbox: Running) -> tuple[bytes, ...]:
    """Return all that a call here could change."""
    offset = sandbox.call("GET", "/sandbox/clock").json["offset_s"]
    paths = ("/payments", "/settlements", "/sandbox/settings", "/balances", "/postings")
    return (str(offset).encode(), *(sandbox.call("GET", path).body for path in paths))


def test_what_no_call_takes(sandbox: Running) -> None:
    """What is wrong before any field is looked at is refused by both calls; then they work."""
    sandbox.authorize("a payment to lose")
    before = view_of(sandbox)
    for case in COMMON:
        for path in (ADVANCE, RESET):
            answer = sent(sandbox, "POST", path, case.body, case.headers)

            assert_problem(answer, case.status, case.code)
            assert_unrepeated(answer)
    after = view_of(sandbox)
    done = [sandbox.call("POST", ADVANCE, BY), sandbox.call("POST", RESET, CONFIRMED)]

    assert after == before
    assert [one.json["complete"] for one in done] == [True, True]
    assert view_of(sandbox) != before


def test_a_bad_field(sandbox: Running) -> None:
    """It is refused, named, and nothing is done or saved."""
    sandbox.authorize("a payment to keep")
    before = view_of(sandbox)
    for method, path, valid, name, values in FIELDS:
        for text in values:
            answer = sent(sandbox, method, path, spoiled(valid, name, text))

            assert_problem(answer, 422, "validation_failed")
            assert answer.json["param"].partition(".")[0] == name, text[:80]
            assert_unrepeated(answer)
    assert view_of(sandbox) == before


def test_a_time_before_all_others_is_behind(sandbox: Running) -> None:
    """The first second there is lies behind the clock, which stays."""
    before = view_of(sandbox)
    answer = sandbox.call("POST", ADVANCE, {"to": "0001-01-01T00:00:00Z"})

    assert (answer.status, answer.json["complete"]) == (200, True)
    assert view_of(sandbox) == before


def test_a_method_that_a_path_does_not_take(sandbox: Running) -> None:
    """The answer names all methods the path takes, though nothing has that id."""
    for path, methods in ALLOWED.items():
        for method in METHODS:
            answer = exchange(sandbox.port, request(method, path), to=method)
            allowed = answer.headers.get("allow", "").split(", ")

            assert (allowed == methods) is (method not in methods)
            assert (answer.status == 405) is (method not in methods)
            assert exchange(sandbox.port, request(method, path, OURS[:1]), to=method).status == 401


def test_a_query_that_is_not_known(sandbox: Running) -> None:
    """A misspelt or repeated parameter is refused before anything is looked up or done."""
    before = view_of(sandbox)
    bodies = {ADVANCE: BY, RESET: CONFIRMED}
    for path, (method,) in ALLOWED.items():
        for query in QUERIES:
            body = json.dumps(bodies.get(path, {})).encode()
            answer = sent(sandbox, method, f"{path}?{query}", body)

            assert_problem(answer, 422, "validation_failed")
            assert_unrepeated(answer)
    assert view_of(sandbox) == before


def test_a_parameter_that_cannot_be(sandbox: Running) -> None:
    """What no batch can have is a mistake with a name, not an empty list."""
    for name, value in PARAMETERS:
        answer = sent(sandbox, "GET", f"/settlements?{name}={value}")

        assert_problem(answer, 422, "validation_failed")
        assert answer.json["param"] == name
        assert_unrepeated(answer)


def test_an_id_that_is_none(sandbox: Running) -> None:
    """Nothing is found, cleaned, guessed or redirected."""
    for made_up in IDS:
        for rest in ("", "/report.csv", "/report.json"):
            answer = sent(sandbox, "GET", f"/settlements/{made_up}{rest}")

            assert_problem(answer, 404, "not_found")
            assert "location" not in answer.headers
            assert_unrepeated(answer)
    for rest in ("/report", "/report.CSV", "/report.xml", "/report.csv/", "/report.csv%00", "/"):
        assert_problem(sent(sandbox, "GET", STL + rest), 404, "not_found")


def test_a_body_that_nobody_asked_for(sandbox: Running) -> None:
    """A run heeds none, and the connection is of use afterwards."""
    for case in COMMON:
        if case.status != 400 and len(case.body) != 65_537:
            continue
        with Wire(sandbox.port) as wire:
            wire.send(request("POST", RUN, (*OURS, *case.headers), case.body))
            answer = wire.answer()
            wire.send(request("GET", "/health"))

            assert (answer.status, wire.answer().status) == (200, 200)
