"""What is refused before anything is built: each in one line that says what helps."""

import io
import json
import subprocess
import sys
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from infra import deploy, smoke, stage_left
from infra.account import Account, Refused, regions_to_bootstrap

WHOLE = ("deploy", "--email", "you@example.com", "--yes")
EXPIRED = (
    "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>m</Message></Error></ErrorResponse>"
)
UNKNOWN = EXPIRED.replace("ExpiredToken", "InvalidClientTokenId")
IDENTITY = (
    "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account>"
    "</GetCallerIdentityResult></GetCallerIdentityResponse>"
)
STACK = (
    "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>one</StackName>"
    "<StackStatus>{}</StackStatus>"
    "<EnableTerminationProtection>{}</EnableTerminationProtection></member></Stacks>"
    "</DescribeStacksResult><UpdateTerminationProtectionResult/></DescribeStacksResponse>"
)


class Answering:
    """Stands in for AWS: answers everything with one status and body."""

    def __init__(self) -> None:
        self.status, self.body = 200, IDENTITY
        self.asked: list[dict[str, str]] = []
        """Of services that are asked in forms, what each request said."""


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Generator[Answering]:
    """All that a person who deploys has set, and an AWS that is on this machine."""
    answering = Answering()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            answering.asked.append(dict(parse_qsl(body)))
            self.send_response(answering.status)
            self.send_header("content-length", str(len(answering.body)))
            self.end_headers()
            self.wfile.write(answering.body.encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as above it
            """Say nothing."""

    def refuse_to_build(command: list[str], **_: object) -> None:
        raise AssertionError(f"built: {command}")

    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "API_KEY"):
        monkeypatch.setenv(name, "")  # so that what a command sets is taken back
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(subprocess, "run", refuse_to_build)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield answering
        finally:
            server.shutdown()
            thread.join()


def refusal_of(program: Any, *arguments: str) -> str:
    """Return what a command says when it refuses."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["program", *arguments])
        with pytest.raises(SystemExit) as ended:
            program.main()
    assert isinstance(ended.value.code, str)
    assert "\n" not in ended.value.code
    return ended.value.code


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        pytest.param((*WHOLE, "--stage", "Dev!"), "for example STAGE=dev", id="stage"),
        pytest.param(("deploy", "--yes"), "EMAIL=you@example.com", id="no-email"),
        pytest.param(("deploy", "--yes", "--email", "you"), "is no address", id="odd-email"),
        pytest.param(WHOLE[:-1], "YES=1", id="nobody-to-ask"),
        pytest.param(("destroy",), "make destroy STAGE=dev YES=1", id="nobody-to-ask-to-destroy"),
    ],
)
def test_a_wrong_word_is_refused(arguments: tuple[str, ...], remedy: str, aws: Answering) -> None:
    """Without an account's being asked for more than its number."""
    assert aws.status == 200
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.StringIO())
        assert remedy in refusal_of(deploy, *arguments)


@pytest.mark.parametrize(
    ("missing", "remedy"),
    [("AWS_REGION", "export AWS_REGION="), ("AWS_ACCESS_KEY_ID", "export AWS_PROFILE, or")],
)
@pytest.mark.parametrize("program", [deploy, smoke], ids=["deploy", "smoke"])
@pytest.mark.usefixtures("aws")
def test_what_is_not_set_is_named(
    program: Any, missing: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The region, and credentials."""
    monkeypatch.delenv(missing)
    if missing == "AWS_ACCESS_KEY_ID":
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    assert remedy in refusal_of(program, *(WHOLE if program is deploy else ()))


@pytest.mark.usefixtures("aws")
def test_a_profile_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that lists those that are."""
    monkeypatch.setenv("AWS_PROFILE", "nobody")

    assert "There is no profile 'nobody'" in refusal_of(deploy, *WHOLE)


@pytest.mark.parametrize(
    ("body", "remedy"),
    [(EXPIRED, "have expired: log in again"), (UNKNOWN, "AWS does not know these credentials")],
    ids=["expired", "unknown"],
)
@pytest.mark.parametrize("what", ["diff", "bootstrap", "deploy", "destroy"])
def test_credentials_that_do_not_open_are_told_apart(
    what: str, body: str, remedy: str, aws: Answering
) -> None:
    """By each command that needs them."""
    aws.status, aws.body = 403, body

    assert remedy in refusal_of(deploy, what, *WHOLE[1:])


@pytest.mark.usefixtures("aws")
def test_an_aws_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a region that does not exist."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    assert "cannot be reached in us-east-1" in refusal_of(deploy, *WHOLE)


def test_a_region_without_the_bootstrap_is_named(aws: Answering) -> None:
    """Once, whichever stacks are to go there."""
    aws.status, aws.body = 400, json.dumps({"__type": "ParameterNotFound", "message": "m"})

    assert regions_to_bootstrap(["us-east-1", "eu-west-1", "us-east-1"]) == [
        "eu-west-1",
        "us-east-1",
    ]


def test_who_may_not_look_for_the_bootstrap_goes_on(aws: Answering) -> None:
    """A pipeline's role need not read parameters; the CDK says it by its own roles."""
    aws.status, aws.body = 400, json.dumps({"__type": "AccessDeniedException", "message": "m"})

    assert regions_to_bootstrap(["us-east-1"]) == []


def test_a_protected_stack_is_not_destroyed(aws: Answering) -> None:
    """The command that switches its protection off is named; nobody does it by the way."""
    account = Account("123456789012", "us-east-1")
    aws.body = STACK.format("CREATE_COMPLETE", "false")
    stage_left.check_unprotected(account, ["one"])

    aws.body = STACK.format("CREATE_COMPLETE", "true")
    with pytest.raises(Refused, match=r"--no-enable-termination-protection --stack-name one$"):
        stage_left.check_unprotected(account, ["one"])


def test_a_stack_that_is_not_there_is_not_protected(aws: Answering) -> None:
    """So that a stage may be taken down twice."""
    aws.status = 400
    aws.body = EXPIRED.replace("ExpiredToken", "ValidationError").replace(
        "<Message>m", "<Message>Stack with id one does not exist"
    )

    account = Account("123456789012", "us-east-1")
    stage_left.check_unprotected(account, ["one"])
    assert stage_left.unlock_never_created(account, ["one"]) == []


@pytest.mark.parametrize(
    ("status", "protected", "is_unlocked"),
    [
        ("ROLLBACK_COMPLETE", "true", True),
        ("ROLLBACK_FAILED", "true", True),
        ("ROLLBACK_COMPLETE", "false", False),
        ("CREATE_COMPLETE", "true", False),
        ("UPDATE_ROLLBACK_COMPLETE", "true", False),
    ],
)
def test_only_what_was_never_created_loses_its_protection(
    status: str,
    protected: str,
    is_unlocked: bool,  # noqa: FBT001 - pytest passes it by name
    aws: Answering,
) -> None:
    """So that a first deployment that failed can be repeated; a stack that was there keeps it."""
    aws.body = STACK.format(status, protected)

    unlocked = stage_left.unlock_never_created(Account("123456789012", "us-east-1"), ["one"])

    told = [one for one in aws.asked if one["Action"] == "UpdateTerminationProtection"]
    assert unlocked == ["one"] * is_unlocked
    assert [(one["StackName"], one["EnableTerminationProtection"]) for one in told] == [
        ("one", "false")
    ] * is_unlocked


def test_a_kept_stage_keeps_its_secrets_with_its_table() -> None:
    """One is worth nothing without the other; another stage has neither left."""
    kept = " ".join(stage_left.what_stays("prod", is_kept=True))
    gone = " ".join(stage_left.what_stays("dev", is_kept=False))

    assert [name in kept for name in ("PaymentsLedger-prod", "/payments-sandbox/prod/")] == [
        True
    ] * 2
    assert [name in gone for name in ("PaymentsLedger-dev", "/payments-sandbox/dev/")] == [
        False
    ] * 2
    assert "CDKToolkit" in gone
