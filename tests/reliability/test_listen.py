"""The listener against real sandboxes and receivers: what arrives, and what a stop leaves."""

import asyncio
import signal
import subprocess
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.hostile.receivers import OK, Receiver, answer, answering, receiving
from tests.running import PROGRAM, Running, free_port, running

pytestmark = pytest.mark.reliability
WAIT_S = 15.0
SECRET = "whsec_" + "c2VjcmV0IGZvciB0aGUgbGlzdGVuZXIh" * 2
FAILED = answer("500 Internal Server Error")


@dataclass(frozen=True)
class Listening:
    """A listener that follows by now."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def lines(self) -> list[str]:
        """What it has said."""
        return self.log.read_text().splitlines()

    async def said(self, words: str) -> None:
        """Wait until it has said this."""
        await until(lambda: words in self.log.read_text())

    async def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Stop it as a person would; return its exit code."""
        self.process.send_signal(how)
        return await asyncio.to_thread(self.process.wait, WAIT_S)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Serve one ledger for the tests that leave it serving."""
    with running(tmp_path_factory.mktemp("listen") / "ledger.db") as sandbox:
        yield sandbox


@asynccontextmanager
async def listening(
    sandbox: Running, receiver_url: str, log: Path, *options: str
) -> AsyncGenerator[Listening]:
    """Have a listener from the moment that it follows until the block ends."""
    url = f"http://127.0.0.1:{sandbox.port}"
    command = [str(PROGRAM), "listen", "--url", url, "--forward-to", receiver_url, *options]
    one = Listening(_start(command, log), log)
    try:
        await one.said("Forwarding")
        yield one
    finally:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait(WAIT_S)


def _start(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("w") as output:
        return subprocess.Popen(command, stdout=output, stderr=output)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(WAIT_S):
        while not holds():  # noqa: ASYNC110 - a file of another process has no event
            await asyncio.sleep(0.02)


async def captured(sandbox: Running, key: str, **changes: object) -> str:
    """Authorize and capture; return the authorization's id."""
    auth_id = (await asyncio.to_thread(sandbox.authorize, key, **changes)).json["auth_id"]
    body = {"auth_id": auth_id}
    made = await asyncio.to_thread(sandbox.call, "POST", "/payments/capture", body, key=key)
    assert made.status == 201
    return auth_id


def event_ids(receiver: Receiver) -> list[str]:
    """Return the ids of what a receiver has heard, in that order."""
    return [one.headers["webhook-id"] for one in receiver.requests]


async def test_a_copy_verifies(sandbox: Running, tmp_path: Path) -> None:
    """A copy has the event's own bytes and a signature that a stranger's library takes."""
    async with (
        receiving(answering(OK)) as receiver,
        listening(sandbox, receiver.url, tmp_path / "log") as listener,
    ):
        auth_id = await captured(sandbox, "verified", reference='Größe \\ "M" ✓ \U0001f4b3')
        await until(lambda: len(receiver.requests) == 2)
        secret = listener.lines[0].removeprefix("Signing secret: ")
    request = next(one for one in receiver.requests if one.headers["webhook-id"].endswith("_1"))
    event_id = request.headers["webhook-id"]
    verifier = Webhook(secret)
    with pytest.raises(WebhookVerificationError):
        verifier.verify(request.body.replace(b"1000", b"1001"), request.headers)
    verified: Any = verifier.verify(request.body, request.headers)

    assert event_id == auth_id.replace("auth_", "evt_") + "_1"
    assert verified["data"]["auth_id"] == auth_id
    assert request.body == sandbox.call("GET", f"/events/{event_id}").body


async def test_a_receiver_that_fails_twice(sandbox: Running, tmp_path: Path) -> None:
    """The same bytes come under the same id until they are taken, and each attempt has a line."""
    async with (
        receiving(answering(FAILED, FAILED, OK)) as receiver,
        listening(sandbox, receiver.url, tmp_path / "log", "--secret", SECRET) as listener,
    ):
        sandbox.authorize("fails twice")
        await until(lambda: len(receiver.requests) == 3)
        await listener.said("-> 200 in")
        exit_code = await listener.stop()
    told = [line.partition(" -> ")[2] for line in listener.lines if " -> " in line]

    assert len({*event_ids(receiver)}) == 1
    assert len({one.body for one in receiver.requests}) == 1
    for request in receiver.requests:
        Webhook(SECRET).verify(request.body, request.headers)
    assert listener.lines[0] == f"Signing secret: {SECRET}"
    assert [one.partition(", ")[0].split()[0] for one in told] == ["500", "500", "200"]
    assert told[0].endswith("(attempt 2 of 10)")
    assert told[1].endswith("(attempt 3 of 10)")
    assert listener.lines[-1] == "1 forwarded, 2 retries, 0 dead, 0 still waiting."
    assert exit_code == 0


async def test_what_happened_before(sandbox: Running, tmp_path: Path) -> None:
    """From the start on, in their order, and only the types that are wanted."""
    wanted = [await captured(sandbox, f"before {number}") for number in range(3)]
    options = ("--from-start", "--events", "payment_captured, payment_voided")
    async with (
        receiving(answering(OK)) as receiver,
        listening(sandbox, receiver.url, tmp_path / "log", *options) as listener,
    ):
        last = wanted[-1].replace("auth_", "evt_") + "_2"
        await until(lambda: last in event_ids(receiver))
        await listener.said(last)
    lines = [line for line in listener.lines if " -> " in line]

    assert all(" payment_captured " in line for line in lines)
    assert {one.replace("auth_", "evt_") + "_2" for one in wanted} <= {*event_ids(receiver)}


async def test_a_sandbox_that_restarts(tmp_path: Path) -> None:
    """Its absence is said once, and what happened right before and after it arrives once."""
    async with receiving(answering(OK)) as receiver:
        with running(tmp_path / "ledger.db") as first:
            async with listening(first, receiver.url, tmp_path / "log") as listener:
                await asyncio.to_thread(first.authorize, "long before")
                await until(lambda: len(receiver.requests) == 1)
                for number in range(20):
                    await asyncio.to_thread(first.authorize, f"right before {number}")
                first.process.terminate()
                await listener.said("Until then it is asked again.")
                with running(tmp_path / "ledger.db", port=first.port) as second:
                    await asyncio.to_thread(second.authorize, "after")
                    await until(lambda: len(receiver.requests) == 22)
                    await listener.said("answers again")
                    exit_code = await listener.stop()
                    kept = second.call("GET", "/events?after=start&limit=100").json["data"]

    assert sorted(event_ids(receiver)) == sorted(one["id"] for one in kept)
    assert listener.log.read_text().count("Does it run there?") == 1
    assert listener.lines[-1] == "22 forwarded, 0 retries, 0 dead, 0 still waiting."
    assert exit_code == 0


async def test_another_ledger_in_its_place(tmp_path: Path) -> None:
    """Where the last event is not known any more, it goes on from the first there is."""
    async with receiving(answering(OK)) as receiver:
        with running(tmp_path / "one.db") as first:
            async with listening(first, receiver.url, tmp_path / "log") as listener:
                await asyncio.to_thread(first.authorize, "one")
                await until(lambda: len(receiver.requests) == 1)
                first.process.terminate()
                await asyncio.to_thread(first.process.wait, WAIT_S)
                with running(tmp_path / "two.db", port=first.port) as second:
                    await asyncio.to_thread(second.authorize, "two")
                    await until(lambda: len(receiver.requests) == 2)
                    kept = second.call("GET", "/events").json["data"]

    assert event_ids(receiver)[1] == kept[0]["id"]
    assert f"has no {event_ids(receiver)[0]} (any more)" in listener.log.read_text()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["int", "term"])
async def test_a_stop(sandbox: Running, tmp_path: Path, how: signal.Signals) -> None:
    """Ctrl-C and SIGTERM end it at once and without error; it says what still waited."""
    nobody = f"http://127.0.0.1:{free_port()}/"
    async with listening(sandbox, nobody, tmp_path / "log") as listener:
        await asyncio.to_thread(sandbox.authorize, f"stopped by {how}")
        await listener.said("-> connect_failed, retry in")
        exit_code = await listener.stop(how)

    assert exit_code == 0
    assert listener.lines[-1].startswith("0 forwarded, ")
    assert listener.lines[-1].endswith(", 0 dead, 1 still waiting.")
    assert "Traceback" not in listener.log.read_text()


async def test_a_receiver_that_is_gone(sandbox: Running, tmp_path: Path) -> None:
    """What is answered with 410 is not tried again."""
    async with (
        receiving(answering(answer("410 Gone"))) as receiver,
        listening(sandbox, receiver.url, tmp_path / "log") as listener,
    ):
        await asyncio.to_thread(sandbox.authorize, "gone")
        await listener.said("dead: the receiver says that it is gone")
        await listener.stop()

    assert len(receiver.requests) == 1
    assert listener.lines[-1] == "0 forwarded, 0 retries, 1 dead, 0 still waiting."


async def test_a_key_that_is_revoked(sandbox: Running, tmp_path: Path) -> None:
    """What will not pass ends it with the reason, after its summary."""
    data = ("--data", str(sandbox.data))
    api_key = (await _program("keys", "create", "shop", *data)).strip()
    async with (
        receiving(answering(OK)) as receiver,
        listening(sandbox, receiver.url, tmp_path / "log", "--api-key", api_key) as listener,
    ):
        await _program("keys", "revoke", "shop", api_key.split("_")[2], *data)
        exit_code = await asyncio.to_thread(listener.process.wait, WAIT_S)

    assert exit_code == 1
    assert listener.lines[-2] == "0 forwarded, 0 retries, 0 dead, 0 still waiting."
    assert listener.lines[-1].startswith("Refused: the sandbox answered 401 unauthorized: ")
    assert api_key not in listener.log.read_text()


async def _program(*arguments: str) -> str:
    """Run the program to its end and return what it printed."""
    command = [str(PROGRAM), *arguments]
    ran = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True)
    return ran.stdout.decode()
