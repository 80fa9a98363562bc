"""The way of a webhook in AWS, for one test: a table, its stream, a topic, a queue, the functions.

The functions run here, each as a process whose loop ends with a crash; at the end of the way is a
real receiver, which verifies each request with a stranger's library and counts it.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar
from unittest.mock import patch

from payments_sandbox.adapters.aws_clients import new_client
from payments_sandbox.adapters.dynamodb_items import DELIVERY, delivery_of, logged_of
from payments_sandbox.adapters.dynamodb_table import Table, dynamodb_client
from payments_sandbox.adapters.sns import LEASE, SnsCourier
from payments_sandbox.api.app import UseCases
from payments_sandbox.domain.delivery import PING, Delivery, State
from payments_sandbox.domain.destination import DestinationPolicy
from payments_sandbox.domain.endpoint import Endpoint
from payments_sandbox.domain.event import EVERYTHING, event_type_of
from payments_sandbox.domain.identifiers import event_id_of
from payments_sandbox.domain.operations import Capture
from payments_sandbox.entrypoints.deliver_function import Deliver
from payments_sandbox.entrypoints.function_parts import Handler, logged, parts_of
from payments_sandbox.entrypoints.relay_function import Relay
from payments_sandbox.entrypoints.sweep_function import Sweep
from payments_sandbox.entrypoints.wiring import use_cases_over
from payments_sandbox.services.endpoints import NewEndpoint
from tests.aws.delivery_receiver import Receiver, nothing_happens, receiving
from tests.aws.faults import Injector
from tests.aws.faults_rig import NO_TIME, begin_with_settings
from tests.aws.topic import Way, make_topic
from tests.contract.homes import new_table
from tests.gateway import Context
from tests.unit.examples import AUTHORIZE, MERCHANT_ID, MILLISECOND
from tests.unit.requests import request
from tests.unit.stand_ins import SECRETS, ManualClock, SeededIds

Record = dict[str, Any]
Result = TypeVar("Result")
TAKEN_AT_ONCE = 10
_stages = count()
_process = threading.local()


class Crash(BaseException):
    """The process is gone, in the middle of what it did."""


def crash(*_: object) -> None:
    """End the process here."""
    raise Crash


@dataclass(frozen=True)
class TimedContext(Context):
    """What Lambda tells a function, and how long it may go on."""

    left_ms: int = 60_000

    def get_remaining_time_in_millis(self) -> int:
        """Return how long it may go on."""
        return self.left_ms


class Process:
    """A function in a process with a loop of its own, which a crash ends."""

    def __init__(self, handle: Handler) -> None:
        self._handle = logged(handle)
        self._runner = asyncio.Runner()
        self.is_over = False

    def __call__(self, event: object, context: object) -> Any:
        """Invoke it."""
        _process.runner = self._runner
        try:
            return self._handle({"Records": event}, context)
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """Cut off what is at work."""
        self.is_over = True
        self._runner.close()


@dataclass
class Rig:
    """All of the way, and what a test may reach behind it."""

    table: Table
    """Meets no faults."""
    way: Way
    clock: ManualClock
    use: UseCases
    courier: SnsCourier
    receiver: Receiver
    injector: Injector
    """Faults of the table, for the functions."""
    make: Mapping[str, Callable[[], Handler]]
    streams: Any
    sqs: Any
    publishing: Callable[[], object] = nothing_happens
    """What happens before the functions publish."""
    _processes: dict[str, Process] = field(default_factory=dict[str, Process])

    def relay(self, records: Sequence[Record]) -> list[str]:
        """Relay records of the stream; return which are to come again."""
        return failed_in(self._invoke("relay", records))

    def deliver(self, messages: Sequence[Record]) -> list[str]:
        """Deliver what messages ask for; return which are to come again."""
        return failed_in(self._invoke("deliver", messages))

    def sweep(self, left_ms: int = 60_000) -> dict[str, int]:
        """Hand over what is due; return how many deliveries of how many merchants."""
        return self._invoke("sweep", [], TimedContext(left_ms=left_ms))

    def _invoke(self, name: str, event: object, context: Context | None = None) -> Any:
        process = self._processes.get(name)
        if process is None or process.is_over:
            process = self._processes[name] = self.process(name)
        return process(event, context or TimedContext())

    def process(self, name: str) -> Process:
        """Return one more process of a function."""
        return Process(self.make[name]())

    def end(self) -> None:
        """End the processes."""
        for process in self._processes.values():
            process.end()

    def listen(self, path: str = "/hooks", *events: str) -> Endpoint:
        """Have an endpoint of this path."""
        url = f"http://127.0.0.1:{self.receiver.port}{path}"
        wanted = NewEndpoint(url, events or ("*",), "", enabled=True, chaos=None)
        endpoint, secret = done(self.use.endpoints.create(MERCHANT_ID, wanted))
        self.receiver.secrets[path] = secret
        return endpoint

    def happen(self, name: str = "first") -> list[str]:
        """Authorize a payment and capture it; return the two events' ids."""
        first = done(self.use.payments.authorize(AUTHORIZE, request("authorize", name)))
        payment_id = first.transaction.payment_id
        done(self.use.payments.execute(Capture(payment_id), request("capture", name)))
        return [event_id_of(payment_id, seq) for seq in (1, 2)]

    def stream(self) -> list[Record]:
        """Return all that the table's stream tells."""
        described = self.table.client.describe_table(TableName=self.table.name)["Table"]
        arn = described.get("LatestStreamArn")
        shards = self.streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
        records: list[Record] = []
        for shard in shards:
            place = self.streams.get_shard_iterator(
                StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )
            while True:
                page = self.streams.get_records(ShardIterator=place["ShardIterator"])
                records += page["Records"]
                if not page["Records"]:
                    break
                place = {"ShardIterator": page["NextShardIterator"]}
        return records

    def transactions(self) -> list[Record]:
        """Return what the stream tells of events."""
        return [one for one in self.stream() if is_transaction(one)]

    def messages(self) -> list[Record]:
        """Take what stands in the queue, as the function gets it."""
        url = self.sqs.get_queue_url(QueueName=self.way.queue.rpartition(":")[2])["QueueUrl"]
        taken: list[Record] = []
        while True:
            answer = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=TAKEN_AT_ONCE)
            for one in answer.get("Messages", []):
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
                taken.append({"messageId": one["MessageId"], "body": one["Body"]})
            if not answer.get("Messages"):
                return taken

    def items(self) -> list[Record]:
        """Return all items of the table."""
        pages = self.table.client.get_paginator("scan").paginate(
            TableName=self.table.name, ConsistentRead=True
        )
        return [dict(item) for page in pages for item in page["Items"]]

    def kept(self) -> list[Delivery]:
        """Return the deliveries as they are now."""
        items = [one for one in self.items() if one["record"]["S"].startswith(DELIVERY)]
        return sorted(map(delivery_of, items), key=lambda one: one.delivery_id)

    def the_one(self) -> Delivery:
        """Return the only delivery."""
        (delivery,) = self.kept()
        return delivery

    def lease_ends(self) -> None:
        """Let the time pass for which a delivery is in somebody's hands."""
        self.clock.pass_by(LEASE + MILLISECOND)

    def settle(self) -> None:
        """Let the lease pass, sweep once, and deliver what that hands over."""
        self.lease_ends()
        self.sweep()
        assert self.deliver(self.messages()) == []

    def assert_ended(self, *, repeats: int = 0) -> None:
        """Check that each event was delivered to each endpoint, or given up.

        `repeats` is how many requests no record knows of: those after which it crashed.
        """
        endpoints = done(self.use.endpoints.all(MERCHANT_ID))
        items = [one for one in self.items() if one["record"]["S"].startswith("txn#")]
        wanted = {
            (event_id_of(event.subject_id, event.seq), one.endpoint_id)
            for event in map(logged_of, items)
            for one in endpoints
            if not {EVERYTHING, event_type_of(event)}.isdisjoint(one.events)
        }
        kept = self.kept()
        posts, recorded = self.receiver.posts, sum(one.attempts_made for one in kept)

        assert wanted == {(one.message_id, one.endpoint_id) for one in kept if one.type != PING}
        assert [one for one in kept if one.state is State.PENDING] == []
        assert repeats == posts.total() - recorded


def done(work: Coroutine[Any, Any, Result]) -> Result:
    """Return what a use case answers."""
    return asyncio.run(work)


def failed_in(answer: dict[str, Any]) -> list[str]:
    """Return what is to come again."""
    return [one["itemIdentifier"] for one in answer["batchItemFailures"]]


def is_transaction(record: Record) -> bool:
    """Tell whether the record tells of an event."""
    return record["dynamodb"]["Keys"]["record"]["S"].startswith("txn#")


@contextmanager
def rig_over(table: Table, endpoint: str) -> Generator[Rig]:
    """Yield the way from a table on; the receiver must have refused nothing in the end."""
    clock, faulty = ManualClock(), dynamodb_client(endpoint)
    apart, injector = Table(faulty, table.name), Injector(faulty)
    sns = new_client("sns", endpoint)
    with (
        patch.dict(os.environ, AWS_ENDPOINT_URL=endpoint),
        patch("botocore.endpoint.time", NO_TIME),
        patch("payments_sandbox.entrypoints.function_parts._runner", lambda: _process.runner),
        receiving(clock.now) as receiver,
        closing(new_client("dynamodbstreams", endpoint)) as streams,
        closing(new_client("sqs", endpoint)) as sqs,
        closing(sns),
    ):
        way = make_topic(f"{table.name}-{next(_stages)}")
        courier = SnsCourier(way.topic, lambda: sns)
        parts = parts_of(apart, courier, SECRETS, clock)
        policy = DestinationPolicy(exception=("127.0.0.1", receiver.port))
        make: dict[str, Callable[[], Handler]] = {
            "relay": lambda: Relay(parts).handle,
            "deliver": lambda: Deliver(parts, policy).handle,
            "sweep": lambda: Sweep(parts).handle,
        }
        store = parts_of(table, courier, SECRETS, clock).store
        use = use_cases_over(store, courier, SECRETS, clock, SeededIds())
        rig = Rig(table, way, clock, use, courier, receiver, injector, make, streams, sqs)

        def on_publishing(**_: object) -> object:
            return rig.publishing()

        sns.meta.events.register("before-send.sns", on_publishing)
        yield rig
        injector.heal()
        rig.end()
        done(apart.close())
        injector.close()
        assert receiver.refused == []


@contextmanager
def rig_at(endpoint: str) -> Generator[Rig]:
    """Yield the way from a new table on, with a merchant that has its settings."""
    with new_table(endpoint) as table:
        begin_with_settings(table)
        with rig_over(table, endpoint) as rig:
            yield rig
        done(table.close())
