"""The AWS home on this machine, as `make aws-local` brings it up."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest

from infra.aws_local import MERCHANT, STAGE
from payments_sandbox.adapters.dynamodb_merchants import DynamoMerchants
from payments_sandbox.adapters.dynamodb_table import Table
from payments_sandbox.entrypoints.stage import names_of
from tests.emulator import client
from tests.running import AUTHORIZE

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "infra.aws_local"]
pytestmark = pytest.mark.aws


def assert_shown(text: str) -> None:
    """Assert that a payment went through, by seven lines, that its webhook came, and its batch."""
    assert len(re.findall(r"^curl ", text, re.MULTILINE)) == 7
    assert '"status":"partially_refunded"' in text
    assert "The webhook arrived, and its signature fits:" in text
    assert '"type":"payment_captured"' in text
    assert "The state machine ran, and nothing is due any more:" in text
    assert '"state":"closed"' in text


def settled_by_the_machine(text: str) -> None:
    """Have a capture fall due behind the API's back, and the deployed state machine settle it."""
    found = re.search(r"(http://[0-9.:]+)/_aws/execute-api/\S+ -H 'x-api-key: (\S+)'", text)
    assert found is not None, text
    endpoint = found[1]
    url = re.search(r"answers at (\S+)", text)
    assert url is not None, text
    with httpx.Client(base_url=f"{url[1]}/", headers={"x-api-key": found[2]}) as api:
        keys = [{"x-idempotency-key": one} for one in ("one more", "its capture")]
        made = api.post("payments/authorize", json=AUTHORIZE, headers=keys[0])
        body = {"auth_id": made.json()["auth_id"]}
        assert api.post("payments/capture", json=body, headers=keys[1]).is_success
        asyncio.run(_move_on(endpoint))
        states = client("stepfunctions", endpoint)
        (machine,) = states.list_state_machines()["stateMachines"]
        run = states.start_execution(stateMachineArn=machine["stateMachineArn"])["executionArn"]
        while (status := states.describe_execution(executionArn=run)["status"]) == "RUNNING":
            time.sleep(0.05)
        batches = api.get("settlements").json()["data"]

    assert status == "SUCCEEDED"
    assert [one["gross"] for one in batches] == [AUTHORIZE["amount"], 700]
    assert {one["state"] for one in batches} <= {"closed", "paid"}


async def _move_on(endpoint: str) -> None:
    """Set the merchant's clock a day on, without doing what falls due on the way."""
    table = Table(client("dynamodb", endpoint), names_of(STAGE).table)
    now = datetime.now(UTC)
    await DynamoMerchants(table).change(
        MERCHANT, lambda one: one.moved_to(one.now(now) + timedelta(days=1), now)
    )
    await table.close()


def gone(text: str) -> bool:
    """Tell whether nothing listens where the text says the emulator was."""
    found = re.search(r"Emulator http://(\S+)", text)
    assert found is not None, text
    connection = HTTPConnection(found[1], timeout=2)
    with suppress(ConnectionRefusedError):
        connection.request("GET", "/")
        return False
    return True


def test_a_payment_goes_through() -> None:
    """It prints curl lines, the capture's webhook arrives signed, and it leaves nothing behind."""
    done = subprocess.run(
        COMMAND, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert_shown(done.stdout)
    assert gone(done.stdout)


def test_stopped_it_cleans_up() -> None:
    """Kept up, without curl, it settles; told to end, it takes the emulator with it."""
    with subprocess.Popen(
        [*COMMAND, "--keep"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PATH": ""},
    ) as process:
        assert process.stdout is not None
        seen = ""
        while "until Ctrl-C" not in seen:
            line = process.stdout.readline()
            assert line, seen
            seen += line
        settled_by_the_machine(seen)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)

    assert_shown(seen)
    assert gone(seen)
    assert errors == "Stopped; all of it is gone again.\n"
