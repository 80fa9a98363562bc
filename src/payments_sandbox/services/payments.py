"""Payments: authorize, capture, refund, void, and reading them back.

Commit first, look only on failure: the idempotency key is spent in the same write as the
payment changes, so there is no record in progress to leak and no look-up to race with.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar
from weakref import WeakValueDictionary

from payments_sandbox.domain.errors import (
    Conflict,
    IdempotencyKeyReused,
    NotATestCard,
    NotFound,
    PaymentFull,
)
from payments_sandbox.domain.identifiers import payment_id_of
from payments_sandbox.domain.merchant import Merchant
from payments_sandbox.domain.operations import Authorize, Operation, retained
from payments_sandbox.domain.payment import Change, Payment, advance
from payments_sandbox.domain.test_cards import TEST_CARDS
from payments_sandbox.domain.transaction import Transaction
from payments_sandbox.services.merchants import MerchantTime
from payments_sandbox.services.ports import (
    Clock,
    IdempotencyKey,
    Ids,
    KeySpent,
    Ledger,
    LostRace,
    Merchants,
    Page,
    PaymentFilter,
    Secrets,
    Spent,
)

KEY_LIFE = timedelta(hours=24)
Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks for which operation, under which idempotency key, with which canonical body."""

    merchant_id: str
    operation: str
    key: str = field(repr=False)
    body: str = field(repr=False)


class Outcome(NamedTuple):
    """The transaction that answers a request, and whether it answered one before."""

    transaction: Transaction
    replayed: bool


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often a lost race is run again."""

    deadline: timedelta = timedelta(seconds=5)
    tries_max: int = 16
    pause_first_s: float = 0.025
    pause_longest_s: float = 0.8

    def pause_s(self, tries: int) -> float:
        """Return the longest pause after so many tries."""
        return min(self.pause_first_s * 2 ** (tries - 1), self.pause_longest_s)


class Payments:
    """The use cases around a payment."""

    def __init__(  # noqa: PLR0913 - one for each port
        self,
        ledger: Ledger,
        merchants: Merchants,
        clock: Clock,
        ids: Ids,
        secrets: Secrets,
        *,
        patience: Patience | None = None,
    ) -> None:
        self._ledger = ledger
        self._merchants = merchants
        self._clock = clock
        self._time = MerchantTime(merchants, clock)
        self._ids = ids
        self._secrets = secrets
        self._patience = patience or Patience()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def authorize(self, operation: Authorize, request: Request) -> Outcome:
        """Decide and record a new payment; raise NotATestCard, IdempotencyKeyReused, Conflict."""
        number = operation.card.number
        card_hash = self._secrets.identity("card", request.merchant_id, number)
        card_id = f"card_{card_hash[:12].hex()}"

        async def read() -> tuple[Merchant, None]:
            return await self._merchants.merchant(request.merchant_id), None

        def apply(merchant: Merchant, _: None, at: datetime) -> Change:
            if merchant.settings.test_cards_only and number not in TEST_CARDS:
                raise NotATestCard
            payment_id = payment_id_of(self._ids.core())
            payment, transactions = operation.apply(payment_id, card_id, merchant, at)
            return Change(retained(payment, merchant, self._clock.now()), transactions)

        return await self._append(read, apply, request)

    async def execute(self, operation: Operation, request: Request) -> Outcome:
        """Apply a capture, refund or void.

        Raise NotFound, PaymentFull, IdempotencyKeyReused or Conflict.
        """

        async def read() -> tuple[Merchant, Payment]:
            return await self._merchants.with_payment(request.merchant_id, operation.payment_id)

        def apply(merchant: Merchant, before: Payment, at: datetime) -> Change:
            at = max(at, before.updated_at)  # time on a payment never goes back
            due = advance(before, at)
            payment, transactions = operation.apply(due.payment, merchant.settings, at)
            return Change(payment, (*due.transactions, *transactions))

        async with self._lock(operation.payment_id):
            return await self._append(read, apply, request)

    async def history(self, merchant_id: str, payment_id: str) -> tuple[Payment, list[Transaction]]:
        """Return a payment and all its transactions; raise NotFound, Conflict.

        What expires by itself is recorded first, so that reading late changes no answer.
        """
        first = self._clock.now()
        tries = 1
        while True:
            at = await self._time.now(merchant_id)
            payment, transactions = await self._ledger.history(merchant_id, payment_id)
            payment, due = advance(payment, at)
            try:
                if due:
                    await self._ledger.append(payment, due, None)
            except LostRace:
                await self._pause(first, tries)
                tries += 1
            else:
                return payment, [*transactions, *due]

    async def list_payments(
        self, merchant_id: str, wanted: PaymentFilter, *, before: str | None, limit: int
    ) -> Page:
        """Return payments newest first, as they are now."""
        at = await self._time.now(merchant_id)
        payments, next_before = await self._ledger.payments(
            merchant_id, wanted, at, before=before, limit=limit
        )
        return Page([advance(payment, at).payment for payment in payments], next_before)

    async def transaction(self, merchant_id: str, transaction_id: str) -> Transaction:
        """Return one transaction; raise NotFound."""
        return await self._ledger.transaction(merchant_id, transaction_id)

    async def _append(
        self,
        read: Callable[[], Awaitable[tuple[Merchant, Read]]],
        apply: Callable[[Merchant, Read, datetime], Change],
        request: Request,
    ) -> Outcome:
        first = self._clock.now()
        fingerprint = self._fingerprint(request)
        tries = 1
        while True:
            try:
                merchant, before = await read()
                key = self._key(request, fingerprint, merchant)
                payment, transactions = apply(merchant, before, key.spent_at)
                await self._ledger.append(payment, transactions, key)
            except LostRace:
                await self._pause(first, tries)
                tries += 1
            except KeySpent as error:
                return _replay(error.spent, fingerprint)
            except (NotFound, NotATestCard, PaymentFull):
                merchant = await self._merchants.merchant(request.merchant_id)
                spent = await self._ledger.spent(self._key(request, fingerprint, merchant))
                if spent is None:
                    raise
                return _replay(spent, fingerprint)
            else:
                return Outcome(transactions[-1], replayed=False)

    async def _pause(self, first: datetime, tries: int) -> None:
        """Pause before another try; raise Conflict instead if there were enough."""
        if tries >= self._patience.tries_max:
            raise Conflict
        await self._clock.pause(self._patience.pause_s(tries))
        if self._clock.now() - first > self._patience.deadline:
            raise Conflict

    def _fingerprint(self, request: Request) -> bytes:
        named = (request.merchant_id, request.operation, request.body)
        return self._secrets.identity("fingerprint", *named)[:16]

    def _key(self, request: Request, fingerprint: bytes, merchant: Merchant) -> IdempotencyKey:
        merchant_id, operation = request.merchant_id, request.operation
        resets = (str(merchant.resets),) if merchant.resets else ()
        scope = self._secrets.identity("scope", merchant_id, operation, request.key, *resets)
        real_at = self._clock.now()
        at = merchant.now(real_at)
        return IdempotencyKey(
            scope_hash=scope[:16],
            fingerprint=fingerprint,
            spent_at=at,
            expires_at=at + KEY_LIFE,
            forgotten_at=real_at + KEY_LIFE,
        )

    def _lock(self, payment_id: str) -> asyncio.Lock:
        lock = self._locks.get(payment_id)
        if lock is None:
            lock = self._locks[payment_id] = asyncio.Lock()
        return lock


def _replay(spent: Spent, fingerprint: bytes) -> Outcome:
    if spent.fingerprint != fingerprint:
        raise IdempotencyKeyReused
    return Outcome(spent.transaction, replayed=True)
