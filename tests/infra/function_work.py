"""For each function work that takes all it is granted, as what sets it off in AWS asks for it."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from queue import Empty
from typing import Any, Final

from payments_sandbox.entrypoints.stage import names_of
from tests.infra.merchant_clock import a_day_passes
from tests.infra.privilege_rig import MERCHANT, NAME, STAGE, Failed, Stage
from tests.running import AUTHORIZE

ARRIVAL_S: Final = 5
CONFIRMED: Final = "delete all my data"
Work = Callable[[], None]
Record = dict[str, Any]


class Works:
    """Prepares work by the API, and by the functions that come before in the way of a webhook."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._sqs = stage.client("sqs")
        self._queue: str = self._sqs.get_queue_url(QueueName=f"{NAME}-deliveries")["QueueUrl"]
        self._records = _records_from_now_on(stage)
        self.prepare: Final[Mapping[str, Callable[[], Work]]] = {
            "api": self._serving,
            "relay": self._relaying,
            "deliver": self._delivering,
            "sweep": self._sweeping,
            "settle": self._settling,
        }

    def _serving(self) -> Work:
        self._clear()
        return self._serve

    def _serve(self) -> None:
        """Make an endpoint and a payment, list, ping, settle, and delete all of it."""
        call = self._stage.call
        endpoint, _ = self._listen()
        card_id = self._pay()["card"]["card_id"]
        call("GET", f"payments?card_id={card_id}")
        call("GET", "payments")
        call("POST", f"webhooks/endpoints/{endpoint}/ping")
        call("POST", "sandbox/clock/advance", {"by": "P1D"})
        self._reset()

    def _relaying(self) -> Work:
        self._begin()
        records = next(self._records)

        def relay() -> None:
            failed = self._stage.invoke("relay", {"Records": records})["batchItemFailures"]
            _expect(failed == [] and len(self._messages()) == 1, "not relayed")

        return relay

    def _delivering(self) -> Work:
        secret = self._begin()
        self._stage.invoke("relay", {"Records": next(self._records)})
        messages = self._messages()

        def deliver() -> None:
            failed = self._stage.invoke("deliver", {"Records": messages})["batchItemFailures"]
            _expect(failed == [], "not delivered")
            try:
                arrived = self._stage.receiver.received.get(timeout=ARRIVAL_S)
            except Empty:
                raise Failed("nothing arrived") from None
            _expect(arrived.fits(secret), "not signed")

        return deliver

    def _sweeping(self) -> Work:
        self._begin()
        self._stage.invoke("relay", {"Records": next(self._records)})
        self._messages()
        self._a_day_passes()

        def sweep() -> None:
            swept = self._stage.invoke("sweep", {})
            _expect(swept == {"merchants": 1, "claimed": 1}, swept)
            _expect(len(self._messages()) == 1, "not published")
            self._expect_settled()

        return sweep

    def _settling(self) -> Work:
        self._begin()
        self._a_day_passes()

        def settle() -> None:
            plan = self._stage.invoke("settle", {"task": "plan", "after": "", "failed": 0})
            _expect(plan["merchants"] == [MERCHANT], plan)
            task = {"task": "settle", "merchant_id": MERCHANT}
            while task["task"] != "done":
                task = self._stage.invoke("settle", task)
            self._expect_settled()

        return settle

    def _begin(self) -> str:
        """Have a captured payment and an endpoint that wants to hear of it; return its secret."""
        self._clear()
        _, secret = self._listen()
        self._pay()
        return secret

    def _clear(self) -> None:
        """Delete what there is, and take what is on its way: only endpoints outlive a reset."""
        self._reset()
        for one in self._stage.call("GET", "webhooks/endpoints")["data"]:
            self._stage.call("DELETE", f"webhooks/endpoints/{one['endpoint_id']}")
        next(self._records)
        self._messages()

    def _reset(self) -> None:
        self._stage.call("POST", "sandbox/reset", {"confirm": CONFIRMED})

    def _listen(self) -> tuple[str, str]:
        url = f"http://127.0.0.1:{self._stage.receiver.port}/hooks"
        body = {"url": url, "events": ["payment_captured"]}
        made = self._stage.call("POST", "webhooks/endpoints", body)
        return made["endpoint_id"], made["secret"]

    def _pay(self) -> Any:
        payment = self._stage.call("POST", "payments/authorize", AUTHORIZE)
        self._stage.call("POST", "payments/capture", {"auth_id": payment["auth_id"]})
        return payment

    def _a_day_passes(self) -> None:
        asyncio.run(a_day_passes(self._stage.client("dynamodb"), STAGE, MERCHANT))

    def _expect_settled(self) -> None:
        batches = self._stage.call("GET", "settlements")["data"]
        _expect([one["state"] for one in batches] == ["closed"], batches)

    def _messages(self) -> list[Record]:
        """Take what stands in the queue, as the function gets it."""
        taken: list[Record] = []
        while found := self._sqs.receive_message(QueueUrl=self._queue).get("Messages", []):
            for one in found:
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=one["ReceiptHandle"])
                taken.append({"messageId": one["MessageId"], "body": one["Body"]})
        return taken


def _expect(holds: bool, otherwise: object) -> None:  # noqa: FBT001 - a condition
    if not holds:
        raise Failed(otherwise)


def _records_from_now_on(stage: Stage) -> Iterator[list[Record]]:
    """Return what yields what the stream has told since it was last asked, of events alone."""
    streams = stage.client("dynamodbstreams")
    arn = streams.list_streams(TableName=names_of(STAGE).table)["Streams"][0]["StreamArn"]
    (shard,) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    place = streams.get_shard_iterator(
        StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="LATEST"
    )["ShardIterator"]
    return _records_from(streams, place)


def _records_from(streams: Any, place: str) -> Iterator[list[Record]]:
    while True:
        told: list[Record] = []
        while (page := streams.get_records(ShardIterator=place))["Records"]:
            told += page["Records"]
            place = page["NextShardIterator"]
        yield [_event_of(one) for one in told if _is_transaction(one)]


def _is_transaction(record: Record) -> bool:
    key = record["dynamodb"]["Keys"]["record"]["S"]
    return record["eventName"] == "INSERT" and key.startswith("txn#")


def _event_of(record: Record) -> Record:
    """Return the record as a function gets it: JSON has no moments."""
    told = {name: one for name, one in record["dynamodb"].items() if "DateTime" not in name}
    return record | {"dynamodb": told}
