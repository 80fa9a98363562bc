"""Generated requests against a real server, judged by the OpenAPI document it serves."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.running import API_KEY, PROGRAM, Running, running

HERE = Path(__file__).parent
EXAMPLES_MAX = 7


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Running]:
    """A sandbox of its own."""
    with running(tmp_path / "ledger.db") as one:
        yield one


def test_generated_requests_find_nothing(sandbox: Running) -> None:
    """All default checks hold over every operation, and no request causes a server error."""
    known = {
        "SCHEMATHESIS_SECOND_KEY": _new_key(sandbox),
        "SCHEMATHESIS_SETTLEMENT_ID": _new_batch(sandbox),
    }
    result = _schemathesis(f"http://127.0.0.1:{sandbox.port}/openapi.json", known)

    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    assert "ERROR" not in sandbox.log.read_text()


def test_a_broken_answer_is_found(sandbox: Running, tmp_path: Path) -> None:
    """The checks would notice: against a document that promises something else they fail."""
    document = sandbox.call("GET", "/openapi.json").body
    planted = tmp_path / "planted.json"
    planted.write_bytes(document.replace(b'"retention_days"', b'"retention_weeks"'))

    result = _schemathesis(
        str(planted),
        {},
        *("--url", f"http://127.0.0.1:{sandbox.port}"),
        *("--include-operation-id", "read_settings"),
    )

    assert result.returncode == 1
    assert "retention_weeks" in result.stdout


def _new_key(sandbox: Running) -> str:
    """Return the key of a second merchant."""
    command = [str(PROGRAM), "keys", "create", "second", "--data", str(sandbox.data)]
    made = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    return made.stdout.strip()


def _new_batch(sandbox: Running) -> str:
    """Settle a payment and return the id of its batch."""
    auth_id = sandbox.authorize("a payment to settle").json["auth_id"]
    sandbox.call("POST", "/payments/capture", {"auth_id": auth_id}, key="its capture")
    sandbox.call("POST", "/sandbox/clock/advance", {"by": "P2D"})
    (batch,) = sandbox.call("GET", "/settlements").json["data"]
    return str(batch["settlement_id"])


def _schemathesis(
    document: str, known: Mapping[str, str], *options: str
) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("schemathesis")
    command = [
        *(program, "--config-file", HERE / "schemathesis.toml", "run", document),
        *("-H", f"x-api-key: {API_KEY}", "--max-examples", str(EXAMPLES_MAX)),
        *("--generation-deterministic", "--no-color", *options),
    ]
    environment = os.environ | known | {"SCHEMATHESIS_HOOKS": "tests.api.schemathesis_hooks"}
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        cwd=HERE.parent.parent,
        env=environment,
    )
