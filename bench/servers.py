"""The servers under load: started on a free loopback port, awaited, and stopped by their pid."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep

from bench.machine import only_child

REPOSITORY = Path(__file__).resolve().parent.parent
COMPILED = Path(__file__).resolve().parent / ".compiled"
READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
POLL_S = 0.002
LOG_BYTES = 5_000


class ServerError(Exception):
    """A server did not start, or did not stop as it should."""


class SkippedError(Exception):
    """A benchmark cannot run on this machine; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server; `start_s` is the time from process start to the first good answer."""

    port: int
    pid: int
    start_s: float


def sandbox_command(data: Path, port: int) -> list[str]:
    """Command line of the sandbox on a database file, without rate limit."""
    program = Path(sys.executable).with_name("payments-sandbox")
    if not program.exists():
        raise SkippedError(f"{program.name} is not installed beside {Path(sys.executable).name}")
    options = ["--host", "127.0.0.1", "--port", str(port), "--data", str(data)]
    return [str(program), "serve", *options, "--rate-limit", "off"]


@contextmanager
def sandbox(data: Path) -> Generator[Server, None, None]:
    """Run the sandbox on a database file."""
    port = free_port()
    with running(sandbox_command(data, port), port=port) as server:
        yield server


@contextmanager
def baseline(module: str) -> Generator[Server, None, None]:
    """Run a FastAPI baseline, `bench.hello` or `bench.bare`."""
    port = free_port()
    with running([sys.executable, "-m", module, str(port)], port=port) as server:
        yield server


@contextmanager
def running(
    command: Sequence[str], *, port: int, path: str = "/health", traced: bool = False
) -> Generator[Server, None, None]:
    """Run a server until the block ends; raises ServerError.

    What it printed is noted on any error that leaves the block.

    When `traced`, the command is a tracer and the server its one child.
    """
    with _log_file() as log_fd:
        start_s = perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log_fd,
            stderr=log_fd,
            cwd=REPOSITORY,
            env=_environment(),
        )
        pid = process.pid
        try:
            _wait_until_ready(process, port, path)
            took_s = perf_counter() - start_s
            pid = only_child(process.pid) if traced else process.pid
            yield Server(port=port, pid=pid, start_s=took_s)
        except Exception as error:
            error.add_note(f"{command[0]} printed:\n{_printed(log_fd)}")
            raise
        finally:
            _stop(process, pid)


def free_port() -> int:
    """Find a port nobody listens on right now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def _environment() -> dict[str, str]:
    # Compiled modules are kept, whatever this shell says: where they are not, each start compiles
    # all it imports, and `startup` measures the compiler.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(COMPILED)}


def _stop(process: subprocess.Popen[bytes], pid: int) -> None:
    # The pid is that of the process itself, or of the server under a tracer, which ends with it.
    if process.poll() is None:
        os.kill(pid, signal.SIGTERM)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise ServerError(f"{process.args} did not stop on SIGTERM") from None


@contextmanager
def _log_file() -> Generator[int, None, None]:
    # In memory: a log on the disk would share its flushes with the database under test.
    log_fd = (
        os.memfd_create("log") if hasattr(os, "memfd_create") else os.open(os.devnull, os.O_RDWR)
    )
    try:
        yield log_fd
    finally:
        os.close(log_fd)


def _printed(log_fd: int) -> str:
    end = os.fstat(log_fd).st_size
    return os.pread(log_fd, LOG_BYTES, max(end - LOG_BYTES, 0)).decode(errors="replace")


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, path: str) -> None:
    end_s = perf_counter() + READY_TIMEOUT_S
    while perf_counter() < end_s:
        if _answers_200(port, path):
            return
        if process.poll() is not None:
            break
        sleep(POLL_S)
    raise ServerError(f"{process.args} did not become ready")


def _answers_200(port: int, path: str) -> bool:
    request = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=READY_TIMEOUT_S) as client:
            client.sendall(request)
            return client.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
