"""The ledger's file: opened safely, or refused with the reason and the remedy."""

import sqlite3
import stat
from pathlib import Path

import pytest

from payments_sandbox.adapters import sqlite_file
from payments_sandbox.adapters.sqlite_file import (
    LedgerFileRefused,
    connect,
    held,
    open_ledger_file,
    secrets_path,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a ledger may be made."""
    return tmp_path / "new folder" / "ledger.db"


def alter(path: Path, statement: str) -> None:
    """Run a statement on the file behind the sandbox's back."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(statement)
    connection.close()


def test_made_once(path: Path) -> None:
    """The file and its secrets are made at the first start and found at the next."""
    first = open_ledger_file(path)

    assert first.check_value() == open_ledger_file(path).check_value()


def test_for_its_owner_alone(path: Path) -> None:
    """Nobody else on the machine may read the ledger or what lies beside it."""
    open_ledger_file(path)
    connection = connect(path)
    connection.execute("BEGIN IMMEDIATE")

    modes = {stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}

    connection.close()
    assert {stat.S_IRUSR | stat.S_IWUSR} == modes


@pytest.mark.parametrize(
    ("pragma", "expected"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("trusted_schema", 0)],
)
def test_safe_settings(path: Path, pragma: str, expected: object) -> None:
    """A connection commits durably and trusts nothing in the file."""
    open_ledger_file(path)
    connection = connect(path)

    (actual,) = connection.execute(f"PRAGMA {pragma}").fetchone()

    connection.close()
    assert expected == actual


def test_a_reader_cannot_write(path: Path) -> None:
    """A connection for reading refuses to write."""
    open_ledger_file(path)
    connection = connect(path, read_only=True)

    with pytest.raises(sqlite3.OperationalError):
        connection.execute("DELETE FROM merchants")
    connection.close()


def test_settings_that_do_not_hold(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system on which a setting does not take effect is refused."""
    monkeypatch.setitem(sqlite_file.__dict__["_PRAGMAS"], "synchronous", ("FULL", 99))

    with pytest.raises(LedgerFileRefused, match="synchronous=2, not 99"):
        open_ledger_file(path)


def test_another_programs_database(path: Path) -> None:
    """A database of another program is left alone."""
    path.parent.mkdir()
    alter(path, "CREATE TABLE songs (name TEXT)")

    with pytest.raises(LedgerFileRefused, match="another program's"):
        open_ledger_file(path)


def test_no_database_at_all(path: Path) -> None:
    """A file that is no database is refused, and not overwritten."""
    path.parent.mkdir()
    path.write_text("shopping list " * 100)

    with pytest.raises(LedgerFileRefused, match="cannot open"):
        open_ledger_file(path)
    assert path.read_text().startswith("shopping list")


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    """A place that is no folder is refused with its name."""
    (tmp_path / "file").touch()

    with pytest.raises(LedgerFileRefused, match="cannot open"):
        open_ledger_file(tmp_path / "file" / "ledger.db")


def test_a_newer_release(path: Path) -> None:
    """A file that a newer release wrote is refused."""
    open_ledger_file(path)
    alter(path, "PRAGMA user_version = 9999")

    with pytest.raises(LedgerFileRefused, match="newer release"):
        open_ledger_file(path)


def test_an_old_sqlite(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SQLite without strict tables is refused."""
    monkeypatch.setattr(sqlite_file, "SQLITE_VERSION_MIN", (99, 0, 0))

    with pytest.raises(LedgerFileRefused, match="too old"):
        open_ledger_file(path)


def test_missing_secrets(path: Path) -> None:
    """A ledger whose secrets are gone is refused, as every card id would change."""
    open_ledger_file(path)
    secrets_path(path).unlink()

    with pytest.raises(LedgerFileRefused, match="is missing"):
        open_ledger_file(path)


def test_damaged_secrets(path: Path) -> None:
    """A ledger whose secrets are damaged is refused."""
    open_ledger_file(path)
    secrets_path(path).write_text("{}")

    with pytest.raises(LedgerFileRefused, match="cannot use"):
        open_ledger_file(path)


def test_another_ledgers_secrets(path: Path, tmp_path: Path) -> None:
    """Secrets of another ledger are refused."""
    open_ledger_file(path)
    open_ledger_file(tmp_path / "other.db")
    secrets_path(tmp_path / "other.db").replace(secrets_path(path))

    with pytest.raises(LedgerFileRefused, match="belongs to another"):
        open_ledger_file(path)


def test_secrets_that_came_first(path: Path, tmp_path: Path) -> None:
    """A new ledger beside an existing secrets file takes those secrets."""
    kept = open_ledger_file(tmp_path / "old.db")
    path.parent.mkdir()
    secrets_path(tmp_path / "old.db").replace(secrets_path(path))

    assert kept.check_value() == open_ledger_file(path).check_value()


def test_held_by_one_at_a_time(path: Path) -> None:
    """A ledger that is served cannot be served again until it is let go."""
    path.parent.mkdir()

    with held(path), pytest.raises(LedgerFileRefused, match="another sandbox"), held(path):
        pass
    with held(path):
        pass


@pytest.mark.parametrize("is_database", [True, False])
def test_nothing_is_left_beside_what_is_not_ours(
    path: Path,
    is_database: bool,  # noqa: FBT001 - a case
) -> None:
    """A file that is no ledger is refused before it is held: no lock stays beside it."""
    path.parent.mkdir()
    if is_database:
        alter(path, "CREATE TABLE songs (name TEXT)")
    else:
        path.write_text("shopping list " * 100)

    with pytest.raises(LedgerFileRefused), held(path):
        pass
    assert [one.name for one in path.parent.iterdir()] == [path.name]
