"""The AWS home on this machine: emulator, table, secrets, functions, gateway and a key.

Runs a payment through it with the curl lines it prints, shows its webhook, settles it, and cleans
up. No account is needed: everything is on loopback, and gone at the end.
"""

import argparse
import asyncio
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from queue import Empty
from types import FrameType
from typing import Any, NamedTuple, NoReturn

from rich.console import Console

from infra.bundle import archive, build
from infra.deliveries import DELIVER_TIMEOUT_S, ROLE, MakeFunction, connect, make_topic
from infra.emulator import REGION, emulated
from infra.receiver import Receiver, receiving
from infra.settlement import settle_hourly
from payments_sandbox.adapters.aws_clients import new_client
from payments_sandbox.adapters.dynamodb_table import create_table, dynamodb_client
from payments_sandbox.adapters.gateway_keys import apigateway_client
from payments_sandbox.adapters.ssm_secrets import init_roots, ssm_client
from payments_sandbox.entrypoints.stage import names_of, stage_keys

STAGE, MERCHANT = "local", "shop"
ARRIVAL_S = 60
SETTLED_S = 60
RATE_PER_S, BURST = 100 / 60, 10
CARD = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2035, "cvc": "123"}
_out = Console(highlight=False, soft_wrap=True)


class Api(NamedTuple):
    """An API that answers, the key it lets in, and the state machine that settles."""

    url: str
    api_key: str
    settlement: str


def main() -> None:
    """Bring it up, run a payment through it, and take it down."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--keep", action="store_true", help="stay up until Ctrl-C")
    keep: bool = parser.parse_args().keep
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, _stop)
    _out.print("Starting the emulator of AWS ...")
    with emulated() as endpoint, receiving() as receiver:
        _only(endpoint)
        with _out.status("Making table, secrets, functions, topic, queue, gateway and key ..."):
            api = _deploy(endpoint, receiver.port)
        _out.print(f"\n[bold]The AWS home answers[/] at {api.url}\n")
        _out.print("  API Gateway (keys, rate) -> Lambda (the bundle) -> DynamoDB; secrets in SSM")
        _out.print("  webhooks: stream -> relay -> SNS -> SQS -> deliver; a sweep each minute")
        _out.print("  settlement: a schedule each hour -> Step Functions -> settle")
        _out.print(f"  Emulator {endpoint}\n")
        secret = _listen(api, receiver.port)
        _pay(api)
        _show(receiver, secret)
        _settle(api)
        if keep:
            _out.print(f"  export AWS_ENDPOINT_URL={endpoint}")
            _out.print(f"  payments-sandbox keys create --stage {STAGE} another\n")
            _wait()
    _out.print("\nAll of it is gone again.")


def _stop(signal_number: int, frame: FrameType | None) -> NoReturn:
    """Leave by way of the clean-up, which no further signal may cut short."""
    del signal_number, frame
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    sys.exit("Stopped; all of it is gone again.")


def _only(endpoint: str) -> None:
    """Let every client and the function talk to the emulator alone."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "emulator",
        "AWS_SECRET_ACCESS_KEY": "emulator",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _deploy(endpoint: str, receiver_port: int) -> Api:
    names = names_of(STAGE)
    create_table(dynamodb_client(), names.table)
    init_roots(ssm_client(), STAGE)
    way = make_topic(STAGE)
    make_function = _function_maker(
        {
            "LEDGER_TABLE": names.table,
            "STAGE": STAGE,
            "DELIVERIES_TOPIC": way.topic,
            "WEBHOOK_RECEIVER": f"127.0.0.1:{receiver_port}",
            "POWERTOOLS_TRACE_DISABLED": "true",  # nobody listens to traces here
        }
    )
    api_id = _rest_api(make_function("api", "aws_api"), names.usage_plan)
    connect(STAGE, names.table, way, make_function)
    settlement = settle_hourly(STAGE, make_function)

    async def key() -> str:
        async with stage_keys(STAGE) as keys:
            _, api_key = await keys.create_key(MERCHANT)
            return api_key

    return Api(f"{endpoint}/_aws/execute-api/{api_id}/{STAGE}", asyncio.run(key()), settlement)


def _function_maker(environment: dict[str, str]) -> MakeFunction:
    """Build the bundle, and return what makes a function of it and returns its ARN."""
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder, "bundle"))
        archive(Path(folder, "bundle"), Path(folder, "bundle.zip"))
        code = Path(folder, "bundle.zip").read_bytes()
    client = new_client("lambda", read_timeout_s=30)

    def make(name: str, module: str) -> str:
        return client.create_function(
            FunctionName=f"payments-sandbox-{STAGE}-{name}",
            Runtime="python3.13",  # the emulator runs it with its own Python, as the bundle is for
            Role=ROLE,
            Handler=f"payments_sandbox.entrypoints.{module}.handler",
            Code={"ZipFile": code},
            Timeout=DELIVER_TIMEOUT_S,
            MemorySize=512,
            Environment={"Variables": environment},
        )["FunctionArn"]

    return make


def _rest_api(function: str, usage_plan: str) -> str:
    """Put a REST API before the function, with keys and a rate; return its id."""
    gateway = apigateway_client()
    api_id = gateway.create_rest_api(name=f"payments-sandbox-{STAGE}")["id"]
    root_id = gateway.get_resources(restApiId=api_id)["items"][0]["id"]  # pyright: ignore[reportTypedDictNotRequiredAccess]
    for path, open_to_all in (("health", True), ("{proxy+}", False)):
        resource_id = gateway.create_resource(restApiId=api_id, parentId=root_id, pathPart=path)[
            "id"
        ]
        place: dict[str, Any] = {
            "restApiId": api_id, "resourceId": resource_id, "httpMethod": "ANY",
        }  # fmt: skip
        gateway.put_method(**place, authorizationType="NONE", apiKeyRequired=not open_to_all)
        gateway.put_integration(
            **place,
            type="AWS_PROXY",
            integrationHttpMethod="POST",
            uri=f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function}/invocations",
        )
    gateway.create_deployment(restApiId=api_id, stageName=STAGE)
    gateway.create_usage_plan(
        name=usage_plan,
        apiStages=[{"apiId": api_id, "stage": STAGE}],
        throttle={"rateLimit": RATE_PER_S, "burstLimit": BURST},
    )
    return api_id


def _pay(api: Api) -> None:
    """Authorize, capture a part, refund a part, and look at the payment."""
    body = {"card": CARD, "amount": 1000, "currency": "USD", "reference": "order 1"}
    authorization = _curl(api, "payments/authorize", body)
    auth_id = authorization["auth_id"]
    _curl(api, "payments/capture", {"auth_id": auth_id, "amount": 700})
    _curl(api, "payments/refund", {"transaction_id": auth_id, "amount": 250})
    payment = _curl(api, f"payments/{auth_id}")
    if (payment["captured_amount"], payment["refunded_amount"]) != (700, 250):
        sys.exit(f"the payment is not as it should be: {payment}")


def _listen(api: Api, port: int) -> str:
    """Make an endpoint of the receiver here; return its secret."""
    body = {"url": f"http://127.0.0.1:{port}/hooks", "events": ["payment_captured"]}
    return _curl(api, "webhooks/endpoints", body)["secret"]


def _show(receiver: Receiver, secret: str) -> None:
    """Wait for the capture's webhook, check its signature and print it."""
    with _out.status("The capture is on its way: stream, relay, SNS, SQS, deliver ..."):
        try:
            arrived = receiver.received.get(timeout=ARRIVAL_S)
        except Empty:
            sys.exit(f"no webhook arrived within {ARRIVAL_S} s")
    if not arrived.fits(secret):
        sys.exit("the webhook's signature does not fit")
    _out.print("[bold]The webhook arrived, and its signature fits:[/]")
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        _out.print(f"  {name}: {arrived.headers[name]}", markup=False)
    _out.print(arrived.body.decode(), end="\n\n", markup=False)


def _settle(api: Api) -> None:
    """Have a day pass on the merchant's clock, run what runs each hour, and look at the batch."""
    _curl(api, "sandbox/clock/advance", {"by": "P1D"})
    states = new_client("stepfunctions")
    execution = states.start_execution(stateMachineArn=api.settlement)["executionArn"]
    deadline = time.monotonic() + SETTLED_S
    with _out.status("The state machine runs: plan, a task for each merchant, count ..."):
        while (status := _status(states, execution)) == "RUNNING" and time.monotonic() < deadline:
            time.sleep(0.1)
    if status != "SUCCEEDED":
        sys.exit(f"the state machine ended as {status}")
    _out.print("[bold]The state machine ran, and nothing is due any more:[/]\n")
    batches = _curl(api, "settlements")["data"]
    if [(one["gross"], one["refunds"]) for one in batches] != [(700, 250)]:
        sys.exit(f"the batch is not as it should be: {batches}")


def _status(states: Any, execution: str) -> str:  # noqa: ANN401 - a client without types
    return states.describe_execution(executionArn=execution)["status"]


def _curl(api: Api, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Print the line, run it, print the answer and return it."""
    command = ["curl", "-sS", "--fail-with-body", f"{api.url}/{path}"]
    command += ["-H", f"x-api-key: {api.api_key}"]
    if body is not None:
        command += ["-H", f"x-idempotency-key: {path.rpartition('/')[2]}-1"]
        command += ["-H", "content-type: application/json", "-d", json.dumps(body)]
    _out.print(shlex.join(command), style="bold", markup=False)
    answer = _run(command) if shutil.which("curl") else _request(command)
    _out.print(answer, end="\n\n", markup=False)
    return json.loads(answer)


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"curl: {done.stderr}{done.stdout}")
    return done.stdout


def _request(command: list[str]) -> str:
    """Do what the line says where there is no curl."""
    url, options = command[3], command[4:]
    pairs = list(zip(options[::2], options[1::2], strict=True))
    headers = dict(value.split(": ", 1) for name, value in pairs if name == "-H")
    data = next((value.encode() for name, value in pairs if name == "-d"), None)
    request = urllib.request.Request(url, data, headers)  # noqa: S310 - it is ours, on loopback
    with urllib.request.urlopen(request) as response:  # noqa: S310 - as above
        return response.read().decode()


def _wait() -> None:
    _out.print("It stays up until Ctrl-C.")
    signal.pause()


if __name__ == "__main__":
    main()
