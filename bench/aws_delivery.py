"""What a webhook costs in AWS: an event relayed to one endpoint, and delivered at once."""

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from datetime import timedelta
from typing import Any, NamedTuple

from bench.aws_meter import Bill, Meter
from infra.receiver import receiving
from payments_sandbox.adapters.dynamodb_items import transaction_item
from payments_sandbox.adapters.dynamodb_table import Table
from payments_sandbox.adapters.sns import LEASE, message_text
from payments_sandbox.domain.delivery import Delivery
from payments_sandbox.domain.destination import DestinationPolicy
from payments_sandbox.entrypoints.deliver_function import Deliver
from payments_sandbox.entrypoints.function_parts import parts_of, run
from payments_sandbox.entrypoints.relay_function import Relay
from payments_sandbox.services.endpoints import EndpointBook, NewEndpoint
from payments_sandbox.services.ports import Clock, Ids, Ledger, Secrets


class Webhook(NamedTuple):
    """What each function took, and the bytes they left in their logs."""

    relay: Bill
    deliver: Bill
    log_bytes: int


class _Kept:
    """Keeps what is handed over, as the queue does."""

    lease: timedelta = LEASE

    def __init__(self) -> None:
        self.handed: list[Delivery] = []

    async def hand_over(self, deliveries: Sequence[Delivery]) -> None:
        self.handed += deliveries


def deliver_one(  # noqa: PLR0913, PLR0917 - as the functions have them
    table: Table,
    secrets: Secrets,
    clock: Clock,
    ids: Ids,
    merchant_id: str,
    auth_id: str,
    meter: Meter,
) -> Webhook:
    """Relay and deliver the event of an authorization; return what that took."""
    courier = _Kept()
    parts = parts_of(table, courier, secrets, clock)
    with receiving() as receiver, redirect_stdout(io.StringIO()) as log:
        book = EndpointBook(parts.endpoints, secrets, parts.time, ids)
        url = f"http://127.0.0.1:{receiver.port}/hooks"
        new = NewEndpoint(url, ("*",), "", enabled=True, chaos=None)
        run(book.create(merchant_id, new))
        record = run(_record(parts.store.ledger, merchant_id, auth_id, clock))
        meter.take()
        told = Relay(parts).handle({"Records": [record]}, None)
        relayed = meter.take()
        messages = [
            {"messageId": str(number), "body": message_text(one)}
            for number, one in enumerate(courier.handed)
        ]
        policy = DestinationPolicy(exception=("127.0.0.1", receiver.port))
        done = Deliver(parts, policy).handle({"Records": messages}, None)
        if told["batchItemFailures"] or done["batchItemFailures"] or receiver.received.qsize() != 1:
            raise AssertionError("the webhook did not arrive")
    return Webhook(relayed, meter.take(), len(log.getvalue().encode()))


async def _record(ledger: Ledger, merchant_id: str, auth_id: str, clock: Clock) -> dict[str, Any]:
    """Return the record of the table's stream that tells of the authorization."""
    payment, (transaction,) = await ledger.history(merchant_id, auth_id)
    image = transaction_item(payment, transaction, clock.now())
    keys = {name: image[name] for name in ("transaction_id", "record")}
    return {
        "eventName": "INSERT",
        "dynamodb": {"Keys": keys, "NewImage": image, "SequenceNumber": "1"},
    }
