"""The cold start of the function: CPU time of its import beside that of what it cannot do without.

Each import runs in a fresh process, with compiled bytecode as a bundle has it.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from tempfile import TemporaryDirectory
from typing import NamedTuple

from rich.console import Console

from bench.report import Comparison, Report
from bench.rounds import Plan, interleaved
from tests.running import free_port

ROUNDS = 15
GOAL = 1.15
OURS = "import payments_sandbox.entrypoints.aws_api"
# What a function of this kind cannot do without: a framework, the adapter to Lambda, a client.
BARE = (
    "import fastapi, mangum, botocore.session\nbotocore.session.Session().create_client('dynamodb')"
)
OUTSIDE = f"import os; del os.environ['LAMBDA_TASK_ROOT']\n{OURS}"
# For information: ours where X-Ray does not know that it is in Lambda, and the pieces.
PIECES = {
    "ours, outside Lambda": OUTSIDE,
    "both clients, no framework": (
        "import botocore.session\nsession = botocore.session.Session()\n"
        "session.create_client('dynamodb'); session.create_client('ssm')"
    ),
    "Logger and Metrics": "from aws_lambda_powertools import Logger, Metrics",
    "Logger, Metrics and Tracer": (
        "from aws_lambda_powertools import Logger, Metrics, Tracer\n"
        "Logger(); Metrics(); Tracer(patch_modules=('botocore',))"
    ),
}
TRACE_RUNS = 3
_TRACED = re.compile(r"import time:\s*(\d+) \|\s*(\d+) \| *(\S+)")


class Import(NamedTuple):
    """A module, and how long it took by itself and with all that it was first to import."""

    module: str
    own_ms: float
    all_ms: float

    @property
    def package(self) -> str:
        """The package it belongs to, or the standard library."""
        name = self.module.partition(".")[0]
        return "the standard library" if name in sys.stdlib_module_names else name


def measure(console: Console, rounds: int | None) -> tuple[Report, list[Import]]:
    """Return the comparison, and the modules that ours imports."""
    with TemporaryDirectory(prefix="bench-aws-") as folder:
        statements = {"ours": OURS, "bare": BARE} | PIECES
        for statement in statements.values():
            _cpu_ms(statement, folder)  # now all of it is compiled
        plan = Plan(rounds=rounds, quick=False, folder=Path(folder), console=console)
        sides = {
            name: lambda text=statement: _cpu_ms(text, folder)
            for name, statement in statements.items()
        }
        found = interleaved(plan, "imports", sides, rounds=plan.rounds_or(ROUNDS))
        return _report(found), _traced(folder)


def _report(found: Mapping[str, list[float]]) -> Report:
    comparisons = [
        Comparison(
            what=name,
            unit="ms CPU",
            baseline="bare",
            ours=rounds,
            theirs=found["bare"],
            goal=GOAL if name == "ours" else None,
            smaller_is_better=True,
        )
        for name, rounds in found.items()
        if name != "bare"
    ]
    return Report(
        title="cold import: CPU time of a fresh process, beside FastAPI, Mangum and one client",
        comparisons=comparisons,
        remarks=["user + system time, the start of Python included on both sides"],
    )


def _cpu_ms(statement: str, folder: str) -> float:
    """Return milliseconds of CPU time, user and system, of a process that runs the statement."""
    before = getrusage(RUSAGE_CHILDREN)
    _run(statement, folder)
    after = getrusage(RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1_000


def _traced(folder: str) -> list[Import]:
    """Return the modules of ours, each with the least it took in a few runs."""
    least: dict[str, Import] = {}
    for _ in range(TRACE_RUNS):
        for line in _run(OURS, folder, "-X", "importtime").splitlines():
            if found := _TRACED.match(line):
                one = Import(found[3], int(found[1]) / 1_000, int(found[2]) / 1_000)
                known = least.get(one.module, one)
                least[one.module] = Import(
                    one.module, min(one.own_ms, known.own_ms), min(one.all_ms, known.all_ms)
                )
    return [*least.values()]


def _run(statement: str, folder: str, *options: str) -> str:
    """Run a statement as the function would, but able to reach nothing; return its errors."""
    command = [sys.executable, "-X", f"pycache_prefix={folder}", *options, "-c", statement]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": folder,
        "LAMBDA_TASK_ROOT": folder,  # without it X-Ray's recorder builds a client of its own
        "LEDGER_TABLE": "bench",
        "STAGE": "bench",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}",
    }
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return done.stderr
