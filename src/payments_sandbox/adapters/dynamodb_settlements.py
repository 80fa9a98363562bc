"""Settlement batches, their lines and accounts, in the same table as the ledger."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from payments_sandbox.adapters.dynamodb_due import Due
from payments_sandbox.adapters.dynamodb_items import is_kept, listed_in, logged_item
from payments_sandbox.adapters.dynamodb_listing import Line as ListLine
from payments_sandbox.adapters.dynamodb_listing import page
from payments_sandbox.adapters.dynamodb_settle import settle
from payments_sandbox.adapters.dynamodb_settlement_items import (
    ACCOUNT,
    LINE,
    STATE,
    SUMMARY,
    account_item,
    account_of,
    batch_item,
    line_of,
    settlement_of,
)
from payments_sandbox.adapters.dynamodb_table import (
    NEW,
    REFUSED,
    Item,
    Table,
    merchant_key,
    put_of,
    reasons_of,
    was_race,
)
from payments_sandbox.domain.batch import Move
from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.identifiers import is_settlement_id
from payments_sandbox.domain.payment import Payment
from payments_sandbox.domain.settlement import Account, BatchState, Line, Settlement, Totals
from payments_sandbox.services.ports import Clock, LostRace
from payments_sandbox.services.settlement_ports import (
    Settled,
    SettlementFilter,
    SettlementPage,
)

if TYPE_CHECKING:
    from types_boto3_dynamodb.type_defs import QueryInputTypeDef, TransactWriteItemTypeDef

LINES_PAGE = 500
WRITE_TRIES_MAX = 6
WRITE_PAUSE_S = 0.025
_FIRST_VERSION: Final = 1
_IN_STATE: Final = f"{STATE} = :before"
_VERSION: Final = "version = :before"


class DynamoSettlements:
    """Batches, which the table lists by merchant; lines stand with their batch."""

    writes_at_once = 1
    """Two transactions at a time would clash over the batch, which each of them checks."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    async def due(self, merchant_id: str, up_to: datetime, limit: int) -> list[Payment]:
        """Return payments that something is due for, the longest due first; see the port."""
        return await self._due(merchant_id).payments(up_to, limit)

    async def next_due(self, merchant_id: str) -> datetime | None:
        """Return the earliest moment at which something is due for a payment, or None."""
        return await self._due(merchant_id).first()

    async def pending(self, merchant_id: str) -> Mapping[str, int]:
        """Return for each currency what is captured less refunded and in no batch yet."""
        return await self._due(merchant_id).unsettled()

    async def accounts(self, merchant_id: str) -> list[Account]:
        """Return the merchant's accounts as they are now, by currency."""
        items = await self._table.records(merchant_key(merchant_id), ACCOUNT)
        return [account_of(one) for one in items]

    async def settlement(self, merchant_id: str, settlement_id: str) -> Settlement:
        """Return a batch as it is now; raise NotFound."""
        is_one = is_settlement_id(settlement_id)
        item = await self._table.get(settlement_id, SUMMARY) if is_one else None
        batch = self._wanted(merchant_id, SettlementFilter())(item) if item else None
        if batch is None:
            raise NotFound
        return batch

    async def settlements(
        self, merchant_id: str, wanted: SettlementFilter, *, before: str | None, limit: int
    ) -> SettlementPage:
        """Return batches below the place `before`, newest first."""
        is_picky = wanted.currency is not None or wanted.state is not None
        line = ListLine(listed_in(merchant_id, "settlements"), is_picky=is_picky, is_exact=True)
        has = self._wanted(merchant_id, wanted)
        return SettlementPage(*await page(self._table, line, has, start=before, limit=limit))

    async def open(self, settlement: Settlement, account: Account) -> None:
        """Keep a new batch and its account; raise LostRace."""
        await self._write([put_of(self._table, batch_item(settlement), NEW), self._follow(account)])

    async def settle(self, settlement: Settlement, some: Sequence[Settled]) -> list[Settled]:
        """Write those whose heads are the ones they follow; raise LostRace; see the port."""
        return await settle(self._table, self._clock, settlement, some)

    async def begin_closing(self, settlement: Settlement) -> None:
        """Have an open batch take no more; raise LostRace if it is not open."""
        closing = replace(settlement, state=BatchState.CLOSING)
        await self._write([self._replace(closing, BatchState.OPEN)])

    async def move(self, move: Move) -> None:
        """Write a batch, its account and transaction; raise LostRace."""
        batch = move.settlement
        before = BatchState.CLOSING if batch.state is BatchState.CLOSED else BatchState.CLOSED
        logged = logged_item(move.transaction, self._clock.now(), batch.expires_at)
        await self._write(
            [
                self._replace(batch, before),
                self._follow(move.account),
                put_of(self._table, logged, NEW),
            ]
        )

    async def lines(self, settlement: Settlement) -> AsyncIterator[Line]:
        """Yield a batch's lines in the order of their payments, a page at a time."""
        question: QueryInputTypeDef = {
            "TableName": self._table.name,
            "KeyConditionExpression": "transaction_id = :id AND begins_with(#record, :line)",
            "ExpressionAttributeNames": {"#record": "record"},
            "ExpressionAttributeValues": {
                ":id": {"S": settlement.settlement_id},
                ":line": {"S": LINE},
            },
            "ConsistentRead": True,
            "Limit": LINES_PAGE,
        }
        async for items in self._table.pages(question):
            for item in items:
                yield line_of(item)

    async def totals(self, settlement: Settlement) -> Totals:
        """Return what the batch's lines add up to, as of now."""
        totals = Totals()
        async for line in self.lines(settlement):
            totals = totals.plus(line.totals)
        return totals

    def _due(self, merchant_id: str) -> Due:
        return Due(self._table, merchant_id, self._clock.now())

    def _wanted(
        self, merchant_id: str, wanted: SettlementFilter
    ) -> Callable[[Item], Settlement | None]:
        """Return what finds the batch in an item: the merchant's own, kept and wanted."""
        now = self._clock.now()

        def has(item: Item) -> Settlement | None:
            if item["merchant_id"]["S"] != merchant_id or not is_kept(item, now):
                return None
            batch = settlement_of(item)
            fits = wanted.currency in {None, batch.currency} and wanted.state in {
                None,
                batch.state,
            }
            return batch if fits else None

        return has

    def _replace(self, after: Settlement, before: BatchState) -> "TransactWriteItemTypeDef":
        """Put a batch in the place of what it was in that state."""
        values = {":before": {"S": before.value}}
        return put_of(self._table, batch_item(after), _IN_STATE, values)

    def _follow(self, account: Account) -> "TransactWriteItemTypeDef":
        """Put an account in the place of the version before, or where none was."""
        if account.version == _FIRST_VERSION:
            return put_of(self._table, account_item(account), NEW)
        values = {":before": {"N": str(account.version - 1)}}
        return put_of(self._table, account_item(account), _VERSION, values)

    async def _write(self, actions: "Sequence[TransactWriteItemTypeDef]") -> None:
        """Write all or nothing; raise LostRace if what is there is not what they follow.

        Others who write it at this moment may fail themselves, so then it is tried again.
        """
        for tries in range(WRITE_TRIES_MAX):
            try:
                await self._table.run(
                    self._table.client.transact_write_items, TransactItems=actions
                )
            except ClientError as error:
                if not was_race(error):
                    raise
                if REFUSED in reasons_of(error):
                    raise LostRace from error
                await self._clock.pause(WRITE_PAUSE_S * 2**tries)
            else:
                return
        raise LostRace
