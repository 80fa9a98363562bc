"""A served sandbox settles by itself when a cut-off passes, and tells its endpoints so."""

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.reliability.webhook_load import Json, call, sending, until
from tests.reliability.webhook_receivers import Arrival, Subscriber, strict
from tests.running import Running

pytestmark = pytest.mark.reliability
BEFORE = timedelta(seconds=0.3)
NEWS = ("transaction_settled", "settlement_closed", "settlement_paid")


async def test_it_settles_by_itself(tmp_path: Path) -> None:
    """A cut-off and a payout that pass in real time are done within moments; webhooks say so."""
    heard = Subscriber("books", strict, NEWS)
    async with sending(tmp_path / "ledger.db", heard) as sandbox:
        captured = await _captured(sandbox)
        await _wait_before(sandbox, captured["settles_at"])
        assert heard.arrivals == []
        await until(lambda: len(heard.taken) == 2, 10)
        (batch,) = (await call(sandbox, "GET", "/settlements"))["data"]
        await _wait_before(sandbox, f"{batch['payout_date']}T00:00:00Z")
        await until(lambda: len(heard.taken) == 3, 10)
        paid = await call(sandbox, "GET", f"/settlements/{batch['settlement_id']}")
        balances = (await call(sandbox, "GET", "/balances"))["data"]
        audit = await call(sandbox, "GET", "/sandbox/invariants")

    told = {body["type"]: body["data"] for body in map(_body, heard.taken)}
    assert {*told} == {*NEWS}
    assert all(one.verified for one in heard.arrivals)
    assert told["transaction_settled"]["auth_id"] == captured["auth_id"]
    assert (batch["state"], paid["state"]) == ("closed", "paid")
    for name in ("settlement_closed", "settlement_paid"):
        assert told[name]["settlement_id"] == batch["settlement_id"]
    assert (paid["gross"], paid["fees"], paid["net"]) == (1000, 59, 941)
    assert balances[0]["paid_out"] == 941
    assert audit["holds"]


async def _captured(sandbox: Running) -> Json:
    """Return the capture of a new payment."""
    made = await asyncio.to_thread(sandbox.authorize, "bought")
    body = {"auth_id": made.json["auth_id"]}
    taken = await asyncio.to_thread(sandbox.call, "POST", "/payments/capture", body, key="took")
    assert taken.status == 201
    payment = await call(sandbox, "GET", f"/payments/{made.json['auth_id']}")
    (capture,) = payment["captures"]
    return body | capture


async def _wait_before(sandbox: Running, at: str) -> None:
    """Move the clock to a little before that moment."""
    to = (datetime.fromisoformat(at) - BEFORE).isoformat()
    advanced = await call(sandbox, "POST", "/sandbox/clock/advance", {"to": to})
    assert advanced["complete"]


def _body(arrival: Arrival) -> Json:
    return json.loads(arrival.body)
