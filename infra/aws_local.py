"""The AWS home on this machine: emulator, table, secrets, function, gateway and a key.

Runs a payment through it with the curl lines it prints, and cleans up. No account is needed:
everything is on loopback, and gone at the end.
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
import urllib.request
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, NoReturn

from rich.console import Console

from infra.bundle import archive, build
from infra.emulator import REGION, emulated
from payments_sandbox.adapters.aws_clients import new_client
from payments_sandbox.adapters.dynamodb_table import create_table, dynamodb_client
from payments_sandbox.adapters.gateway_keys import apigateway_client
from payments_sandbox.adapters.ssm_secrets import init_roots, ssm_client
from payments_sandbox.entrypoints.stage import names_of, stage_keys

STAGE, MERCHANT = "local", "shop"
RATE_PER_S, BURST = 100 / 60, 10
CARD = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2035, "cvc": "123"}
_out = Console(highlight=False, soft_wrap=True)


class Api(NamedTuple):
    """An API that answers, and the key it lets in."""

    url: str
    api_key: str


def main() -> None:
    """Bring it up, run a payment through it, and take it down."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--keep", action="store_true", help="stay up until Ctrl-C")
    keep: bool = parser.parse_args().keep
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, _stop)
    _out.print("Starting the emulator of AWS ...")
    with emulated() as endpoint:
        _only(endpoint)
        with _out.status("Making table, secrets, function, gateway and key ..."):
            api = _deploy(endpoint)
        _out.print(f"\n[bold]The AWS home answers[/] at {api.url}\n")
        _out.print("  API Gateway (keys, rate) -> Lambda (the bundle) -> DynamoDB; secrets in SSM")
        _out.print(f"  Emulator {endpoint}\n")
        _pay(api)
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


def _deploy(endpoint: str) -> Api:
    names = names_of(STAGE)
    create_table(dynamodb_client(), names.table)
    init_roots(ssm_client(), STAGE)
    function = _function(names.table)
    api_id = _rest_api(function, names.usage_plan)

    async def key() -> str:
        async with stage_keys(STAGE) as keys:
            _, api_key = await keys.create_key(MERCHANT)
            return api_key

    return Api(f"{endpoint}/_aws/execute-api/{api_id}/{STAGE}", asyncio.run(key()))


def _function(table: str) -> str:
    """Make the function from its bundle; return its ARN."""
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder, "bundle"))
        archive(Path(folder, "bundle"), Path(folder, "bundle.zip"))
        code = Path(folder, "bundle.zip").read_bytes()
    answer = new_client("lambda", read_timeout_s=30).create_function(
        FunctionName=f"payments-sandbox-{STAGE}-api",
        Runtime="python3.13",  # the emulator runs it with its own Python, which the bundle is for
        Role="arn:aws:iam::000000000000:role/emulated",
        Handler="payments_sandbox.entrypoints.aws_api.handler",
        Code={"ZipFile": code},
        Timeout=30,
        MemorySize=512,
        Environment={
            "Variables": {
                "LEDGER_TABLE": table,
                "STAGE": STAGE,
                "POWERTOOLS_TRACE_DISABLED": "true",  # nobody listens to traces here
            }
        },
    )
    return answer["FunctionArn"]


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
