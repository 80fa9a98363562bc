"""The clock and settlement by the command line, against a sandbox that really serves."""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from typer.testing import CliRunner, Result

from payments_sandbox.entrypoints.cli import app
from tests.hostile.receivers import Request, answer, receiving
from tests.running import PROGRAM, Running, running

pytestmark = pytest.mark.reliability
NOW = "2026-03-01T00:00:00.000Z"
READING: dict[str, object] = {"now": NOW, "real_now": NOW, "offset_s": 0.0, "next_due_at": None}
HALFWAY: dict[str, object] = {
    "to": "2026-03-08T00:00:00.000Z", "complete": False, "reached": "2026-03-04T00:00:00.000Z",
    "counts": {"transaction_settled": 64}, "happenings": [], "events_cursor": "start",
}  # fmt: skip

GO_ON = f" To go on: payments-sandbox clock advance --to {HALFWAY['to']}"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Serve one ledger for all these tests."""
    with running(tmp_path_factory.mktemp("clock") / "ledger.db") as sandbox:
        yield sandbox


def run(sandbox: Running, *arguments: str) -> Result:
    """Run a command in this process, with the environment naming the sandbox."""
    here = {"COLUMNS": "80", "PAYMENTS_SANDBOX_URL": f"http://127.0.0.1:{sandbox.port}"}
    return CliRunner().invoke(app, arguments, env=here)


def now(sandbox: Running) -> datetime:
    """Return what the merchant's clock shows."""
    return datetime.fromisoformat(sandbox.call("GET", "/sandbox/clock").json["now"])


def capture(sandbox: Running, key: str, **changes: object) -> str:
    """Authorize and capture; return the authorization's id."""
    auth_id = sandbox.authorize(key, **changes).json["auth_id"]
    made = sandbox.call("POST", "/payments/capture", {"auth_id": auth_id}, key=key)
    assert made.status == 201
    return auth_id


def test_the_clock(sandbox: Running) -> None:
    """It is shown for people, with or without its name, and for programs."""
    auth_id = sandbox.authorize("shown").json["auth_id"]
    due = sandbox.call("GET", f"/payments/{auth_id}").json["capture_before"]
    alone, shown = run(sandbox, "clock"), run(sandbox, "clock", "show")
    as_json = run(sandbox, "clock", "show", "--json")
    reading = json.loads(as_json.stdout)

    assert alone.exit_code == shown.exit_code == as_json.exit_code == 0
    for said in (alone.stdout, shown.stdout):
        assert [row.split("│")[1].strip() for row in said.splitlines() if "│" in row] == [
            "now", "real time", "ahead by", "next due",
        ]  # fmt: skip
    assert {*reading} == {"now", "real_now", "offset_s", "next_due_at"}
    assert reading["next_due_at"] <= due


def test_an_advance(sandbox: Running) -> None:
    """Counts by type and the first that happened, each at its time; then the clock is there."""
    auth_id = capture(sandbox, "advanced")
    before = now(sandbox)
    ran = run(sandbox, "clock", "advance", "2d3h")
    history = sandbox.call("GET", f"/payments/{auth_id}").json

    assert ran.exit_code == 0
    assert ran.stderr == ""
    assert timedelta(days=2, hours=3) <= now(sandbox) - before < timedelta(days=2, hours=4)
    assert history["settled_amount"] == 1000
    for name in ("transaction_settled", "settlement_closed", "settlement_paid"):
        assert f"│ {name} " in ran.stdout
    assert auth_id in ran.stdout  # whole, though the terminal is narrow
    assert "The clock is at 20" in ran.stdout.splitlines()[-1]


def test_an_advance_to_a_moment(sandbox: Running) -> None:
    """The answer for programs is the API's; the same call again does nothing and is no error."""
    auth_id = sandbox.authorize("expires").json["auth_id"]
    to = sandbox.call("GET", f"/payments/{auth_id}").json["capture_before"]
    ran = run(sandbox, "clock", "advance", "--to", to, "--json")
    again = run(sandbox, "clock", "advance", "--to", to)
    answered = json.loads(ran.stdout)

    assert (answered["to"], answered["reached"], answered["complete"]) == (to, to, True)
    assert answered["counts"]["authorization_expired"] >= 1
    assert auth_id in {one["subject_id"] for one in answered["happenings"]}
    assert sandbox.call("GET", f"/payments/{auth_id}").json["status"] == "expired"
    assert again.exit_code == 0
    assert "there already" in again.stderr
    assert "Nothing was due." in again.stdout


def test_settling(sandbox: Running) -> None:
    """Before the day ends nothing is due, and it says what would bring it about."""
    capture(sandbox, "settled", currency="CHF")
    ran = run(sandbox, "settle")
    as_json = run(sandbox, "settle", "--json")
    *_, command = ran.stdout.splitlines()
    moved = run(sandbox, *command.split()[1:])

    assert ran.exit_code == as_json.exit_code == moved.exit_code == 0
    assert "Nothing was due." in ran.stdout
    assert json.loads(as_json.stdout)["counts"] == {}
    assert "settlement_closed" in moved.stdout


def test_batches_and_balances(sandbox: Running) -> None:
    """They are those of the API, whole, in minor units."""
    capture(sandbox, "listed", amount=123_456, currency="SEK")
    run(sandbox, "clock", "advance", "1d")
    listed = run(sandbox, "settlements", "--currency", "SEK")
    as_json = run(sandbox, "settlements", "--limit", "1", "--json")
    more = run(sandbox, "settlements", "--limit", "1")
    balances = run(sandbox, "balances")
    batch = sandbox.call("GET", "/settlements?currency=SEK").json["data"][0]
    balance = next(
        one for one in sandbox.call("GET", "/balances").json["data"] if one["currency"] == "SEK"
    )
    row = next(line for line in listed.stdout.splitlines() if batch["settlement_id"] in line)
    amounts = next(line for line in balances.stdout.splitlines() if "SEK" in line)

    assert [cell.strip() for cell in row.split("│")[1:-1]] == [
        batch["business_day"], "SEK", batch["state"], "1", "123,456", "0",
        f"{batch['fees']:,}", f"{batch['net']:,}", batch["payout_date"], batch["settlement_id"],
    ]  # fmt: skip
    assert f"{balance['in_transit']:,}" in amounts
    assert len(json.loads(as_json.stdout)["data"]) == 1
    assert "There are more" in more.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("clock advance --to 9999-01-01", "400 days"),
        ("settlements --currency XXQ", "currency"),
        ("balances --api-key other", "PAYMENTS_SANDBOX_API_KEY"),
    ],
)
def test_what_the_sandbox_refuses(sandbox: Running, arguments: str, told: str) -> None:
    """Its own words are passed on, in one line."""
    ran = run(sandbox, *arguments.split())

    assert ran.exit_code == 1
    assert ran.stderr.startswith("Refused: ")
    assert ran.stderr.count("\n") == 1
    assert told in ran.stderr


async def test_an_advance_that_is_stopped() -> None:
    """Ctrl-C ends it while the sandbox is at work, and it says how far the clock came."""
    posts = 0

    async def respond(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal posts
        if request.line.startswith("GET"):
            writer.write(answer("200 OK", json.dumps(READING).encode()))
            return
        posts += 1
        if posts == 2:
            # Once it waits: Python may overlook a signal that comes just before.
            asyncio.get_running_loop().call_later(0.3, process.send_signal, signal.SIGINT)
            return
        writer.write(answer("200 OK", json.dumps(HALFWAY).encode()))

    async with receiving(respond) as receiver:
        process = await asyncio.create_subprocess_exec(
            PROGRAM, "clock", "advance", "7d", "--url", f"http://127.0.0.1:{receiver.port}",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"FORCE_COLOR": "1", "COLUMNS": "120"},
        )  # fmt: skip
        stdout, stderr = await process.communicate()
    asked = [json.loads(one.body) for one in receiver.requests if one.line.startswith("POST")]

    assert process.returncode == 130
    assert stdout == b""
    assert asked == [{"to": HALFWAY["to"]}] * 2
    assert "The clock goes on" in stderr.decode()
    assert "Stopped. The clock came to 2026-03-04 00:00:00 UTC." in stderr.decode()
    assert GO_ON in stderr.decode()


@pytest.mark.parametrize("status", ["503 Service Unavailable", None])
async def test_an_advance_that_is_broken_off(status: str | None) -> None:
    """If the sandbox fails or dies amid it, the target is named: the same span would go further."""
    posts = 0

    async def respond(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal posts
        posts += request.line.startswith("POST")
        if posts < 2:
            told = READING if request.line.startswith("GET") else HALFWAY
            writer.write(answer("200 OK", json.dumps(told).encode()))
        elif status is not None:
            writer.write(answer(status, b"{}"))

    async with receiving(respond) as receiver:
        url = f"http://127.0.0.1:{receiver.port}"
        arguments = ["clock", "advance", "7d", "--url", url]
        ran = await asyncio.to_thread(CliRunner().invoke, app, arguments)

    assert ran.exit_code == 1
    assert "The clock came to 2026-03-04 00:00:00 UTC." in ran.stderr
    assert ran.stderr.endswith(f"{GO_ON}\n")
