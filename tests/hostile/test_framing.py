"""Hostile HTTP/1.1: contradicting lengths, broken chunks, smuggled lines, and junk."""

import pytest

from tests.hostile.marks import AUTHORIZE, TOKEN, assert_problem, assert_unrepeated
from tests.hostile.wire import (
    CHUNKED,
    HOST,
    JSON,
    KEY,
    OURS,
    Header,
    Wire,
    authorization,
    exchange,
    request,
)
from tests.running import Running


def chunks(body: bytes, size: int) -> bytes:
    """Return the body in chunks, without the last one."""
    parts = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


def served(sandbox: Running) -> bool:
    """Tell whether another caller is served as ever."""
    return sandbox.call("GET", "/health").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        (CHUNKED, ("content-length", "5")),
        (("content-length", "5"), CHUNKED),
        (CHUNKED, ("content-length", "0")),
        (("content-length", str(len(AUTHORIZE))),) * 2,
        (("content-length", "5"), ("content-length", "6")),
        (("content-length", "5, 5"),),
        (("content-length", "-5"),),
        (("content-length", "+5"),),
        (("content-length", "0x5"),),
        (("content-length", "5.0"),),
        (("content-length", ""),),
        (("content-length", "9" * 40),),
        (("content-length", "\xb2"),),
        (("transfer-encoding", "gzip"),),
        (("transfer-encoding", "identity"),),
        (("transfer-encoding", "xchunked"),),
        (("transfer-encoding", "chunked, gzip"),),
        (("transfer-encoding", "chunked;q=1"),),
        (CHUNKED, ("transfer-encoding", "identity")),
        (("transfer-encoding ", "chunked"),),
        (("content-length", "5"), ("transfer_encoding", "chunked"), ("transfer-encoding", "x")),
    ],
    ids=str,
)
def test_an_unclear_length_is_refused(sandbox: Running, headers: tuple[Header, ...]) -> None:
    """Nobody behind or before us may see another end of the body than we do."""
    with Wire(sandbox.port) as wire:
        wire.send(authorization(*headers) + b"0\r\n\r\n" + request("GET", "/health"))
        answer, ended = wire.answer(), wire.ended()

    assert_problem(answer, 400, "malformed_request")
    assert_unrepeated(answer)
    assert ended


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_chunked_body_is_taken(sandbox: Running, size: int) -> None:
    """Chunks of any size, with extensions, make one body."""
    first = b"1;name=value\r\n{\r\n"
    data = authorization(CHUNKED) + first + chunks(AUTHORIZE[1:], size) + b"0\r\n\r\n"
    answer = exchange(sandbox.port, data)

    assert answer.status == 201


def test_a_chunked_body_is_bounded(sandbox: Running) -> None:
    """Without a Content-Length the limit holds all the same."""
    answer = exchange(sandbox.port, authorization(CHUNKED) + chunks(b" " * 10_000_000, 10_000))

    assert_problem(answer, 413, "body_too_large")


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\n{}\r\n0\r\n\r\n",
        b"-1\r\n{}\r\n0\r\n\r\n",
        b"0x2\r\n{}\r\n0\r\n\r\n",
        b" 2\r\n{}\r\n0\r\n\r\n",
        b"1\r\n{}\r\n0\r\n\r\n",
        b"2\n{}\n0\n\n",
        b"2\r\n{}x\r\n0\r\n\r\n",
        b"f" * 17 + b"\r\n{}\r\n0\r\n\r\n",
        b"2;\0\r\n{}\r\n0\r\n\r\n",
        b"\r\n2\r\n{}\r\n0\r\n\r\n",
        b"\xff\xfe\xfd\r\n",
    ],
    ids=ascii,
)
def test_a_broken_chunk_is_refused(sandbox: Running, body: bytes) -> None:
    """A chunk whose length is not its length ends the connection with a problem."""
    with Wire(sandbox.port) as wire:
        wire.send(authorization(CHUNKED) + body)
        answer, ended = wire.answer(), wire.ended()

    assert_problem(answer, 400, "malformed_request")
    assert ended


@pytest.mark.parametrize(
    "trailers",
    [
        b"x-api-key: sk_test_local\r\nx-idempotency-key: from-a-trailer\r\n",
        b"x-idempotency-key: from-a-trailer\r\nx: y\r\n",
    ],
)
def test_trailers_are_not_headers(sandbox: Running, trailers: bytes) -> None:
    """What comes after the body was checked by nobody on the way: it neither admits nor spends."""
    keyed = trailers.startswith(b"x-idempotency-key")
    headers = (HOST, JSON, CHUNKED, *([KEY] if keyed else []))
    head = request("POST", "/payments/authorize", headers)
    answer = exchange(sandbox.port, head + chunks(AUTHORIZE, 1000) + b"0\r\n" + trailers + b"\r\n")

    assert answer.status == (400 if keyed else 401)
    assert_unrepeated(answer)


def test_trailers_do_not_reach_the_next_request(sandbox: Running) -> None:
    """A trailer of one request admits no other one on the same connection."""
    with Wire(sandbox.port) as wire:
        wire.send(
            authorization(CHUNKED) + chunks(AUTHORIZE, 1000) + b"0\r\nx-api-key: sk_test_local"
        )
        wire.send(b"\r\n\r\n" + request("GET", "/payments", (HOST,)))
        first, second = wire.answer(), wire.answer()

    assert (first.status, second.status) == (201, 401)


def test_a_client_may_wait_for_100_continue(sandbox: Running) -> None:
    """`Expect: 100-continue` gets its go-ahead, and then the answer."""
    head = authorization(("expect", "100-continue"), ("content-length", str(len(AUTHORIZE))))
    with Wire(sandbox.port) as wire:
        wire.send(head)
        go_ahead = wire.answer()
        wire.send(AUTHORIZE)
        answer = wire.answer()

    assert (go_ahead.status, answer.status) == (100, 201)


def test_a_refused_client_need_not_send_its_body(sandbox: Running) -> None:
    """Who waits for a go-ahead without an API key is refused at once instead."""
    headers = (HOST, JSON, ("expect", "100-continue"), ("content-length", "1000"))
    answer = exchange(sandbox.port, request("POST", "/payments/authorize", headers))

    assert_problem(answer, 401, "unauthorized")


def test_http_1_0_is_served_and_closed(sandbox: Running) -> None:
    """An old client is answered once."""
    with Wire(sandbox.port) as wire:
        wire.send(request("GET", "/health").replace(b"HTTP/1.1", b"HTTP/1.0"))
        answer, ended = wire.answer(), wire.ended()

    assert (answer.status, answer.headers["connection"], ended) == (200, "close", True)


GET = request("GET", "/health")


@pytest.mark.parametrize(
    "data",
    [
        GET.replace(b"\r\n", b"\n"),
        GET.replace(b"\r\n", b"\r"),
        GET.replace(b"\r\n", b"\r\n x: folded\r\n", 1),
        GET.replace(b"host: 127.0.0.1", b"host: 127.0.0.1\r\n folded"),
        GET.replace(b"x-api-key:", b"x-api-key :"),
        GET.replace(b"x-api-key:", b"x-api-key"),
        GET.replace(b"x-api-key:", b":"),
        GET.replace(b"x-api-key:", b"x\0:"),
        GET.replace(b"x-api-key:", b"x(y):"),
        GET.replace(b"x-api-key: ", b"x: a\rx-api-key: "),
        GET.replace(b"x-api-key: ", b"x: a\nb\0: "),
        GET.replace(b"sk_test_local", b"sk_\0test_local"),
        GET.replace(b"/health", b"/hea\0lth"),
        GET.replace(b"/health", "/hé".encode()),
        GET.replace(b"/health", b"/hea lth"),
        GET.replace(b"/health", b"/hea\tlth"),
        GET.replace(b"/health", b""),
        GET.replace(b"/health", b"health"),
        GET.replace(b"/health", b"?x"),
        GET.replace(b"/health", b"http://127.0.0.1"),
        GET.replace(b"/health", b"http://[::1/health"),
        GET.replace(b"/health", b"http://127.0.0.1:99999999/health"),
        GET.replace(b"GET", b"CONNECT").replace(b"/health", b"127.0.0.1:80"),
        GET.replace(b"GET", b"get"),
        GET.replace(b"GET", b"GETX"),
        GET.replace(b"GET", b"G\0T"),
        GET.replace(b"HTTP/1.1", b"HTTP/9.9"),
        GET.replace(b"HTTP/1.1", b"HTTP/1.1x"),
        GET.replace(b"HTTP/1.1", b"ICE/1.0"),
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + bytes(190),
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00\x01\x02\x03\xff\xfe\r\n\r\n",
        bytes(range(256)) * 40,
        b"{}" * 1000,
    ],
    ids=range(36),
)
def test_what_is_not_http_is_refused(sandbox: Running, data: bytes) -> None:
    """Junk gets a problem and a closed connection, and nobody else notices."""
    with Wire(sandbox.port) as wire:
        wire.send(data)
        answer, ended = wire.answer(), wire.ended()

    assert_problem(answer, 400, "malformed_request")
    assert ended
    assert served(sandbox)


def test_http_0_9_reads_nothing(sandbox: Running) -> None:
    """A request without a version has no host name, so it is refused."""
    with Wire(sandbox.port) as wire:
        wire.send(b"GET /docs\r\n\r\n")
        answer, ended = wire.answer(), wire.ended()

    assert answer.status in {400, 421}
    assert ended


def test_a_line_break_in_a_value_makes_no_header(sandbox: Running) -> None:
    """Encoded line breaks are text, in the path, the query and the headers."""
    path = f"/payments?reference=%0d%0ax-injected:%20{TOKEN}"
    answer = exchange(sandbox.port, request("GET", path, (*OURS, ("x", "%0d%0ay: z"))))

    assert answer.status == 200
    assert "x-injected" not in answer.headers
    assert_unrepeated(answer)
