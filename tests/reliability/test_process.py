"""What the process refuses to start on, how it ends, and keys made while it serves."""

import asyncio
import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.reliability.checker import check
from tests.reliability.load import Journal, authorization, is_replayed, start_clients
from tests.reliability.sockets import as_bytes, connected
from tests.running import PROGRAM, Answer, Running, running

pytestmark = pytest.mark.reliability

Ran = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a ledger that was served once."""
    data = tmp_path_factory.mktemp("served") / "ledger.db"
    with running(data) as sandbox:
        assert sandbox.authorize("first").status == 201
    return data


@pytest.fixture
def ledger(served: Path, tmp_path: Path) -> Path:
    """Return a copy of it, with its secrets."""
    for name in (served.name, f"{served.name}.secrets"):
        shutil.copy2(served.with_name(name), tmp_path / name)
    return tmp_path / served.name


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Serve one ledger for the tests that leave it serving."""
    with running(tmp_path_factory.mktemp("process") / "ledger.db") as sandbox:
        yield sandbox


def test_a_second_process_on_the_same_ledger(sandbox: Running) -> None:
    """The second one is refused and told the remedy; the first one serves on."""
    ran = _serve(sandbox.data)

    _assert_refused(ran, "another sandbox serves", "--data")
    assert sandbox.authorize("after the second").status == 201


def test_a_busy_port(sandbox: Running, ledger: Path) -> None:
    """A port that is taken is refused with its number and the remedy."""
    ran = _serve(ledger, "--port", str(sandbox.port))

    _assert_refused(ran, str(sandbox.port), "--port")


def test_the_well_known_key_on_an_open_address(ledger: Path) -> None:
    """A key that everybody knows is not served beyond loopback."""
    ran = _serve(ledger, "--host", "0.0.0.0")  # noqa: S104 - it is refused

    _assert_refused(ran, "sk_test_local", "keys revoke default local", "127.0.0.1")


def test_a_text_file(tmp_path: Path) -> None:
    """A file that is no database is refused and stays as it is."""
    data = tmp_path / "notes.txt"
    data.write_text("Remember the milk.\n" * 100)

    ran = _serve(data)

    _assert_refused(ran, str(data), "not a database")
    assert data.read_text() == "Remember the milk.\n" * 100


def test_the_database_of_another_program(tmp_path: Path) -> None:
    """It is refused and not a byte of it changes, not even its journal mode."""
    data = tmp_path / "other.db"
    with closing(sqlite3.connect(data)) as other, other:
        other.execute("CREATE TABLE notes (text)")
    before = data.read_bytes()

    ran = _serve(data)

    _assert_refused(ran, "another program's database", "--data")
    assert data.read_bytes() == before


def test_a_directory(tmp_path: Path) -> None:
    """A directory is refused as a usage error."""
    ran = _serve(tmp_path)

    assert ran.returncode == 2
    assert "is a directory" in _text(ran)
    assert "Traceback" not in _text(ran)


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    """A ledger cannot stand inside a file."""
    (tmp_path / "file").touch()

    ran = _serve(tmp_path / "file" / "ledger.db")

    _assert_refused(ran, "ledger.db")


@pytest.mark.skipif(sys.platform != "linux", reason="/sys is Linux's, and not even root's to write")
def test_a_folder_that_cannot_be_written() -> None:
    """Where no file can be made, no ledger can."""
    ran = _serve(Path("/sys/ledger.db"))

    _assert_refused(ran, "/sys/ledger.db")


def test_missing_secrets(ledger: Path) -> None:
    """Without its secrets a ledger would forget every key it knows, so it is refused."""
    _secrets(ledger).unlink()

    ran = _serve(ledger)

    _assert_refused(ran, "ledger.db.secrets is missing", "Restore")
    assert not _secrets(ledger).exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [('{"identity": "%s"}' % ("ab" * 32), "belongs to another ledger"), ("{}", "does not hold")],
    ids=["foreign", "damaged"],
)
def test_wrong_secrets(ledger: Path, text: str, told: str) -> None:
    """Secrets that are another ledger's, or nobody's, are refused and kept."""
    _secrets(ledger).write_text(text)

    ran = _serve(ledger)

    _assert_refused(ran, "ledger.db.secrets", told)
    assert _secrets(ledger).read_text() == text


@pytest.mark.usefixtures("traceable")
def test_a_first_start_cut_off_at_its_first_write(tmp_path: Path) -> None:
    """A start killed while it makes the ledger's secrets leaves nothing that stops the next one."""
    data = tmp_path / "ledger.db"
    killed = ["-e", "trace=write", "-e", "inject=write:signal=KILL:when=1"]
    first = subprocess.run(
        ["strace", "-f", "-o", str(tmp_path / "strace.log"), *killed, *_creating(data)],  # noqa: S607 - found on PATH
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},  # or those would be its first writes
        capture_output=True,
        timeout=20,
        check=False,
    )
    second = _program(*_creating(data)[1:])

    assert first.returncode < 0 or "killed" in (tmp_path / "strace.log").read_text()
    assert second.returncode == 0, second.stderr


def test_keys_made_and_revoked_while_it_serves(sandbox: Running) -> None:
    """A new key works at once and ends with the next request; only its hash is kept."""
    made = _program("keys", "create", "shop", "--data", str(sandbox.data))
    api_key = made.stdout.strip()
    key_id = api_key.split("_")[2]
    used = sandbox.call("GET", "/payments", api_key=api_key)
    kept = [path.read_bytes() for path in sandbox.data.parent.iterdir()]
    revoked = _program("keys", "revoke", "shop", key_id, "--data", str(sandbox.data))
    after = sandbox.call("GET", "/payments", api_key=api_key)
    unknown = sandbox.call("GET", "/payments", api_key="sk_test_0123456789_unknown")

    assert (made.returncode, revoked.returncode) == (0, 0)
    assert (used.status, used.json["data"]) == (200, [])
    assert not any(api_key.rpartition("_")[2].encode() in content for content in kept)
    assert any(hashlib.sha256(api_key.encode()).digest() in content for content in kept)
    assert after.status == 401
    assert _essence(after) == _essence(unknown)


async def test_a_stop_lets_a_request_finish(tmp_path: Path) -> None:
    """A request whose body is still on its way at SIGTERM gets its answer; new ones do not."""
    sent = authorization("slow")
    request = as_bytes(sent)
    with running(tmp_path / "ledger.db") as sandbox:
        async with connected(sandbox.port) as connection:
            await connection.send(request[:-5])
            await asyncio.sleep(0.1)
            sandbox.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(_await_closed, sandbox)
            await asyncio.sleep(0.5)
            await connection.send(request[-5:])
            answer = await connection.answer()
        exit_code = await asyncio.to_thread(sandbox.process.wait, 20)
    with running(tmp_path / "ledger.db") as sandbox:
        replay = sent.to(sandbox)

    assert answer.status == 201
    assert exit_code == 0
    assert is_replayed(replay)
    assert replay.body == answer.body


def test_a_stop_under_load(tmp_path: Path) -> None:
    """At SIGTERM every request that got through is answered; the others leave nothing."""
    journal = Journal()
    with running(tmp_path / "ledger.db") as sandbox:
        clients = start_clients(sandbox, "stopped", journal)
        time.sleep(0.3)
        sandbox.process.send_signal(signal.SIGTERM)
        exit_code = sandbox.process.wait(timeout=20)
        for client in clients:
            client.join()
        log = sandbox.log.read_text()
    with running(tmp_path / "ledger.db") as sandbox:
        unanswered = [sent.to(sandbox) for sent in journal.in_doubt.values()]
        findings = check(sandbox, journal)

    assert exit_code == 0
    assert "Traceback" not in log
    assert len(journal.acknowledged) > len(unanswered) > 0
    assert not any(is_replayed(answer) for answer in unanswered)
    assert findings == []


def _program(*arguments: str) -> Ran:
    """Run the program to its end; kill it if it does not come to one."""
    return subprocess.run(
        [str(PROGRAM), *arguments],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        env={**os.environ, "COLUMNS": "300"},  # so that no message is wrapped
    )


def _serve(data: Path, *options: str) -> Ran:
    port = () if "--port" in options else ("--port", "0")
    return _program("serve", "--data", str(data), *port, *options)


def _assert_refused(ran: Ran, *told: str) -> None:
    """Check for the one line that a refusal is."""
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr.startswith("Refused: ")
    assert ran.stderr.count("\n") == 1
    for part in told:
        assert part in ran.stderr


def _creating(data: Path) -> list[str]:
    """Return the command that makes a ledger and little else."""
    return [str(PROGRAM), "keys", "create", "shop", "--data", str(data)]


def _text(ran: Ran) -> str:
    return ran.stdout + ran.stderr


def _secrets(data: Path) -> Path:
    return data.with_name(f"{data.name}.secrets")


def _essence(answer: Answer) -> tuple[int, bytes, dict[str, str]]:
    """Return what two answers to the same question have in common."""
    headers = {
        name: value
        for name, value in answer.headers.items()
        if name not in {"date", "x-request-id"}
    }
    return answer.status, answer.body, headers


def _await_closed(sandbox: Running) -> None:
    """Wait until no new connection is taken."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            sandbox.call("GET", "/health")
        except (OSError, HTTPException):
            return
    raise AssertionError("new connections are still taken")
