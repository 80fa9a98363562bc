"""What is imported and installed: nothing slow in the function, nothing of AWS on a laptop."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from importlib.metadata import requires
from pathlib import Path
from time import monotonic, sleep

from tests.aws.process import ROOT, Ended, aws_environment, run_python
from tests.running import free_port

SLOW = (
    "boto3", "s3transfer", "fastapi", "uvicorn", "typer", "rich",
    "aws_lambda_powertools.utilities.parameters", "aws_lambda_powertools.utilities.idempotency",
)  # fmt: skip
OF_AWS = {
    "botocore", "boto3", "mangum", "aws-lambda-powertools", "aws-xray-sdk", "awslambdaric",
    "snapshot-restore-py",
}  # fmt: skip
IMPORTED = f"""
import sys
import payments_sandbox.entrypoints.aws_api
print(sorted(name for name in {SLOW} if name in sys.modules))
"""
BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        blocked = ("botocore", "boto3", "mangum", "aws_lambda_powertools", "aws_xray_sdk")
        if name.partition(".")[0] in (*blocked, "awslambdaric", "snapshot_restore_py"):
            raise ImportError(name + " is blocked")

sys.meta_path.insert(0, Blocked())
"""
PLANTED = BLOCKED + "import payments_sandbox.entrypoints.aws_api"
CLI = BLOCKED + "from payments_sandbox.entrypoints.cli import main\nmain()"
START_DEADLINE_S = 20.0


def imported(program: str) -> Ended:
    """Run a program in the environment of a function that reaches nothing."""
    return run_python(program, aws_environment(LEDGER_TABLE="Ledger", STAGE="dev"))


def test_the_function_imports_nothing_slow() -> None:
    """Each of these would cost a cold start, and none is needed."""
    assert Ended(0, "[]\n", "") == imported(IMPORTED)


def test_slow_imports_would_be_seen() -> None:
    """The same look finds modules that were imported, or just stand there."""
    planted = f"import sys, types\nfor one in {SLOW}: sys.modules[one] = types.ModuleType(one)\n"

    assert f"{sorted(SLOW)}\n" == imported(planted + IMPORTED).out


def names_in(lines: list[str]) -> set[str]:
    """Return the names of the packages that requirements name."""
    found = (re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line) for line in lines)
    return {re.sub(r"[-_.]+", "-", one[0]).lower() for one in found if one is not None}


def test_a_local_install_pulls_nothing_of_aws() -> None:
    """Neither the pinned list nor the package without extras names a package of AWS."""
    pinned = names_in((ROOT / "requirements" / "local.txt").read_text().splitlines())
    of_package = [one for one in requires("payments-sandbox") or [] if "extra ==" not in one]

    assert {"fastapi", "uvicorn"} <= pinned & names_in(of_package)
    assert set[str]() == OF_AWS & (pinned | names_in(of_package))


def test_a_package_of_aws_would_be_seen() -> None:
    """The list with AWS, and the extra, hold what the local ones must not."""
    pinned = names_in((ROOT / "requirements" / "aws.txt").read_text().splitlines())

    assert {"botocore", "mangum", "aws-lambda-powertools"} <= OF_AWS & pinned
    assert {"botocore"} < OF_AWS & names_in(requires("payments-sandbox") or [])


def local_environment() -> dict[str, str]:
    """Return an environment without a word about AWS."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")}


def test_the_block_blocks() -> None:
    """With the packages of AWS blocked the function cannot be imported."""
    assert "is blocked" in run_python(PLANTED, local_environment()).err


def test_the_command_line_works_without_aws() -> None:
    """With the packages of AWS blocked the command line answers."""
    ended = run_python(CLI, local_environment(), "version")

    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("payments-sandbox ")


@contextmanager
def served(folder: Path, environment: Mapping[str, str]) -> Generator[int]:
    """Serve a SQLite file with the packages of AWS blocked; yield the port."""
    port = free_port()
    command = [sys.executable, "-c", CLI, "serve", "--port", str(port)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--data", str(folder / "ledger.db")],
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(START_DEADLINE_S)

    assert status == 0, (folder / "log").read_text()


def health_of(port: int) -> int:
    """Return the status of /health once it answers."""
    deadline = monotonic() + START_DEADLINE_S
    while monotonic() < deadline:
        connection = HTTPConnection("127.0.0.1", port, timeout=2.0)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status
        except OSError:
            sleep(0.02)
        finally:
            connection.close()
    raise AssertionError("nothing answers")


def test_the_sandbox_serves_without_aws(tmp_path: Path) -> None:
    """With the packages of AWS blocked a SQLite file is served until SIGTERM."""
    with served(tmp_path, local_environment()) as port:
        assert health_of(port) == 200
