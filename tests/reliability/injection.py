"""Makes chosen system calls of a running sandbox fail, with strace."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.running import Running

ATTACH_DEADLINE_S = 5.0

# Started through this, a program lets any process of its user trace it, where the Yama module
# otherwise lets only its parent.
_LET_TRACE = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
TRACEABLE = (sys.executable, "-ISc", _LET_TRACE)


class Refused(Exception):
    """The process cannot be traced; the message says why."""


class Fault(NamedTuple):
    """A call to make fail: its name, what happens instead, and from which call on.

    `when` counts in each thread; only one thread of the sandbox writes while it serves.
    """

    call: str
    instead: str
    when: str = "1+"

    def __str__(self) -> str:
        return f"{self.call}:{self.instead}:when={self.when}"


class Injection(NamedTuple):
    """What a tracer wrote down."""

    log: Path

    @property
    def hits(self) -> int:
        """How many calls were made to fail, or killed at."""
        lines = self.log.read_text().splitlines()
        return sum("(INJECTED)" in line or "killed by SIGKILL" in line for line in lines)

    def calls(self, name: str) -> int:
        """How often the call was made at all."""
        return sum(f" {name}(" in line for line in self.log.read_text().splitlines())


@cache
def why_not() -> str | None:
    """Return why nothing can be injected here, or None if it can."""
    if sys.platform != "linux" or shutil.which("strace") is None:
        return "strace is not here"
    sleep = shutil.which("sleep") or "sleep"
    with subprocess.Popen([*TRACEABLE, sleep, "30"]) as process:
        try:
            with _traced(process.pid, ["-o", os.devnull]):
                return None
        except Refused as error:
            return str(error)
        finally:
            process.kill()


@contextmanager
def injected(sandbox: Running, fault: Fault) -> Generator[Injection]:
    """Make the sandbox's calls fail until the block ends."""
    log = sandbox.data.with_name("strace.log")
    log.unlink(missing_ok=True)
    options = ["-o", str(log), "-e", f"trace={fault.call}", "-e", f"inject={fault}"]
    with _traced(sandbox.process.pid, options):
        yield Injection(log)


@contextmanager
def _traced(pid: int, options: list[str]) -> Generator[None]:
    command = ["strace", "-f", "-p", str(pid), *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        try:
            _await_attached(pid, tracer)
            yield
        finally:
            tracer.terminate()


def _await_attached(pid: int, tracer: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + ATTACH_DEADLINE_S
    while not _is_attached(pid, tracer.pid):
        if tracer.poll() is not None or time.monotonic() > deadline:
            raise Refused(f"tracing is not permitted here: {_last_words(tracer)}")
        time.sleep(0.01)
    time.sleep(0.03)  # a thread is attached a moment before its calls are stopped


def _is_attached(pid: int, tracer_pid: int) -> bool:
    threads = list(Path(f"/proc/{pid}/task").glob("*/status"))
    return all(f"TracerPid:\t{tracer_pid}\n" in one.read_text() for one in threads)


def _last_words(tracer: subprocess.Popen[str]) -> str:
    tracer.terminate()
    _, told = tracer.communicate(timeout=ATTACH_DEADLINE_S)
    return " ".join(told.split()) or "no answer"
