"""Whatever a receiver answers, little of it is kept, and nothing that could harm a reader."""

import asyncio
import gzip

import pytest

from payments_sandbox.domain.delivery import Outcome
from tests.hostile.receivers import Request, answer, answering, receiving, sending

CARD_NUMBER = "4242424242424242"
NOT_KEPT = "[not kept: holds a card number]"
MEBIBYTE = 1 << 20


async def outcome_of(said: bytes) -> Outcome:
    """Return what comes of a request that is answered by these bytes."""
    async with receiving(answering(said)) as receiver, sending() as sender:
        return await sender.post(receiver.url, {}, b"{}")


@pytest.mark.parametrize(
    ("status", "succeeded"),
    [
        ("200 OK", True),
        ("202 Accepted", True),
        ("204 No Content", True),
        ("301 Moved Permanently", False),
        ("302 Found", False),
        ("400 Bad Request", False),
        ("410 Gone", False),
        ("429 Too Many Requests", False),
        ("500 Internal Server Error", False),
        ("503 Service Unavailable", False),
        ("799 Odd", False),
    ],
)
async def test_a_status_is_the_outcome(status: str, succeeded: bool) -> None:  # noqa: FBT001
    """An answer with any status is no error; only a 2xx is a success."""
    outcome = await outcome_of(answer(status, b"", "location: http://127.0.0.1:9/"))

    expected = Outcome(outcome.duration_ms, status=int(status[:3]))
    assert expected == outcome
    assert outcome.succeeded is succeeded


@pytest.mark.parametrize("framing", ["content-length: 104857600", "x-until: closed"])
async def test_a_huge_answer_is_left(framing: str) -> None:
    """Of a hundred megabytes only the beginning is read; the status counts."""
    sent = 0

    async def pour(_: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode())
        for _number in range(100):
            writer.write(b"x" * MEBIBYTE)
            await writer.drain()
            sent += 1

    async with receiving(pour) as receiver, sending() as sender:
        outcome = await sender.post(receiver.url, {}, b"{}")
        await receiver.left.wait()

    assert Outcome(outcome.duration_ms, status=200, response="x" * 1_024) == outcome
    assert sent < 30


async def test_an_answer_is_not_decompressed() -> None:
    """A small answer that would grow a thousandfold stays as it came."""
    bomb = gzip.compress(b"a" * (10 * MEBIBYTE))
    outcome = await outcome_of(answer("200 OK", bomb, "content-encoding: gzip"))

    assert outcome.status == 200
    assert outcome.response.startswith("\ufffd\ufffd")
    assert "aaaa" not in outcome.response


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"thanks\n\t!", "thanks\n\t!"),
        ("d\u00e9j\u00e0 vu".encode(), "d\u00e9j\u00e0 vu"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"\x1b[31mred\x00\r\x7f", "\ufffd[31mred\ufffd\ufffd\ufffd"),
        ("\u0085".encode(), "\ufffd"),
        (b"a" * 2_000, "a" * 1_024),
        (f"we saw {CARD_NUMBER}".encode(), NOT_KEPT),
        ("4242-4242\u200b-4242-4242".encode(), NOT_KEPT),
        (CARD_NUMBER.encode("utf-16"), NOT_KEPT),
        (b"a" * 1_020 + CARD_NUMBER.encode(), NOT_KEPT),
        (b"a" * 1_023 + " ".join(CARD_NUMBER).encode(), NOT_KEPT),
    ],
    ids=[
        "text", "accents", "no UTF-8", "controls", "a C1 control", "long", "a card",
        "a card in groups", "a card in UTF-16", "a card across the cut",
        "a spaced card across the cut",
    ],
)  # fmt: skip
async def test_little_of_a_body_is_kept(body: bytes, expected: str) -> None:
    """At most 1,024 bytes, without control characters, and nothing if there is a card in it."""
    assert (await outcome_of(answer("200 OK", body))).response == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("0", 0),
        ("120", 120),
        ("999999999", 999_999_999),
        ("9999999999", None),
        ("-1", None),
        ("1.5", None),
        ("\u0661", None),
        ("soon", None),
        ("", None),
        ("Sun, 01 Mar 2026 12:01:00 GMT", 60),
        ("Sun, 01 Mar 2026 11:59:00 GMT", 0),
        ("Sun, 01 Mar 2026 12:01:00", None),
        ("Sun, 99 Mar 2026 12:01:00 GMT", None),
        ("Mon, 02 Mar 2026 12:00:00 GMT", 86_400),
    ],
    ids=ascii,
)
async def test_retry_after_is_read(asked: str, expected: int | None) -> None:
    """Seconds and dates count, a date as what is left until then; other things are ignored."""
    said = answer(
        "503 Service Unavailable", b"", f"retry-after: {asked}".encode().decode("latin-1")
    )

    assert (await outcome_of(said)).retry_after_s == expected
