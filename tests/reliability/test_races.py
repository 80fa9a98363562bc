"""Requests that meet each other, or lose their client: each has one effect and one answer."""

import asyncio
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.reliability.checker import check, settle
from tests.reliability.load import Journal, Sent, authorization, is_replayed
from tests.reliability.sockets import as_bytes, at_once, connected
from tests.running import Running, running

pytestmark = pytest.mark.reliability

CLIENTS = 64
_RESET = struct.pack("ii", 1, 0)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Serve one ledger for all races; each uses keys of its own."""
    with running(tmp_path_factory.mktemp("races") / "ledger.db") as sandbox:
        yield sandbox


async def test_one_authorization_sent_64_times(sandbox: Running) -> None:
    """Identical requests make one payment and get the same bytes, all but one as a replay."""
    sent = authorization("identical")

    answers = await at_once(sandbox.port, [sent] * CLIENTS)

    assert {answer.status for answer in answers} == {201}
    assert len({answer.body for answer in answers}) == 1
    assert [is_replayed(answer) for answer in answers].count(False) == 1
    assert len(_authorized(sandbox, "identical")) == 1
    assert len(_transactions(sandbox, answers[0].json["auth_id"])) == 1


async def test_64_bodies_under_one_key(sandbox: Running) -> None:
    """The first body wins; the others are told that the key is spent, and leave nothing."""
    first = authorization("contested")
    requests = [replace(first, body={**first.body, "amount": 1 + n}) for n in range(CLIENTS)]

    answers = await at_once(sandbox.port, requests)

    assert Counter(answer.status for answer in answers) == {201: 1, 422: CLIENTS - 1}
    losers = [answer for answer in answers if answer.status == 422]
    assert {answer.json["code"] for answer in losers} == {"idempotency_key_reused"}
    won = next(place for place, answer in enumerate(answers) if answer.status == 201)
    assert not is_replayed(answers[won])
    assert answers[won].json["amount"] == requests[won].body["amount"]
    assert len(_authorized(sandbox, "contested")) == 1


async def test_50_captures_of_one_payment(sandbox: Running) -> None:
    """Captures of 30 on 1,000 succeed 33 times, whatever their order, and keep their answers."""
    auth_id = authorization("captured").to(sandbox).json["auth_id"]
    body = {"auth_id": auth_id, "amount": 30}
    captures = [Sent(f"captured-{number}", "/payments/capture", body) for number in range(50)]

    answers = await at_once(sandbox.port, captures)
    replays = await at_once(sandbox.port, captures)

    assert Counter(answer.status for answer in answers) == {201: 33, 422: 17}
    refused = [answer.json["code"] for answer in answers if answer.status == 422]
    assert set(refused) == {"amount_exceeds_capturable"}
    assert [one["seq"] for one in _transactions(sandbox, auth_id)] == list(range(1, 52))
    assert sandbox.call("GET", f"/payments/{auth_id}").json["captured_amount"] == 990
    assert [replay.body for replay in replays] == [answer.body for answer in answers]
    assert [replay.status for replay in replays] == [answer.status for answer in answers]
    assert all(is_replayed(answer) for answer in replays)


async def test_captures_refunds_and_voids_of_one_payment(sandbox: Running) -> None:
    """Whatever mix arrives at once, every request has one transaction and the sums hold."""
    journal = Journal()
    first = authorization("mixed")
    journal.note(first, first.to(sandbox))
    auth_id = journal.acknowledged[0].auth_id
    requests = [
        Sent(f"mixed-{number}", path, body | {"amount": 10 + number})
        for number in range(20)
        for path, body in (
            ("/payments/capture", {"auth_id": auth_id}),
            ("/payments/refund", {"transaction_id": auth_id}),
        )
    ]
    requests.append(Sent("mixed-void", "/payments/void", {"auth_id": auth_id}))

    answers = await at_once(sandbox.port, requests)
    for sent, answer in zip(requests, answers, strict=True):
        journal.note(sent, answer)

    assert len(journal.acknowledged) == 1 + len(requests)
    assert check(sandbox, journal) == []


@pytest.mark.skipif(sys.platform != "linux", reason="open files are counted in /proc")
@pytest.mark.parametrize("part", [1.0, 0.5], ids=["whole request", "half a request"])
async def test_a_client_that_leaves(sandbox: Running, part: float) -> None:
    """A request whose client resets the connection has one effect or none, and leaks nothing."""
    journal = Journal()
    requests = [authorization(f"gone-{part}-{number}") for number in range(CLIENTS)]
    journal.in_doubt = {sent.key: sent for sent in requests}
    before = _open_files(sandbox)

    for sent in requests:
        await _send_and_leave(sandbox.port, as_bytes(sent), part)
    stored = [len(_authorized(sandbox, sent.key)) for sent in requests]
    findings = settle(sandbox, journal)

    assert set(stored) <= ({0, 1} if part == 1.0 else {0})
    assert findings == []
    assert len(journal.acknowledged) == len(requests)
    assert check(sandbox, journal) == []
    assert _settled_files(sandbox, before) <= before


async def _send_and_leave(port: int, request: bytes, part: float) -> None:
    async with connected(port) as connection:
        raw = connection.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        await connection.send(request[: int(len(request) * part)])
        await asyncio.sleep(0.001)  # sometimes the request is being worked on by now


def _authorized(sandbox: Running, reference: str) -> list[object]:
    return list(sandbox.call("GET", f"/payments?reference={reference}").json["data"])


def _transactions(sandbox: Running, auth_id: str) -> list[dict[str, object]]:
    return list(sandbox.call("GET", f"/payments/{auth_id}").json["transactions"])


def _open_files(sandbox: Running) -> int:
    return len(list(Path(f"/proc/{sandbox.process.pid}/fd").iterdir()))


def _settled_files(sandbox: Running, expected: int) -> int:
    """Return how many files are open, once they are no more than expected or time is up."""
    deadline = time.monotonic() + 5
    while (found := _open_files(sandbox)) > expected and time.monotonic() < deadline:
        time.sleep(0.02)
    return found
