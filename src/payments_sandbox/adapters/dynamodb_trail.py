"""What an audit reads of a table: payments with their logs, and what became of events."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence

from pydantic_core import from_json

from payments_sandbox.adapters.codec import encode_payment, encode_transaction
from payments_sandbox.adapters.dynamodb import DynamoLedger
from payments_sandbox.adapters.dynamodb_deliveries import DynamoDeliveries
from payments_sandbox.adapters.dynamodb_table import Table
from payments_sandbox.domain.delivery import State
from payments_sandbox.domain.errors import NotFound
from payments_sandbox.services.audit import History, Traffic
from payments_sandbox.services.ports import Clock, PaymentFilter
from payments_sandbox.services.webhook_ports import DeliveryFilter

PAGE = 32
STRAY_MAX = 10
_EVERYTHING = PaymentFilter()


class DynamoTrail:
    """Reads along the merchant's lists, which lag by moments; each payment as of one moment."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._ledger = DynamoLedger(table, clock)
        self._deliveries = DynamoDeliveries(table, clock)
        self._clock = clock

    async def histories(self, merchant_id: str) -> AsyncIterator[Sequence[History]]:
        """Yield pages of payments, newest first, each with its log."""
        before: str | None = None
        while True:
            page, before = await self._ledger.payments(
                merchant_id, _EVERYTHING, self._clock.now(), before=before, limit=PAGE
            )
            found = await asyncio.gather(
                *(self._history(merchant_id, one.payment_id) for one in page)
            )
            yield [one for one in found if one is not None]
            if before is None:
                return

    async def traffic(self, merchant_id: str) -> Traffic:
        """Return what became of the merchant's events; the stream tells of those to come."""
        states: Counter[str] = Counter()
        stray: list[str] = []
        before: str | None = None
        while True:
            page, before = await self._deliveries.deliveries(
                merchant_id, DeliveryFilter(), before=before, limit=PAGE
            )
            for one in page:
                states[one.state] += 1
                if (one.state is State.PENDING) == (one.due_at is None):
                    stray.append(one.delivery_id)
            if before is None:
                return Traffic(states, stray[:STRAY_MAX], 0)

    async def _history(self, merchant_id: str, payment_id: str) -> History | None:
        try:
            payment, log = await self._ledger.history(merchant_id, payment_id)
        except NotFound:  # its retention ended, or its merchant was reset
            return None
        return History(
            from_json(encode_payment(payment)), [from_json(encode_transaction(one)) for one in log]
        )
