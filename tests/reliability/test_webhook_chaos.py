"""Chaos at real receivers: what the records say is what arrives, and in the end all of it does."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from standardwebhooks.webhooks import Webhook

from payments_sandbox.domain.chaos import Chaos, Mischief
from tests.reliability.webhook_load import Json, authorized, call, listed, sending, settled, until
from tests.reliability.webhook_receivers import Arrival, Subscriber, listening, strict
from tests.running import Running

pytestmark = pytest.mark.reliability
SEED = 7


class Story(NamedTuple):
    """What becomes of a delivery: which arrivals verify, how each attempt ended."""

    verified: list[bool]
    attempts: list[int | str]
    headers: int = 1
    """How many sets of headers came with it: a duplicate has the same, a retry its own."""


UNHARMED = Story([True], [204])
HARMED = {
    Mischief.REORDER: UNHARMED,
    Mischief.DROP: Story([True], ["dropped", 204]),
    Mischief.DUPLICATE: Story([True, True], [204]),
    Mischief.STALE_TIMESTAMP: Story([False, True], [400, 204], 2),
    Mischief.BAD_SIGNATURE: Story([False, True], [400, 204], 2),
}


async def test_chaos_is_what_its_seed_says(tmp_path: Path) -> None:
    """A receiver meets each mischief as the records have it, and gets everything in the end."""
    receivers = {kind: Subscriber(kind, strict) for kind in HARMED}
    async with sending(tmp_path / "ledger.db") as sandbox, listening(*receivers.values()):
        for kind, one in receivers.items():
            await asyncio.to_thread(one.register, sandbox, chaos={"seed": SEED, kind: 50})
        for number in range(20):
            await authorized(sandbox, f"{number}")
        await settled(sandbox.data)
        records = {kind: await read(sandbox, one) for kind, one in receivers.items()}

    for kind, one in receivers.items():
        chaos = replace(Chaos(SEED), **{kind: 50})
        met = {each["delivery_id"]: met_by(chaos, each["delivery_id"]) for each in records[kind]}
        assert set(met.values()) == {(), (kind,)}
        for each in records[kind]:
            harm = met[each["delivery_id"]]
            assert (HARMED[kind] if harm else UNHARMED) == story(each, one)
            assert tuple(each["chaos"]) == harm
            assert heard_of(each, one)[0].at >= due_at(each, chaos)
            is_bad = harm == (Mischief.BAD_SIGNATURE,)
            assert fits(one, heard_of(each, one)[0]) is not is_bad


async def test_chaos_that_delays(tmp_path: Path) -> None:
    """Each first attempt is due within 30 s, at a moment of its own, and comes no sooner."""
    receiver, chaos = Subscriber("delayed"), Chaos(SEED, delay=100)
    async with sending(tmp_path / "ledger.db") as sandbox, listening(receiver):
        await asyncio.to_thread(receiver.register, sandbox, chaos={"seed": SEED, "delay": 100})
        for number in range(40):
            await authorized(sandbox, f"{number}")
        await until(lambda: len(receiver.arrivals) >= 2)
        records = await read(sandbox, receiver)
    pending = [one for one in records if one["state"] == "pending"]
    arrived = [one for one in records if one["state"] == "delivered"]

    assert len(records) == 40
    assert [seconds(one["next_attempt_at"]) for one in pending] == pytest.approx(
        [due_at(one, chaos) for one in pending], abs=0.002
    )
    assert arrived
    assert all(heard_of(one, receiver)[0].at >= due_at(one, chaos) for one in arrived)


async def read(sandbox: Running, subscriber: Subscriber) -> list[Json]:
    """Return an endpoint's deliveries with their attempts."""
    ids = [one["delivery_id"] for one in await listed(sandbox, subscriber)]
    return [await call(sandbox, "GET", f"/webhooks/deliveries/{one}") for one in ids]


def met_by(chaos: Chaos, delivery_id: str) -> tuple[Mischief, ...]:
    """Return all that a delivery meets."""
    return chaos.at_first(delivery_id)[1] + chaos.on_sending(delivery_id)


def due_at(record: Json, chaos: Chaos) -> float:
    """Return when the first attempt is due, less a millisecond that is cut off."""
    wait, _ = chaos.at_first(record["delivery_id"])
    return seconds(record["created_at"]) + wait.total_seconds() - 0.001


def seconds(text: str) -> float:
    """Return a time of the API in seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()


def heard_of(record: Json, subscriber: Subscriber) -> list[Arrival]:
    """Return what a receiver heard of a delivery."""
    return [one for one in subscriber.arrivals if one.message_id == record["event_id"]]


def fits(subscriber: Subscriber, arrival: Arrival) -> bool:
    """Tell whether the signature fits the timestamp it came with, however old that is."""
    at = datetime.fromtimestamp(int(arrival.headers["webhook-timestamp"]), UTC)
    signature = Webhook(subscriber.secrets[0]).sign(arrival.message_id, at, arrival.body.decode())
    return arrival.headers["webhook-signature"] == signature


def story(record: Json, subscriber: Subscriber) -> Story:
    """Return what became of a delivery, as its receiver and its record have it."""
    heard = heard_of(record, subscriber)
    attempts = [one["status"] or one["error"] for one in record["attempts"]]
    return Story([one.verified for one in heard], attempts, len({*map(_headers, heard)}))


def _headers(arrival: Arrival) -> tuple[str, ...]:
    return tuple(arrival.headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
