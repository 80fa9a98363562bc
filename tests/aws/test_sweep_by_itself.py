"""The sweep on merchants' clocks: deliveries fall due by them, and so does all else."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from payments_sandbox.domain.merchant import Merchant
from payments_sandbox.domain.payment import Status
from payments_sandbox.domain.settlement import BatchState
from payments_sandbox.entrypoints.function_parts import parts_of
from payments_sandbox.entrypoints.sweep_function import TIME_KEPT_MS
from payments_sandbox.entrypoints.wiring import Store
from payments_sandbox.services.ports import PaymentFilter
from payments_sandbox.services.settlement_ports import SettlementFilter
from tests.aws.delivery_rig import Rig, done, rig_at
from tests.unit.examples import AUTHORIZE, MERCHANT_ID
from tests.unit.requests import request
from tests.unit.stand_ins import SECRETS

pytestmark = pytest.mark.aws
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def rig(emulator: str) -> Iterator[Rig]:
    """The way of a webhook, on a table of its own."""
    with rig_at(emulator) as one:
        yield one


def store_of(rig: Rig) -> Store:
    """Return the adapters over the rig's table."""
    return parts_of(rig.table, rig.courier, SECRETS, rig.clock).store


def ahead(rig: Rig, by: timedelta) -> None:
    """Have the merchant's clock be ahead, with nothing done on the way."""

    def move(merchant: Merchant) -> Merchant:
        real_at = rig.clock.now()
        return merchant.moved_to(real_at + by, real_at)

    done(store_of(rig).merchants.change(MERCHANT_ID, move))


def batches(rig: Rig) -> list[BatchState]:
    """Return the states of the merchant's batches, the oldest first."""
    found = store_of(rig).settlements.settlements(
        MERCHANT_ID, SettlementFilter(), before=None, limit=10
    )
    return [one.state for one in done(found).settlements][::-1]


def statuses(rig: Rig) -> list[Status]:
    """Return what the payments' heads say, the oldest first."""
    page = done(
        store_of(rig).ledger.payments(
            MERCHANT_ID, PaymentFilter(), rig.clock.now(), before=None, limit=10
        )
    )
    return [one.status for one in page.payments][::-1]


def test_deliveries_on_the_merchants_clock(rig: Rig) -> None:
    """A delivery is due, and leased, by the merchant's clock, wherever real time is."""
    rig.listen("/hooks", "payment_captured")
    rig.happen()
    rig.relay(rig.stream())
    rig.messages()
    assert rig.sweep()["claimed"] == 0

    ahead(rig, HOUR)

    assert rig.sweep()["claimed"] == 1
    assert rig.sweep()["claimed"] == 0
    ahead(rig, 2 * HOUR)
    assert rig.sweep()["claimed"] == 1


def test_expiry(rig: Rig) -> None:
    """An authorization that nobody captured expires by itself, once."""
    done(rig.use.payments.authorize(AUTHORIZE, request("authorize", "one")))
    rig.sweep()
    assert statuses(rig) == [Status.AUTHORIZED]

    ahead(rig, 8 * DAY)
    for _ in range(2):
        rig.sweep()

    assert statuses(rig) == [Status.EXPIRED]
    assert len(rig.transactions()) == 2


def test_settlement(rig: Rig) -> None:
    """What is captured settles, its batch closes and is paid out, each once, however often."""
    rig.happen()
    ahead(rig, 30 * DAY)
    for _ in range(2):
        rig.sweep()

    assert batches(rig) == [BatchState.PAID]
    assert len(rig.transactions()) == 2 + 1 + 2


def test_without_time(rig: Rig) -> None:
    """It does not begin what there is no time for; the next one does it."""
    rig.happen()
    ahead(rig, 30 * DAY)

    rig.sweep(left_ms=TIME_KEPT_MS - 1)
    assert batches(rig) == []

    rig.sweep()
    assert batches(rig) == [BatchState.PAID]


def test_webhooks_of_a_batch(rig: Rig) -> None:
    """What happens to a batch is delivered as all else is."""
    rig.listen("/hooks", "settlement_closed", "settlement_paid")
    rig.happen()
    ahead(rig, 30 * DAY)
    rig.sweep()

    rig.relay(rig.stream())
    rig.deliver(rig.messages())

    assert len(rig.receiver.heard) == 2
    rig.assert_ended()
