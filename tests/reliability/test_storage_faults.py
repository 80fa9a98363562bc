"""A disk that is full or fails costs availability at most, never a payment."""

import resource
import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.reliability.checker import census, check
from tests.reliability.fault_walk import (
    FAILED_FLUSH,
    FAILED_WRITE,
    FULL_DISK,
    KILLED_AT_FLUSH,
    Walk,
)
from tests.reliability.flow import Flow
from tests.reliability.injection import TRACEABLE, Fault, injected
from tests.reliability.load import Journal, Sent, authorization, is_replayed, merged
from tests.running import Answer, Running, running

pytestmark = [
    pytest.mark.reliability,
    pytest.mark.skipif(sys.platform != "linux", reason="faults are made as Linux makes them"),
]

REQUESTS = [authorization(f"refused-{number}") for number in range(16)]
# Two pages of the log fit, the third does not.
TORN_BYTES = 2 * (4096 + 24) + 50


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Running]:
    """Serve a ledger of the test's own, so that strace may attach."""
    with running(tmp_path / "ledger.db", wrapper=TRACEABLE) as sandbox:
        yield sandbox


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 4 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("mount is not here")
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)  # noqa: S607 - found on PATH, as above


@pytest.mark.parametrize("room", [0, TORN_BYTES], ids=["no room", "room for a torn write"])
def test_a_file_that_may_not_grow(sandbox: Running, room: int) -> None:
    """Writes are answered 503 and leave nothing, reads go on, and room brings writes back."""
    _refuses_then_serves(sandbox, _limited(sandbox, room))


def test_a_full_disk(tiny_disk: Path) -> None:
    """A file system without space costs writes only, and only until there is space."""
    with running(tiny_disk / "ledger.db") as sandbox:
        _refuses_then_serves(sandbox, _filled(tiny_disk))


@pytest.mark.usefixtures("traceable")
@pytest.mark.parametrize("fault", [FAILED_WRITE, FULL_DISK], ids=str)
def test_writes_that_fail(sandbox: Running, fault: Fault) -> None:
    """Failing writes are answered 503 and leave nothing, and the process recovers by itself."""
    _refuses_then_serves(sandbox, injected(sandbox, fault))


@pytest.mark.usefixtures("traceable")
def test_reads_that_fail(sandbox: Running) -> None:
    """What cannot be read is answered 503, and is there again with the disk."""
    first, second = Flow("first"), Flow("second")
    first.go_on(sandbox)
    second.go_on(sandbox)  # so that the first one's pages are no longer as the reader knows them
    paths = [f"/payments/{first.auth_id}", "/payments", "/health"]

    with injected(sandbox, Fault("pread64", "error=EIO")):
        refused = [sandbox.call("GET", path) for path in paths]
    after = [sandbox.call("GET", path).status for path in paths]

    assert all(_is_unavailable(answer) for answer in refused)
    assert after == [200, 200, 200]
    assert check(sandbox, merged([first.journal, second.journal])) == []


def test_a_kill_while_the_disk_is_full(tmp_path: Path) -> None:
    """What a full disk tore apart is gone after a restart, and its keys are unspent."""
    data = tmp_path / "ledger.db"
    before = Flow("before")
    with running(data) as sandbox:
        before.go_on(sandbox)
        with _limited(sandbox, TORN_BYTES):
            refused = _at_once(sandbox, REQUESTS)
            sandbox.process.kill()
            sandbox.process.wait()
    with running(data) as sandbox:
        again = _at_once(sandbox, REQUESTS)
        findings = check(sandbox, before.journal)

    assert [answer is not None and answer.status for answer in refused] == [503] * len(REQUESTS)
    assert [answer is not None and answer.status for answer in again] == [201] * len(REQUESTS)
    assert not any(answer is None or is_replayed(answer) for answer in again)
    assert findings == []


@pytest.mark.usefixtures("traceable")
def test_a_flush_that_fails_ends_the_process(tmp_path: Path) -> None:
    """Nothing is acknowledged on a flush that failed; the next start tells what is stored."""
    data = tmp_path / "ledger.db"
    before, journal = Flow("before"), Journal()
    journal.in_doubt = {sent.key: sent for sent in REQUESTS}
    with running(data, wrapper=TRACEABLE) as sandbox:
        before.go_on(sandbox)
        with injected(sandbox, FAILED_FLUSH):
            answers = _at_once(sandbox, REQUESTS)
            exit_code = sandbox.process.wait(timeout=10)
        log = sandbox.log.read_text()
    with running(data) as sandbox:
        findings = check(sandbox, journal) + check(sandbox, before.journal)
    findings += census(data, merged([before.journal, journal]))

    assert exit_code == 70
    assert answers == [None] * len(REQUESTS)
    assert "flushing to disk failed" in log
    assert "Traceback" not in log
    assert len(journal.acknowledged) == len(REQUESTS)
    assert findings == []


@pytest.mark.usefixtures("traceable")
@pytest.mark.parametrize("kind", [FAILED_WRITE, FAILED_FLUSH, KILLED_AT_FLUSH], ids=str)
def test_every_call_of_a_payment_goes_wrong_once(tmp_path: Path, kind: Fault) -> None:
    """No single call can lose or double anything; `fault_walk` walks more kinds of faults."""
    walk = Walk(tmp_path / "ledger.db", kind, restart_each=False).run(lambda _: None)

    assert walk.findings == []
    assert walk.points >= 3
    if kind is FAILED_WRITE:
        assert (walk.refused, walk.ended) == (walk.points, 0)
    else:
        assert (walk.refused, walk.ended) == (0, walk.points)


def _refuses_then_serves(sandbox: Running, fault: AbstractContextManager[object]) -> None:
    """Check a fault that lasts a while: 503 meanwhile, and afterwards as if it had not been."""
    before, journal = Flow("before"), Journal()
    before.go_on(sandbox)
    capture = Sent("refused-capture", "/payments/capture", {"auth_id": before.auth_id})
    requests = [*REQUESTS, capture]
    paths = [f"/payments/{before.auth_id}", "/payments", "/health"]
    reads = [sandbox.call("GET", path).body for path in paths]

    with fault:
        refused = _at_once(sandbox, requests)
        reads_meanwhile = [sandbox.call("GET", path).body for path in paths]
    reads_after = [sandbox.call("GET", path).body for path in paths]
    for sent in requests:
        journal.note(sent, sent.to(sandbox))

    assert all(answer is not None and _is_unavailable(answer) for answer in refused)
    assert reads_meanwhile == reads_after == reads
    assert len(journal.acknowledged) == len(requests)
    assert not any(is_replayed(one.answer) for one in journal.acknowledged)
    assert check(sandbox, merged([before.journal, journal])) == []


def _is_unavailable(answer: Answer) -> bool:
    """Tell whether it is the problem that says to send the same request again."""
    return (
        answer.status == 503
        and answer.headers["content-type"] == "application/problem+json"
        and answer.headers["retry-after"] == "1"
        and answer.json["code"] == "ledger_unavailable"
    )


def _at_once(sandbox: Running, requests: Sequence[Sent]) -> list[Answer | None]:
    """Send all together; None for what got no answer."""

    def answer(sent: Sent) -> Answer | None:
        with suppress(OSError, HTTPException):
            return sent.to(sandbox)
        return None

    with ThreadPoolExecutor(len(requests)) as threads:
        return list(threads.map(answer, requests))


@contextmanager
def _limited(sandbox: Running, room: int) -> Generator[None]:
    """Let none of the sandbox's files grow beyond what its log has now, plus `room` bytes."""
    pid = sandbox.process.pid
    size = sandbox.data.with_name(sandbox.data.name + "-wal").stat().st_size
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size + room, before[1]))
    yield
    with suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@contextmanager
def _filled(disk: Path) -> Generator[None]:
    """Fill the disk to its last byte."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    yield
    filler.unlink()
