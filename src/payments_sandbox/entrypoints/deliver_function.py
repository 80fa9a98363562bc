"""Queue to endpoints: a function that makes the attempts its messages ask for.

It acts upon a message only if the delivery is pending at the version the message names, and takes
it into its hands by a write on that condition first: what comes twice is not sent twice.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from typing import Any

from payments_sandbox.adapters.sender import HttpSender
from payments_sandbox.adapters.sns import LEASE, message_of
from payments_sandbox.api.edge import where
from payments_sandbox.domain.delivery import Delivery, State
from payments_sandbox.domain.destination import DestinationPolicy
from payments_sandbox.domain.errors import NotFound
from payments_sandbox.entrypoints.function_metrics import (
    DEAD,
    DELIVERED,
    DELIVERY_FAILED,
    FunctionMetrics,
)
from payments_sandbox.entrypoints.function_parts import (
    Event,
    Parts,
    failed_items,
    run,
)
from payments_sandbox.entrypoints.wiring import dispatch_over
from payments_sandbox.services.dispatch import claim

_log = logging.getLogger(__name__)


class Deliver:
    """The function over these adapters."""

    def __init__(self, parts: Parts, policy: DestinationPolicy) -> None:
        self._deliveries = parts.deliveries
        self._time = parts.time
        self._metrics = FunctionMetrics("deliver", parts.stage)
        self._sender = HttpSender(policy)
        self._dispatch = dispatch_over(parts.store, self._sender, parts.secrets, parts.clock)

    def handle(self, event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's
        """Make the attempts of a batch, all at once; return what is to come again."""
        del context
        answer = run(self._deliver(event["Records"]))
        self._metrics.write()
        return answer

    async def _deliver(self, records: Sequence[Event]) -> dict[str, Any]:
        try:
            done = await asyncio.gather(*(self._one(one) for one in records))
        finally:
            # A connection that was frozen with the function may be dead when it thaws.
            await self._sender.close()
        failed = [
            record["messageId"]
            for record, is_done in zip(records, done, strict=True)
            if not is_done
        ]
        return failed_items(failed)

    async def _one(self, record: Event) -> bool:
        """Make the attempt a message asks for; False if the message must come again."""
        try:
            message = message_of(record["body"])
            delivery = await self._deliveries.delivery(message.merchant_id, message.delivery_id)
            if delivery.state is State.PENDING and delivery.version == message.version:
                until = await self._time.now(message.merchant_id) + LEASE
                claimed = await claim(self._deliveries, delivery, until)
                if claimed is not None:
                    attempted = await self._dispatch.attempt(claimed)
                    for name in counted(claimed, attempted):
                        self._metrics.add(name)
        except NotFound:  # its payment's retention is over
            return True
        except Exception as error:  # noqa: BLE001 - one message must not keep the others back
            _log.error("a message failed: %s", where(error))
            return False
        return True


def counted(before: Delivery, after: Delivery) -> Iterator[str]:
    """Yield what an attempt counts as; one that was not made, as its endpoint is gone, is none."""
    if after.state is State.DELIVERED:
        yield DELIVERED
    elif after.attempts_made > before.attempts_made:
        yield DELIVERY_FAILED
    if after.state is State.DEAD:
        yield DEAD
