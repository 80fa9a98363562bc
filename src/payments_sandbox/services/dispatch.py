"""Dispatch: from an event to a delivery for each endpoint, and from a due delivery to its outcome.

The same in both homes; they differ in who brings a delivery here when it is due.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from payments_sandbox.domain.chaos import Mischief
from payments_sandbox.domain.delivery import PING, DeadReason, Delivery, Outcome, State
from payments_sandbox.domain.endpoint import Endpoint, found
from payments_sandbox.domain.errors import Conflict, NotFound
from payments_sandbox.domain.event import Logged, event_type_of
from payments_sandbox.domain.identifiers import delivery_id_of, event_id_of
from payments_sandbox.domain.signature import signed_headers
from payments_sandbox.services.ports import Clock, Ledger, LostRace, Merchants, Secrets
from payments_sandbox.services.webhook_ports import Deliveries, Endpoints, Sender

WRITE_TRIES_MAX = 16
BODIES_MAX = 256
STALE = timedelta(minutes=10)
DROPPED = "dropped"
Render = Callable[[Logged], bytes]
RenderPing = Callable[[Delivery], bytes]


def deliveries_of(
    transaction: Logged,
    endpoints: Sequence[Endpoint],
    at: datetime,
    *,
    lease: timedelta,
    expires_at: datetime | None,
) -> list[Delivery]:
    """Return a delivery for each endpoint that wants the event; `at` is the merchant's now."""
    event_type = event_type_of(transaction)
    message_id = event_id_of(transaction.subject_id, transaction.seq)
    made: list[Delivery] = []
    for endpoint in endpoints:
        if not endpoint.wants(event_type):
            continue
        delivery_id = delivery_id_of(message_id, endpoint.endpoint_id)
        wait, chaos = endpoint.chaos.at_first(delivery_id) if endpoint.chaos else (timedelta(), ())
        made.append(
            Delivery(
                delivery_id=delivery_id,
                merchant_id=endpoint.merchant_id,
                endpoint_id=endpoint.endpoint_id,
                message_id=message_id,
                type=event_type,
                created_at=at,
                due_at=at + (wait or lease),
                chaos=chaos,
                expires_at=expires_at,
            )
        )
    return made


async def claim(deliveries: Deliveries, delivery: Delivery, until: datetime) -> Delivery | None:
    """Take a due delivery into one's hands; None if somebody else has it, or moved it on."""
    claimed = delivery.leased(until)
    try:
        await deliveries.replace(claimed)
    except LostRace:
        return None
    return claimed


class Dispatch:
    """Makes the attempts that are due."""

    def __init__(  # noqa: PLR0913 - one for each port
        self,
        *,
        ledger: Ledger,
        merchants: Merchants,
        endpoints: Endpoints,
        deliveries: Deliveries,
        sender: Sender,
        secrets: Secrets,
        clock: Clock,
        render: Render,
        render_ping: RenderPing,
    ) -> None:
        self._ledger = ledger
        self._merchants = merchants
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._sender = sender
        self._secrets = secrets
        self._clock = clock
        self._render = render
        self._render_ping = render_ping
        # An event's body is always the same, and goes to several endpoints, or several times.
        self._bodies: dict[tuple[str, str], bytes] = {}

    async def attempt(self, delivery: Delivery) -> Delivery:
        """Attempt a delivery that is in one's hands, and return it as it is written then.

        Raise LedgerUnavailable or Conflict; then it falls due again.
        """
        try:
            endpoint = found(
                await self._endpoints.endpoints(delivery.merchant_id), delivery.endpoint_id
            )
        except NotFound:
            return await self._abandon(delivery, DeadReason.ENDPOINT_DELETED)
        if not endpoint.enabled:
            return await self._abandon(delivery, DeadReason.ENDPOINT_DISABLED)
        try:
            body = await self._body_of(delivery)
        except NotFound:
            return await self._abandon(delivery, DeadReason.EVENT_EXPIRED)
        mischief = _mischief(delivery, endpoint)
        merchant = await self._merchants.merchant(delivery.merchant_id)
        secrets = self._secrets_of(endpoint, merchant.now(self._clock.now()))
        outcome = await self._send(delivery, endpoint.url, body, secrets, mischief)
        at, schedule = merchant.now(self._clock.now()), merchant.settings.webhook_schedule
        written = await self._write(
            delivery, lambda one: one.after(outcome, at, schedule, mischief)
        )
        if written.dead_reason is DeadReason.ENDPOINT_GONE:
            await self._disable(endpoint, at)
        return written

    async def _send(
        self,
        delivery: Delivery,
        url: str,
        body: bytes,
        secrets: Sequence[bytes],
        mischief: tuple[Mischief, ...],
    ) -> Outcome:
        if Mischief.DROP in mischief:
            return Outcome(duration_ms=0, error=DROPPED)
        sent_at = self._clock.now()
        if Mischief.STALE_TIMESTAMP in mischief:
            sent_at -= STALE
        if Mischief.BAD_SIGNATURE in mischief:
            secrets = [bytes(len(one)) for one in secrets]
        headers = signed_headers(delivery.message_id, int(sent_at.timestamp()), body, secrets)
        outcome = await self._sender.post(url, headers, body)
        if Mischief.DUPLICATE in mischief:
            outcome = await self._sender.post(url, headers, body)
        return outcome

    def _secrets_of(self, endpoint: Endpoint, at: datetime) -> list[bytes]:
        return [
            self._secrets.webhook(one.root_id, endpoint.endpoint_id, one.version)
            for one in endpoint.signing(at)
        ]

    async def _body_of(self, delivery: Delivery) -> bytes:
        if delivery.type == PING:
            return self._render_ping(delivery)
        which = (delivery.merchant_id, delivery.message_id)
        body = self._bodies.get(which)
        if body is None:
            body = self._render(await self._ledger.event(*which))
            if len(self._bodies) >= BODIES_MAX:
                self._bodies.clear()
            self._bodies[which] = body
        return body

    async def _abandon(self, delivery: Delivery, reason: DeadReason) -> Delivery:
        return await self._write(delivery, lambda one: one.abandoned(reason))

    async def _write(self, delivery: Delivery, change: Callable[[Delivery], Delivery]) -> Delivery:
        """Write what follows; an outcome is kept though somebody has moved the record on.

        What is there no more, as its payment's retention has ended, is dead and needs no write.
        """
        for _ in range(WRITE_TRIES_MAX):
            written = change(delivery)
            try:
                await self._deliveries.replace(written)
            except LostRace:
                try:
                    delivery = await self._deliveries.delivery(
                        delivery.merchant_id, delivery.delivery_id
                    )
                except NotFound:
                    return delivery.abandoned(DeadReason.EVENT_EXPIRED)
                if delivery.state is not State.PENDING:
                    return delivery
            else:
                return written
        raise Conflict

    async def _disable(self, endpoint: Endpoint, at: datetime) -> None:
        gone_from = (endpoint.endpoint_id, endpoint.url)

        def gone(all_: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
            # One that was given another URL meanwhile has not said so.
            return tuple(
                one.gone(at) if (one.endpoint_id, one.url) == gone_from else one for one in all_
            )

        await self._endpoints.change_endpoints(endpoint.merchant_id, gone)


def _mischief(delivery: Delivery, endpoint: Endpoint) -> tuple[Mischief, ...]:
    if endpoint.chaos is None or delivery.attempts_made:
        return ()
    return endpoint.chaos.on_sending(delivery.delivery_id)
