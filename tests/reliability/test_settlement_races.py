"""Runs of settlement that meet each other, and callers who act on what is being settled."""

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from payments_sandbox.domain.errors import SandboxError
from payments_sandbox.domain.operations import Authorize, Capture, Operation, Refund, Void
from payments_sandbox.domain.void_capture import VoidCapture
from payments_sandbox.services.merchants import LOCAL_MERCHANT
from payments_sandbox.services.sweep import Progress
from tests.reliability.load import Sent
from tests.reliability.settlement_checker import findings
from tests.reliability.settlement_month import CARD, HOLIDAY, NO_HURRY, SETTINGS, Shop, opened
from tests.reliability.settlement_work import DAY, MONDAY, rules_at, wrong_with
from tests.reliability.sockets import at_once
from tests.reliability.webhook_load import pages
from tests.running import Running, running
from tests.unit.stand_ins import ManualClock

pytestmark = pytest.mark.reliability
SEED, PAYMENTS, DAYS = 20_260_204, 40, 10
CUTOFF = timedelta(hours=8)
"""From the time of the day at which the shop begins."""
CHOSEN = {
    "settlement_cutoff": "18:00", "settlement_days": "weekdays", "fee_on_refund": "returned",
    "settlement_holidays": [HOLIDAY.isoformat()],
}  # fmt: skip


async def test_two_runs_and_callers_in_two_processes(tmp_path: Path) -> None:
    """Runs over two connections race each other and captures, refunds and voids: all adds up."""
    data, clock = tmp_path / "ledger.db", ManualClock(MONDAY, pause_share=0)
    chance = random.Random(SEED)  # noqa: S311 - a seeded load
    shops = [opened(data, clock, seed) for seed in range(2)]
    happened, done = Counter[str](), Counter[str]()
    try:
        await shops[0].tenancy.ensure_local_key()
        await shops[0].tenancy.change_settings(LOCAL_MERCHANT, lambda _: SETTINGS)
        kept = [await _bought(shops[number % 2], number) for number in range(PAYMENTS)]
        for moment in range(2 * DAYS):
            clock.at = MONDAY + moment // 2 * DAY + (moment % 2) * CUTOFF
            acts = [_act(shops[n % 2], chance, one, moment) for n, one in enumerate(kept)]
            runs = [one.sweep.run(LOCAL_MERCHANT, clock.at, NO_HURRY) for one in shops * 2]
            progresses, outcomes = await asyncio.gather(
                asyncio.gather(*runs), asyncio.gather(*acts)
            )
            happened.update(_counted(progresses))
            done.update(outcomes)
        clock.at += 10 * DAY
        runs = [one.sweep.run(LOCAL_MERCHANT, clock.at, NO_HURRY) for one in shops]
        happened.update(_counted([await one for one in runs]))
    finally:
        for one in shops:
            await one.close()

    assert await wrong_with(data, clock.at) == []
    assert min(done[name] for name in ("capture", "refund", "void", "settled too late")) > 2
    assert happened["transaction_settled"] > PAYMENTS
    assert happened["settlement_closed"] >= happened["settlement_paid"] > 3


async def _bought(shop: Shop, number: int) -> str:
    wanted = Authorize(CARD, 10_000, "EUR" if number % 4 == 3 else "USD")
    return (await shop.do(wanted, f"buy {number}")).transaction.payment_id


async def _act(shop: Shop, chance: random.Random, auth_id: str, moment: int) -> str:
    """Capture, refund or void something; return what came of it."""
    what, amount = chance.choice("ccrvxx"), chance.randint(1, 900)
    await asyncio.sleep(chance.choice([0, 0, 0.001, 0.004]))
    payment = await shop.store.ledger.payment(LOCAL_MERCHANT, auth_id)
    last = payment.captures[-1].transaction_id if payment.captures else None
    operation: Operation = Capture(auth_id, amount)
    if what == "r":
        operation = Refund(auth_id, None, amount)
    elif what == "v" and moment > DAYS:
        operation = Void(auth_id)
    elif what == "x" and last is not None:
        operation = VoidCapture(auth_id, last)
    try:
        answer = (await shop.do(operation, f"{moment} {auth_id}")).transaction
    except SandboxError as error:
        return error.code
    if answer.error_code == "already_settled":
        return "settled too late"
    return answer.type if answer.error_code is None else answer.error_code


def _counted(runs: list[Progress]) -> Counter[str]:
    """Add up what the runs did between them."""
    counted = Counter[str]()
    for one in runs:
        assert one.complete
        counted.update({f"{name}": count for name, count in one.counts.items()})
    return counted


async def test_advances_and_runs_over_http(tmp_path: Path) -> None:
    """Two advances to one moment, two runs and live requests at once: each thing happens once."""
    with running(tmp_path / "ledger.db") as sandbox:
        await asyncio.to_thread(_open_shop, sandbox)
        auth_ids = [_sold(sandbox, number) for number in range(24)]
        to = datetime.now(UTC).replace(microsecond=0) + 9 * DAY
        advance = Sent("", "/sandbox/clock/advance", {"to": to.isoformat()})
        live = [
            Sent(f"{path} {one}", f"/payments/{path}", {name: one, "amount": 7})
            for one in auth_ids
            for path, name in (("capture", "auth_id"), ("refund", "transaction_id"))
        ]
        answers = await at_once(
            sandbox.port, [advance, advance, *live[:24], _RUN, _RUN, *live[24:], advance]
        )
        again = await at_once(sandbox.port, [advance, _RUN])
        advances = [one for one in answers if b"events_cursor" in one.body]
        audit = sandbox.call("GET", "/sandbox/invariants").json
        events = Counter(one["type"] for one in pages(sandbox, "/events?after=start"))
        balances = sandbox.call("GET", "/balances").json["data"]

    assert {one.status for one in answers} <= {200, 201, 422}
    assert [one.status for one in [*advances, *again]] == [200] * 7
    assert all(one.json["complete"] for one in advances)
    told = [one.json for one in advances if "to" in one.json]
    assert {one["reached"] for one in told} == {to.strftime("%Y-%m-%dT%H:%M:%S.000Z")}
    assert [one.json["counts"].get("transaction_settled") for one in again] == [None, None]
    said = Counter[str]()
    for one in [*advances, *again]:
        said.update(one.json["counts"])
    # What a caller met first, or the sandbox's own look each second, no run told of.
    assert {name for name in said if events[name] < said[name]} == set()
    assert events["settlement_closed"] == said["settlement_closed"]
    assert said["transaction_settled"] >= 24
    assert audit["holds"], [one for one in audit["checks"] if not one["holds"]]
    assert findings(sandbox.data, rules_at(to)) == []
    assert [one["currency"] for one in balances] == ["USD"]


_RUN = Sent("", "/sandbox/settlements/run", {})


def _open_shop(sandbox: Running) -> None:
    assert sandbox.call("PATCH", "/sandbox/settings", CHOSEN).status == 200


def _sold(sandbox: Running, number: int) -> str:
    auth_id = sandbox.authorize(f"sold {number}").json["auth_id"]
    body = {"auth_id": auth_id, "amount": 900 + number}
    assert sandbox.call("POST", "/payments/capture", body, key=f"s{number}").status == 201
    return auth_id
