"""What is made of an event: a delivery for each endpoint that wants it."""

from dataclasses import replace
from datetime import timedelta

from payments_sandbox.domain.chaos import Chaos, Mischief
from payments_sandbox.services.dispatch import deliveries_of
from tests.unit.examples import CAPTURE, after, opened
from tests.unit.stand_ins import NOW
from tests.unit.webhooks import (
    DELIVERY,
    ENDPOINT,
    ENDPOINT_ID,
    LEASE,
    OTHER_ENDPOINT_ID,
)

MINUTE = timedelta(minutes=1)
EXPIRES_AT = NOW + timedelta(days=30)
OTHER = replace(ENDPOINT, endpoint_id=OTHER_ENDPOINT_ID)
AUTHORIZED = opened().transactions[-1]


def test_a_delivery_for_each_that_wants_it() -> None:
    """Each endpoint that wants the event gets it, under an id of its own that repeats."""
    deaf = replace(ENDPOINT, events=("payment_voided",))
    disabled = replace(ENDPOINT, enabled=False)
    expected = [
        replace(
            DELIVERY,
            delivery_id=DELIVERY.delivery_id.replace(ENDPOINT_ID[3:], one.endpoint_id[3:]),
            endpoint_id=one.endpoint_id,
            due_at=NOW + LEASE,
        )
        for one in (ENDPOINT, OTHER)
    ]

    for _ in range(2):
        assert expected == deliveries_of(
            AUTHORIZED, [deaf, ENDPOINT, disabled, OTHER], NOW, lease=LEASE, expires_at=None
        )


def test_the_event_decides_the_message() -> None:
    """Each transaction of a payment is a message of its own."""
    captured = after(CAPTURE).transactions[-1]

    (made,) = deliveries_of(captured, [ENDPOINT], NOW, lease=LEASE, expires_at=None)

    assert made.type == "payment_captured"
    assert DELIVERY.message_id.removesuffix("1") + "2" == made.message_id


def test_when_it_is_due_and_how_long_it_is_kept() -> None:
    """It is in somebody's hands for the lease, and goes when its payment does."""
    (made,) = deliveries_of(AUTHORIZED, [ENDPOINT], NOW, lease=MINUTE, expires_at=EXPIRES_AT)

    assert replace(DELIVERY, due_at=NOW + MINUTE, expires_at=EXPIRES_AT) == made


def test_mischief_lets_the_first_attempt_wait() -> None:
    """Where chaos delays it, it is due after that time, and the record says why."""
    chaos = Chaos(delay=100, drop=100)
    wait, done = chaos.at_first(DELIVERY.delivery_id)
    endpoint = replace(ENDPOINT, chaos=chaos)

    (made,) = deliveries_of(AUTHORIZED, [endpoint], NOW, lease=LEASE, expires_at=None)

    assert replace(DELIVERY, due_at=NOW + wait, chaos=(Mischief.DELAY,)) == made
    assert done == (Mischief.DELAY,)


def test_chaos_that_does_not_delay_changes_nothing() -> None:
    """Without delay or reordering it is due as ever."""
    endpoint = replace(ENDPOINT, chaos=Chaos(drop=100, duplicate=100))

    (made,) = deliveries_of(AUTHORIZED, [endpoint], NOW, lease=LEASE, expires_at=None)

    assert replace(DELIVERY, due_at=NOW + LEASE) == made
