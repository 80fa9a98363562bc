"""The bundle under Lambda's real runtime client: a payment's whole life, and what can go wrong."""

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager
from typing import Any

import pytest

from infra.bundle import build
from tests.aws.function_rig import Event, event_of, posted
from tests.aws.process import aws_environment
from tests.aws.runtime_api import Client, link_runtime, runtime_client
from tests.aws.stage_rig import stage_at
from tests.running import AUTHORIZE

pytestmark = pytest.mark.aws

HANDLER = "payments_sandbox.entrypoints.aws_api.handler"
Run = Callable[[str, Mapping[str, str]], AbstractContextManager[Client]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Build the bundle, once; return what runs a handler from it."""
    folder = tmp_path_factory.mktemp("function")
    bundle, runtime = folder / "bundle", folder / "runtime"
    build(bundle)
    runtime.mkdir()
    link_runtime(runtime)
    (runtime / "raising.py").write_text("def handler(event, _):\n    return 1 / event\n")
    return lambda handler, environment: runtime_client(
        bundle, runtime, handler, environment, folder / "log"
    )


@pytest.fixture(scope="module")
def lambda_(run: Run, emulator: str) -> Generator[Client]:
    """The function of a stage, waiting for events."""
    with stage_at(emulator) as stage, run(HANDLER, stage.environment) as client:
        yield client


def answer_to(client: Client, event: Event) -> tuple[int, dict[str, Any]]:
    """Return the status and the body of the function's answer."""
    report = client.api.invoke(event)

    assert report.place.endswith("/response"), report
    return report.json["statusCode"], json.loads(report.json["body"])


def test_a_payment_s_life(lambda_: Client) -> None:
    """Authorize, capture, refund and read, as the gateway would hand them in."""
    created, payment = answer_to(lambda_, posted("authorize", AUTHORIZE, "life"))
    captured, capture = answer_to(
        lambda_, posted("capture", {"auth_id": payment["auth_id"]}, "life")
    )
    refund = {"transaction_id": capture["transaction_id"], "amount": 400}
    refunded, _ = answer_to(lambda_, posted("refund", refund, "life"))
    read, history = answer_to(lambda_, event_of("GET", f"/payments/{payment['auth_id']}"))

    assert (created, captured, refunded, read) == (201, 201, 201, 200)
    assert (history["captured_amount"], history["refunded_amount"]) == (1000, 400)
    assert len(history["transactions"]) == 3


def test_what_the_runtime_cannot_read(lambda_: Client) -> None:
    """An event that is no JSON is an error of this invocation; the next one is answered."""
    report = lambda_.api.invoke(b"no JSON")
    after, _ = answer_to(lambda_, event_of("GET", "/health"))

    assert (report.place.rpartition("/")[2], report.json["errorType"]) == (
        "error",
        "Runtime.UnmarshalError",
    )
    assert after == 200


def test_a_line_of_the_log_is_there_once(lambda_: Client) -> None:
    """The runtime's own log handler does not repeat what ours wrote."""
    event = event_of("GET", "/health")
    event["requestContext"]["requestId"] = "00000000-0000-4000-8000-00000000cafe"
    before = lambda_.log.stat().st_size
    answer_to(lambda_, event)
    lines = [json.loads(line) for line in lambda_.log.read_bytes()[before:].splitlines()]

    assert [line["correlation_id"] for line in lines if "_aws" not in line] == [
        "00000000-0000-4000-8000-00000000cafe"
    ]
    assert len(lines) == 2


def test_the_log_is_json(lambda_: Client) -> None:
    """All that the function wrote since it began is JSON, but for what the runtime itself says."""
    answer_to(lambda_, event_of("GET", "/health"))
    lines = lambda_.log.read_text().splitlines()
    own = [line for line in lines if not line.startswith(("{", "[ERROR] Runtime.Unmarshal"))]

    assert [line for line in own if "Traceback" not in line] == []


def test_a_handler_that_is_not_there(run: Run) -> None:
    """A module that cannot be imported is reported once, and the process ends."""
    with run("payments_sandbox.entrypoints.nothing.handler", aws_environment()) as client:
        report = client.api.reported()
        status = client.ended()

    assert (report.place, report.json["errorType"]) == ("init/error", "Runtime.ImportModuleError")
    assert status == 1


def test_a_function_that_is_told_no_table(run: Run) -> None:
    """What the environment lacks is reported at the start, not at the first payment."""
    with run(HANDLER, aws_environment(STAGE="dev")) as client:
        report = client.api.reported()
        status = client.ended()

    assert (report.place, report.json["errorType"]) == ("init/error", "KeyError")
    assert "LEDGER_TABLE" in report.json["errorMessage"]
    assert status == 1


def test_a_handler_that_raises(run: Run) -> None:
    """A handler's exception is an error of its invocation; the process goes on."""
    with run("raising.handler", aws_environment()) as client:
        report = client.api.invoke(0)
        after = client.api.invoke(2)

    assert (report.place, report.json["errorType"]) == ("invocation-1/error", "ZeroDivisionError")
    assert (after.place, after.json) == ("invocation-2/response", 0.5)


def test_a_function_from_a_snapshot(run: Run, emulator: str) -> None:
    """The runtime runs the hooks around its snapshot; the restored function takes a payment."""
    with stage_at(emulator) as stage:
        environment = stage.environment | {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
        with run(HANDLER, environment) as client:
            restored = client.api.reported()
            created, _ = answer_to(client, posted("authorize", AUTHORIZE))

    assert (restored.place, created) == ("restore/next", 201)
