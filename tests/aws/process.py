"""A Python of its own that runs one of our programs, told of the emulator and nothing else."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.emulator import REGION

ROOT = Path(__file__).parents[2]
DEADLINE_S = 30.0


class Ended(NamedTuple):
    """What a process wrote, and how it ended."""

    status: int
    out: str
    err: str


def aws_environment(endpoint: str = "http://127.0.0.1:9", **more: str) -> dict[str, str]:
    """Return an environment in which AWS is at this address; the default is a closed port."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        **more,
    }


def run_python(program: str, environment: Mapping[str, str], *arguments: str) -> Ended:
    """Run a program given as text, or raise AssertionError if it does not end in time."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)
