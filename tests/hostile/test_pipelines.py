"""Several requests on one connection, and requests that offer another protocol."""

import pytest

from tests.hostile.marks import AUTHORIZE, PAN, TOKEN, assert_unrepeated
from tests.hostile.wire import OURS, Wire, authorization, exchange, request
from tests.running import Running


def statuses(wire: Wire, count: int) -> list[int]:
    """Return the statuses of the next answers."""
    return [wire.answer().status for _ in range(count)]


def test_pipelined_requests_are_answered_in_order(sandbox: Running) -> None:
    """Requests sent at once are done one after the other."""
    paths = ["/health", "/payments", "/nowhere", "/health?x=1", "/sandbox/settings"] * 20
    with Wire(sandbox.port) as wire:
        wire.send(b"".join(request("GET", path) for path in paths))
        answered = statuses(wire, len(paths))

    assert answered == [200, 200, 404, 422, 200] * 20


def test_a_pipelined_request_may_follow_a_large_body(sandbox: Running) -> None:
    """The bytes of a body before do not count as the next request's headers."""
    first, second = authorization(body=AUTHORIZE.ljust(60_000)), authorization(body=AUTHORIZE)
    with Wire(sandbox.port) as wire:
        wire.send(first + second[:100])
        before = wire.answer().status
        wire.send(second[100:])
        after = wire.answer().status

    assert (before, after) == (201, 201)


def test_junk_after_a_request_does_not_take_its_answer(sandbox: Running) -> None:
    """What was done is answered before what came after it is refused."""
    with Wire(sandbox.port) as wire:
        wire.send(authorization(body=AUTHORIZE) + b"\0\x01junk\r\n\r\n")
        first = wire.answer()

    assert first.status == 201
    assert PAN not in first.body.decode()


@pytest.mark.parametrize("protocol", ["websocket", "h2c", "TLS/1.3", TOKEN])
def test_an_upgrade_is_ignored(sandbox: Running, protocol: str) -> None:
    """Some clients offer HTTP/2 with every first request: they are served in HTTP/1.1."""
    offer = (("connection", "Upgrade, HTTP2-Settings"), ("upgrade", protocol), ("x", "y"))
    read = exchange(sandbox.port, request("GET", "/health", (*OURS, *offer)))
    written = exchange(sandbox.port, authorization(*offer, body=AUTHORIZE))

    assert (read.status, written.status) == (200, 201)
    assert "upgrade" not in read.headers
    assert_unrepeated(read)


def test_a_request_after_an_upgrade_is_not_lost(sandbox: Running) -> None:
    """A client that was not upgraded goes on in HTTP/1.1 on the same connection."""
    offer = (("connection", "Upgrade"), ("upgrade", "h2c"))
    with Wire(sandbox.port) as wire:
        wire.send(request("GET", "/health", (*OURS, *offer)))
        first = wire.answer().status
        wire.send(request("GET", "/payments"))
        second = wire.answer().status

    assert (first, second) == (200, 200)
