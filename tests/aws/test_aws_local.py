"""The AWS home on this machine, as `make aws-local` brings it up."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "infra.aws_local"]
pytestmark = pytest.mark.aws


def assert_shown(text: str) -> None:
    """Assert that a payment went through, by five lines, and that its webhook arrived."""
    assert len(re.findall(r"^curl ", text, re.MULTILINE)) == 5
    assert '"status":"partially_refunded"' in text
    assert "The webhook arrived, and its signature fits:" in text
    assert '"type":"payment_captured"' in text


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
    """Kept up, without curl, and told to end: it takes the emulator with it without confusion."""
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
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)

    assert_shown(seen)
    assert gone(seen)
    assert errors == "Stopped; all of it is gone again.\n"
