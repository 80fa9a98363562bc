"""Real sandbox processes over one table, each with its own port, and the program run to its end."""

import os
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from payments_sandbox.adapters.dynamodb_table import create_table
from tests.emulator import client
from tests.running import PROGRAM, START_DEADLINE_S, Running, free_port

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

STOP_DEADLINE_S = 20.0
Ran = subprocess.CompletedProcess[str]
_NUMBERS = count()


@dataclass(frozen=True)
class Place:
    """A table at an emulator, and the folder where its secrets file stands."""

    endpoint: str
    table: str
    folder: Path

    @property
    def secrets(self) -> Path:
        """The file of its identity root."""
        return self.folder / f"{self.table}.secrets"

    @property
    def address(self) -> str:
        """The address that names the table and the file."""
        return self.address_with(f"secrets={self.secrets}")

    def address_with(self, parameter: str) -> str:
        """Return the address with another parameter than the file's."""
        return f"dynamodb://{self.table}?endpoint={self.endpoint}&{parameter}"


def new_place(endpoint: str, folder: Path) -> Place:
    """Make an empty table that no other test knows."""
    place = Place(endpoint, f"Served{next(_NUMBERS)}-{time.time_ns()}", folder)
    create_table(dynamodb_at(endpoint), place.table)
    return place


@cache
def dynamodb_at(endpoint: str) -> "DynamoDBClient":
    """Return the one client of an endpoint: making it takes longer than most of its calls."""
    return client("dynamodb", endpoint, retries={"total_max_attempts": 1})


def program(*arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Ran:
    """Run the program to its end; kill it if it does not come to one."""
    return subprocess.run(
        [str(PROGRAM), *arguments],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "300", **(env or {})},  # so that no message is wrapped
    )


def programs(
    *commands: Sequence[str], env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> list[Ran]:
    """Run several at a time, each to its end."""
    started = [
        subprocess.Popen(
            [str(PROGRAM), *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env={**os.environ, "COLUMNS": "300", **(env or {})},
        )
        for command in commands
    ]
    ends: list[Ran] = []
    for process in started:
        try:
            output, errors = process.communicate(timeout=20)
        finally:
            process.kill()
        ends.append(Ran(process.args, process.returncode, output, errors))
    return ends


def assert_refused(ran: Ran, *told: str) -> None:
    """Check for the one line that a refusal is."""
    assert ran.returncode == 1, ran.stderr
    assert ran.stdout == ""
    assert ran.stderr.startswith("Refused: ")
    assert ran.stderr.count("\n") == 1
    for part in told:
        assert part in ran.stderr


@contextmanager
def serving(address: str, folder: Path, *options: str) -> Generator[Running]:
    """Serve the ledger at an address until the block ends."""
    with serving_all([address], folder, *options) as (one,):
        yield one


@contextmanager
def serving_all(
    addresses: Sequence[str], folder: Path, *options: str
) -> Generator[tuple[Running, ...]]:
    """Start a process for each address, all at the same moment; yield them once all serve."""
    with ExitStack() as ends:
        started = tuple(_start(address, folder, options) for address in addresses)
        for one in started:
            ends.callback(_stop, one)
        for one in started:
            _await_health(one)
        yield started


def _start(address: str, folder: Path, options: Sequence[str]) -> Running:
    port = free_port()
    log = folder / f"{port}.log"
    command = [
        str(PROGRAM), "serve", "--ledger", address, "--port", str(port), "--rate-limit", "off",
        *options,
    ]  # fmt: skip
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, text=True)
    return Running(process, port, folder, log)


def _stop(one: Running) -> None:
    if one.process.poll() is None:
        one.process.terminate()
    try:
        one.process.wait(STOP_DEADLINE_S)
    finally:
        one.process.kill()


def _await_health(one: Running) -> None:
    deadline = time.monotonic() + START_DEADLINE_S
    while one.process.poll() is None and time.monotonic() < deadline:
        try:
            if one.call("GET", "/health", timeout_s=2.0).status == 200:
                return
        except (OSError, HTTPException):
            time.sleep(0.02)
    raise AssertionError(f"the sandbox did not start:\n{one.log.read_text()}")
