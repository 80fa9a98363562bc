"""What has fallen due: claimed once, whoever else sweeps, whatever else the table holds."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import Any
from unittest.mock import patch

import pytest

from payments_sandbox.adapters.dynamodb_items import head_item
from payments_sandbox.domain.delivery import Delivery
from payments_sandbox.entrypoints.sweep_function import TIME_KEPT_MS
from payments_sandbox.services.endpoints import NewEndpoint
from payments_sandbox.services.webhook_ports import Deliveries
from tests.aws.delivery_receiver import FAILED
from tests.aws.delivery_rig import Crash, Rig, TimedContext, crash, done, rig_at
from tests.aws.faults import ALWAYS, Call, answer_lost, edited, error
from tests.aws.faults_rig import begin_with_settings
from tests.unit.examples import EXPIRY_AT, MERCHANT_ID, opened
from tests.unit.stand_ins import SeededIds

pytestmark = pytest.mark.aws
UNLISTED, BROKEN = "a_merchant", "another"


@pytest.fixture
def rig(emulator: str) -> Iterator[Rig]:
    """The way of a webhook, on a table of its own."""
    with rig_at(emulator) as one:
        yield one


def left_behind(rig: Rig, payments: int = 5) -> None:
    """Have two deliveries of each payment due, which nobody was told of."""
    rig.listen()
    for number in range(payments):
        rig.happen(f"{number}")
    rig.relay(rig.stream())
    rig.messages()
    rig.lease_ends()


async def claim_nothing(_: Deliveries, delivery: Delivery, until: object) -> Delivery:
    """Stand in for a claim: take it without a word to anybody."""
    del until
    return delivery


def sweep_twice(rig: Rig) -> list[int]:
    """Sweep twice at the same time; return how many each has claimed."""
    together = threading.Barrier(2)

    def sweep() -> int:
        process = rig.process("sweep")
        together.wait(10)
        try:
            return process([], TimedContext())["claimed"]
        finally:
            process.end()

    with ThreadPoolExecutor(2) as threads:
        return [one.result() for one in [threads.submit(sweep) for _ in range(2)]]


def test_two_sweeps_at_once(rig: Rig) -> None:
    """Each delivery is claimed by one of them and handed over once."""
    left_behind(rig, 15)
    claimed = sweep_twice(rig)
    messages = rig.messages()
    rig.deliver(messages)

    assert sum(claimed) == len(messages) == 30
    rig.assert_ended()


def test_sweeping_without_a_claim_would_be_caught(rig: Rig) -> None:
    """If they took nothing, both would hand over all."""
    left_behind(rig)
    with patch("payments_sandbox.entrypoints.sweep_function.claim", claim_nothing):
        assert sum(sweep_twice(rig)) == 20

    assert len(rig.messages()) == 20


def test_what_is_not_due_stays(rig: Rig) -> None:
    """Neither what is leased nor what has ended is claimed."""
    rig.listen()
    rig.happen("one")
    rig.relay(rig.stream())
    rig.deliver(rig.messages())
    rig.happen("two")
    rig.relay(rig.stream())

    assert rig.sweep() == {"merchants": 1, "claimed": 0}
    rig.lease_ends()
    assert rig.sweep() == {"merchants": 1, "claimed": 2}
    assert rig.sweep() == {"merchants": 1, "claimed": 0}


def test_nobody_has_endpoints(rig: Rig) -> None:
    """Then there is nothing to hand over."""
    rig.happen()

    assert rig.sweep() == {"merchants": 1, "claimed": 0}


def test_no_time_is_left(rig: Rig) -> None:
    """It stops before it is cut off, and the next one goes on."""
    left_behind(rig)

    assert rig.sweep(left_ms=TIME_KEPT_MS - 1) == {"merchants": 0, "claimed": 0}
    assert rig.sweep(left_ms=TIME_KEPT_MS) == {"merchants": 1, "claimed": 10}
    rig.deliver(rig.messages())
    rig.assert_ended()


@dataclass(frozen=True)
class Waning(TimedContext):
    """Time for one merchant."""

    asked: Iterator[int] = field(default_factory=count)

    def get_remaining_time_in_millis(self) -> int:
        """Return less than is needed when asked a second time."""
        return self.left_ms if next(self.asked) == 0 else 0


def test_time_for_one_merchant(rig: Rig) -> None:
    """The merchants after it are left to the next sweep."""
    left_behind(rig)
    done(_endpoint_of(rig, "zzz"))
    process = rig.process("sweep")

    assert process([], Waning()) == {"merchants": 1, "claimed": 10}
    assert process([], TimedContext()) == {"merchants": 2, "claimed": 0}
    process.end()


def test_more_is_due_than_a_sweep_takes(rig: Rig) -> None:
    """It takes so many, the longest due first; the next ones take the rest."""
    left_behind(rig)
    with patch("payments_sandbox.adapters.dynamodb_deliveries.DUE_MAX", 4):
        claimed = [rig.sweep()["claimed"] for _ in range(4)]
    rig.deliver(rig.messages())

    assert claimed == [4, 4, 2, 0]
    rig.assert_ended()


def test_expired_deliveries_hide_no_others(rig: Rig) -> None:
    """What the table is late to delete does not keep from the sweep what is due after it."""
    keep = rig.use.tenancy.change_settings
    done(keep(MERCHANT_ID, lambda one: replace(one, retention_days=7)))
    left_behind(rig, 2)
    rig.clock.pass_by(timedelta(days=60))
    rig.happen("later")
    rig.relay(rig.transactions()[-2:])
    rig.lease_ends()
    with patch("payments_sandbox.adapters.dynamodb_deliveries.DUE_MAX", 4):
        assert rig.sweep()["claimed"] == 2


def test_payments_that_are_due_hide_no_deliveries(rig: Rig) -> None:
    """However many uncaptured payments stand before them in the index, deliveries are found."""
    left_behind(rig)
    rig.clock.at = EXPIRY_AT + timedelta(days=30)
    ids = SeededIds(7)
    heads = [opened(payment_id=f"auth_{ids.core()}").payment for _ in range(300)]
    for start in range(0, len(heads), 25):
        puts: Any = [{"PutRequest": {"Item": head_item(one)}} for one in heads[start : start + 25]]
        rig.table.client.batch_write_item(RequestItems={rig.table.name: puts})
    rig.injector.plan("Query by_due", edited(_first_page_is_empty))
    process = rig.process("sweep")
    with patch("payments_sandbox.adapters.dynamodb_deliveries.DUE_MAX", 10):
        assert process([], Waning()) == {"merchants": 1, "claimed": 10}
    process.end()

    assert rig.injector.calls.count("Query by_due") == 2
    rig.deliver(rig.messages())


def test_a_fault_at_one_merchant(rig: Rig) -> None:
    """The others are swept all the same, and the next sweep finds what it left."""
    left_behind(rig)
    done(_endpoint_of(rig, UNLISTED))
    rig.injector.plan("Query by_due", _refused_to(UNLISTED), ALWAYS)

    assert rig.sweep() == {"merchants": 2, "claimed": 10}
    rig.deliver(rig.messages())
    rig.assert_ended()


@pytest.mark.parametrize("of", [UNLISTED, MERCHANT_ID])
def test_a_delivery_that_cannot_be_read(rig: Rig, of: str) -> None:
    """Whoever's it is, the other deliveries are handed over."""
    left_behind(rig)
    done(_endpoint_of(rig, UNLISTED))
    broken = {
        "transaction_id": {"S": "evt_1"},
        "record": {"S": "delivery#ep_1"},
        "merchant_id": {"S": of},
        "due_at": {"S": "2026-01-01T00:00:00.000Z"},
        "version": {"N": "1"},
        "body": {"S": "{"},
    }
    rig.table.client.put_item(TableName=rig.table.name, Item=broken)

    assert rig.sweep()["claimed"] == 10


def test_a_claim_whose_answer_is_lost(rig: Rig) -> None:
    """The client claims again and meets its own claim: each is handed over once."""
    left_behind(rig)
    rig.injector.plan("PutItem", answer_lost, 3)

    assert rig.sweep()["claimed"] == 10
    rig.deliver(rig.messages())
    rig.assert_ended()


def test_a_crash_after_the_claim(rig: Rig) -> None:
    """What was claimed but not handed over is due again when the lease ends, and arrives once."""
    left_behind(rig)
    rig.publishing = crash
    with pytest.raises(Crash):
        rig.sweep()
    rig.publishing = lambda: None

    assert rig.sweep()["claimed"] == 0
    assert rig.messages() == []
    rig.settle()
    assert set(rig.receiver.posts.values()) == {1}
    rig.assert_ended()


def test_a_burst_of_retries(rig: Rig) -> None:
    """Many that failed at once are handed over once each, round after round."""
    rig.receiver.answers["/hooks"] = iter([FAILED] * 20)
    left_behind(rig, 10)
    rig.sweep()
    rig.deliver(rig.messages())
    rig.clock.pass_by(timedelta(seconds=6))

    assert rig.sweep()["claimed"] == 20
    rig.deliver(rig.messages())
    assert {one.attempts_made for one in rig.kept()} == {2}
    rig.assert_ended()


async def _endpoint_of(rig: Rig, merchant_id: str) -> None:
    begin_with_settings(rig.table, merchant_id)
    wanted = NewEndpoint("https://example.com/", ("*",), "", enabled=True, chaos=None)
    await rig.use.endpoints.create(merchant_id, wanted)


def _first_page_is_empty(_: Any, facts: Any) -> None:
    """Change an answer to a page of which the filter has left nothing, with more to come."""
    names = ("transaction_id", "record", "merchant_id", "due_at")
    facts["LastEvaluatedKey"] = {"due_at": {"S": "2026-03-01T00:00:00.000Z"}} | {
        name: facts["Items"][0][name] for name in names if name != "due_at"
    }
    facts["Items"], facts["Count"] = [], 0


def _refused_to(merchant_id: str) -> Any:
    def refuse(call: Call) -> Any:
        is_its = call.body["ExpressionAttributeValues"][":merchant"]["S"] == merchant_id
        return error("InternalServerError", 500) if is_its else None

    return refuse
