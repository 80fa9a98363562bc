"""The AWS home on this machine: a stage deployed to an emulator, as it would be to an account.

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
from urllib.parse import urlsplit

from rich.console import Console

from infra.emulator import REGION, emulated
from infra.receiver import Receiver, receiving
from payments_sandbox.adapters.aws_clients import new_client
from payments_sandbox.adapters.ssm_secrets import init_roots, ssm_client
from payments_sandbox.entrypoints.stage import stage_keys

STAGE, MERCHANT = "local", "shop"
ACCOUNT = "000000000000"  # the emulator's
ARRIVAL_S = 60
SETTLED_S = 60
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
        with _out.status("Deploying table, functions, topic, queue, gateway and schedules ..."):
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
            _out.print(f"  .venv-infra/bin/payments-sandbox keys create --stage {STAGE} another\n")
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
    """Deploy the stage as it would be to an account, with its secrets and a key."""
    init_roots(ssm_client(), STAGE)
    with tempfile.TemporaryDirectory() as folder:
        outputs = Path(folder, "outputs.json")
        _toolkit(receiver_port, "bootstrap", f"aws://{ACCOUNT}/{REGION}")
        _toolkit(
            receiver_port, "deploy", "--require-approval", "never", "--outputs-file", str(outputs)
        )
        told: dict[str, str] = json.loads(outputs.read_text())[f"payments-sandbox-{STAGE}"]
    # The output has the address that the API would have in AWS.
    api_id = (urlsplit(told["ApiUrl"]).hostname or "").partition(".")[0]

    async def key() -> str:
        async with stage_keys(STAGE) as keys:
            _, api_key = await keys.create_key(MERCHANT)
            return api_key

    url = f"{endpoint}/_aws/execute-api/{api_id}/{STAGE}"
    return Api(url, asyncio.run(key()), told["SettlementMachine"])


def _toolkit(receiver_port: int, *arguments: str) -> None:
    """Run the CDK's command line, with a word only if it fails; none of it outlives us."""
    command = [sys.executable, "-m", "infra.toolkit", *arguments, "--stage", STAGE]
    command += ["--target", "emulator", "--receiver", f"127.0.0.1:{receiver_port}"]
    with subprocess.Popen(
        command,
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        sys.exit(f"{shlex.join(command)}\n{said}")


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
