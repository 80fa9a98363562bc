"""A ledger of the release before settlement: what it captured is settled like any other."""

import json
import sqlite3
from contextlib import closing
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import Any

from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.adapters.sqlite_file import APPLICATION_ID, open_ledger_file
from payments_sandbox.adapters.sqlite_merchants import SqliteMerchants
from payments_sandbox.adapters.sqlite_settlements import SqliteSettlements
from payments_sandbox.adapters.sqlite_trail import SqliteTrail
from payments_sandbox.domain.operations import Capture, Refund
from payments_sandbox.services.audit import Audit, Report
from payments_sandbox.services.merchants import LOCAL_MERCHANT, Tenancy
from payments_sandbox.services.payments import Payments, Request
from payments_sandbox.services.sweep import Progress, Sweep
from tests.unit.examples import AUTHORIZE
from tests.unit.stand_ins import ManualClock, SeededIds

SCHEMA = ("0001_payments.sql", "0002_webhooks.sql")


async def captured_and_open(data: Path, clock: ManualClock) -> None:
    """Make one payment that is captured twice and refunded in part, and one that is open."""
    secrets, ids = open_ledger_file(data), SeededIds()
    ledger = SqliteLedger(data, clock, _fail)
    merchants = SqliteMerchants(ledger)
    await Tenancy(merchants, clock, ids).ensure_local_key()
    payments = Payments(ledger, merchants, clock, ids, secrets)

    def request(operation: str, key: str) -> Request:
        return Request(LOCAL_MERCHANT, operation, key, "")

    paid = await payments.authorize(AUTHORIZE, request("authorize", "1"))
    await payments.authorize(AUTHORIZE, request("authorize", "2"))
    auth_id = paid.transaction.payment_id
    await payments.execute(Capture(auth_id, 600), request("capture", "3"))
    clock.pass_by(timedelta(days=1))
    await payments.execute(Capture(auth_id, 400), request("capture", "4"))
    await payments.execute(Refund(auth_id, amount=650), request("refund", "5"))
    await ledger.close()


def before_settlement(data: Path) -> None:
    """Make a ledger what the release before settlement wrote."""
    old = data.with_name("old.db")
    folder = resources.files("payments_sandbox.adapters") / "migrations"
    with closing(sqlite3.connect(old)) as ledger, ledger:
        for name in SCHEMA:
            ledger.executescript((folder / name).read_text())
        ledger.execute("DELETE FROM relayed")
        ledger.execute("ATTACH ? AS new", (str(data),))
        for (table,) in ledger.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table'"):
            names = ", ".join(row[1] for row in ledger.execute(f"PRAGMA main.table_info({table})"))
            ledger.execute(f"INSERT INTO main.{table} SELECT {names} FROM new.{table}")  # noqa: S608 - ours
        for payment_id, body in ledger.execute("SELECT payment_id, body FROM payments").fetchall():
            changed = (_as_before(body), payment_id)
            ledger.execute("UPDATE payments SET body = ? WHERE payment_id = ?", changed)
        ledger.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        ledger.execute(f"PRAGMA user_version = {len(SCHEMA)}")
    old.replace(data)


def _as_before(body: bytes) -> bytes:
    head: dict[str, Any] = json.loads(body)
    head.pop("refunds", None)
    for capture in head.get("captures", ()):
        del capture["settles_at"], capture["fee"]
    return json.dumps(head).encode()


async def swept(data: Path, clock: ManualClock) -> tuple[Progress, Report]:
    """Open the file as this release does, do what is due, and look at its books."""
    open_ledger_file(data)
    ledger = SqliteLedger(data, clock, _fail)
    merchants, settlements = SqliteMerchants(ledger), SqliteSettlements(ledger, clock)
    sweep = Sweep(ledger, merchants, settlements, clock)
    audit = Audit(merchants, settlements, SqliteTrail(ledger, clock), clock)
    progress = await sweep.run(LOCAL_MERCHANT, clock.now(), timedelta(minutes=1))
    report = await audit.run(LOCAL_MERCHANT)
    await ledger.close()
    return progress, report


async def test_what_was_captured_before_is_settled(tmp_path: Path) -> None:
    """Captures and refunds go into the batches of their days, and the open rest expires."""
    migrated, fresh = ManualClock(), ManualClock()
    await captured_and_open(tmp_path / "migrated.db", migrated)
    await captured_and_open(tmp_path / "fresh.db", fresh)
    before_settlement(tmp_path / "migrated.db")
    for clock in (migrated, fresh):
        clock.pass_by(timedelta(days=7))

    progress, report = await swept(tmp_path / "migrated.db", migrated)
    expected, _ = await swept(tmp_path / "fresh.db", fresh)

    assert progress.happened == expected.happened
    assert progress.counts == {
        "transaction_settled": 2,
        "settlement_closed": 2,
        "settlement_paid": 1,
        "authorization_expired": 1,
    }
    assert report.holds


def _fail(error: sqlite3.Error) -> None:
    raise AssertionError from error
