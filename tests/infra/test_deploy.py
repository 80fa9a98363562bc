"""A stage deployed to the emulator of AWS as it would be to an account, used, and destroyed."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from typing import Any, NamedTuple

import httpx
import pytest

from infra.emulator import REGION, emulated
from infra.receiver import Receiver, receiving
from infra.smoke import url_of
from infra.toolkit import ROOT
from payments_sandbox.adapters.aws_clients import new_client
from tests.infra.merchant_clock import a_day_passes
from tests.infra.test_alarms import PROMISES
from tests.running import AUTHORIZE, PROGRAM

STAGE, MERCHANT = "dev", "shop"
ARRIVAL_S = SETTLED_S = 60.0
pytestmark = pytest.mark.aws


class Deployed(NamedTuple):
    """A stage that runs, and what its stack says of itself."""

    endpoint: str
    environment: Mapping[str, str]
    outputs: Mapping[str, str]
    receiver: Receiver
    printed: str = ""

    @property
    def url(self) -> str:
        """Where the emulator serves the API."""
        api_id = httpx.URL(self.outputs["ApiUrl"]).host.partition(".")[0]
        return f"{self.endpoint}/_aws/execute-api/{api_id}/{STAGE}/"

    def make(self, target: str, *arguments: str) -> str:
        """Run what `make` runs for an account; return what it prints."""
        command = [sys.executable, "-m", "infra.deploy", target, *arguments, "--stage", STAGE]
        command += ["--target", "emulator", "--receiver", f"127.0.0.1:{self.receiver.port}"]
        return _run(command, self.environment)

    def smoke(self, url: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run `make smoke`, which does not wait long for a key."""
        command = [sys.executable, "-m", "infra.smoke", "--stage", STAGE, "--url", url]
        command += ["--active-within-s", "1"]
        return subprocess.run(
            command,
            cwd=ROOT,
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            check=False,
        )

    def sandbox(self, *arguments: str) -> str:
        """Run a command of the sandbox for the stage; return what it prints."""
        return _run([str(PROGRAM), *arguments, "--stage", STAGE], self.environment)


@pytest.fixture(scope="module")
def deployed() -> Generator[Deployed]:
    """A deployed stage with its secrets."""
    with emulated() as endpoint, receiving() as receiver:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment = kept | {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "emulator",
            "AWS_SECRET_ACCESS_KEY": "emulator",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        stage = Deployed(endpoint, environment, {}, receiver)
        printed = stage.make("deploy", "--yes")
        outputs = json.loads((ROOT / "dist" / "outputs.json").read_text())
        told = outputs[f"payments-sandbox-{STAGE}"]
        yield stage._replace(outputs=told, printed=printed)


@pytest.fixture(scope="module")
def api(deployed: Deployed) -> Generator[httpx.Client]:
    """A client with a key of the stage."""
    printed = deployed.sandbox("keys", "create", MERCHANT)
    (key,) = (word for word in printed.split() if word.startswith("sk_test_"))
    with httpx.Client(base_url=deployed.url, headers={"x-api-key": key}, timeout=30) as client:
        yield client


def test_it_is_said_before_it_is_done(deployed: Deployed) -> None:
    """What it has, where, at what price; then what it says of itself, and what comes next."""
    printed = deployed.printed
    in_order = (
        "account 000000000000, region us-east-1",
        "DynamoDB table",
        "USD a month idle",
        "The CDK has not met account 000000000000 in us-east-1",
        "/identity-root is made",
        deployed.outputs["ApiUrl"],
        f"keys create --stage {STAGE}",
        f"make destroy STAGE={STAGE}",
    )
    places = [printed.find(one) for one in in_order]

    assert -1 not in places, printed
    assert places == sorted(places)


def test_an_account_is_prepared_once(deployed: Deployed) -> None:
    """By the first deployment; after that there is nothing to do."""
    assert "prepared for the CDK already" in deployed.make("bootstrap", "--yes")


def test_a_second_deployment_changes_nothing(deployed: Deployed) -> None:
    """The diff says so, by the templates alone, and it is no failure."""
    said = deployed.make("diff")

    assert "Number of stacks with differences: 0" in said, said


def test_the_smoke_test_passes(deployed: Deployed) -> None:
    """With a key of its own, which is revoked after, and says nothing that is secret."""
    done = deployed.smoke(deployed.url)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok  and shows the capture" in done.stdout
    assert done.stdout.endswith("ok  its key is revoked\n")
    assert "sk_test_" not in done.stdout + done.stderr
    assert "revoked" in deployed.sandbox("keys", "list", "smoke")


def test_the_smoke_test_finds_the_stage(deployed: Deployed) -> None:
    """By what its stack says; the emulator does not serve under that name, so it is told above."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in deployed.environment.items():
            patch.setenv(name, value)

        assert url_of(STAGE) == deployed.outputs["ApiUrl"]


def test_the_smoke_test_fails_at_another_address(deployed: Deployed) -> None:
    """The first check that fails is the last line, and its key is revoked all the same."""
    done = deployed.smoke(deployed.url.replace(f"/{STAGE}/", "/elsewhere/"))

    assert done.returncode == 1
    assert "FAILED  health is open" in done.stderr
    assert done.stdout.endswith("ok  its key is revoked\n")


def test_the_smoke_test_fails_with_a_wrong_key(deployed: Deployed) -> None:
    """After it has waited as long as a new key may take."""
    done = deployed.smoke(deployed.url, API_KEY="sk_test_of_nobody_at_all")

    assert done.returncode == 1
    assert "FAILED  the key is let in: 401 (unauthorized) instead of 200" in done.stderr
    assert done.stdout.endswith("ok  without a key it is refused\n")


def test_only_health_is_open(deployed: Deployed, api: httpx.Client) -> None:
    """Health answers anybody; all else is refused without a key, and with a wrong one."""
    wrong = {"x-api-key": "sk_test_of_nobody_at_all"}

    assert httpx.get(deployed.url + "health").status_code == 200
    assert httpx.get(deployed.url + "payments").status_code in {401, 403}
    assert httpx.get(deployed.url + "payments", headers=wrong).status_code in {401, 403}
    assert api.get("payments").status_code == 200


def test_a_capture_s_webhook_arrives_signed(deployed: Deployed, api: httpx.Client) -> None:
    """By way of stream, relay, topic, queue and sender."""
    hooks = {"url": f"http://127.0.0.1:{deployed.receiver.port}/hooks"}
    secret = posted(api, "webhooks/endpoints", hooks | {"events": ["payment_captured"]})["secret"]

    authorization = posted(api, "payments/authorize", AUTHORIZE)
    posted(api, "payments/capture", {"auth_id": authorization["auth_id"], "amount": 700})

    arrived = deployed.receiver.received.get(timeout=ARRIVAL_S)
    assert arrived.fits(secret)
    assert json.loads(arrived.body)["type"] == "payment_captured"


def test_the_state_machine_settles(deployed: Deployed, api: httpx.Client) -> None:
    """A day later it runs to success, and the batch is closed."""
    authorization = posted(api, "payments/authorize", AUTHORIZE)
    posted(api, "payments/capture", {"auth_id": authorization["auth_id"]})
    asyncio.run(a_day_passes(client_of(deployed, "dynamodb"), STAGE, MERCHANT))
    states = client_of(deployed, "stepfunctions")

    execution = states.start_execution(stateMachineArn=deployed.outputs["SettlementMachine"])
    deadline = time.monotonic() + SETTLED_S
    status = "RUNNING"
    while status == "RUNNING" and time.monotonic() < deadline:
        time.sleep(0.2)
        status = states.describe_execution(executionArn=execution["executionArn"])["status"]

    assert status == "SUCCEEDED"
    assert [one["gross"] for one in api.get("settlements").json()["data"]] == [700 + 1000]


def test_a_key_has_its_rate(deployed: Deployed, api: httpx.Client) -> None:
    """Beyond its bucket a key is refused, and another one is not."""
    statuses = [api.get("health/nothing").status_code for _ in range(40)]

    assert 429 in statuses
    printed = deployed.sandbox("keys", "create", MERCHANT)
    (key,) = (word for word in printed.split() if word.startswith("sk_test_"))
    assert httpx.get(deployed.url + "payments", headers={"x-api-key": key}).status_code == 200


def test_it_is_watched(deployed: Deployed) -> None:
    """Its alarms and its dashboard are there, and each alarm acts upon the stage's topic."""
    metrics = client_of(deployed, "cloudwatch")
    alarms = metrics.describe_alarms()["MetricAlarms"]
    (board,) = metrics.list_dashboards()["DashboardEntries"]
    actions = {one for alarm in alarms for one in (*alarm["AlarmActions"], *alarm["OKActions"])}

    assert {one["AlarmName"] for one in alarms} == {
        f"payments-sandbox-{STAGE}-{name}" for name in PROMISES
    }
    assert [one.rpartition(":")[2] for one in actions] == [f"payments-sandbox-{STAGE}-alarms"]
    assert board["DashboardName"] == f"payments-sandbox-{STAGE}"


def test_nothing_is_left(deployed: Deployed) -> None:
    """Destroyed, it leaves nothing: no function, table, log, role, API, alarm, key or secret."""
    deployed.make("destroy", "--yes")

    left = {
        "lambda": client_of(deployed, "lambda").list_functions()["Functions"],
        "dynamodb": client_of(deployed, "dynamodb").list_tables()["TableNames"],
        "sqs": client_of(deployed, "sqs").list_queues().get("QueueUrls", []),
        "sns": client_of(deployed, "sns").list_topics()["Topics"],
        "logs": ours(client_of(deployed, "logs").describe_log_groups()["logGroups"]),
        "iam": ours(client_of(deployed, "iam").list_roles()["Roles"]),
        "scheduler": client_of(deployed, "scheduler").list_schedules()["Schedules"],
        "stepfunctions": client_of(deployed, "stepfunctions").list_state_machines()[
            "stateMachines"
        ],
        "apigateway": client_of(deployed, "apigateway").get_rest_apis()["items"],
        "keys": client_of(deployed, "apigateway").get_api_keys()["items"],
        "ssm": ours(client_of(deployed, "ssm").describe_parameters()["Parameters"]),
        "alarms": client_of(deployed, "cloudwatch").describe_alarms()["MetricAlarms"],
        "dashboards": client_of(deployed, "cloudwatch").list_dashboards()["DashboardEntries"],
        "plans": client_of(deployed, "apigateway").get_usage_plans()["items"],
    }
    assert {name: found for name, found in left.items() if found} == {}


def ours(found: list[Any]) -> list[Any]:
    """Return those that are not the toolkit's own."""
    return [one for one in found if "payments-sandbox" in str(one)]


def posted(api: httpx.Client, path: str, body: object) -> Any:
    """Post once the key has room again; return the answer."""
    headers = {"x-idempotency-key": f"{path}-{time.monotonic_ns()}"}
    answer = api.post(path, json=body, headers=headers)
    assert answer.is_success, answer.text
    return answer.json()


def client_of(deployed: Deployed, service: str) -> Any:
    """Return a client of the emulator's."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in deployed.environment.items():
            if name.startswith("AWS_"):
                patch.setenv(name, value)
        return new_client(service, deployed.endpoint, REGION, read_timeout_s=30)


def _run(command: list[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
