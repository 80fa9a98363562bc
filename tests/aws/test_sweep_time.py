"""What falls due by itself, in the time that the deliveries leave to the sweep of each minute."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

import pytest
from botocore.awsrequest import AWSResponse

from payments_sandbox.adapters.dynamodb_items import HEAD, payment_of
from payments_sandbox.adapters.dynamodb_settlement_items import SUMMARY, settlement_of
from payments_sandbox.domain.payment import Status
from payments_sandbox.domain.settlement import BatchState, Settlement
from payments_sandbox.entrypoints.sweep_function import TIME_KEPT_MS
from tests.aws.delivery_rig import Rig, TimedContext, done, rig_at
from tests.aws.faults import ALWAYS, BY_DUE, Call, Fault, error
from tests.aws.faults_rig import begin_with_settings
from tests.unit.examples import AUTHORIZE, CUTOFF, EXPIRY_AT, MILLISECOND
from tests.unit.requests import request

pytestmark = pytest.mark.aws
BROKEN = "a_merchant"
SWEPT = {"merchants": 1, "claimed": 0}


@pytest.fixture
def rig(emulator: str) -> Iterator[Rig]:
    """The way of a webhook, on a table of its own."""
    with rig_at(emulator) as one:
        yield one


def authorize(rig: Rig) -> str:
    """Authorize a payment that nobody captures; return its id."""
    asked = request("authorize", "uncaptured")
    return done(rig.use.payments.authorize(AUTHORIZE, asked)).transaction.payment_id


def status(rig: Rig, payment_id: str) -> tuple[Status, int]:
    """Return what the table itself says of a payment, and how many transactions it has."""
    place = (payment_id, HEAD)
    (item,) = [
        one for one in rig.items() if (one["transaction_id"]["S"], one["record"]["S"]) == place
    ]
    payment = payment_of(item)
    return payment.status, payment.version


def batches(rig: Rig) -> list[Settlement]:
    """Return all batches."""
    return [settlement_of(one) for one in rig.items() if one["record"]["S"] == SUMMARY]


def test_authorizations_expire(rig: Rig) -> None:
    """At its time, not before, an authorization that nobody looks at is recorded as expired."""
    payment_id = authorize(rig)
    rig.clock.at = EXPIRY_AT - MILLISECOND
    assert rig.sweep() == SWEPT
    assert status(rig, payment_id) == (Status.AUTHORIZED, 1)
    rig.clock.at = EXPIRY_AT

    assert rig.sweep() == SWEPT
    assert status(rig, payment_id) == (Status.EXPIRED, 2)
    assert rig.sweep() == SWEPT
    assert status(rig, payment_id) == (Status.EXPIRED, 2)


@dataclass(frozen=True)
class Waning(TimedContext):
    """Time to be asked for so often."""

    times: int = 1
    asked: Iterator[int] = field(default_factory=count)

    def get_remaining_time_in_millis(self) -> int:
        """Return less than is needed when asked once more."""
        return self.left_ms if next(self.asked) < self.times else TIME_KEPT_MS - 1


def test_deliveries_come_first(rig: Rig) -> None:
    """While time is short, retries are handed over and what falls due by itself waits."""
    rig.listen()
    rig.happen()
    rig.relay(rig.stream())
    rig.messages()
    rig.clock.at = CUTOFF
    process = rig.process("sweep")

    assert process([], Waning(times=1)) == {"merchants": 1, "claimed": 2}
    assert batches(rig) == []
    assert process([], TimedContext())["claimed"] == 0
    process.end()
    assert [one.state for one in batches(rig)] == [BatchState.CLOSED]


def test_time_runs_out_between_two_steps(rig: Rig) -> None:
    """Payments are settled, their batch is closed by the next sweep."""
    rig.happen()
    rig.clock.at = CUTOFF
    process = rig.process("sweep")
    process([], Waning(times=3))
    assert [one.state for one in batches(rig)] == [BatchState.OPEN]

    process([], TimedContext())

    process.end()
    assert [one.state for one in batches(rig)] == [BatchState.CLOSED]


def test_a_fault_at_one_merchant(rig: Rig) -> None:
    """What is due of the others happens all the same."""
    begin_with_settings(rig.table, BROKEN)
    rig.happen()
    rig.clock.at = CUTOFF
    rig.injector.plan(BY_DUE, _refused_to(BROKEN), ALWAYS)

    assert rig.sweep() == {"merchants": 2, "claimed": 0}
    assert [one.state for one in batches(rig)] == [BatchState.CLOSED]


def _refused_to(merchant_id: str) -> Fault:
    def refuse(call: Call) -> AWSResponse | None:
        is_its = call.body["ExpressionAttributeValues"][":merchant"]["S"] == merchant_id
        return error("InternalServerError", 500) if is_its else None

    return refuse
