"""The emulator of AWS, which is to leave nothing behind."""

import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GONE_S = 20.0
HOLDER = """
import time
from infra.emulator import emulated
with emulated() as endpoint:
    print(endpoint, flush=True)
    time.sleep(60)
"""
pytestmark = pytest.mark.aws


def test_killed_its_holder_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the emulator nor its folder outlives a kill -9."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        endpoint = holder.stdout.readline().strip()
        assert answers(endpoint)
        assert [*tmp_path.iterdir()] != []
        holder.kill()

    deadline = time.monotonic() + GONE_S
    while time.monotonic() < deadline and (answers(endpoint) or [*tmp_path.iterdir()]):
        time.sleep(0.1)

    assert not answers(endpoint)
    assert [*tmp_path.iterdir()] == []


def answers(endpoint: str) -> bool:
    """Tell whether an emulator is there."""
    connection = HTTPConnection(endpoint.removeprefix("http://"), timeout=2)
    try:
        connection.request("GET", "/_ministack/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
