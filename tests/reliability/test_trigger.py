"""What is triggered is what then happens, and what is told about it; a sandbox really serves."""

import json
import signal
import subprocess
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner, Result

from payments_sandbox.domain.event import EventType
from payments_sandbox.entrypoints.cli import app
from payments_sandbox.entrypoints.cli_trigger import ADVANCE, STEPS
from tests.running import PROGRAM, Running, free_port, running

pytestmark = pytest.mark.reliability


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Serve one ledger for all these tests."""
    with running(tmp_path_factory.mktemp("trigger") / "ledger.db") as sandbox:
        yield sandbox


def run(sandbox: Running, *arguments: str) -> Result:
    """Run a command in this process, on a wide terminal, with the environment naming the rest."""
    here = {"COLUMNS": "300", "PAYMENTS_SANDBOX_URL": f"http://127.0.0.1:{sandbox.port}"}
    return CliRunner().invoke(app, arguments, env=here)


@pytest.mark.parametrize("event_type", STEPS)
def test_each_event(sandbox: Running, event_type: EventType) -> None:
    """The event whose id is printed last is of that type, and each call before it has its line."""
    ran = run(sandbox, "trigger", event_type, "--amount", "700", "--currency", "EUR")
    *steps, (word, name, event_id) = (line.split() for line in ran.stdout.splitlines())
    event = sandbox.call("GET", f"/events/{event_id}").json
    history = sandbox.call("GET", f"/payments/{steps[0][-1]}").json
    calls = [one for one in STEPS[event_type] if one is not ADVANCE]

    assert ran.exit_code == 0
    assert (word, name, event["type"]) == ("event", event_type, event_type)
    assert event["data"].get("auth_id", history["auth_id"]) == history["auth_id"]
    assert [(one[0], one[-1]) for one in steps if one[0] != "advance"] == [
        (step.operation, made["transaction_id"])
        for step, made in zip(calls, history["transactions"], strict=False)
    ]
    assert ("advance" in ran.stdout) == (ADVANCE in STEPS[event_type])
    assert (history["amount"], history["currency"]) == (700, "EUR")


def test_every_event_can_be_triggered(sandbox: Running) -> None:
    """The list has them all, and says which of them move the clock."""
    listed = run(sandbox, "trigger")
    lines = {line.split()[0]: line for line in listed.stdout.splitlines()[1:]}

    assert listed.exit_code == 0
    assert {*lines} == {*STEPS} == {*EventType}
    assert {name for name, line in lines.items() if line.endswith(", advance")} == {
        "authorization_expired", "transaction_settled", "settlement_closed", "settlement_paid",
    }  # fmt: skip


def test_a_batch_that_pays_nothing_out(sandbox: Running) -> None:
    """Where fees eat the capture there is no payout to wait for, and the refusal says so."""
    ran = run(sandbox, "trigger", "settlement_paid", "--amount", "20", "--currency", "SEK")

    assert ran.exit_code == 1
    assert "leaves nothing to pay out" in ran.stderr
    assert "event " not in ran.stdout


def test_an_outcome_that_was_not_meant(sandbox: Running) -> None:
    """A merchant's amount rule may decline what should be approved; then it ends and says so."""
    made = sandbox.call("PATCH", "/sandbox/settings", {"amount_rule": "cents"})
    ran = run(sandbox, "trigger", "payment_captured", "--amount", "1005")
    sandbox.call("PATCH", "/sandbox/settings", {"amount_rule": "off"})

    assert made.status == 200
    assert ran.exit_code == 1
    assert "authorize is declined, but payment_captured needs it approved" in ran.stderr
    assert "event " not in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("trigger", "payment_lost"), "payment_void_failed"),
        (("trigger", "payment_captured", "--currency", "XXQ"), "currency"),
        (("trigger", "payment_captured", "--api-key", "sk_test_other"), "PAYMENTS_SANDBOX_API_KEY"),
        (("events", "tail", "--url", "localhost:8000"), "must begin with http://"),
        (("events", "tail", "--url", "http://127.0.0.1:99999"), "is no URL"),
        (("listen", "--forward-to", "localhost:3000"), "--forward-to must begin with"),
        (("listen", "--forward-to", "http://169.254.169.254/"), "--forward-to must not point to"),
        (
            ("listen", "--forward-to", "http://localhost:3000", "--events", "payment_lost"),
            "payment_captured",
        ),
        (("listen", "--forward-to", "http://localhost:3000", "--secret", "guess"), "whsec_ and"),
        (
            ("listen", "--forward-to", "http://localhost:3000", "--api-key", "sk_test_other"),
            "unauthorized",
        ),
    ],
    ids=[
        "type",
        "currency",
        "key",
        "url",
        "port",
        "receiver",
        "metadata",
        "events",
        "secret",
        "listener-key",
    ],
)
def test_what_is_refused(sandbox: Running, arguments: tuple[str, ...], told: str) -> None:
    """A refusal is one line that says what to do, and repeats no secret."""
    ran = run(sandbox, *arguments)

    assert ran.exit_code == 1
    assert ran.stdout == ""
    assert ran.stderr.startswith("Refused: ")
    assert ran.stderr.count("\n") == 1
    assert told in ran.stderr
    assert "guess" not in ran.stderr
    assert "sk_test_other" not in ran.stderr


@pytest.mark.parametrize("command", ["trigger payment_voided", "events tail"])
def test_a_sandbox_that_does_not_run(sandbox: Running, command: str) -> None:
    """The refusal says where it was looked for and how to start it."""
    url = f"http://127.0.0.1:{free_port()}"
    ran = run(sandbox, *command.split(), "--url", url)

    assert ran.exit_code == 1
    assert f"{url} cannot be connected to" in ran.stderr
    assert "payments-sandbox serve" in ran.stderr


def test_the_last_events(sandbox: Running) -> None:
    """The tail is the newest events, oldest first: as lines for people, or each as its JSON."""
    run(sandbox, "trigger", "payment_refunded", "--amount", "1234")
    newest = sandbox.call("GET", "/events?limit=2").json["data"][::-1]
    shown = run(sandbox, "events", "tail", "--lines", "2")
    as_json = run(sandbox, "events", "tail", "--lines", "2", "--json")
    many = run(sandbox, "events", "tail", "--lines", "1000", "--json")
    count = len(many.stdout.splitlines())

    assert [line.split() for line in shown.stdout.splitlines()] == [
        [
            one["timestamp"], one["type"], one["data"]["transaction_id"],
            str(one["data"]["amount"]), one["data"]["currency"], one["id"],
        ]
        for one in newest
    ]  # fmt: skip
    assert [json.loads(line) for line in as_json.stdout.splitlines()] == newest
    assert many.stdout.splitlines()[-2:] == as_json.stdout.splitlines()
    assert count == len({*many.stdout.splitlines()}) > 2


def test_a_tail_over_several_pages(sandbox: Running) -> None:
    """More than a page's events come without gaps, in their order."""
    for number in range(105):
        assert sandbox.authorize(f"page {number}").status == 201
    ran = run(sandbox, "events", "tail", "--lines", "104", "--json")
    shown = [json.loads(line)["id"] for line in ran.stdout.splitlines()]
    first = sandbox.call("GET", f"/events?after={shown[0]}&limit=100").json
    rest = sandbox.call("GET", f"/events?cursor={first['next_cursor']}").json

    assert len(shown) == 104
    assert shown[1:] == [one["id"] for one in (*first["data"], *rest["data"])]


def test_a_tail_that_follows(sandbox: Running) -> None:
    """It shows what happens from now on, until Ctrl-C, which is no error."""
    url = f"http://127.0.0.1:{sandbox.port}"
    process = subprocess.Popen(
        [PROGRAM, "events", "tail", "--lines", "1", "-f", "--json", "--url", url],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout as lines:
        before = sandbox.call("GET", "/events?limit=1").json["data"][0]
        seen = json.loads(lines.readline())
        made = sandbox.authorize("followed").json["auth_id"]
        followed = json.loads(lines.readline())
        process.send_signal(signal.SIGINT)
        exit_code = process.wait(20)

    assert seen == before
    assert followed["data"]["auth_id"] == made
    assert exit_code == 0
