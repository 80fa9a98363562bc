"""What mischief does to a first attempt, and that its record says so."""

from dataclasses import replace

from payments_sandbox.domain.chaos import Chaos, Mischief
from payments_sandbox.domain.delivery import Outcome, RetrySchedule, State
from tests.unit.stand_ins import NOW
from tests.unit.webhooks import (
    ENDPOINT,
    ERROR,
    Webhooks,
    headers,
)


async def harm(webhooks: Webhooks, chaos: Chaos) -> tuple[Mischief, ...]:
    """Attempt a delivery of an endpoint with this chaos; return what its record says was done."""
    delivery = await webhooks.begin(replace(ENDPOINT, chaos=chaos))
    written = await webhooks.dispatch.attempt(delivery)
    return written.attempts[-1].chaos


async def test_dropped(webhooks: Webhooks) -> None:
    """What is dropped is not sent, counts as a failed attempt and is retried."""
    delivery = await webhooks.begin(replace(ENDPOINT, chaos=Chaos(drop=100)))
    expected = delivery.after(
        Outcome(0, error="dropped"), NOW, RetrySchedule.STANDARD, (Mischief.DROP,)
    )

    dropped = await webhooks.dispatch.attempt(delivery)

    assert webhooks.sender.sent == []
    assert expected == dropped
    retried = await webhooks.dispatch.attempt(dropped)
    assert retried.state is State.DELIVERED
    assert len(webhooks.sender.sent) == 1


async def test_duplicated(webhooks: Webhooks) -> None:
    """What is duplicated is sent twice, the same to the byte, as one attempt."""
    done = await harm(webhooks, Chaos(duplicate=100))

    first, second = webhooks.sender.sent
    assert first == second
    assert done == (Mischief.DUPLICATE,)


async def test_a_stale_timestamp(webhooks: Webhooks) -> None:
    """A stale timestamp is ten minutes old, and the signature fits it."""
    done = await harm(webhooks, Chaos(stale_timestamp=100))

    (sent,) = webhooks.sender.sent
    assert headers(sent.headers["webhook-id"], sent.body, age_s=600) == sent.headers
    assert done == (Mischief.STALE_TIMESTAMP,)


async def test_a_bad_signature(webhooks: Webhooks) -> None:
    """A bad signature has the right form, and differs; everything else is as it should be."""
    done = await harm(webhooks, Chaos(bad_signature=100))

    (sent,) = webhooks.sender.sent
    expected = headers(sent.headers["webhook-id"], sent.body)
    good, bad = expected.pop("webhook-signature"), sent.headers["webhook-signature"]
    assert good != bad
    assert len(good) == len(bad)
    assert expected == {name: sent.headers[name] for name in expected}
    assert done == (Mischief.BAD_SIGNATURE,)


async def test_several_at_once(webhooks: Webhooks) -> None:
    """Mischief adds up."""
    done = await harm(webhooks, Chaos(duplicate=100, stale_timestamp=100, bad_signature=100))

    first, second = webhooks.sender.sent
    assert first == second
    stale = headers(first.headers["webhook-id"], first.body, bytes(32), age_s=600)
    assert stale == first.headers
    assert done == (Mischief.DUPLICATE, Mischief.STALE_TIMESTAMP, Mischief.BAD_SIGNATURE)


async def test_retries_are_left_alone(webhooks: Webhooks) -> None:
    """After the first attempt nothing is harmed any more: everything arrives."""
    chaos = Chaos(0, 100, 100, 0, 100, 100, 100)
    delivery = await webhooks.begin(replace(ENDPOINT, chaos=chaos))
    webhooks.sender.outcome = ERROR
    failed = await webhooks.dispatch.attempt(delivery)
    webhooks.sender.sent.clear()

    written = await webhooks.dispatch.attempt(failed)

    (sent,) = webhooks.sender.sent
    assert headers(delivery.message_id, sent.body) == sent.headers
    assert written.attempts[-1].chaos == ()
