"""The ledger's file: opened safely, migrated, and held by one server at a time."""

import fcntl
import os
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from payments_sandbox.adapters.secrets import (
    FileSecrets,
    SecretsUnusable,
    create_secrets,
    load_secrets,
)
from payments_sandbox.services.ports import LedgerRefused

SQLITE_VERSION_MIN = (3, 37, 0)  # STRICT tables
APPLICATION_ID = 0x50534258  # "PSBX", so that another program's database is refused
BUSY_TIMEOUT_MS = 250
CHECKPOINT_PAGES = 4_000  # about 16 MB: rarely, so that a page changed often is copied once
WAL_BYTES_KEPT = 64 * 1024 * 1024

# What is set and must read back as given, or the ledger does not open.
_PRAGMAS = {
    "journal_mode": ("WAL", "wal"),
    "synchronous": ("FULL", 2),
    "foreign_keys": ("ON", 1),
    "trusted_schema": ("OFF", 0),
    "fullfsync": ("ON", 1),
    "checkpoint_fullfsync": ("ON", 1),
    "busy_timeout": (str(BUSY_TIMEOUT_MS), BUSY_TIMEOUT_MS),
}


class LedgerFileRefused(LedgerRefused):
    """The file cannot serve as a ledger; the message says why and what to do."""


def secrets_path(path: Path) -> Path:
    """Return where the secrets of the ledger at `path` are."""
    return path.with_name(path.name + ".secrets")


def open_ledger_file(path: Path) -> FileSecrets:
    """Create or migrate the file, and return the secrets it was made with.

    Raise LedgerFileRefused.
    """
    if sqlite3.sqlite_version_info < SQLITE_VERSION_MIN:
        raise LedgerFileRefused(f"SQLite {sqlite3.sqlite_version} is too old; 3.37 is needed")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _check_not_moved(path)
        _create_private(path)
        _check_owner(path)
        connection = connect(path)
    except (OSError, sqlite3.Error) as error:
        raise LedgerFileRefused(f"cannot open {path} as a ledger: {error}") from error
    try:
        return _prepare(connection, path)
    except (OSError, sqlite3.Error, SecretsUnusable) as error:
        raise LedgerFileRefused(f"cannot use {path} as a ledger: {error}") from error
    finally:
        connection.close()


def check_ledger_file(path: Path) -> None:
    """Refuse what is no ledger of this release, without changing it; raise LedgerFileRefused."""
    if not path.exists():
        raise LedgerFileRefused(f"there is no {path}. Name the file that was served with --data.")
    try:
        _check_owner(path)
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as reader:
            (version,) = reader.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        raise LedgerFileRefused(f"cannot open {path} as a ledger: {error}") from error
    if version != len(_migrations()):
        raise LedgerFileRefused(
            f"{path} is empty or another release's. Serve it once with this one, which migrates it."
        )


def connect(path: Path, *, cache_kib: int = 2_000, read_only: bool = False) -> sqlite3.Connection:
    """Open a connection whose settings are verified; raise LedgerFileRefused or sqlite3.Error."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        _set_up(connection, path)
        connection.execute(f"PRAGMA cache_size = -{cache_kib}")
        if read_only:
            connection.execute("PRAGMA query_only = ON")
    except (sqlite3.Error, LedgerFileRefused):
        connection.close()
        raise
    return connection


def _set_up(connection: sqlite3.Connection, path: Path) -> None:
    for pragma, (wanted, expected) in _PRAGMAS.items():
        connection.execute(f"PRAGMA {pragma} = {wanted}")
        (got,) = connection.execute(f"PRAGMA {pragma}").fetchone()
        if got != expected:
            raise LedgerFileRefused(
                f"{path} cannot be a ledger: SQLite gives {pragma}={got}, not {expected}. "
                "Use a local disk; network file systems do not support this."
            )
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")


@contextmanager
def held(path: Path) -> Generator[None]:
    """Hold the ledger for this process; raise LedgerFileRefused for no ledger or a held one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            _check_owner(path)  # before anything is left beside what is not ours
        descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except (OSError, sqlite3.Error) as error:
        raise LedgerFileRefused(f"cannot open {path} as a ledger: {error}") from error
    try:
        _lock(descriptor, path)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LedgerFileRefused(
            f"another sandbox serves {path}. Stop it, or choose another file with --data."
        ) from None


def _create_private(path: Path) -> None:
    """Create the file for its owner only; SQLite gives its companions the same mode."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _check_not_moved(path: Path) -> None:
    """Refuse to begin anew beside the log of a ledger that is gone: SQLite would delete it."""
    log = path.with_name(path.name + "-wal")
    if log.exists() and not path.exists():
        raise LedgerFileRefused(
            f"{path} is gone but {log.name} is there: it was moved while it was served. "
            f"Put it back, or delete {log.name} to begin anew."
        )


def _check_owner(path: Path) -> None:
    """Refuse another program's database before anything in it is touched."""
    with closing(sqlite3.connect(path)) as connection:
        (application_id,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables and application_id != APPLICATION_ID:
        raise LedgerFileRefused(f"{path} is another program's database. Choose another --data.")


def _prepare(connection: sqlite3.Connection, path: Path) -> FileSecrets:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    _migrate(connection, path)
    secrets = _matching_secrets(connection, path)
    connection.execute("COMMIT")
    return secrets


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Run the numbered SQL files that this file has not seen."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    files = _migrations()
    if version > len(files):
        raise LedgerFileRefused(f"{path} was written by a newer release. Upgrade this one.")
    for file in files[version:]:
        for statement in file.read_text().split(";\n"):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(files)}")


def _migrations() -> list[Traversable]:
    """Return the numbered SQL files, in order."""
    folder = resources.files("payments_sandbox.adapters") / "migrations"
    return sorted(
        (one for one in folder.iterdir() if one.name.endswith(".sql")), key=lambda one: one.name
    )


def _matching_secrets(connection: sqlite3.Connection, path: Path) -> FileSecrets:
    """Return the secrets this ledger was made with, or new ones for a new ledger."""
    known = connection.execute("SELECT secrets_check FROM ledger").fetchone()
    file = secrets_path(path)
    if known is None:
        secrets = load_secrets(file) if file.exists() else create_secrets(file)
        connection.execute("INSERT INTO ledger VALUES (1, ?)", (secrets.check_value(),))
        return secrets
    if not file.exists():
        raise LedgerFileRefused(f"{file} is missing. Restore it, or choose another --data.")
    secrets = load_secrets(file)
    if secrets.check_value() != known[0]:
        raise LedgerFileRefused(f"{file} belongs to another ledger. Restore the right one.")
    return secrets
