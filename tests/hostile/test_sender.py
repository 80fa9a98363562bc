"""Each request is sent once, as it was signed, and what kept an answer from coming is named."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Sequence

import pytest

from infra.emulator import free_port
from payments_sandbox import __version__
from payments_sandbox.domain.delivery import Outcome
from tests.hostile.receivers import (
    OK,
    Lookup,
    Request,
    Respond,
    answer,
    answering,
    receiving,
    sending,
)

MEBIBYTE = 1 << 20


async def hang_up(_: Request, writer: asyncio.StreamWriter) -> None:
    """Close without a word."""
    writer.close()


async def reset(_: Request, writer: asyncio.StreamWriter) -> None:
    """Close so that the sender gets a reset."""
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()


async def break_off(_: Request, writer: asyncio.StreamWriter) -> None:
    """Promise ten bytes, send two and close."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nok")
    writer.close()


async def say_nothing(_: Request, __: asyncio.StreamWriter) -> None:
    """Let the sender wait."""
    await asyncio.Event().wait()


def dripping(beginning: bytes, drop: bytes) -> Respond:
    """Return what sends the beginning, and a drop every now and then for ever."""

    async def drip(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(beginning)
        while True:
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(0.02)

    return drip


@pytest.mark.parametrize("body", [b"", b"{}", b"\x00\xff\r\n\r\n", b"x" * MEBIBYTE], ids=len)
async def test_exactly_the_bytes_are_sent(body: bytes) -> None:
    """The receiver gets our headers, the standard ones, and the body as it was signed."""
    signed = {"webhook-id": "evt_1", "webhook-timestamp": "1", "webhook-signature": "v1,a= v1,b="}
    async with receiving(answering(OK)) as receiver, sending() as sender:
        await sender.post(f"{receiver.url}/a%2Fb/../c?x=%41&y={{z}}", signed, body)

    (request,) = receiver.requests
    assert request.line == "POST /hooks/a%2Fb/../c?x=%41&y={z} HTTP/1.1"
    assert request.body == body
    assert request.headers == signed | {
        "host": f"127.0.0.1:{receiver.port}",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "user-agent": f"Payments-Sandbox/{__version__}",
        "accept": "*/*",
        "accept-encoding": "identity",
    }


@pytest.mark.parametrize(
    ("respond", "expected"),
    [
        (hang_up, "connection_reset"),
        (reset, "connection_reset"),
        (break_off, "connection_reset"),
        (answering(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "bad_response"),
        (answering(b"\x16\x03\x01\x00\x05\r\n\r\n"), "bad_response"),
        (answering(b"HTTP/1.1 XYZ\r\n\r\n"), "bad_response"),
        (answering(answer("200 OK", b"", "x-long: " + "x" * 100_000)), "bad_response"),
        (answering(answer("200 OK", b"", *["x-many: 1"] * 1_000)), "bad_response"),
        (answering(b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"), "bad_response"),
    ],
    ids=[
        "hangs up", "resets", "breaks off", "another protocol", "bytes", "no status",
        "a long header", "many headers", "no length",
    ],
)  # fmt: skip
async def test_what_is_no_answer_is_an_error(respond: Respond, expected: str) -> None:
    """The request is sent once, and what kept an answer from coming is named."""
    async with receiving(respond) as receiver, sending() as sender:
        outcome = await sender.post(receiver.url, {}, b"{}")

    assert Outcome(outcome.duration_ms, error=expected) == outcome
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    "respond",
    [
        say_nothing,
        dripping(b"HTTP/1.1 200 OK\r\n", b"x-drop: 1\r\n"),
        dripping(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", b"x"),
        dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["nothing", "slow headers", "slow body", "an endless body", "an endless promise"],
)
async def test_a_slow_answer_times_out(respond: Respond) -> None:
    """The timeout is for the whole answer, however it is dragged out."""
    async with receiving(respond) as receiver, sending(timeout_s=0.3) as sender:
        outcome = await sender.post(receiver.url, {}, b"{}")

    assert Outcome(outcome.duration_ms, error="timeout") == outcome
    assert 300 <= outcome.duration_ms < 2_000
    assert len(receiver.requests) == 1


async def test_nobody_listening_is_an_error() -> None:
    """A closed port is told from a reset."""
    async with sending() as sender:
        outcome = await sender.post(f"http://127.0.0.1:{free_port()}/", {}, b"{}")

    assert outcome.error == "connect_failed"


async def _unknown(_: str) -> Sequence[str]:
    raise socket.gaierror(socket.EAI_NONAME, "unknown")


async def _without_address(_: str) -> Sequence[str]:
    return []


async def _silent(_: str) -> Sequence[str]:
    return await asyncio.Event().wait() and []


@pytest.mark.parametrize(
    ("lookup", "expected"),
    [(_unknown, "dns_failed"), (_without_address, "dns_failed"), (_silent, "timeout")],
    ids=["unknown", "without address", "silent"],
)
async def test_a_name_without_an_answer_is_an_error(lookup: Lookup, expected: str) -> None:
    """Names that nobody knows fail, and those that are looked up for ever time out."""
    async with sending(timeout_s=0.3, lookup=lookup) as sender:
        outcome = await sender.post("https://hooks.good.example/", {}, b"{}")

    assert outcome.error == expected


async def test_connections_are_kept() -> None:
    """One after the other, many requests need one connection; at once, one each."""
    async with receiving(answering(OK)) as receiver, sending() as sender:
        for _ in range(50):
            await sender.post(receiver.url, {}, b"{}")
        assert receiver.connections == 1

        outcomes = await asyncio.gather(*(sender.post(receiver.url, {}, b"{}") for _ in range(100)))

    assert [one.status for one in outcomes] == [200] * 100
    assert len(receiver.requests) == 150
    assert receiver.connections <= 101


async def test_a_first_rush_finds_one_client() -> None:
    """Requests that are made before the HTTP client is loaded wait for it and share it."""
    async with receiving(answering(OK)) as receiver, sending() as sender:
        await asyncio.gather(*(sender.post(receiver.url, {}, b"{}") for _ in range(8)))
        await sender.post(receiver.url, {}, b"{}")

    assert receiver.connections == 8


async def test_a_connection_closed_in_between_is_not_used() -> None:
    """A server that closes an idle connection costs nothing: the next request opens another."""

    async def close_after(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        writer.write_eof()

    async with receiving(close_after) as receiver, sending() as sender:
        for _ in range(5):
            outcome = await sender.post(receiver.url, {}, b"{}")
            await receiver.left.wait()
            receiver.left.clear()

            assert outcome.status == 200
    assert (len(receiver.requests), receiver.connections) == (5, 5)


async def test_a_connection_closed_at_once_is_not_used() -> None:
    """A server that answers and closes, without a word about it, is not asked in vain either."""

    async def answer_and_close(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        writer.close()

    async with receiving(answer_and_close) as receiver, sending() as sender:
        outcomes = [await sender.post(receiver.url, {}, b"{}") for _ in range(20)]

    assert [one.status for one in outcomes] == [200] * 20
    assert (len(receiver.requests), receiver.connections) == (20, 20)


async def test_nothing_is_sent_twice() -> None:
    """A kept connection that breaks under a request is an outcome, and no reason to repeat it."""
    answers = iter([answering(OK), hang_up, answering(OK)])

    async def respond(request: Request, writer: asyncio.StreamWriter) -> None:
        await next(answers)(request, writer)

    async with receiving(respond) as receiver, sending() as sender:
        outcomes = [await sender.post(receiver.url, {}, b"%d" % one) for one in range(3)]

    assert [one.status or one.error for one in outcomes] == [200, "connection_reset", 200]
    assert [one.body for one in receiver.requests] == [b"0", b"1", b"2"]
    assert receiver.connections == 2


async def test_cookies_are_not_kept() -> None:
    """What one answer sets is not sent with the next request."""
    said = answer("200 OK", b"", "set-cookie: a=b; path=/")
    async with receiving(answering(said)) as receiver, sending() as sender:
        for _ in range(2):
            await sender.post(receiver.url, {}, b"{}")

    assert [one.headers.get("cookie") for one in receiver.requests] == [None, None]


async def test_a_cancelled_request_is_let_go() -> None:
    """Cancelling a post raises and closes its connection."""
    async with receiving(say_nothing) as receiver, sending() as sender:
        posting = asyncio.create_task(sender.post(receiver.url, {}, b"{}"))
        await receiver.heard.wait()
        posting.cancel()

        with pytest.raises(asyncio.CancelledError):
            await posting


async def test_a_closed_sender_begins_again() -> None:
    """Closing lets go of the connections and is no end."""
    async with receiving(answering(OK)) as receiver, sending() as sender:
        for _ in range(2):
            outcome = await sender.post(receiver.url, {}, b"{}")
            await sender.close()
            await sender.close()

            assert outcome.status == 200
    assert receiver.connections == 2


def test_making_a_sender_is_cheap() -> None:
    """The HTTP client is loaded by the first request, not by who only may need it."""
    code = (
        "import sys\n"
        "from payments_sandbox.adapters.sender import HttpSender\n"
        "from payments_sandbox.domain.destination import DestinationPolicy\n"
        "HttpSender(DestinationPolicy())\n"
        "print('aiohttp' in sys.modules)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout == "False\n"
