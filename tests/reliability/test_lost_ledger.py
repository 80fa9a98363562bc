"""A ledger that is deleted or moved under a running sandbox, and what is left of it."""

import subprocess
from pathlib import Path

import pytest

from payments_sandbox.entrypoints.wiring import EXIT_LEDGER_LOST
from tests.running import PROGRAM, running

pytestmark = pytest.mark.reliability


def _refused(*arguments: str) -> str:
    ran = subprocess.run(
        [str(PROGRAM), *arguments], capture_output=True, text=True, timeout=20, check=False
    )
    assert ran.returncode == 1
    return ran.stderr


def test_a_ledger_deleted_while_served(tmp_path: Path) -> None:
    """The sandbox ends and says why, rather than answer for what nobody will find."""
    with running(tmp_path / "ledger.db") as sandbox:
        assert sandbox.authorize("k1").status == 201
        sandbox.data.unlink()
        code = sandbox.process.wait(timeout=10)

    assert code == EXIT_LEDGER_LOST
    assert "was deleted or moved while it was served" in sandbox.log.read_text()


def test_a_ledger_moved_while_served(tmp_path: Path) -> None:
    """Its log stays behind: a start beside it is refused, and put together again all is there."""
    data, elsewhere = tmp_path / "ledger.db", tmp_path / "moved.db"
    with running(data) as sandbox:
        auth_id = sandbox.authorize("k1").json["auth_id"]
        data.rename(elsewhere)
        sandbox.process.wait(timeout=10)
    told = _refused("serve", "--data", str(data), "--port", "0")
    elsewhere.rename(data)

    assert "ledger.db-wal is there" in told
    with running(data) as sandbox:
        assert sandbox.call("GET", f"/payments/{auth_id}").status == 200


def test_a_link_is_the_same_ledger(tmp_path: Path) -> None:
    """Through a symbolic link, too, a second server is refused."""
    link = tmp_path / "link.db"
    with running(tmp_path / "ledger.db") as sandbox:
        link.symlink_to(sandbox.data)

        assert "another sandbox serves" in _refused("serve", "--data", str(link), "--port", "0")


@pytest.mark.parametrize("command", [("list", "shop"), ("revoke", "shop", "k")], ids=" ".join)
def test_looking_makes_no_ledger(tmp_path: Path, command: tuple[str, ...]) -> None:
    """A mistyped path is told, not made into an empty ledger."""
    data = tmp_path / "typo" / "ledger.db"

    assert "no ledger" in _refused("keys", *command, "--data", str(data))
    assert not data.parent.exists()
