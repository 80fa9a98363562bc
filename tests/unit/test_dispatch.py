"""Dispatch: what each attempt sends, and what it leaves in the record."""

import json
from dataclasses import replace
from datetime import timedelta
from itertools import repeat

import pytest

from payments_sandbox.adapters.sqlite_merchants import SqliteMerchants
from payments_sandbox.api.answers import event_bytes
from payments_sandbox.domain.delivery import DeadReason, RetrySchedule, State
from payments_sandbox.domain.endpoint import DisabledReason, Endpoint, SecretVersion
from payments_sandbox.domain.errors import Conflict, LedgerUnavailable
from payments_sandbox.domain.merchant import Settings
from payments_sandbox.services import dispatch
from payments_sandbox.services.dispatch import claim
from tests.unit.examples import MERCHANT_ID
from tests.unit.ledgers import set_to
from tests.unit.stand_ins import NOW, SECRETS
from tests.unit.webhooks import (
    DELIVERY,
    ENDPOINT,
    ENDPOINT_ID,
    ERROR,
    GONE,
    LEASE,
    OTHER_ENDPOINT_ID,
    URL,
    Webhooks,
    headers,
    secret,
)

MINUTE = timedelta(minutes=1)
OTHER = replace(ENDPOINT, endpoint_id=OTHER_ENDPOINT_ID)


async def test_delivered(webhooks: Webhooks) -> None:
    """The event goes to the URL, signed; the answer ends the delivery and is kept."""
    delivery = await webhooks.begin()
    body = event_bytes(
        await webhooks.payments.transaction(
            MERCHANT_ID, delivery.message_id.replace("evt_", "auth_").removesuffix("_1")
        )
    )

    written = await webhooks.dispatch.attempt(delivery)

    assert [(URL, headers(delivery.message_id, body), body)] == webhooks.sender.sent
    assert delivery.after(webhooks.sender.outcome, NOW, RetrySchedule.STANDARD) == written
    assert written.state is State.DELIVERED
    assert written == await webhooks.there(delivery)


@pytest.mark.parametrize("schedule", RetrySchedule)
async def test_failed(
    webhooks: Webhooks, merchants: SqliteMerchants, schedule: RetrySchedule
) -> None:
    """A failed attempt is due again as the merchant's schedule says."""
    await set_to(merchants, MERCHANT_ID, Settings(webhook_schedule=schedule))
    delivery = await webhooks.begin()
    webhooks.sender.outcome = ERROR

    written = await webhooks.dispatch.attempt(delivery)

    assert delivery.after(ERROR, NOW, schedule) == written == await webhooks.there(delivery)
    assert written.state is State.PENDING


async def test_each_retry_is_the_same_message(webhooks: Webhooks) -> None:
    """A retry has the same id and bytes, and the time at which it is sent."""
    delivery = await webhooks.begin()
    webhooks.sender.outcome = ERROR
    failed = await webhooks.dispatch.attempt(delivery)
    webhooks.clock.pass_by(MINUTE)

    await webhooks.dispatch.attempt(failed)

    first, second = webhooks.sender.sent
    assert first.body == second.body
    assert headers(delivery.message_id, first.body) == first.headers
    assert headers(delivery.message_id, first.body, age_s=-60) == second.headers


async def test_the_last_attempt(webhooks: Webhooks) -> None:
    """Where the last attempt fails too, the record says so."""
    delivery = await webhooks.begin()
    webhooks.sender.outcome = ERROR
    for _ in range(10):
        delivery = await webhooks.dispatch.attempt(delivery)

    assert delivery.dead_reason is DeadReason.ATTEMPTS_EXHAUSTED
    assert delivery == await webhooks.there(delivery)


async def test_gone(webhooks: Webhooks) -> None:
    """A 410 ends the delivery and disables the endpoint, and no other."""
    delivery = await webhooks.begin()
    await webhooks.listen(OTHER, ENDPOINT)
    webhooks.sender.outcome = GONE

    written = await webhooks.dispatch.attempt(delivery)

    assert written.dead_reason is DeadReason.ENDPOINT_GONE
    assert written == await webhooks.there(delivery)
    assert (OTHER, ENDPOINT.gone(NOW)) == await webhooks.endpoints.endpoints(MERCHANT_ID)
    assert ENDPOINT.gone(NOW).disabled_reason is DisabledReason.GONE


async def test_gone_and_deleted(webhooks: Webhooks) -> None:
    """An endpoint that its merchant deletes meanwhile does not come back."""
    delivery = await webhooks.begin()
    webhooks.sender.outcome, webhooks.sender.meanwhile = GONE, webhooks.listen

    await webhooks.dispatch.attempt(delivery)

    assert await webhooks.endpoints.endpoints(MERCHANT_ID) == ()


async def test_gone_from_another_url(webhooks: Webhooks) -> None:
    """An endpoint whose URL its merchant changes meanwhile has not said that it is gone."""
    moved = replace(ENDPOINT, url="https://hooks.example.com/another")
    delivery = await webhooks.begin()
    webhooks.sender.outcome, webhooks.sender.meanwhile = GONE, lambda: webhooks.listen(moved)

    await webhooks.dispatch.attempt(delivery)

    assert (moved,) == await webhooks.endpoints.endpoints(MERCHANT_ID)


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        ((), DeadReason.ENDPOINT_DELETED),
        ((OTHER,), DeadReason.ENDPOINT_DELETED),
        ((replace(ENDPOINT, enabled=False),), DeadReason.ENDPOINT_DISABLED),
    ],
)
async def test_nobody_to_send_it_to(
    webhooks: Webhooks, left: tuple[Endpoint, ...], expected: DeadReason
) -> None:
    """Where the endpoint is deleted or disabled nothing is sent, and the record says why."""
    delivery = await webhooks.begin()
    await webhooks.listen(*left)

    written = await webhooks.dispatch.attempt(delivery)

    assert delivery.abandoned(expected) == written == await webhooks.there(delivery)
    assert webhooks.sender.sent == []


async def test_nothing_to_send(webhooks: Webhooks) -> None:
    """Where the event is there no more nothing is sent, and the record says why."""
    await webhooks.listen(ENDPOINT)
    (delivery,) = await webhooks.deliveries.add([DELIVERY])

    written = await webhooks.dispatch.attempt(delivery)

    assert delivery.abandoned(DeadReason.EVENT_EXPIRED) == written
    assert written == await webhooks.there(delivery)
    assert webhooks.sender.sent == []


@pytest.mark.parametrize("in_flight", [False, True], ids=["before it is sent", "in flight"])
async def test_a_retention_that_ends(
    webhooks: Webhooks, merchants: SqliteMerchants, *, in_flight: bool
) -> None:
    """A delivery whose payment's retention ends on the way is over, without a fault."""
    await set_to(merchants, MERCHANT_ID, Settings(retention_days=1))
    delivery = await webhooks.begin()

    async def end() -> None:
        webhooks.clock.pass_by(timedelta(days=1))

    if in_flight:
        webhooks.sender.meanwhile = end
    else:
        await end()

    written = await webhooks.dispatch.attempt(delivery)

    assert (written.state, written.dead_reason) == (State.DEAD, DeadReason.EVENT_EXPIRED)
    assert len(webhooks.sender.sent) == int(in_flight)


async def test_a_ping(webhooks: Webhooks) -> None:
    """A ping needs no event: it says which endpoint it is for."""
    await webhooks.listen(ENDPOINT)
    ping = replace(DELIVERY, message_id="ping_1", type="ping")
    expected = {
        "id": "ping_1",
        "type": "ping",
        "timestamp": "2026-03-01T12:00:00.000Z",
        "data": {"endpoint_id": ENDPOINT_ID},
    }
    await webhooks.deliveries.add([ping])

    written = await webhooks.dispatch.attempt(ping)

    (sent,) = webhooks.sender.sent
    assert expected == json.loads(sent.body)
    assert headers("ping_1", sent.body) == sent.headers
    assert written.state is State.DELIVERED


async def test_both_secrets_sign(webhooks: Webhooks) -> None:
    """After a rotation both secrets sign, the new one first; after a day it alone does."""
    delivery = await webhooks.begin()
    await webhooks.listen(ENDPOINT.rotated(SECRETS.webhook_root_id(), NOW))
    webhooks.sender.outcome = ERROR
    delivery = await webhooks.dispatch.attempt(delivery)
    webhooks.clock.pass_by(timedelta(days=1))

    await webhooks.dispatch.attempt(delivery)

    first, second = webhooks.sender.sent
    message_id, body = delivery.message_id, first.body
    assert headers(message_id, body, secret(2), secret(1)) == first.headers
    assert headers(message_id, body, secret(2), age_s=-86_400) == second.headers


async def test_a_root_that_is_not_here(webhooks: Webhooks) -> None:
    """Where the endpoint's root is missing nothing is sent or written: it falls due again."""
    delivery = await webhooks.begin(replace(ENDPOINT, secrets=(SecretVersion(1, "k9"),)))

    with pytest.raises(LedgerUnavailable):
        await webhooks.dispatch.attempt(delivery)

    assert webhooks.sender.sent == []
    assert delivery == await webhooks.there(delivery)


async def test_moved_on_in_flight(webhooks: Webhooks) -> None:
    """An outcome is kept though the record was leased and begun again meanwhile."""
    delivery = await webhooks.begin()
    webhooks.deliveries.contend(
        lambda one: one.leased(NOW + LEASE), lambda one: one.begun_again(NOW + LEASE)
    )

    written = await webhooks.dispatch.attempt(delivery)

    rivalled = delivery.leased(NOW + LEASE).begun_again(NOW + LEASE)
    assert rivalled.after(webhooks.sender.outcome, NOW, RetrySchedule.STANDARD) == written
    assert written == await webhooks.there(delivery)
    assert len(webhooks.sender.sent) == 1


async def test_ended_in_flight(webhooks: Webhooks) -> None:
    """Where somebody else ended it meanwhile, that stays."""
    delivery = await webhooks.begin()
    webhooks.deliveries.contend(lambda one: one.abandoned(DeadReason.ENDPOINT_DISABLED))

    written = await webhooks.dispatch.attempt(delivery)

    assert delivery.abandoned(DeadReason.ENDPOINT_DISABLED) == written
    assert written == await webhooks.there(delivery)


async def test_races_without_end(webhooks: Webhooks) -> None:
    """Who loses every race gives up, so that it falls due again."""
    delivery = await webhooks.begin()
    webhooks.deliveries.rivals = repeat(lambda one: one.leased(NOW + LEASE))

    with pytest.raises(Conflict):
        await webhooks.dispatch.attempt(delivery)

    assert webhooks.deliveries.replacements == 16
    assert (await webhooks.there(delivery)).state is State.PENDING


async def test_claims(webhooks: Webhooks) -> None:
    """Of two who claim the same version one has it, for the time of the lease."""
    delivery = await webhooks.begin()

    won = await claim(webhooks.deliveries, delivery, NOW + LEASE)
    lost = await claim(webhooks.deliveries, delivery, NOW + LEASE)

    assert delivery.leased(NOW + LEASE) == won == await webhooks.there(delivery)
    assert lost is None


async def test_many_bodies(webhooks: Webhooks, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many events there are, few bodies are kept, and each goes out as it is."""
    monkeypatch.setattr(dispatch, "BODIES_MAX", 2)
    deliveries = [await webhooks.begin(key=key) for key in ("one", "two", "three")]

    for one in deliveries:
        await webhooks.dispatch.attempt(one)

    assert [one.message_id for one in deliveries] == [
        json.loads(sent.body)["id"] for sent in webhooks.sender.sent
    ]
