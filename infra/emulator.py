"""An emulator of AWS as a process of its own, on loopback only, with nothing kept on disk."""

import os
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory

PROGRAM = Path(__file__).parents[1] / ".venv-emulator" / "bin" / "ministack"
REGION = "us-east-1"
START_DEADLINE_S = 30.0
STOP_DEADLINE_S = 2.0  # its own threads hold it up, and it keeps nothing worth waiting for
# Standard input ends when whoever holds the other end does, killed or not.
_WATCH = 'read _; kill "$1"; while kill -0 "$1"; do sleep 0.1; done; rm -rf "$2"'


@contextmanager
def emulated(*, enforces_iam: bool = False) -> Generator[str]:
    """Yield the address of an empty emulator that runs, on loopback only, until the block ends.

    Unless it enforces IAM, everybody may do everything.
    """
    if not PROGRAM.exists():
        raise AssertionError(f"{PROGRAM} is missing: `make aws-local` or `make test` installs it")
    port = free_port()
    with TemporaryDirectory(prefix="emulator-") as folder:
        log = Path(folder, "emulator.log")
        with log.open("w") as output:
            process = subprocess.Popen(
                [PROGRAM],
                cwd=folder,
                env=_environment(folder, port) | {"AUTH": str(enforces_iam).lower()},
                stdout=output,
                stderr=output,
            )
        try:
            with _watched(process, folder):
                _await_health(process, port, log)
                yield f"http://127.0.0.1:{port}"
        finally:
            _stop(process)


@contextmanager
def _watched(process: subprocess.Popen[bytes], folder: str) -> Generator[None]:
    """Within the block, have the emulator and its folder go even if this process is killed."""
    with subprocess.Popen(
        ["/bin/sh", "-c", _WATCH, "watch", str(process.pid), folder],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"PATH": "/usr/bin:/bin"},
        start_new_session=True,
    ) as watcher:
        try:
            yield
        finally:
            watcher.kill()


def _environment(folder: str, port: int) -> dict[str, str]:
    """Return all that the emulator is told: nothing of the machine's but where programs are."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": folder,
        "TMPDIR": folder,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "false",
        "SFTP_ENABLED": "false",
        "LOG_LEVEL": "WARNING",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_health(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_DEADLINE_S
    while process.poll() is None and time.monotonic() < deadline:
        if _is_healthy(port):
            return
        time.sleep(0.02)
    raise AssertionError(f"the emulator did not start:\n{log.read_text()[-4000:]}")


def _is_healthy(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=2.0)
    try:
        connection.request("GET", "/_ministack/health")
        return connection.getresponse().status == HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
