"""From a payment to a signed request: through the API, and by the emulator's own mappings."""

import asyncio
import json
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import pytest

from infra.bundle import archive, build
from infra.deliveries import ROLE, connect, make_topic
from payments_sandbox.adapters.aws_clients import new_client
from payments_sandbox.adapters.clock import RandomIds, SystemClock
from payments_sandbox.adapters.sns import SnsCourier
from payments_sandbox.adapters.ssm_secrets import SsmSecrets, init_roots, ssm_client
from payments_sandbox.api.app import UseCases
from payments_sandbox.domain.delivery import RetrySchedule, State
from payments_sandbox.domain.identifiers import delivery_id_of
from payments_sandbox.domain.operations import Capture
from payments_sandbox.entrypoints.api_function import ApiFunction
from payments_sandbox.entrypoints.table_store import table_store
from payments_sandbox.entrypoints.wiring import NoCourier, use_cases_over
from payments_sandbox.services.endpoints import NewEndpoint
from payments_sandbox.services.webhook_ports import Courier, DeliveryFilter
from tests.aws.delivery_receiver import FAILED, Receiver, receiving
from tests.aws.delivery_rig import Rig, done, rig_at
from tests.aws.faults import ALWAYS, refusing
from tests.aws.faults_rig import begin_with_settings
from tests.aws.function_rig import JSON, KEYED, event_of, let_in, written
from tests.contract.homes import new_table
from tests.gateway import Context, response_of
from tests.hostile.canary import Canary, planted
from tests.unit.examples import AUTHORIZE, MERCHANT_ID, VISA
from tests.unit.requests import request
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


class Chain(NamedTuple):
    """A stage at the emulator, with its functions connected."""

    use: UseCases
    receiver: Receiver
    sweep: Callable[[], dict[str, int]]


@pytest.fixture
def chain(emulator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Chain]:
    """Connect the functions of the built bundle as they are in AWS."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator)
    build(tmp_path / "bundle")
    archive(tmp_path / "bundle", tmp_path / "bundle.zip")
    clock = SystemClock()
    with new_table(emulator) as table, receiving(clock.now) as receiver:
        stage = table.name.lower()
        begin_with_settings(table)
        init_roots(ssm_client(), stage)
        way = make_topic(stage)
        functions = new_client("lambda", read_timeout_s=30)
        environment = {
            "LEDGER_TABLE": table.name,
            "STAGE": stage,
            "DELIVERIES_TOPIC": way.topic,
            "WEBHOOK_RECEIVER": f"127.0.0.1:{receiver.port}",
            "POWERTOOLS_TRACE_DISABLED": "true",
        }

        def make_function(name: str, module: str) -> str:
            return functions.create_function(
                FunctionName=f"{stage}-{name}",
                Runtime="python3.13",
                Role=ROLE,
                Handler=f"payments_sandbox.entrypoints.{module}.handler",
                Code={"ZipFile": (tmp_path / "bundle.zip").read_bytes()},
                Timeout=60,
                Environment={"Variables": environment},
            )["FunctionArn"]

        sweep = connect(stage, table.name, way, make_function)

        def swept() -> dict[str, int]:
            return json.load(functions.invoke(FunctionName=sweep)["Payload"])

        secrets = SsmSecrets(ssm_client(), stage, monotonic)
        courier = SnsCourier(way.topic)
        use = use_cases_over(table_store(table, clock), courier, secrets, clock, RandomIds())
        yield Chain(use, receiver, swept)
        for one in new_client("lambda").list_event_source_mappings()["EventSourceMappings"]:
            if f"{stage}-" in one["FunctionArn"]:
                functions.delete_event_source_mapping(UUID=one["UUID"])
        done(table.close())


def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds."""
    deadline = monotonic() + ARRIVES_WITHIN_S
    while not holds():
        assert monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def test_through_the_emulators_own_mappings(chain: Chain) -> None:
    """A capture arrives signed; a receiver that fails and recovers is served after a sweep."""
    receiver = chain.receiver
    receiver.answers["/hooks"] = iter([FAILED])
    done(
        chain.use.tenancy.change_settings(
            MERCHANT_ID, lambda one: replace(one, webhook_schedule=RetrySchedule.FAST)
        )
    )
    url = f"http://127.0.0.1:{receiver.port}/hooks"
    wanted = NewEndpoint(url, ("payment_captured",), "", enabled=True, chaos=None)
    _, receiver.secrets["/hooks"] = done(chain.use.endpoints.create(MERCHANT_ID, wanted))
    first = done(chain.use.payments.authorize(AUTHORIZE, request("authorize")))
    payment_id = first.transaction.payment_id
    done(chain.use.payments.execute(Capture(payment_id), request("capture")))
    until(lambda: len(receiver.heard) == 1)
    claimed: list[int] = []

    def swept_until_heard() -> bool:
        claimed.append(chain.sweep()["claimed"])
        return len(receiver.heard) == 2

    def states() -> list[State]:
        page = done(chain.use.deliveries.page(MERCHANT_ID, DeliveryFilter(), before=None, limit=10))
        return [one.state for one in page.deliveries]

    until(swept_until_heard)
    until(lambda: states() == [State.DELIVERED])
    event = json.loads(receiver.bodies[0])

    assert event["type"] == "payment_captured"
    assert receiver.heard == [("/hooks", event["id"])] * 2
    assert receiver.refused == []
    assert sum(claimed) == 1
