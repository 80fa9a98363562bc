"""Hostile headers: idempotency keys, API keys, host names, and blocks that are too large."""

import secrets

import pytest

from tests.hostile.marks import AUTHORIZE, PAN, TOKEN, assert_problem, assert_unrepeated
from tests.hostile.wire import HOST, JSON, KEY, OURS, Header, Wire, exchange, request
from tests.running import API_KEY, Answer, Running

KEY_HEADER, ALIAS = "x-idempotency-key", "idempotency-key"
MONEY = ("authorize", "capture", "refund", "void")
PUBLIC = ("/health", "/openapi.json", "/docs", "/docs/assets/swagger-ui.css")
KEYED = ("/payments", "/sandbox/settings", f"/payments/{TOKEN}", f"/transactions/{TOKEN}")
REPLAYED = "idempotent-replayed"


def authorize(sandbox: Running, *headers: Header) -> Answer:
    """Send a valid authorization with these headers besides the necessary ones."""
    data = request("POST", "/payments/authorize", (*OURS, JSON, *headers), AUTHORIZE)
    return exchange(sandbox.port, data, to="POST")


@pytest.mark.parametrize(
    "key",
    ["k", "K" * 255, " inner space ", "%0d%0a%00", "'; DROP TABLE payments; --", "a, b", '"', "\\"],
)
def test_any_printable_key_is_taken(sandbox: Running, key: str) -> None:
    """A key of 1 to 255 printable ASCII characters is spent as it is, and replays."""
    first, again = authorize(sandbox, (KEY_HEADER, key)), authorize(sandbox, (KEY_HEADER, key))

    assert (first.status, again.status) == (201, 201)
    assert (first.headers.get(REPLAYED), again.headers.get(REPLAYED)) == (None, "true")
    assert first.body == again.body


@pytest.mark.parametrize(
    "key",
    ["", '""', "k" * 256, "k" * 10_240, "ключ".encode().decode("latin-1"), "cl\xe9", "a\tb"],
    ids=["empty", "quoted empty", "256", "10 KB", "UTF-8", "Latin-1", "tab"],
)
def test_a_key_that_is_not_printable_or_too_long_is_refused(sandbox: Running, key: str) -> None:
    """The form of a key is checked before anything else of the request."""
    answer = authorize(sandbox, (KEY_HEADER, key))

    assert_problem(answer, 400, "idempotency_key_invalid")
    assert_unrepeated(answer)


@pytest.mark.parametrize("character", ["\0", "\x01", "\x1b", "\x7f", "\r", "\n"], ids=ascii)
def test_a_control_character_in_a_key_is_refused(sandbox: Running, character: str) -> None:
    """A control character in a header is no HTTP, or at least no key."""
    answer = authorize(sandbox, (KEY_HEADER, f"{TOKEN}{character}{TOKEN}"))

    assert answer.json["code"] in {"malformed_request", "idempotency_key_invalid"}
    assert answer.status == 400
    assert_unrepeated(answer)


@pytest.mark.parametrize("operation", MONEY)
def test_a_key_is_required_for_whatever_moves_money(sandbox: Running, operation: str) -> None:
    """Without a key nothing is done, whatever the body."""
    data = request("POST", f"/payments/{operation}", (*OURS, JSON), AUTHORIZE)
    answer = exchange(sandbox.port, data)

    assert_problem(answer, 400, "idempotency_key_missing")
    assert_unrepeated(answer)


@pytest.mark.parametrize(
    ("first", "second"),
    [(KEY_HEADER, KEY_HEADER), (KEY_HEADER, ALIAS), (ALIAS, KEY_HEADER), (ALIAS, ALIAS)],
)
def test_two_keys_must_be_the_same(sandbox: Running, first: str, second: str) -> None:
    """Two lines or both names are fine with one value, and refused with two, which spends none."""
    key = secrets.token_hex(8)
    different = authorize(sandbox, (first, key), (second, key + "x"))
    same = authorize(sandbox, (first, key), (second, f'"{key}"'))

    assert_problem(different, 400, "idempotency_key_invalid")
    assert (same.status, same.headers.get(REPLAYED)) == (201, None)


def test_all_spellings_of_a_key_are_one_key(sandbox: Running) -> None:
    """Case of the name, the alias, quotes and space around make no other key."""
    key = secrets.token_hex(8)
    spellings: list[Header] = [
        (KEY_HEADER, key),
        (KEY_HEADER.upper(), key),
        (ALIAS.title(), f'"{key}"'),
        (KEY_HEADER, f"  {key} \t"),
    ]
    first, *others = [authorize(sandbox, one) for one in spellings]

    assert first.status == 201
    assert [one.body for one in others] == [first.body] * 3


@pytest.mark.parametrize("path", KEYED)
@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("x-api-key", ""),),
        (("x-api-key", TOKEN),),
        (("x-api-key", API_KEY + "x"),),
        (("x-api-key", API_KEY.upper()),),
        (("x-api-key", f'"{API_KEY}"'),),
        (("x-api-key", PAN),),
        (("x-api-key", "' OR 1=1 --"),),
        (("x-api-key", "\xff\xfe\xe9"),),
        (("x-api-key", "x" * 10_240),),
        (("authorization", f"Bearer {API_KEY}"),),
        (("x_api_key", API_KEY),),
    ],
    ids=str,
)
def test_a_wrong_api_key_is_refused(
    sandbox: Running, path: str, headers: tuple[Header, ...]
) -> None:
    """All wrong keys get the same bytes, whatever the path."""
    none = exchange(sandbox.port, request("GET", "/payments", (HOST,)))
    answer = exchange(sandbox.port, request("GET", path, (HOST, *headers)))

    assert_problem(answer, 401, "unauthorized")
    assert_unrepeated(answer)
    assert answer.body == none.body
    assert answer.headers["www-authenticate"] == "ApiKey"


@pytest.mark.parametrize("twice", [KEY, HOST, JSON, ("content-encoding", "identity")])
def test_a_header_that_decides_may_not_be_repeated(sandbox: Running, twice: Header) -> None:
    """Two parties could each read another one of the two."""
    headers = (*OURS, JSON, ("content-encoding", "identity"), (KEY_HEADER, "k"), twice)
    answer = exchange(sandbox.port, request("POST", "/payments/authorize", headers, AUTHORIZE))

    assert_problem(answer, 400, "malformed_request")
    assert_unrepeated(answer)


@pytest.mark.parametrize("path", [*PUBLIC, "/payments"])
@pytest.mark.parametrize(
    "host",
    [
        "rebound.example", "rebound.example:80", "127.0.0.1.rebound.example",
        "localhost@rebound.example", "rebound.example#localhost", "localhost.", "127.1",
        "2130706433", "0x7f000001", "[::]", "[::ffff:127.0.0.1]", "::1", "", ":80",
        "127.0.0.1, rebound.example", "127.0.0.1:80:80", "локал".encode().decode("latin-1"), TOKEN,
    ],
)  # fmt: skip
def test_another_host_name_is_refused(sandbox: Running, path: str, host: str) -> None:
    """A page whose name was rebound to this machine reads nothing, public paths included."""
    answer = exchange(sandbox.port, request("GET", path, (("host", host), KEY)))

    assert_problem(answer, 421, "misdirected_request")
    assert_unrepeated(answer)


def test_no_host_name_is_refused(sandbox: Running) -> None:
    """Leaving the host out does not get round the check."""
    answer = exchange(sandbox.port, request("GET", "/payments", (KEY,)))

    assert_problem(answer, 421, "misdirected_request")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:1", "LOCALHOST:65535", "[::1]", "[::1]:1"]
)
def test_the_names_of_this_machine_are_served(sandbox: Running, host: str) -> None:
    """Loopback by each of its usual names, and headers of proxies do not change it."""
    spoofed = (("x-forwarded-host", "rebound.example"), ("forwarded", "host=rebound.example"))
    answer = exchange(sandbox.port, request("GET", "/health", (("host", host), *spoofed)))

    assert answer.status == 200


@pytest.mark.parametrize(
    "headers",
    [
        [("x", "a" * 17_000)],
        [("x", "a" * 40_000)],
        [("x", "a" * 1_000_000)],
        [("x" * 17_000, "a")],
        [("x" * 1_000_000, "a")],
        [(f"x-{number}", "a") for number in range(5_000)],
        [("x", "a")] * 200_000,
        [("x", "a" * 100)] * 200,
        [("cookie", "a=b; " * 10_000)],
    ],
    ids=["17 KB", "40 KB", "1 MB", "name", "long name", "5,000", "200,000", "same", "cookie"],
)
def test_headers_that_are_too_large_are_refused(sandbox: Running, headers: list[Header]) -> None:
    """More than 16 KB of headers gets an answer, and the connection is closed."""
    with Wire(sandbox.port) as wire:
        wire.send(request("GET", "/health", (HOST, *headers)))
        answer, ended = wire.answer(), wire.ended()

    assert_problem(answer, 431, "headers_too_large")
    assert ended


def test_headers_within_the_limit_are_taken(sandbox: Running) -> None:
    """16 KB are enough for a cookie jar or a long token."""
    answer = exchange(sandbox.port, request("GET", "/health", (HOST, ("cookie", "a" * 16_000))))

    assert answer.status == 200


def test_headers_without_an_end_are_refused(sandbox: Running) -> None:
    """A block that never ends is cut off once it is too large."""
    with Wire(sandbox.port) as wire:
        wire.send(request("GET", "/health", (HOST,))[:-2])
        for number in range(20):
            wire.send(f"x-{number}: {'a' * 5_000}\r\n".encode())
        answer, ended = wire.answer(), wire.ended()

    assert_problem(answer, 431, "headers_too_large")
    assert ended
