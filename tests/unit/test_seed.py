"""A seeded month: it repeats, it is believable, and its books are those of its log."""

import asyncio
import json
import re
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.adapters.sqlite_file import held, open_ledger_file
from payments_sandbox.adapters.sqlite_merchants import SqliteMerchants
from payments_sandbox.domain.test_cards import TEST_CARDS
from payments_sandbox.entrypoints.cli import app
from payments_sandbox.entrypoints.seed import Passed, seed
from payments_sandbox.entrypoints.seed_ledger import SeededIds, SimulatedClock
from payments_sandbox.entrypoints.seed_plan import Act, Plan
from payments_sandbox.services.merchants import LOCAL_MERCHANT, Tenancy
from tests.unit.ledgers import fail_the_test

PLAN = Plan(seed=7, payments=400, start=date(2026, 1, 1), days=20)
MANY = replace(PLAN, payments=5_000, days=28)
TABLES = ("transactions", "payments", "settlements", "settlement_lines", "accounts")
CARD_ID = re.compile(r"card_[0-9a-f]{24}")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a seeded ledger."""
    path = tmp_path_factory.mktemp("seed") / "ledger.db"
    seed(path, PLAN, lambda _: None)
    return path


def rows(path: Path, query: str) -> list[Any]:
    """Return what a query finds."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def written(path: Path) -> list[str]:
    """Return all that the ledger says of payments and batches, but card ids."""
    found = [repr(rows(path, f"SELECT * FROM {one} ORDER BY 1, 2, 3")) for one in TABLES]  # noqa: S608
    return [CARD_ID.sub("card", one) for one in found]


def log_of(path: Path) -> list[dict[str, Any]]:
    """Return the log, in order."""
    return [
        json.loads(body)
        for (body,) in rows(path, "SELECT body FROM transactions ORDER BY position")
    ]


def run(*arguments: str) -> Result:
    """Run the command on a wide terminal."""
    return CliRunner().invoke(app, ["seed", *arguments], env={"COLUMNS": "300"})


def test_a_seed_repeats(data: Path, tmp_path: Path) -> None:
    """The same plan writes the same rows under other secrets; only card ids differ."""
    again, other = tmp_path / "again.db", tmp_path / "other.db"
    seed(again, PLAN, lambda _: None)
    seed(other, replace(PLAN, seed=8), lambda _: None)
    cards = "SELECT DISTINCT card_id FROM payments"

    assert written(again) == written(data)
    assert not {*rows(again, cards)} & {*rows(data, cards)}
    assert all(one != two for one, two in zip(written(other), written(data), strict=True))


def test_ids_that_are_known(data: Path) -> None:
    """They are the same in every release on every machine, so some stand here."""
    first = log_of(data)[0]
    batches = rows(data, "SELECT settlement_id FROM settlements ORDER BY 1")

    assert first["transaction_id"] == "auth_01kdwffk3evp7jacp387yt3a61"
    assert (first["amount"], first["currency"]) == (4_050, "USD")
    assert batches[0] == ("stl_01kdy021001pddj73jx25wbn64",)


def test_the_log_is_in_order(data: Path) -> None:
    """Time in it never goes back, nothing failed, and all is over by the end of the last day."""
    log = log_of(data)
    times = [datetime.fromisoformat(one["created_at"]) for one in log]

    assert times == sorted(times)
    assert times[0] >= PLAN.begins_at
    assert times[-1] <= PLAN.ends_at
    assert "failed" not in {one.get("status") for one in log}
    assert {one["type"] for one in log} == {
        "authorization", "capture", "refund", "void", "expiry", "settlement", "closing", "payout",
    }  # fmt: skip


def test_the_books(tmp_path: Path) -> None:
    """What the command reports is what the log, the batches' lines and the accounts add up to."""
    path = tmp_path / "ledger.db"
    tallies = seed(path, PLAN, lambda _: None)
    captured, refunded = Counter[str](), Counter[str]()
    for one in log_of(path):
        is_back = one["type"] == "void" and one.get("allocations")
        if one["type"] == "capture" or is_back:
            captured[one["currency"]] += -one["amount"] if is_back else one["amount"]
        elif one["type"] == "refund":
            refunded[one["currency"]] += one["amount"]
    lines = {
        currency: (gross, back)
        for currency, gross, back in rows(
            path,
            "SELECT currency, sum(gross), sum(refunded) FROM settlement_lines"
            " JOIN settlements USING (settlement_id) GROUP BY currency",
        )
    }
    batches = dict(rows(path, "SELECT currency, count(*) FROM settlements GROUP BY currency"))

    assert sum(one.payments for one in tallies.values()) == PLAN.payments
    assert {name: (one.captured, one.refunded) for name, one in tallies.items()} == {
        name: (captured[name], refunded[name]) for name in tallies
    }
    # All is captured on a day that is over, so nothing awaits its batch.
    assert lines == {name: (one.captured, one.refunded) for name, one in tallies.items()}
    assert batches == {name: one.batches for name, one in tallies.items()}


def test_webhooks_begin_after_it(data: Path) -> None:
    """What is past counts as relayed, so an endpoint hears of none of it."""
    assert rows(data, "SELECT position FROM relayed") == rows(
        data, "SELECT max(position) FROM transactions"
    )


def test_what_is_bought() -> None:
    """Most of it costs little, some much, mostly in dollars, by published cards alone."""
    orders = [MANY.order(number) for number in range(MANY.payments)]
    dollars = sorted(one.amount for one in orders if one.currency == "USD")
    currencies = Counter(one.currency for one in orders)
    declined = [one for one in orders if TEST_CARDS[one.card.number].response_code != "00"]
    codes = {TEST_CARDS[one.card.number].response_code for one in declined}

    assert currencies.most_common()[0][0] == "USD"
    assert {*currencies} == {"USD", "EUR", "GBP", "JPY"}
    assert 0.05 < len(declined) / len(orders) < 0.07
    assert len(codes) == 9
    assert len({one.card.number for one in orders}) > 15
    assert dollars[0] >= 200
    assert 2_000 < dollars[len(dollars) // 2] < 4_000
    assert dollars[-1] > 200_000
    assert len({one.reference for one in orders}) == len(orders)
    assert not any(one.card.expired(MANY.ends_at) for one in orders)


def test_when_it_is_bought() -> None:
    """More by day than by night, and more at the end of the week than at its beginning."""
    moments = MANY.moments()
    hours = Counter(at.hour for at in moments)
    weekdays = Counter(at.weekday() for at in moments)

    assert moments == sorted(moments)
    assert all(MANY.begins_at <= at < MANY.ends_at for at in moments)
    assert hours[18] > 5 * hours[3]
    assert weekdays[4] > weekdays[0]


def test_what_becomes_of_it() -> None:
    """Captures at once, later and in parts, voids, expiries and refunds have their shares."""
    steps = MANY.steps()
    acts = Counter(one.act for one in steps)
    first: dict[int, datetime] = {}
    at_once = 0
    for one in steps:
        if one.act is Act.AUTHORIZE:
            first[one.number] = one.at
        elif one.act is Act.CAPTURE:
            at_once += one.at - first[one.number] <= timedelta(minutes=1)

    assert [one.at for one in steps] == sorted(one.at for one in steps)
    assert acts[Act.AUTHORIZE] == MANY.payments
    assert 0.60 < at_once / MANY.payments < 0.71
    assert 0.15 < (acts[Act.CAPTURE] - at_once) / MANY.payments < 0.30
    assert 0.03 < acts[Act.REFUND] / MANY.payments < 0.055
    assert 0.02 < acts[Act.VOID] / MANY.payments < 0.06
    assert 0 < acts[Act.VOID_CAPTURE] < acts[Act.VOID]


def test_progress(tmp_path: Path) -> None:
    """It is told of every step, up to the last one."""
    told: list[Passed] = []
    seed(tmp_path / "ledger.db", replace(PLAN, payments=5), told.append)

    assert [one.steps for one in told] == [*range(1, len(told) + 1)]
    assert told[-1] == Passed(len(told), len(told), PLAN.ends_at)


def test_the_command(tmp_path: Path) -> None:
    """It prints a row for each currency; a second month is refused, and nothing is added."""
    data = tmp_path / "ledger.db"
    ran = run("--data", str(data), "--payments", "30", "--days", "3")
    before = written(data)
    again = run("--data", str(data))

    assert ran.exit_code == 0
    assert "USD" in ran.stdout
    assert f"payments-sandbox serve --data {data}" in ran.stdout
    assert again.exit_code == 1
    assert f"{data} has payments already" in again.stderr
    assert "/sandbox/reset" in again.stderr
    assert written(data) == before


def test_a_file_that_is_served(tmp_path: Path) -> None:
    """Two writers would race, so it is refused."""
    data = tmp_path / "ledger.db"
    with held(data):
        ran = run("--data", str(data))

    assert ran.exit_code == 1
    assert "another sandbox serves" in ran.stderr


def test_a_clock_that_was_moved(tmp_path: Path) -> None:
    """The month would not be where it is asked for."""
    data = tmp_path / "ledger.db"
    clock = SimulatedClock(PLAN.begins_at)

    async def move() -> None:
        open_ledger_file(data)
        ledger = SqliteLedger(data, clock, fail_the_test)
        merchants = SqliteMerchants(ledger)
        await Tenancy(merchants, clock, SeededIds(0, clock)).ensure_local_key()
        await merchants.change(
            LOCAL_MERCHANT, lambda one: replace(one, clock_offset=timedelta(days=1))
        )
        await ledger.close()

    asyncio.run(move())
    ran = run("--data", str(data))

    assert ran.exit_code == 1
    assert "was moved" in ran.stderr


@pytest.mark.parametrize("start", ["1999-12-31", "9998-01-01"])
def test_a_month_that_cannot_be(tmp_path: Path, start: str) -> None:
    """What is not over has not happened; the refusal names the latest start, and makes no file."""
    ran = run("--data", str(tmp_path / "ledger.db"), "--start", start)
    latest = (datetime.now(UTC) - timedelta(days=30)).date()

    assert ran.exit_code == 1
    assert f"--start {latest} is the latest" in ran.stderr
    assert [*tmp_path.iterdir()] == []
