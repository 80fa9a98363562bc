"""Endpoints and deliveries to test with, and the outside: a sender and a courier that take notes.

The deliveries are the real ones; they can be told to let rivals write first.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

from payments_sandbox.adapters.sqlite_deliveries import SqliteDeliveries
from payments_sandbox.adapters.sqlite_endpoints import SqliteEndpoints
from payments_sandbox.domain.delivery import Delivery, Outcome
from payments_sandbox.domain.endpoint import Endpoint, SecretVersion
from payments_sandbox.domain.identifiers import delivery_id_of, endpoint_id_of, event_id_of
from payments_sandbox.domain.signature import signed_headers
from payments_sandbox.domain.transaction import Transaction
from payments_sandbox.services.dispatch import Dispatch, deliveries_of
from payments_sandbox.services.payments import Payments
from tests.unit.examples import AUTH_ID, AUTHORIZE, MERCHANT_ID
from tests.unit.requests import request
from tests.unit.stand_ins import NOW, SECRETS, ManualClock

URL = "https://receiver.example/hooks"
ENDPOINT_ID = endpoint_id_of("0" * 26)
OTHER_ENDPOINT_ID = endpoint_id_of("0" * 25 + "1")
EVENT_ID = event_id_of(AUTH_ID, 1)
LEASE = timedelta(minutes=2)
OK = Outcome(12, 200, response="thanks")
ERROR = Outcome(34, 500, response="oops")
GONE = Outcome(5, 410)
HUNG = Outcome(15_000, error="timeout")

ENDPOINT = Endpoint(
    ENDPOINT_ID, MERCHANT_ID, URL, (SecretVersion(1, SECRETS.webhook_root_id()),), NOW, NOW
)
DELIVERY = Delivery(
    delivery_id=delivery_id_of(EVENT_ID, ENDPOINT_ID),
    merchant_id=MERCHANT_ID,
    endpoint_id=ENDPOINT_ID,
    message_id=EVENT_ID,
    type="payment_authorized",
    created_at=NOW,
    due_at=NOW,
)

Rival = Callable[[Delivery], Delivery]


class ContendedDeliveries(SqliteDeliveries):
    """The real deliveries; before each replacement the next rival, if there is one, writes."""

    rivals: Iterator[Rival] = iter(())
    replacements = 0

    def contend(self, *rivals: Rival) -> None:
        """Let these write before the next replacements, one before each."""
        self.rivals = iter(rivals)

    async def replace(self, delivery: Delivery) -> None:
        """Let the next rival write what it makes of the record, then try."""
        self.replacements += 1
        rival = next(self.rivals, None)
        if rival is not None:
            there = await self.delivery(delivery.merchant_id, delivery.delivery_id)
            await super().replace(rival(there))
        await super().replace(delivery)


class Sent(NamedTuple):
    """A request as it left."""

    url: str
    headers: Mapping[str, str]
    body: bytes


async def _nothing_happens() -> None: ...


@dataclass
class RecordingSender:
    """Notes each request and says that it ended as it was told."""

    outcome: Outcome = OK
    sent: list[Sent] = field(default_factory=list[Sent])
    meanwhile: Callable[[], Awaitable[object]] = _nothing_happens
    """What happens while a request is in flight."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Note the request."""
        self.sent.append(Sent(url, headers, body))
        await self.meanwhile()
        return self.outcome


@dataclass
class RecordingCourier:
    """Notes what is handed over."""

    lease: timedelta = LEASE
    handed: list[Delivery] = field(default_factory=list[Delivery])

    async def hand_over(self, deliveries: Sequence[Delivery]) -> None:
        """Note them."""
        self.handed += deliveries


def secret(version: int = 1) -> bytes:
    """Return what the endpoint's requests are signed with."""
    return SECRETS.webhook(SECRETS.webhook_root_id(), ENDPOINT_ID, version)


def headers(message_id: str, body: bytes, *secrets: bytes, age_s: int = 0) -> dict[str, str]:
    """Return the headers of a request that is sent now."""
    return signed_headers(message_id, int(NOW.timestamp()) - age_s, body, secrets or [secret()])


@dataclass(frozen=True)
class Webhooks:
    """Everything between a payment and its receiver, for one test."""

    payments: Payments
    endpoints: SqliteEndpoints
    deliveries: ContendedDeliveries
    sender: RecordingSender
    dispatch: Dispatch
    clock: ManualClock

    async def listen(self, *endpoints: Endpoint) -> None:
        """Make these the merchant's endpoints."""
        await self.endpoints.change_endpoints(MERCHANT_ID, lambda _: endpoints)

    async def happen(self, key: str = "first") -> Transaction:
        """Let something happen to a payment."""
        outcome = await self.payments.authorize(AUTHORIZE, request("authorize", key))
        return outcome.transaction

    async def begin(self, endpoint: Endpoint = ENDPOINT, *, key: str = "first") -> Delivery:
        """Let something happen that the endpoint hears of, and return what is on its way there."""
        await self.listen(endpoint)
        event = await self.happen(key)
        head, _ = await self.payments.history(MERCHANT_ID, event.payment_id)
        made = deliveries_of(
            event, [endpoint], self.clock.at, lease=LEASE, expires_at=head.expires_at
        )
        (delivery,) = await self.deliveries.add(made)
        return delivery

    async def there(self, delivery: Delivery) -> Delivery:
        """Return the delivery as it is written."""
        return await self.deliveries.delivery(delivery.merchant_id, delivery.delivery_id)
