"""Hostile paths, methods and queries: no redirect, no surprise, and a problem for each."""

import base64

import pytest

from tests.hostile.marks import PAN, TOKEN, assert_problem, assert_unrepeated
from tests.hostile.wire import HOST, JSON, OURS, Wire, exchange, request
from tests.running import AUTHORIZE, Running

CORE = "0" * 26
READ = {"GET"}
READ_PUBLIC = {"GET", "HEAD"}
ALLOWED = {
    "/payments": READ,
    "/payments/authorize": {"POST"},
    "/payments/capture": {"POST"},
    "/payments/refund": {"POST"},
    "/payments/void": {"POST"},
    f"/payments/auth_{CORE}": READ,
    f"/transactions/cap_{CORE}_2": READ,
    "/sandbox/settings": {"GET", "PATCH"},
    "/health": READ,
    "/openapi.json": READ_PUBLIC,
    "/docs": READ_PUBLIC,
    "/docs/start.js": READ_PUBLIC,
    "/docs/assets/swagger-ui.css": READ_PUBLIC,
}
PUBLIC = ("/health", "/openapi.json", "/docs")
METHODS = ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PATCH", "POST", "PROPFIND")
# POST alone is documented there, yet the path also has the form of a payment's.
READ_AS_A_PAYMENT = {f"/payments/{name}" for name in ("authorize", "capture", "refund", "void")}
WRONG_METHODS = [
    (method, path)
    for path, allowed in ALLOWED.items()
    for method in METHODS
    if method not in allowed and not (method == "GET" and path in READ_AS_A_PAYMENT)
]


@pytest.mark.parametrize(("method", "path"), WRONG_METHODS)
def test_a_method_that_a_path_does_not_take(sandbox: Running, method: str, path: str) -> None:
    """The answer names all methods the path takes, and HEAD gets no body."""
    with Wire(sandbox.port) as wire:
        wire.send(request(method, path, (*OURS, ("max-forwards", TOKEN))))
        answer = wire.answer(to=method)
        wire.send(request("GET", "/health"))
        following = wire.answer().status

    assert (answer.status, following) == (405, 200)
    assert {one.strip() for one in answer.headers["allow"].split(",")} == ALLOWED[path]
    if method != "HEAD":
        assert_problem(answer, 405, "method_not_allowed")
    assert_unrepeated(answer)


@pytest.mark.parametrize("path", [path for path in ALLOWED if not path.startswith(PUBLIC)])
@pytest.mark.parametrize("method", METHODS)
def test_without_a_key_no_method_tells_anything(sandbox: Running, method: str, path: str) -> None:
    """Whether a path or method is there is told to callers with a key alone."""
    known = exchange(sandbox.port, request(method, path, (HOST,)), to=method)
    unknown = exchange(sandbox.port, request(method, "/nowhere", (HOST,)), to=method)

    assert known.status == 401
    assert "allow" not in known.headers
    assert known.body == unknown.body


@pytest.mark.parametrize("path", sorted(READ_AS_A_PAYMENT))
def test_an_operation_is_no_payment(sandbox: Running, path: str) -> None:
    """Reading the path of an operation finds no payment of that name."""
    assert_problem(exchange(sandbox.port, request("GET", path)), 404, "not_found")


@pytest.mark.parametrize(
    "path",
    [
        "/", "//", "/nowhere", "/health/", "//health", "/./health", "/payments/../health",
        "/payments/%2e%2e/health", "/HEALTH", "/health%00", "/health%20", "/health;x",
        "/payments/", "/payments//", "/payments/authorize/", "/payments/authorize/x",
        "/payments/%00", "/payments/%ff", "/payments/%", "/payments/%zz", "/payments/%0d%0ax:y",
        f"/payments/{PAN}", f"/payments/{TOKEN}", f"/payments/auth_{CORE}%0a",
        f"/payments/auth_{CORE}%00", f"/payments/auth_{CORE}/", f"/payments/AUTH_{CORE}",
        f"/payments/auth_{CORE}", f"/payments/cap_{CORE}_2", "/payments/" + "a" * 15_000,
        "/transactions", "/transactions/", f"/transactions/{PAN}", "/transactions/%00",
        f"/transactions/cap_{CORE}_1", f"/transactions/cap_{CORE}_02",
        f"/transactions/cap_{CORE}_99999", f"/transactions/auth_{CORE}_2",
        f"/transactions/evt_{CORE}_2", f"/transactions/cap_{CORE}_%D9%A2",
        "/docs/", "/docs/assets", "/docs/assets/", "/docs/assets/%00", "/docs/assets/%ff",
        "/docs/assets/../start.js", "/docs/assets/%2e%2e/__init__.py",
        "/docs/assets/..%2f..%2fpayments_sandbox/__init__.py", "/docs/assets/%5c..%5c",
        "/docs/assets//etc/passwd", "/docs/assets/%2fetc%2fpasswd", "/docs/assets/" + "a" * 300,
        "/docs/assets/" + "a/" * 5_000, "/redoc", "/sandbox", "/admin", "/.env", "/metrics",
    ],
)  # fmt: skip
def test_a_path_that_is_not_there(sandbox: Running, path: str) -> None:
    """A path is taken as it is written: nothing is cleaned, guessed or redirected."""
    answer = exchange(sandbox.port, request("GET", path))

    assert_problem(answer, 404, "not_found")
    assert "location" not in answer.headers
    assert_unrepeated(answer)


def test_an_authority_in_the_target_changes_nothing(sandbox: Running) -> None:
    """The asterisk and the absolute form reach no path they do not name."""
    asterisk = exchange(sandbox.port, request("OPTIONS", "*"))
    absolute = exchange(sandbox.port, request("GET", f"http://127.0.0.1/{TOKEN}"))

    assert_problem(asterisk, 404, "not_found")
    assert_problem(absolute, 404, "not_found")
    assert_unrepeated(absolute)


@pytest.mark.parametrize(
    "query",
    [
        "x=1", f"{PAN}=1", f"x={TOKEN}", "Limit=1", "limit[]=1", "amount=100", "a.b=1", "=1",
        "limit=1&limit=1", "limit=1&li%6dit=2", "limit=1&x=1", "%ff=1", "reference=%ff",
        "reference=%ed%a0%80", "&".join(f"x{number}=1" for number in range(10_00)), "api_key=x",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "path", ["/payments", f"/payments/auth_{CORE}", "/sandbox/settings", "/health"]
)
def test_a_query_that_is_not_known_is_refused(sandbox: Running, path: str, query: str) -> None:
    """A misspelt filter must not look like one that matched everything."""
    answer = exchange(sandbox.port, request("GET", f"{path}?{query}"))

    assert_problem(answer, 422, "validation_failed")
    assert_unrepeated(answer)


@pytest.mark.parametrize("operation", ["authorize", "capture", "refund", "void"])
@pytest.mark.parametrize("query", ["dry_run=true", f"card={PAN}", "amount=1&amount=2", "%ff"])
def test_an_operation_takes_no_query(sandbox: Running, operation: str, query: str) -> None:
    """A parameter that is ignored would let a caller believe it was heeded."""
    path = f"/payments/{operation}"
    answer = sandbox.call("POST", f"{path}?{query}", AUTHORIZE, key=f"{operation} {query}")
    without = sandbox.call("POST", path, AUTHORIZE, key=f"{operation} {query}")

    assert_problem(answer, 422, "validation_failed")
    assert_unrepeated(answer)
    assert "idempotent-replayed" not in without.headers


@pytest.mark.parametrize(
    "limit",
    ["0", "-1", "101", "1000", "1e2", "1.0", "01", "+1", "ten", "", "%20", "1%20", "1%0a", "1%00",
     "%D9%A2", "%EF%BC%91", "0x10", "1_0", "9" * 5_000, "NaN", TOKEN],
)  # fmt: skip
def test_a_limit_is_an_integer_from_1_to_100(sandbox: Running, limit: str) -> None:
    """Everything else is refused, and never taken for the nearest number."""
    answer = exchange(sandbox.port, request("GET", f"/payments?limit={limit}"))

    assert_problem(answer, 422, "validation_failed")
    assert_unrepeated(answer)


def cursor(text: str) -> str:
    """Return the text as cursors are written."""
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "made_up",
    [
        "", "x", "====", "%00", "%ff", "%D9%A2", TOKEN, PAN, "a" * 65, "a" * 10_240,
        cursor(""), cursor("auth_"), cursor(f"cap_{CORE}_2"), cursor(f"auth_{CORE}\n"),
        cursor(f"AUTH_{CORE}"), cursor(f"auth_{CORE}x"), cursor("b' OR 1=1 --"), cursor(PAN),
    ],
)  # fmt: skip
def test_a_made_up_cursor_is_refused(sandbox: Running, made_up: str) -> None:
    """A cursor is one that was given."""
    answer = exchange(sandbox.port, request("GET", f"/payments?cursor={made_up}"))

    assert_problem(answer, 422, "validation_failed")
    assert_unrepeated(answer)


@pytest.mark.parametrize(
    "query",
    [
        "card_id=", "card_id=%00", "card_id=a%20b", "card_id=" + "a" * 65, "status=paid",
        "status=AUTHORIZED", "status=authorized%0a", "status=", "reference=",
        "reference=" + "a" * 256, "status=authorized|captured",
    ],
)  # fmt: skip
def test_a_filter_that_cannot_match_is_refused(sandbox: Running, query: str) -> None:
    """What no payment can have is a mistake, not an empty list."""
    answer = exchange(sandbox.port, request("GET", f"/payments?{query}"))

    assert_problem(answer, 422, "validation_failed")


@pytest.mark.parametrize(
    "query",
    [
        f"card_id={TOKEN}", f"card_id={PAN}", "card_id='%20OR%201=1--".replace("%20", ""),
        f"reference={PAN}", f"reference={TOKEN}", "reference=%00", "reference=%25", "reference=_",
        "reference=%27%20OR%20%271%27=%271", f"cursor={cursor(f'auth_{CORE}')}",
    ],
)  # fmt: skip
def test_a_filter_that_matches_nothing_gives_an_empty_page(sandbox: Running, query: str) -> None:
    """Wildcards and quotes are text, and what was asked for is not repeated."""
    sandbox.authorize("a payment to find")
    answer = exchange(sandbox.port, request("GET", f"/payments?{query}"))

    assert (answer.status, answer.json) == (200, {"data": [], "next_cursor": None})


def test_a_body_that_nobody_asked_for_is_ignored(sandbox: Running) -> None:
    """A read with a body is a read."""
    with Wire(sandbox.port) as wire:
        wire.send(request("GET", "/payments?limit=1", (*OURS, JSON), TOKEN.encode()))
        first = wire.answer()
        wire.send(request("GET", "/health"))
        second = wire.answer()

    assert (first.status, second.status) == (200, 200)
    assert_unrepeated(first)
