"""verify on a real file: a seeded month is sound, and each column that is changed is named."""

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from payments_sandbox.adapters import sqlite_columns
from payments_sandbox.adapters.sqlite_columns import SqliteColumns
from payments_sandbox.adapters.sqlite_trail import SqliteTrail
from payments_sandbox.entrypoints.cli import app
from payments_sandbox.entrypoints.seed import seed
from payments_sandbox.entrypoints.seed_plan import Plan
from payments_sandbox.services.merchants import LOCAL_MERCHANT
from tests.unit.examples import CUTOFF, MERCHANT_ID
from tests.unit.shop import Shop

PLAN = Plan(seed=7, payments=700, start=date(2026, 1, 1), days=3)
FIRST = "(SELECT min({key}) FROM {table})"
NUMBERS = {
    "payments": ("payment_id", ("version", "unsettled")),
    "accounts": ("currency", ("version",)),
    "settlement_lines": ("payment_id", ("captures", "refunds", "gross", "refunded", "fees")),
}
TEXTS = {
    "payments": ("payment_id", ("status", "card_id", "reference", "currency")),
    "settlements": ("settlement_id", ("listed_at", "currency", "state")),
}
TIMES = {
    "payments": ("payment_id", ("due_at", "expires_at")),
    "settlements": ("settlement_id", ("expires_at",)),
}
FAR = 1 << 43
CHANGES = [
    (table, key, f"{name} = {value.format(name=name)}")
    for tables, value in ((NUMBERS, "{name} + 1"), (TEXTS, "'x'"), (TIMES, str(FAR)))
    for table, (key, names) in tables.items()
    for name in names
]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a seeded ledger."""
    path = tmp_path_factory.mktemp("sound") / "ledger.db"
    seed(path, PLAN, lambda _: None)
    return path


@pytest.fixture
def data(sound: Path, tmp_path: Path) -> Path:
    """Return a copy of it."""
    return Path(shutil.copy(sound, tmp_path / "ledger.db"))


def verify(data: Path, *options: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, ["verify", str(data), *options], env={"COLUMNS": "160"})


def change(data: Path, statement: str) -> None:
    """Change the file as no rule would."""
    with closing(sqlite3.connect(data)) as connection, connection:
        assert connection.execute(statement).rowcount


def count(data: Path, table: str) -> int:
    """Return how many rows a table has."""
    with closing(sqlite3.connect(data)) as connection:
        (rows,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - ours
    return rows


def test_a_sound_file(sound: Path) -> None:
    """Nothing is found, and every row that has columns beside it was looked at."""
    verified = verify(sound)
    row = next(one for one in verified.stdout.splitlines() if "columns_follow" in one)
    looked_at = sum(count(sound, table) for table in ("payments", "accounts", "settlements"))

    assert verified.exit_code == 0
    assert [one.strip() for one in row.split("│")[1:4]] == [
        "columns_follow_from_records",
        f"{looked_at + count(sound, 'settlement_lines'):,}",
        "0",
    ]


@pytest.mark.parametrize(("table", "key", "changed"), CHANGES)
def test_a_column_that_says_another_thing(data: Path, table: str, key: str, changed: str) -> None:
    """Each column that rows are found or added up by is compared, and its row is named."""
    first = FIRST.format(key=key, table=table)
    change(data, f"UPDATE {table} SET {changed} WHERE {key} = {first}")  # noqa: S608 - ours
    verified = verify(data)

    assert verified.exit_code == 1
    with closing(sqlite3.connect(data)) as connection:
        (row_id,) = connection.execute(f"SELECT min({key}) FROM {table}").fetchone()  # noqa: S608 - ours
    assert f"  columns_follow_from_records: {row_id}\n" in verified.stdout


def test_as_json(data: Path) -> None:
    """Each merchant's report, as its invariants are answered; the status is the same."""
    sound = verify(data, "--json")
    change(data, "UPDATE settlement_lines SET gross = gross + 1")
    unsound = verify(data, "--json")
    reports = [json.loads(one.stdout)[LOCAL_MERCHANT] for one in (sound, unsound)]

    assert [one.exit_code for one in (sound, unsound)] == [0, 1]
    assert [one["holds"] for one in reports] == [True, False]
    assert [*reports[0]] == ["holds", "complete", "payments", "transactions", "checks"]
    assert reports[0]["payments"] == PLAN.payments
    assert [one["name"] for one in reports[1]["checks"] if not one["holds"]] == [
        "columns_follow_from_records"
    ]


def test_a_record_of_another_form(data: Path) -> None:
    """What is no record at all is named by its column."""
    change(data, "UPDATE payments SET body = x'7b7d' WHERE position = 1")
    with closing(sqlite3.connect(data)) as connection:
        row = connection.execute("SELECT payment_id FROM payments WHERE position = 1").fetchone()

    assert f"columns_follow_from_records: {row[0]}\n" in verify(data).stdout


@pytest.mark.parametrize(
    ("table", "key", "changed"),
    [("settlement_lines", "payment_id", "gross = 1"), ("settlements", "listed_at", "state = 'x'")],
)
def test_the_last_of_many_pages(
    data: Path, monkeypatch: pytest.MonkeyPatch, table: str, key: str, changed: str
) -> None:
    """What more pages than one have is compared to its end, once."""
    monkeypatch.setattr(sqlite_columns, "PAGE", 2)
    last = f"(SELECT max({key}) FROM {table})"  # noqa: S608 - ours
    change(data, f"UPDATE {table} SET {changed} WHERE {key} = {last}")  # noqa: S608 - ours
    verified = verify(data)

    assert verified.exit_code == 1
    assert "columns_follow_from_records:" in verified.stdout


async def test_a_ledger_in_use(shop: Shop) -> None:
    """Open, captured, refunded, settled: while a ledger is in use its columns follow."""
    await shop.authorize()
    sale = await shop.sell(1000)
    await shop.refund(sale, 400)
    await shop.run(CUTOFF)
    shop.clock.at = CUTOFF
    await shop.refund(sale)
    await shop.sell(500)
    columns = SqliteColumns(shop.ledger)
    trail = SqliteTrail(shop.ledger, shop.clock, columns.heads)
    pages = [page async for page in trail.histories(MERCHANT_ID)]
    await columns.others(MERCHANT_ID)

    assert sum(map(len, pages)) == 3
    assert (columns.check.faults, columns.check.looked_at) == (0, 3 + 1 + 1 + 1)
