"""Ledgers and settlements that do not keep their promises, each in a way of its own."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from payments_sandbox.adapters.dynamodb import DynamoLedger
from payments_sandbox.adapters.dynamodb_items import head_item, spent_item, transaction_item
from payments_sandbox.adapters.dynamodb_table import NEW, put_of
from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.adapters.sqlite_settlements import SqliteSettlements
from payments_sandbox.domain.payment import Payment
from payments_sandbox.domain.settlement import Settlement, Totals
from payments_sandbox.domain.transaction import Transaction
from payments_sandbox.services.ports import IdempotencyKey, Page, PaymentFilter
from payments_sandbox.services.settlement_ports import Settled

if TYPE_CHECKING:
    from types_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

FAULT_WINDOW_S = 0.05


class LosesHistory(SqliteLedger):
    """Of several transactions in one write it forgets the first."""

    async def append(
        self, payment: Payment, transactions: Sequence[Transaction], key: IdempotencyKey | None
    ) -> None:
        """Append, then delete what came first."""
        await super().append(payment, transactions, key)
        if len(transactions) > 1:
            first = (transactions[0].payment_id, transactions[0].seq)
            await self.writer.run(
                lambda connection: connection.execute(
                    "DELETE FROM transactions WHERE payment_id = ? AND seq = ?", first
                ).close()
            )


class ForgetsKeys(SqliteLedger):
    """It never spends a key."""

    async def append(
        self, payment: Payment, transactions: Sequence[Transaction], key: IdempotencyKey | None
    ) -> None:
        """Append without the key."""
        del key
        await super().append(payment, transactions, None)


class KeepsKeysTooLong(SqliteLedger):
    """Its keys live a millisecond too long."""

    async def append(
        self, payment: Payment, transactions: Sequence[Transaction], key: IdempotencyKey | None
    ) -> None:
        """Append under a key that ends late."""
        late = timedelta(milliseconds=1)
        await super().append(payment, transactions, key and _longer(key, late))


class MisreadsHeads(SqliteLedger):
    """It reads a head with one unit less captured than there is."""

    async def payment(self, merchant_id: str, payment_id: str) -> Payment:
        """Return the head, a little wrong."""
        payment = await super().payment(merchant_id, payment_id)
        if not payment.captures:
            return payment
        amounts = replace(payment.amounts, captured=payment.amounts.captured - 1)
        return replace(payment, amounts=amounts)


class ListsWhatIsStored(SqliteLedger):
    """Its lists take the stored status for today's."""

    async def payments(
        self,
        merchant_id: str,
        wanted: PaymentFilter,
        at: datetime,
        *,
        before: str | None,
        limit: int,
    ) -> Page:
        """List as of long ago."""
        long_ago = datetime(2000, 1, 1, tzinfo=UTC)
        return await super().payments(
            merchant_id, wanted, min(at, long_ago), before=before, limit=limit
        )


class SkipsOnPages(SqliteLedger):
    """Its pages start one payment too low."""

    async def payments(
        self,
        merchant_id: str,
        wanted: PaymentFilter,
        at: datetime,
        *,
        before: str | None,
        limit: int,
    ) -> Page:
        """List, and skip what begins the next page."""
        page = await super().payments(merchant_id, wanted, at, before=before, limit=limit)
        if page.next_before is None:
            return page
        below = await super().payments(merchant_id, wanted, at, before=page.next_before, limit=1)
        return Page(page.payments, below.payments[0].payment_id)


class ShowsEveryone(SqliteLedger):
    """It shows strangers what is not theirs."""

    async def payments(
        self,
        merchant_id: str,
        wanted: PaymentFilter,
        at: datetime,
        *,
        before: str | None,
        limit: int,
    ) -> Page:
        """List the one merchant's payments to all."""
        del merchant_id
        return await super().payments("acme", wanted, at, before=before, limit=limit)


class LastWriteWins(DynamoLedger):
    """It writes heads and transactions over whatever is there; its rivals all read first."""

    async def append(
        self, payment: Payment, transactions: Sequence[Transaction], key: IdempotencyKey | None
    ) -> None:
        """Wait until rivals have read, then put everything where it belongs."""
        await asyncio.sleep(FAULT_WINDOW_S)
        now = self._clock.now()
        items = [transaction_item(payment, one, now) for one in transactions]
        actions: list[TransactWriteItemTypeDef] = [
            {"Put": {"TableName": self._table.name, "Item": item}}
            for item in [head_item(payment), *items]
        ]
        if key is not None:
            actions.insert(0, put_of(self._table, spent_item(key, payment), NEW))
        try:
            await self._table.run(self._table.client.transact_write_items, TransactItems=actions)
        except ClientError as error:
            raise await self._refusal(error, key) from error


class LosesLines(SqliteSettlements):
    """Of several lines it writes the last alone."""

    async def settle(self, settlement: Settlement, some: Sequence[Settled]) -> list[Settled]:
        """Settle, then delete the line that came first."""
        written = await super().settle(settlement, some)
        if len(written) > 1:
            where = (settlement.settlement_id, written[0].payment.payment_id)
            await self._ledger.writer.run(
                lambda connection: connection.execute(
                    "DELETE FROM settlement_lines WHERE settlement_id = ? AND payment_id = ?", where
                ).close()
            )
        return written


class ForgetsFees(SqliteSettlements):
    """It sums up without fees."""

    async def totals(self, settlement: Settlement) -> Totals:
        """Return totals without fees."""
        return replace(await super().totals(settlement), fees=0)


class SeesLateness(SqliteSettlements):
    """It finds what is due a millisecond late."""

    async def due(self, merchant_id: str, up_to: datetime, limit: int) -> list[Payment]:
        """Return what was due a little before."""
        return await super().due(merchant_id, up_to - timedelta(milliseconds=1), limit)


def _longer(key: IdempotencyKey, by: timedelta) -> IdempotencyKey:
    """Return the key with a longer life, on both clocks."""
    return replace(key, expires_at=key.expires_at + by, forgotten_at=key.forgotten_at + by)
