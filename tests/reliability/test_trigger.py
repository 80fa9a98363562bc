"""What is triggered is what then happens, and what is told about it; a sandbox really serves."""

import json
import signal
import subprocess
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner, Result

from payments_sandbox.domain.event import EventType
from payments_sandbox.entrypoints.cli import app
from payments_sandbox.entrypoints.cli_webhooks import STEPS
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
    """The newest event is of that type and payment, and its id is what was printed last."""
    ran = run(sandbox, "trigger", event_type, "--amount", "700", "--currency", "EUR")
    newest = sandbox.call("GET", "/events?limit=1").json["data"][0]
    *steps, event = (line.split() for line in ran.stdout.splitlines())
    history = sandbox.call("GET", f"/payments/{newest['data']['auth_id']}").json

    assert ran.exit_code == 0
    assert newest["type"] == event_type
    assert event == ["event", event_type, newest["id"]]
    assert [(one[0], one[-1]) for one in steps] == [
        (step.operation, made["transaction_id"])
        for step, made in zip(STEPS[event_type], history["transactions"], strict=True)
    ]
    assert (history["amount"], history["currency"]) == (700, "EUR")


def test_every_event_but_one_can_be_triggered(sandbox: Running) -> None:
    """The list has them all; an expiry takes a week, and the refusal says so."""
    listed = run(sandbox, "trigger")
    ran = run(sandbox, "trigger", "authorization_expired")

    assert {*STEPS} == {*EventType} - {EventType.AUTHORIZATION_EXPIRED}
    assert listed.exit_code == 0
    assert all(name in listed.stdout for name in STEPS)
    assert ran.exit_code == 1
    assert "seven days" in ran.stderr


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
