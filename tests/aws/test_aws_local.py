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


def gone(text: str) -> bool:
    """Tell whether nothing listens where the text says the emulator was."""
    found = re.search(r"Emulator http://(\S+)", text)
    assert found is not None, text
    connection = HTTPConnection(found[1], timeout=2)
    with suppress(ConnectionRefusedError):
        connection.request("GET", "/")
        return False
    return True


@pytest.mark.parametrize("path", [os.environ["PATH"], ""], ids=["curl", "no curl"])
def test_a_payment_goes_through(path: str) -> None:
    """It prints curl lines, the capture's webhook arrives signed, and it leaves nothing behind."""
    done = subprocess.run(
        COMMAND,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        env=os.environ | {"PATH": path},
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert len(re.findall(r"^curl ", done.stdout, re.MULTILINE)) == 5
    assert '"status":"partially_refunded"' in done.stdout
    assert "The webhook arrived, and its signature fits:" in done.stdout
    assert '"type":"payment_captured"' in done.stdout
    assert gone(done.stdout)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_stopped_it_cleans_up(how: signal.Signals) -> None:
    """Kept up and then told to end, it takes the emulator with it, and not in confusion."""
    with subprocess.Popen(
        [*COMMAND, "--keep"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        seen = ""
        while "until Ctrl-C" not in seen:
            line = process.stdout.readline()
            assert line, seen
            seen += line
        process.send_signal(how)
        _, errors = process.communicate(timeout=20)

    assert gone(seen)
    assert errors == "Stopped; all of it is gone again.\n"
