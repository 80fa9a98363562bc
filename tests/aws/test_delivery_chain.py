"""From a payment to a signed request: through the API, and by the emulator's own mappings."""

import asyncio
import json
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from payments_sandbox.adapters.clock import RandomIds
from payments_sandbox.domain.identifiers import delivery_id_of
from payments_sandbox.entrypoints.api_function import ApiFunction
from payments_sandbox.entrypoints.wiring import NoCourier
from payments_sandbox.services.webhook_ports import Courier
from tests.aws.delivery_rig import Rig, done, rig_at
from tests.aws.faults import ALWAYS, refusing
from tests.aws.function_rig import JSON, KEYED, event_of, let_in, written
from tests.gateway import Context, response_of
from tests.hostile.canary import Canary, planted
from tests.unit.examples import VISA
from tests.unit.stand_ins import SECRETS

pytestmark = pytest.mark.aws

ARRIVES_WITHIN_S = 30.0
CANARY = Canary(VISA.number, VISA.cvc or "")


@pytest.fixture
def rig(emulator: str) -> Iterator[Rig]:
    """The way of a webhook, on a table of its own."""
    with rig_at(emulator) as one:
        yield one


Post = Callable[[str], dict[str, Any]]


@contextmanager
def api_over(rig: Rig, courier: Courier) -> Generator[Post]:
    """Yield what sends a request to the API function over the rig's table."""
    done(let_in(rig.table))
    thread, loop = ThreadPoolExecutor(1), asyncio.new_event_loop()
    thread.submit(asyncio.set_event_loop, loop).result()
    make = partial(ApiFunction, rig.table, SECRETS, rig.clock, RandomIds(), courier=courier)
    function = thread.submit(make).result()

    def post(path: str) -> dict[str, Any]:
        event = event_of("POST", f"/webhooks/{path}", KEYED | JSON, b"")
        answer = response_of(thread.submit(function.handle, event, Context()).result())
        assert answer.is_success, answer.text
        return answer.json()

    try:
        yield post
    finally:
        thread.shutdown()
        loop.close()


def sent_again(rig: Rig, post: Post) -> list[str]:
    """Ping, and send again one delivery and then all; return what is to arrive once more."""
    endpoint = rig.listen()
    events = rig.happen()
    rig.relay(rig.stream())
    rig.deliver(rig.messages())
    rig.receiver.forget()
    ping = post(f"endpoints/{endpoint.endpoint_id}/ping")
    first = delivery_id_of(events[0], endpoint.endpoint_id)
    post(f"deliveries/{first}/redeliver")
    return [ping["event_id"], events[0]]


def test_what_the_api_sends_again_arrives(rig: Rig) -> None:
    """A ping and a redelivered event go through the topic at once."""
    with api_over(rig, rig.courier) as post:
        wanted = sent_again(rig, post)
    rig.deliver(rig.messages())

    assert sorted(wanted) == sorted(event for _, event in rig.receiver.heard)


def test_without_a_topic_the_sweep_finds_it(rig: Rig) -> None:
    """An API that knows no topic leaves it due; the next sweep hands it over."""
    with api_over(rig, NoCourier()) as post:
        wanted = sent_again(rig, post)

    assert rig.messages() == []
    assert rig.sweep()["claimed"] == 2
    rig.deliver(rig.messages())
    assert sorted(wanted) == sorted(event for _, event in rig.receiver.heard)


def test_no_card_is_anywhere(rig: Rig) -> None:
    """Neither items nor the stream, messages, requests and logs hold the card, faults or not."""
    rig.listen()
    rig.happen()
    with written() as output:
        rig.injector.plan("GetItem endpoints", refusing("InternalServerError", 500), ALWAYS)
        rig.relay(rig.stream())
        rig.injector.heal()
        broken = rig.transactions()[0]
        broken["dynamodb"]["NewImage"]["body"]["S"] = f'{{"card": "{VISA.number}"}}'
        rig.relay([broken])
        rig.relay(rig.stream())
        messages = rig.messages()
        malformed = {"messageId": "1", "body": f'{{"merchant_id": "{VISA.number}'}
        rig.deliver([malformed, *messages])
        rig.settle()
    kept = json.dumps([rig.items(), messages], default=str).encode()
    seen = [output.getvalue().encode(), kept, b"".join(rig.receiver.bodies)]

    assert all(len(one) > 200 for one in seen)
    assert [CANARY.found_in(one) for one in seen] == [[]] * 3
    plain = planted(VISA.number, VISA.cvc or "")["plain"]
    assert all(CANARY.found_in(one[:100] + plain + one[100:]) for one in seen)
