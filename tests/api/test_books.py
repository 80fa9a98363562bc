"""The books over HTTP: they add up at each stage, and a planted fault is reported by its check."""

import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.api.days import (
    balances,
    body_of,
    captured,
    choose,
    log,
    read,
    refunded,
    unsound,
    until,
)
from tests.api.harness import Api, api_over
from tests.api.webhook_situations import created

CHECKS = (
    "seq_without_gaps",
    "captured_within_authorized",
    "refunded_within_captured",
    "head_follows_from_log",
    "each_capture_and_refund_in_one_batch",
    "every_event_delivered_dead_or_pending",
    "settlements_in_log_are_lines",
    "batch_totals_are_lines",
    "batches_carry_forward",
    "postings_sum_to_zero",
)
SHOWN_AS = {
    "merchant_pending": "pending",
    "merchant_available": "available",
    "in_transit": "in_transit",
    "merchant_bank": "paid_out",
    "fees": "fees",
}


async def booked(api: Api) -> dict[str, Counter[str]]:
    """Return what all postings leave in each account, by currency."""
    books: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for entry in await log(api, "/postings"):
        for one in entry["postings"]:
            assert one["amount"] > 0
            books[one["currency"]][one["source"]] -= one["amount"]
            books[one["currency"]][one["target"]] += one["amount"]
    return books


async def assert_adds_up(api: Api) -> None:
    """Compare postings, balances and the audit."""
    books, shown = await booked(api), await balances(api)
    for currency, accounts in books.items():
        assert sum(accounts.values()) == 0
        paid_by_cards = -accounts.pop("card_network")
        assert {SHOWN_AS[name]: amount for name, amount in accounts.items() if amount} == shown[
            currency
        ]
        assert paid_by_cards == sum(shown[currency].values())
    assert await unsound(api) == []


async def test_they_add_up_at_each_stage(api: Api) -> None:
    """Captures, refunds, voids, batches, payouts and a debt: what is shown is what was posted."""
    assert body_of(await api.client.get("/postings")) == {"data": [], "next_cursor": None}
    await assert_adds_up(api)
    await choose(api, fee_on_refund="returned")
    await api.authorize(simulate={"response_code": "51"})
    api.clock.advance(seconds=1)
    first = await captured(api, 1000)
    api.clock.advance(seconds=1)
    gone = await captured(api, 300)
    api.clock.advance(seconds=1)
    await api.post("void", {"transaction_id": gone["transaction_id"]})
    api.clock.advance(seconds=1)
    await refunded(api, first["transaction_id"], 123)
    await assert_adds_up(api)
    await until(api, "2026-03-03T00:00:00Z")
    await assert_adds_up(api)
    await refunded(api, first["transaction_id"])
    await until(api, "2026-03-04T00:00:00Z")
    await assert_adds_up(api)
    await captured(api, 5000)
    await until(api, "2026-03-06T00:00:00Z")
    api.clock.advance(seconds=1)
    await captured(api, 2500, currency="EUR")
    for day in ("07", "08", "12"):
        await until(api, f"2026-03-{day}T00:00:00Z")
    await assert_adds_up(api)
    report = await read(api, "/sandbox/invariants")
    figures = {one["name"]: one["figures"] for one in report["checks"]}

    assert [one["name"] for one in report["checks"]] == list(CHECKS)
    assert (report["payments"], report["complete"], report["holds"]) == (5, True, True)
    assert sum(figures["postings_sum_to_zero"].values()) == 0
    assert figures["postings_sum_to_zero"]["EUR.merchant_bank"] == 2397
    assert report["transactions"] == 5 + 4 + 1 + 2 + 4 + 1


async def test_postings_are_listed_as_events_are(api: Api) -> None:
    """Entry by entry, each under its event, from either end."""
    capture = await captured(api, 1000)
    await until(api, "2026-03-04T00:00:00Z")
    forward = await log(api, "/postings")
    events = await log(api, "/events")
    backward = (await read(api, "/postings"))["data"]
    moved = [
        [(one["source"], one["target"], one["amount"]) for one in entry["postings"]]
        for entry in forward
    ]

    assert [one["event_id"] for one in forward] == [one["id"] for one in events]
    assert backward == forward[::-1]
    assert forward[1]["transaction_id"] == capture["transaction_id"]
    assert moved == [
        [],
        [("card_network", "merchant_pending", 1000)],
        [
            ("merchant_pending", "merchant_available", 1000),
            ("merchant_available", "fees", 59),
        ],
        [("merchant_available", "in_transit", 941)],
        [("in_transit", "merchant_bank", 941)],
    ]
    assert {one["currency"] for entry in forward for one in entry["postings"]} == {"USD"}
    for query in ("?after=evt_x", "?after=start&cursor=abc", "?limit=0", "?currency=USD"):
        assert (await api.client.get(f"/postings{query}")).status_code == 422


SET = "UPDATE {table} SET body = CAST(json_set(CAST(body AS TEXT), {changes}) AS BLOB) WHERE {row}"
CAPTURED = "json_extract(CAST(body AS TEXT), '$.type') = 'capture'"
REFUNDED = "json_extract(CAST(body AS TEXT), '$.type') = 'refund'"
SETTLED = "json_extract(CAST(body AS TEXT), '$.type') = 'settlement'"
FIRST_BATCH = "listed_at = (SELECT min(listed_at) FROM settlements)"
TWICE = """INSERT INTO settlement_lines
    SELECT settlement_id, payment_id, 999, 1, 0, 1000, 0, 59, body FROM settlement_lines LIMIT 1"""
ELSEWHERE = """UPDATE OR REPLACE settlement_lines SET settlement_id =
    (SELECT settlement_id FROM settlements ORDER BY listed_at DESC LIMIT 1)"""
HEAD, IN_BATCHES = "head_follows_from_log", "each_capture_and_refund_in_one_batch"
LINES, TOTALS = "settlements_in_log_are_lines", "batch_totals_are_lines"
CHAIN, ZERO = "batches_carry_forward", "postings_sum_to_zero"


def changed(table: str, row: str, changes: str) -> str:
    """Return the statement that changes a body."""
    return SET.format(table=table, changes=changes, row=row)


FAULTS: dict[str, tuple[str, set[str]]] = {
    "an amount in a head": (
        changed("payments", "version > 2", "'$.amounts.captured', 999"),
        {HEAD},
    ),
    "a refund that a head forgot": (
        changed("payments", "version > 2", "'$.refunds', json('[]')"),
        {HEAD},
    ),
    "more captured than authorized": (
        changed("transactions", CAPTURED, "'$.amount', 1001"),
        {"captured_within_authorized", HEAD, IN_BATCHES},
    ),
    "more refunded than captured": (
        changed("transactions", REFUNDED, "'$.amount', 1001"),
        {"refunded_within_captured", HEAD, IN_BATCHES},
    ),
    "a transaction that is gone": (
        "DELETE FROM transactions WHERE seq = 2 AND payment_id LIKE 'auth%'",
        {"seq_without_gaps", "refunded_within_captured", HEAD, IN_BATCHES},
    ),
    "a number that is left out": (
        changed("transactions", REFUNDED, "'$.seq', 90"),
        {"seq_without_gaps"},
    ),
    "a line that is gone": ("DELETE FROM settlement_lines WHERE seq = 3", {LINES, TOTALS}),
    "a line that is there twice": (TWICE, {LINES, TOTALS}),
    "a line in another batch": (ELSEWHERE, {LINES, TOTALS}),
    "an amount in a line": (
        changed("settlement_lines", "refunds = 0", "'$.items[0].amount', 999"),
        {LINES, TOTALS},
    ),
    "a capture that is settled twice": (
        changed(
            "transactions",
            SETTLED,
            "'$.settlement.items[#]', json_extract(CAST(body AS TEXT), '$.settlement.items[0]')",
        ),
        {HEAD, IN_BATCHES, LINES, ZERO},
    ),
    "a total": (
        changed("settlements", FIRST_BATCH, "'$.totals.gross', 999"),
        {TOTALS, CHAIN},
    ),
    "a debt that is forgotten": (
        changed("accounts", "true", "'$.carried_forward', 0"),
        {CHAIN, ZERO},
    ),
    "a payout that nobody made": (
        changed("accounts", "true", "'$.paid_out', 942"),
        {CHAIN, ZERO},
    ),
    "a delivery that is never due": (
        "UPDATE deliveries SET due_at = NULL",
        {"every_event_delivered_dead_or_pending"},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_planted_fault_is_found(tmp_path: Path, fault: str) -> None:
    """Whatever is changed in the file behind the back of the rules, its checks say so by name."""
    async with api_over(tmp_path) as api:
        endpoint = await created(api)
        await api.client.post(f"/webhooks/endpoints/{endpoint['endpoint_id']}/ping")
        capture = await captured(api, 1000)
        await until(api, "2026-03-03T00:00:00Z")
        await refunded(api, capture["transaction_id"], 700)
        await until(api, "2026-03-04T00:00:00Z")
        await refunded(api, capture["transaction_id"], 100)
        assert await unsound(api) == []
        statement, expected = FAULTS[fault]
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection, connection:
            connection.executescript(statement)
            assert connection.total_changes
        found = await unsound(api)

        assert set(found) == expected


async def test_a_fault_is_shown_where_it_is(tmp_path: Path) -> None:
    """The report counts the faults and names the first ten; a sound merchant's is sound still."""
    async with api_over(tmp_path) as api:
        ids = [(await captured(api))["auth_id"] for _ in range(12)]
        await captured(api.as_second())
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection, connection:
            connection.execute(
                changed("payments", "merchant_id = 'default'", "'$.amounts.captured', 1")
            )
        report = await read(api, "/sandbox/invariants")
        (check,) = [one for one in report["checks"] if not one["holds"]]

        assert (report["holds"], report["payments"]) == (False, 12)
        assert (check["name"], check["looked_at"], check["faults"]) == (HEAD, 12, 12)
        assert check["examples"] == sorted(ids)[:10]
        assert await unsound(api.as_second()) == []


def test_every_check_catches_something() -> None:
    """There is a planted fault for each check."""
    caught: set[Any] = {name for _, names in FAULTS.values() for name in names}

    assert caught == set(CHECKS)
