"""Deliveries at their merchant's desk: pinged, and sent again."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import repeat

import pytest

from payments_sandbox.domain.delivery import DeadReason, Delivery, RetrySchedule, State
from payments_sandbox.domain.errors import Conflict, EndpointDisabled, NotFound
from payments_sandbox.domain.identifiers import delivery_place_of
from payments_sandbox.services.deliveries import DeliveryDesk, Redelivered, Span
from payments_sandbox.services.merchants import MerchantTime
from payments_sandbox.services.webhook_ports import DeliveryFilter, listed_at
from tests.unit.examples import MERCHANT_ID, MILLISECOND, OTHER_ID
from tests.unit.stand_ins import NOW, SeededIds
from tests.unit.webhooks import (
    DELIVERY,
    ENDPOINT,
    ENDPOINT_ID,
    ERROR,
    LEASE,
    OK,
    OTHER_ENDPOINT_ID,
    RecordingCourier,
    Webhooks,
)

OTHER = replace(ENDPOINT, endpoint_id=OTHER_ENDPOINT_ID)
MINUTE = timedelta(minutes=1)
STATES: dict[str, Delivery] = {
    "pending": DELIVERY,
    "retried": DELIVERY.after(ERROR, NOW, RetrySchedule.STANDARD),
    "delivered": DELIVERY.after(OK, NOW, RetrySchedule.STANDARD),
    "dead": DELIVERY.abandoned(DeadReason.ENDPOINT_DISABLED),
}


@pytest.fixture
def courier() -> RecordingCourier:
    """Return a courier that takes notes."""
    return RecordingCourier()


@pytest.fixture
def desk(
    webhooks: Webhooks, courier: RecordingCourier, merchant_time: MerchantTime, ids: SeededIds
) -> DeliveryDesk:
    """Return the use cases under test."""
    return DeliveryDesk(webhooks.endpoints, webhooks.deliveries, courier, merchant_time, ids)


def made(number: int, at: datetime = NOW, *, dead: bool = True) -> Delivery:
    """Return a delivery of its own, dead or pending, that was made at a moment."""
    one = replace(DELIVERY, delivery_id=f"dlv_{number:04}", created_at=at)
    return one.abandoned(DeadReason.ATTEMPTS_EXHAUSTED) if dead else one


async def states(desk: DeliveryDesk) -> dict[str, State]:
    """Return the state of each delivery."""
    page = await desk.page(MERCHANT_ID, DeliveryFilter(), before=None, limit=100)
    return {one.delivery_id: one.state for one in page.deliveries}


async def test_a_ping(desk: DeliveryDesk, webhooks: Webhooks, courier: RecordingCourier) -> None:
    """A ping is a delivery of its own, in the courier's hands at once."""
    await webhooks.listen(OTHER, ENDPOINT)

    ping = await desk.ping(MERCHANT_ID, ENDPOINT_ID)

    assert ping.message_id.startswith("ping_")
    assert (ping.message_id, ENDPOINT_ID) == delivery_place_of(ping.delivery_id)
    assert (ping.created_at, ping.due_at, ping.type) == (NOW, NOW + LEASE, "ping")
    assert [ping] == courier.handed
    assert ping == await desk.one(MERCHANT_ID, ping.delivery_id)
    assert ping.expires_at is None


async def test_each_ping_is_another(desk: DeliveryDesk, webhooks: Webhooks) -> None:
    """Two pings are two messages."""
    await webhooks.listen(ENDPOINT)
    first, second = [await desk.ping(MERCHANT_ID, ENDPOINT_ID) for _ in range(2)]

    assert first.message_id != second.message_id
    assert first.delivery_id != second.delivery_id


@pytest.mark.parametrize("state", STATES)
async def test_redeliver(
    desk: DeliveryDesk, webhooks: Webhooks, courier: RecordingCourier, state: str
) -> None:
    """From any state it is in the courier's hands at once, its schedule begun anew."""
    await webhooks.listen(ENDPOINT)
    (delivery,) = await webhooks.deliveries.add([STATES[state]])
    expected = delivery.begun_again(NOW + MINUTE + LEASE)
    webhooks.clock.pass_by(MINUTE)

    again = await desk.redeliver(MERCHANT_ID, delivery.delivery_id)

    assert expected == again == await webhooks.there(delivery)
    assert [again] == courier.handed


async def test_what_another_merchant_has(
    desk: DeliveryDesk, webhooks: Webhooks, courier: RecordingCourier
) -> None:
    """Another merchant's endpoints and deliveries are not found, nor is what nobody has."""
    await webhooks.listen(ENDPOINT)
    await webhooks.deliveries.add([DELIVERY])

    for merchant_id, delivery_id in [(OTHER_ID, DELIVERY.delivery_id), (MERCHANT_ID, "dlv_x")]:
        with pytest.raises(NotFound):
            await desk.one(merchant_id, delivery_id)
        with pytest.raises(NotFound):
            await desk.redeliver(merchant_id, delivery_id)
    for merchant_id, endpoint_id in [(OTHER_ID, ENDPOINT_ID), (MERCHANT_ID, OTHER_ENDPOINT_ID)]:
        with pytest.raises(NotFound):
            await desk.ping(merchant_id, endpoint_id)
        with pytest.raises(NotFound):
            await desk.redeliver_all(merchant_id, endpoint_id, None, None)
    assert courier.handed == []
    assert await webhooks.there(DELIVERY) == DELIVERY


async def test_an_endpoint_that_is_deleted(desk: DeliveryDesk, webhooks: Webhooks) -> None:
    """What went to an endpoint that is deleted cannot be sent again."""
    await webhooks.deliveries.add([DELIVERY])

    with pytest.raises(NotFound):
        await desk.redeliver(MERCHANT_ID, DELIVERY.delivery_id)


async def test_an_endpoint_that_is_disabled(
    desk: DeliveryDesk, webhooks: Webhooks, courier: RecordingCourier
) -> None:
    """To an endpoint that is disabled nothing is sent until it is enabled."""
    await webhooks.listen(replace(ENDPOINT, enabled=False), OTHER)
    await webhooks.deliveries.add([made(1)])

    with pytest.raises(EndpointDisabled):
        await desk.ping(MERCHANT_ID, ENDPOINT_ID)
    with pytest.raises(EndpointDisabled):
        await desk.redeliver(MERCHANT_ID, made(1).delivery_id)
    with pytest.raises(EndpointDisabled):
        await desk.redeliver_all(MERCHANT_ID, ENDPOINT_ID, None, None)
    assert courier.handed == []
    assert made(1) == await webhooks.there(made(1))


async def test_all_dead_ones(
    desk: DeliveryDesk, webhooks: Webhooks, courier: RecordingCourier
) -> None:
    """All dead deliveries of the endpoint begin again; the others are left alone."""
    await webhooks.listen(ENDPOINT, OTHER)
    elsewhere = replace(made(4), endpoint_id=OTHER_ENDPOINT_ID)
    delivered = replace(STATES["delivered"], delivery_id="dlv_0003")
    await webhooks.deliveries.add([made(1), made(2, dead=False), delivered, elsewhere, made(5)])

    done = await desk.redeliver_all(MERCHANT_ID, ENDPOINT_ID, None, None)

    assert Redelivered(2, None) == done
    assert [one.begun_again(NOW + LEASE) for one in (made(5), made(1))] == courier.handed
    pending, dead = State.PENDING, State.DEAD
    expected = dict(
        zip(
            ["dlv_0005", "dlv_0004", "dlv_0003", "dlv_0002", "dlv_0001"],
            [pending, dead, State.DELIVERED, pending, pending],
            strict=True,
        )
    )
    assert expected == await states(desk)


async def test_a_span(desk: DeliveryDesk, webhooks: Webhooks, courier: RecordingCourier) -> None:
    """All that was made in a span begins again, whatever came of it; its end is not included."""
    await webhooks.listen(ENDPOINT)
    since, until = NOW, NOW + MINUTE
    moments = [since - MILLISECOND, since, until - MILLISECOND, until]
    await webhooks.deliveries.add(
        [made(number, at, dead=number % 2 == 0) for number, at in enumerate(moments)]
    )

    done = await desk.redeliver_all(MERCHANT_ID, ENDPOINT_ID, Span(since, until), None)

    assert Redelivered(2, None) == done
    assert [one.delivery_id for one in courier.handed] == ["dlv_0002", "dlv_0001"]


async def test_a_span_ends_the_search(
    desk: DeliveryDesk, webhooks: Webhooks, courier: RecordingCourier
) -> None:
    """What was made before the span is not looked through."""
    await webhooks.listen(ENDPOINT)
    await webhooks.deliveries.add([made(number) for number in range(1_200)])
    await webhooks.deliveries.add([made(2_000, NOW + MINUTE)])

    done = await desk.redeliver_all(
        MERCHANT_ID, ENDPOINT_ID, Span(NOW + MINUTE, NOW + 2 * MINUTE), None
    )

    assert Redelivered(1, None) == done
    assert len(courier.handed) == 1


async def test_nothing_to_send_again(
    desk: DeliveryDesk, webhooks: Webhooks, courier: RecordingCourier
) -> None:
    """Where nothing fits nothing happens."""
    await webhooks.listen(ENDPOINT)

    assert Redelivered(0, None) == await desk.redeliver_all(MERCHANT_ID, ENDPOINT_ID, None, None)
    span = Span(NOW, NOW + MINUTE)
    assert Redelivered(0, None) == await desk.redeliver_all(MERCHANT_ID, ENDPOINT_ID, span, None)
    assert courier.handed == []


async def test_a_retention_that_ends_meanwhile(
    desk: DeliveryDesk, webhooks: Webhooks, courier: RecordingCourier
) -> None:
    """What expires while all are begun again is left out, and the others begin."""
    await webhooks.listen(ENDPOINT)
    await webhooks.deliveries.add([made(1), replace(made(2), expires_at=NOW + MINUTE)])

    def expire(there: Delivery) -> Delivery:
        webhooks.clock.pass_by(MINUTE)
        return there.leased(NOW)

    webhooks.deliveries.contend(expire)

    done = await desk.redeliver_all(MERCHANT_ID, ENDPOINT_ID, None, None)

    assert Redelivered(1, None) == done
    assert [one.delivery_id for one in courier.handed] == ["dlv_0001"]


async def test_more_than_a_thousand(
    desk: DeliveryDesk, webhooks: Webhooks, courier: RecordingCourier
) -> None:
    """A thousand are begun again at once; the rest from where it says, none twice."""
    await webhooks.listen(ENDPOINT)
    await webhooks.deliveries.add([made(number) for number in range(1_150)])

    first = await desk.redeliver_all(MERCHANT_ID, ENDPOINT_ID, None, None)
    second = await desk.redeliver_all(MERCHANT_ID, ENDPOINT_ID, None, first.next_before)

    assert Redelivered(1_000, listed_at(made(150))) == first
    assert Redelivered(150, None) == second
    assert len({one.delivery_id for one in courier.handed}) == len(courier.handed) == 1_150


@pytest.mark.parametrize("rivals", [1, 3, 7])
async def test_lost_races(
    desk: DeliveryDesk, webhooks: Webhooks, courier: RecordingCourier, rivals: int
) -> None:
    """Whoever writes first, it begins again from what is there then."""
    await webhooks.listen(ENDPOINT)
    await webhooks.deliveries.add([DELIVERY])
    webhooks.deliveries.rivals = repeat(
        lambda one: one.after(ERROR, NOW, RetrySchedule.STANDARD), rivals
    )

    again = await desk.redeliver(MERCHANT_ID, DELIVERY.delivery_id)

    assert again == await webhooks.there(DELIVERY)
    assert (again.tries, again.attempts_made, again.due_at) == (0, rivals, NOW + LEASE)
    assert [again] == courier.handed


async def test_races_without_end(
    desk: DeliveryDesk, webhooks: Webhooks, courier: RecordingCourier
) -> None:
    """Who loses every race says so, and hands nothing over."""
    await webhooks.listen(ENDPOINT)
    await webhooks.deliveries.add([DELIVERY])
    webhooks.deliveries.rivals = repeat(lambda one: one.leased(NOW))

    with pytest.raises(Conflict):
        await desk.redeliver(MERCHANT_ID, DELIVERY.delivery_id)

    assert webhooks.deliveries.replacements == 8
    assert courier.handed == []


async def test_pages(desk: DeliveryDesk, webhooks: Webhooks) -> None:
    """Deliveries are listed newest first, from below where the last page ended."""
    some = [made(number, NOW + number * MILLISECOND) for number in range(5)]
    await webhooks.deliveries.add(some)
    wanted = DeliveryFilter(ENDPOINT_ID)

    first = await desk.page(MERCHANT_ID, wanted, before=None, limit=3)
    second = await desk.page(MERCHANT_ID, wanted, before=first.next_before, limit=3)

    assert some[::-1] == [*first.deliveries, *second.deliveries]
    assert second.next_before is None
