"""The ledger on DynamoDB: an append is one transaction, its key first."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from payments_sandbox.adapters import dynamodb_listing
from payments_sandbox.adapters.codec import ms_of
from payments_sandbox.adapters.dynamodb_events import HELD_BACK, Events
from payments_sandbox.adapters.dynamodb_items import (
    FOLLOWS,
    HEAD,
    following,
    head_item,
    is_kept,
    payment_of,
    record_of,
    seconds_of,
    spent_item,
    spent_key,
    transaction_item,
    transaction_of,
)
from payments_sandbox.adapters.dynamodb_table import (
    NEW,
    REFUSED,
    Item,
    Table,
    put_of,
    was_race,
)
from payments_sandbox.adapters.dynamodb_wipe import wipe_merchant
from payments_sandbox.domain.errors import LedgerUnavailable, NotFound
from payments_sandbox.domain.event import Logged
from payments_sandbox.domain.identifiers import is_payment_id, place_of
from payments_sandbox.domain.payment import Payment
from payments_sandbox.domain.transaction import Transaction
from payments_sandbox.services.ports import (
    Clock,
    EventPage,
    IdempotencyKey,
    KeySpent,
    LostRace,
    Page,
    PaymentFilter,
    Spent,
)

if TYPE_CHECKING:
    from types_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

READ_TRIES_MAX = 16
_DEAD_OR_NEW: Final = f"{NEW} OR ends_at <= :at OR expires_at <= :now"


def _heard_by_nobody(_: Sequence[Transaction]) -> None: ...


class DynamoLedger:
    """Payments, their transactions and spent keys in one table.

    `on_appended` hears of transactions once they are durable, but not of those whose answer was
    lost: it is for counting, the table's stream for what must not be missed. Events are listed
    once they are older than `held_back`.
    """

    def __init__(
        self,
        table: Table,
        clock: Clock,
        on_appended: Callable[[Sequence[Transaction]], None] = _heard_by_nobody,
        held_back: timedelta = HELD_BACK,
    ) -> None:
        self._table = table
        self._clock = clock
        self._on_appended = on_appended
        self._held_back = held_back

    async def close(self) -> None:
        """Finish what runs and let go of the table."""
        await self._table.close()

    async def payment(self, merchant_id: str, payment_id: str) -> Payment:
        """Return the latest committed head; raise NotFound."""
        item = await self._table.get(payment_id, HEAD) if is_payment_id(payment_id) else None
        return self._own_head(item, merchant_id)

    async def history(self, merchant_id: str, payment_id: str) -> tuple[Payment, list[Transaction]]:
        """Return head and transactions as of one moment; raise NotFound.

        The head is read before its transactions. One that is missing is still being written, so
        all is read again; one that came later is left out.
        """
        for _ in range(READ_TRIES_MAX):
            items = await self._table.records(payment_id) if is_payment_id(payment_id) else []
            head = items[0] if items and items[0]["record"]["S"] == HEAD else None
            payment = self._own_head(head, merchant_id)
            transactions = [transaction_of(one) for one in items[1 : payment.version + 1]]
            if len(transactions) == payment.version:
                return payment, transactions
        raise LedgerUnavailable

    async def transaction(self, merchant_id: str, transaction_id: str) -> Transaction:
        """Return one transaction; raise NotFound."""
        payment_id, seq, _ = place_of(transaction_id)
        item = await self._table.get(payment_id, record_of(seq))
        if item is None or not is_kept(item, self._clock.now()):
            raise NotFound
        transaction = transaction_of(item)
        if (transaction.merchant_id, transaction.transaction_id) != (merchant_id, transaction_id):
            raise NotFound
        return transaction

    async def event(self, merchant_id: str, event_id: str) -> Logged:
        """Return the transaction that an event is; raise NotFound."""
        return await self._events(merchant_id).one(event_id)

    async def events(
        self, merchant_id: str, *, before: str | None, after: str | None, limit: int
    ) -> EventPage:
        """Return transactions in the order they were written; see the port."""
        events = self._events(merchant_id)
        if after is None:
            return await events.newest_first(before, limit)
        return await events.oldest_first(after, limit)

    async def payments(
        self,
        merchant_id: str,
        wanted: PaymentFilter,
        at: datetime,
        *,
        before: str | None,
        limit: int,
    ) -> Page:
        """Return payments whose ids are below `before`, newest first; see the port."""
        question = dynamodb_listing.Question(merchant_id, wanted, at, self._clock.now())
        return await dynamodb_listing.payments(self._table, question, before=before, limit=limit)

    async def spent(self, key: IdempotencyKey) -> Spent | None:
        """Return what the key stands for, or None while it is not spent or its life is over.

        That ends on the merchant's clock or in real time, whichever comes first.
        """
        place = spent_key(key)
        item = await self._table.get(place["transaction_id"]["S"], place["record"]["S"])
        if item is None or not is_kept(item, self._clock.now()):
            return None
        if int(item["ends_at"]["N"]) <= ms_of(key.spent_at):
            return None
        return await self._spent(item)

    async def append(
        self, payment: Payment, transactions: Sequence[Transaction], key: IdempotencyKey | None
    ) -> None:
        """Write key, head and transactions, all or nothing; raise KeySpent or LostRace."""
        now = self._clock.now()
        actions: list[TransactWriteItemTypeDef] = [
            self._follow(payment, payment.version - len(transactions), now)
        ]
        actions += [
            put_of(self._table, transaction_item(payment, one, now), NEW) for one in transactions
        ]
        if key is not None:
            dead = {":at": {"N": str(ms_of(key.spent_at))}, ":now": seconds_of(now)}
            actions.insert(0, put_of(self._table, spent_item(key, payment), _DEAD_OR_NEW, dead))
        try:
            await self._table.run(self._table.client.transact_write_items, TransactItems=actions)
        except ClientError as error:
            raise await self._refusal(error, key) from error
        self._on_appended(transactions)

    async def wipe(self, merchant_id: str) -> int:
        """Delete some of what the merchant has; return how much, 0 once all is gone.

        What the lists do not name yet may stay: a payment, event, delivery or batch that was
        written in the last moments before.
        """
        return await wipe_merchant(self._table, merchant_id)

    def _follow(self, payment: Payment, before: int, now: datetime) -> "TransactWriteItemTypeDef":
        """Put the head in the place of the one that was read, or where none was."""
        if before == 0:
            return put_of(self._table, head_item(payment), NEW)
        values = following(before, payment.merchant_id, now)
        return put_of(self._table, head_item(payment), FOLLOWS, values)

    async def _refusal(self, error: ClientError, key: IdempotencyKey | None) -> Exception:
        """Return what a cancelled transaction means; the key, if it is spent, before all else."""
        if not was_race(error):
            return error
        reasons: Any = error.response.get("CancellationReasons")
        if key is not None and reasons[0]["Code"] == REFUSED:
            spent = await self._spent(reasons[0]["Item"])
            return LostRace() if spent is None else KeySpent(spent)
        return LostRace()

    async def _spent(self, item: Item) -> Spent | None:
        """Return what a spent key stands for, or None if the table has deleted it.

        The table deletes by a clock of its own, and in any order, what ends at the same time.
        """
        seq = int(item["seq"]["N"])
        transaction = await self._table.get(item["payment_id"]["S"], record_of(seq))
        if transaction is None:
            return None
        return Spent(item["fingerprint"]["B"], transaction_of(transaction))

    def _events(self, merchant_id: str) -> Events:
        return Events(self._table, merchant_id, self._clock.now(), self._held_back)

    def _own_head(self, item: Item | None, merchant_id: str) -> Payment:
        if (
            item is None
            or item["merchant_id"]["S"] != merchant_id
            or not is_kept(item, self._clock.now())
        ):
            raise NotFound
        return payment_of(item)
