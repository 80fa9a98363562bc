"""Webhooks over real processes: what one endpoint does to others, to payments and to itself."""

import asyncio
import json
import sqlite3
from contextlib import closing
from importlib import resources
from pathlib import Path

import pytest

from payments_sandbox.adapters.sqlite_file import APPLICATION_ID, secrets_path
from tests.hostile.receivers import Request
from tests.reliability.webhook_load import (
    Json,
    Shop,
    authorized,
    call,
    counted,
    listed,
    pages,
    sending,
    served,
    settled,
    until,
)
from tests.reliability.webhook_receivers import (
    Heard,
    Reaction,
    Subscriber,
    hanging,
    healthy,
    listening,
    slow,
    verifies,
)

pytestmark = pytest.mark.reliability
NEVER = 1 << 30
DUE = 3_000


def ends(records: list[Json]) -> dict[str, int]:
    """Return how many deliveries ended which way."""
    found = [one["dead_reason"] or one["state"] for one in records]
    return {end: found.count(end) for end in dict.fromkeys(found)}


async def test_one_that_hangs_keeps_nobody_waiting(tmp_path: Path) -> None:
    """All events are with the good endpoints while the bad one has answered nothing."""
    good = [Subscriber(f"good-{number}") for number in range(3)]
    bad = Subscriber("hanging", hanging(NEVER))
    async with sending(tmp_path / "ledger.db", *good, bad) as sandbox:
        await Shop(sandbox.port).pay("beside", 200)
        await until(lambda: all(len(one.taken) >= 200 for one in good))
        taken, hung = bad.taken, bad.hung

    assert [len({each.message_id for each in one.taken}) for one in good] == [200] * 3
    assert taken == []
    assert 0 < hung <= 32


async def test_due_retries_do_not_stop_payments(tmp_path: Path) -> None:
    """While 3,000 deliveries fall due again and again, every authorization is answered."""
    bad = Subscriber("breaking", hanging(NEVER))
    data = tmp_path / "ledger.db"
    async with sending(data, bad) as sandbox:
        await Shop(sandbox.port).pay("due", DUE)
        await until(lambda: counted(data)["pending"] == DUE)
        bad.released.set()  # from here on it breaks every connection off
        await until(lambda: len(bad.arrivals) > 100)
        at_first = len(bad.arrivals)
        answers = [await asyncio.to_thread(sandbox.authorize, f"{n}") for n in range(100)]
        tried = len(bad.arrivals) - at_first
        pending = counted(data)["pending"]
        sandbox.process.kill()

    assert [one.status for one in answers] == [201] * 100
    assert pending >= DUE
    assert tried > 0


async def test_a_stop_lets_requests_end(tmp_path: Path) -> None:
    """After SIGTERM and a restart each event has arrived once, in one attempt."""
    receiver = Subscriber("slow", slow)
    data = tmp_path / "ledger.db"
    async with listening(receiver):
        async with served(data) as sandbox:
            await asyncio.to_thread(receiver.register, sandbox)
            await Shop(sandbox.port).pay("stopped", 40)
            await until(lambda: len(receiver.arrivals) >= 1)
        exit_code, by_then = sandbox.process.returncode, len(receiver.arrivals)
        async with served(data) as sandbox:
            await settled(data)
            records = await listed(sandbox, receiver)

    assert exit_code == 0
    assert 1 <= by_then < 40
    assert len(receiver.arrivals) == len({one.message_id for one in receiver.arrivals}) == 40
    assert [(one["state"], one["attempts_made"]) for one in records] == [("delivered", 1)] * 40


async def test_an_attempt_that_a_kill_cut_off(tmp_path: Path) -> None:
    """It is made again with the same id and the same bytes."""
    receiver = Subscriber("hanging", hanging(1))
    data = tmp_path / "ledger.db"
    async with listening(receiver):
        async with served(data) as sandbox:
            await asyncio.to_thread(receiver.register, sandbox)
            await authorized(sandbox, "cut off")
            await until(lambda: receiver.hung == 1)
            sandbox.process.kill()
            await asyncio.to_thread(sandbox.process.wait)
        async with served(data) as sandbox:
            await settled(data)
            (record,) = await listed(sandbox, receiver)
    first, second = receiver.arrivals

    assert (record["state"], record["attempts_made"]) == ("delivered", 1)
    assert (first.message_id, first.body) == (second.message_id, second.body)
    assert (first.verified, second.verified) == (True, True)


async def test_one_that_is_gone_and_comes_back(tmp_path: Path) -> None:
    """A 410 disables it and what is on its way dies; enabled again, all of it is redelivered."""

    def gone_after_five(heard: Heard) -> Reaction:
        return Reaction(410) if heard.number > 5 else Reaction(None, hang=True)

    receiver = Subscriber("gone", gone_after_five)
    data = tmp_path / "ledger.db"
    async with sending(data, receiver) as sandbox:
        for number in range(6):
            await authorized(sandbox, f"{number}")
            await until(lambda heard=number: len(receiver.arrivals) > heard)
        await until(lambda: counted(data)["dead"] == 1)
        disabled = await call(sandbox, "GET", receiver.path)
        receiver.released.set()
        await settled(data)
        dead = await listed(sandbox, receiver)
        receiver.manner = healthy
        enabled = await call(sandbox, "PATCH", receiver.path, {"enabled": True})
        redelivered = await call(sandbox, "POST", f"{receiver.path}/redeliver", {})
        await settled(data)
        in_the_end = await listed(sandbox, receiver)

    assert (disabled["enabled"], disabled["disabled_reason"]) == (False, "gone")
    assert ends(dead) == {"endpoint_gone": 1, "endpoint_disabled": 5}
    assert (enabled["enabled"], enabled["disabled_reason"]) == (True, None)
    assert redelivered == {"redelivered": 6, "next_cursor": None}
    assert ends(in_the_end) == {"delivered": 6}
    assert {one.message_id for one in receiver.taken} == {one["event_id"] for one in dead}
    assert all(one.verified for one in receiver.arrivals)


async def test_one_that_is_deleted(tmp_path: Path) -> None:
    """What is on its way there dies when it falls due."""
    receiver = Subscriber("deleted", hanging(NEVER))
    data = tmp_path / "ledger.db"
    async with sending(data, receiver) as sandbox:
        for number in range(3):
            await authorized(sandbox, f"{number}")
        await until(lambda: receiver.hung == 3)
        await call(sandbox, "DELETE", receiver.path)
        receiver.released.set()
        await settled(data)
        records = await listed(sandbox, receiver)

    assert ends(records) == {"endpoint_deleted": 3}
    assert len(receiver.arrivals) == 3


async def test_both_secrets_sign_after_a_rotation(tmp_path: Path) -> None:
    """A receiver that has either verifies; before, there was one signature."""
    receiver = Subscriber("rotated")
    data = tmp_path / "ledger.db"
    async with sending(data, receiver) as sandbox:
        await authorized(sandbox, "before")
        await until(lambda: len(receiver.taken) == 1)
        rotated = await call(sandbox, "POST", f"{receiver.path}/rotate-secret")
        await authorized(sandbox, "after")
        await until(lambda: len(receiver.taken) == 2)
    both = [*receiver.secrets, rotated["secret"]]
    heard = [Request("", one.headers, one.body) for one in receiver.arrivals]

    assert [[verifies(secret, one) for secret in both] for one in heard] == [
        [True, False],
        [True, True],
    ]
    assert [len(one.headers["webhook-signature"].split()) for one in heard] == [1, 2]


def before_webhooks(data: Path) -> None:
    """Make a ledger, and the secrets beside it, what the release before webhooks wrote."""
    old = data.with_name("old.db")
    schema = resources.files("payments_sandbox.adapters") / "migrations" / "0001_payments.sql"
    with closing(sqlite3.connect(old)) as ledger, ledger:
        ledger.executescript(schema.read_text())
        ledger.execute("ATTACH ? AS new", (str(data),))
        for (table,) in ledger.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table'"):
            names = [row[1] for row in ledger.execute(f"PRAGMA main.table_info({table})")]
            columns = ", ".join(names)
            ledger.execute(f"INSERT INTO main.{table} SELECT {columns} FROM new.{table}")  # noqa: S608 - ours
        ledger.execute(
            "UPDATE merchants SET settings ="
            " CAST(json_remove(CAST(settings AS TEXT), '$.webhook_schedule') AS BLOB)"
        )
        ledger.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        ledger.execute("PRAGMA user_version = 1")
    old.replace(data)
    secrets = secrets_path(data)
    secrets.write_text(json.dumps({"identity": json.loads(secrets.read_text())["identity"]}))


async def test_a_file_from_before_webhooks(tmp_path: Path) -> None:
    """Its transactions are events, but only what happens from now on goes to endpoints."""
    data, receiver = tmp_path / "ledger.db", Subscriber("new")
    async with served(data) as sandbox:
        await Shop(sandbox.port).pay("old", 10)
    before_webhooks(data)
    async with sending(data) as sandbox, listening(receiver):
        old = await asyncio.to_thread(pages, sandbox, "/events?after=start")
        await asyncio.to_thread(receiver.register, sandbox)
        await authorized(sandbox, "new")
        await settled(data)
        events = await asyncio.to_thread(pages, sandbox, "/events?after=start")
        records = await listed(sandbox, receiver)

    assert len(old) == 10
    assert events[:10] == old
    assert [one["event_id"] for one in records] == [events[10]["id"]]
    assert [(one.message_id, one.verified) for one in receiver.arrivals] == [
        (events[10]["id"], True)
    ]
