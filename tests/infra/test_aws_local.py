"""What `make aws-local` says and does, and that nothing of it stays when it is stopped."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import suppress
from http.client import HTTPConnection
from typing import NamedTuple

import pytest

from infra.toolkit import ROOT

END_S = 20
pytestmark = pytest.mark.aws


class Deployed(NamedTuple):
    """A stage that runs, and what was said of it."""

    process: subprocess.Popen[str]
    said: str

    def found(self, pattern: str) -> str:
        """Return what was said at this place."""
        (found,) = set(re.findall(pattern, self.said))
        return found

    @property
    def endpoint(self) -> str:
        """Where the emulator is."""
        return self.found(r"Emulator (\S+)")


@pytest.fixture(scope="module")
def deployed() -> Generator[Deployed]:
    """A stage that stays up, made where there is no curl."""
    with subprocess.Popen(
        [sys.executable, "-m", "infra.aws_local", "--keep"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PATH": ""},
    ) as process:
        try:
            yield Deployed(process, _said(process))
        finally:
            process.terminate()
            process.communicate(timeout=END_S)


def _said(process: subprocess.Popen[str]) -> str:
    """Return what is said until it is up."""
    assert process.stdout is not None
    assert process.stderr is not None
    said = ""
    while "until Ctrl-C" not in said:
        line = process.stdout.readline()
        assert line, said + process.stderr.read()
        said += line
    return said


def test_a_payment_goes_through(deployed: Deployed) -> None:
    """By seven lines, and its webhook came signed, and its batch was closed."""
    assert len(curl_lines(deployed)) == 7
    assert '"status":"partially_refunded"' in deployed.said
    assert "The webhook arrived, and its signature fits:" in deployed.said
    assert '"type":"payment_captured"' in deployed.said
    assert "The state machine ran, and nothing is due any more:" in deployed.said
    assert '"state":"closed"' in deployed.said


@pytest.mark.skipif(shutil.which("curl") is None, reason="the lines are curl's")
def test_a_printed_line_works(deployed: Deployed) -> None:
    """The last one, of the batches, answers once more."""
    done = subprocess.run(
        shlex.split(curl_lines(deployed)[-1]), capture_output=True, text=True, check=True
    )

    assert [one["state"] for one in json.loads(done.stdout)["data"]] == ["closed"]


def test_stopped_it_cleans_up(deployed: Deployed) -> None:
    """Told to end, it takes the emulator with it."""
    deployed.process.send_signal(signal.SIGTERM)
    _, errors = deployed.process.communicate(timeout=END_S)

    assert errors == "Stopped; all of it is gone again.\n"
    assert gone(deployed)


def curl_lines(deployed: Deployed) -> list[str]:
    """Return the lines that a reader may run again."""
    return re.findall(r"^curl .*$", deployed.said, re.MULTILINE)


def gone(deployed: Deployed) -> bool:
    """Tell whether nothing listens where the emulator was."""
    connection = HTTPConnection(deployed.endpoint.removeprefix("http://"), timeout=2)
    with suppress(ConnectionRefusedError):
        connection.request("GET", "/")
        return False
    return True
