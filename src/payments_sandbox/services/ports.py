"""What the services need from the outside, as small promises that adapters keep.

Every method of a ledger may raise LedgerUnavailable; other errors are named where they occur.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from payments_sandbox.domain.event import Logged
from payments_sandbox.domain.merchant import ApiKey, Merchant
from payments_sandbox.domain.payment import Payment, Status
from payments_sandbox.domain.transaction import Transaction


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A caller's key as the ledger keeps it: hashed, in its scope, with its body's fingerprint."""

    scope_hash: bytes
    """16 bytes, a keyed hash of merchant, operation and key."""
    fingerprint: bytes
    """16 bytes, a keyed hash of the canonical body."""
    spent_at: datetime
    expires_at: datetime
    """When its life ends on the merchant's clock."""
    forgotten_at: datetime
    """When its life ends in real time, at the latest: a ledger may delete it then."""


class Spent(NamedTuple):
    """What a spent key stands for."""

    fingerprint: bytes
    transaction: Transaction


class KeySpent(Exception):
    """The idempotency key was spent before; carries what it stands for."""

    def __init__(self, spent: Spent) -> None:
        super().__init__("the idempotency key is spent")
        self.spent = spent


class LedgerRefused(Exception):
    """The ledger cannot be opened; the message says why and what to do."""


class LostRace(Exception):
    """Another write to the payment came first: read again and apply again."""


@dataclass(frozen=True, slots=True)
class PaymentFilter:
    """Which payments to list; None does not narrow."""

    card_id: str | None = None
    status: Status | None = None
    reference: str | None = None


class Page(NamedTuple):
    """Some payments, newest first, and where the next page starts: below that payment's id."""

    payments: Sequence[Payment]
    next_before: str | None


class EventPage(NamedTuple):
    """Some of what stands in a merchant's log, and whether there is more that way."""

    transactions: Sequence[Logged]
    more: bool


class Ledger(Protocol):
    """Where payments and their transactions are kept. What has expired is never shown."""

    async def payment(self, merchant_id: str, payment_id: str) -> Payment:
        """Return the latest committed head; raise NotFound."""
        ...

    async def history(self, merchant_id: str, payment_id: str) -> tuple[Payment, list[Transaction]]:
        """Return head and transactions as of one moment; raise NotFound."""
        ...

    async def transaction(self, merchant_id: str, transaction_id: str) -> Transaction:
        """Return one transaction; raise NotFound."""
        ...

    async def event(self, merchant_id: str, event_id: str) -> Logged:
        """Return the transaction that an event is; raise NotFound."""
        ...

    async def events(
        self, merchant_id: str, *, before: str | None, after: str | None, limit: int
    ) -> EventPage:
        """Return transactions in the order they were written, as events.

        Newest first, from below the event `before`; or, with `after`, oldest first from above
        that event, or from the first of all if it is empty. Raise NotFound if the event that is
        named is not there (any more).
        """
        ...

    async def payments(
        self,
        merchant_id: str,
        wanted: PaymentFilter,
        at: datetime,
        *,
        before: str | None,
        limit: int,
    ) -> Page:
        """Return payments whose ids are below `before`, newest first.

        `at` is the merchant's now, for the status. A page may be short, even empty, and
        still have a next one: the filter reads a bounded number of payments.
        """
        ...

    async def spent(self, key: IdempotencyKey) -> Spent | None:
        """Return what the key stands for, or None while it is not spent or its life is over."""
        ...

    async def append(
        self, payment: Payment, transactions: Sequence[Transaction], key: IdempotencyKey | None
    ) -> None:
        """Write key, head and transactions, all or nothing; return once that is durable.

        `transactions` are what one operation adds, 98 at most.
        Raise KeySpent if the key was spent, or LostRace if the head is not the one that
        `transactions` follow; if both, KeySpent.
        """
        ...

    async def wipe(self, merchant_id: str) -> int:
        """Delete some of the merchant's payments, events, deliveries and batches, durably.

        Return how much went, and 0 once all is gone. Spent keys may stay: they name no payment
        that is there.
        """
        ...


class Merchants(Protocol):
    """Where merchants, their settings and their hashed API keys are kept."""

    async def merchant_id_by_key(self, api_key_hash: bytes) -> str | None:
        """Return whose key this is, or None if it is unknown or revoked."""
        ...

    async def merchant(self, merchant_id: str) -> Merchant:
        """Return the merchant with its settings and clock as they are now; raise NotFound."""
        ...

    async def merchants(self) -> list[str]:
        """Return the ids of all merchants."""
        ...

    async def with_payment(self, merchant_id: str, payment_id: str) -> tuple[Merchant, Payment]:
        """Return the merchant and one of its payments, read together; raise NotFound."""
        ...

    async def change(self, merchant_id: str, change: Callable[[Merchant], Merchant]) -> Merchant:
        """Replace settings and clock by what `change` makes of the merchant; return it.

        Read and written at once, so that of two changes at a time neither undoes the other;
        `change` may be asked more than once. Raise NotFound or Conflict.
        """
        ...

    async def add_key(self, key: ApiKey, api_key_hash: bytes) -> None:
        """Keep a new key, and its merchant if that is new.

        Raise Conflict if the key or its id is there, or others write it at this moment.
        """
        ...

    async def keys(self, merchant_id: str) -> list[ApiKey]:
        """Return the merchant's keys, oldest first, the revoked ones too."""
        ...

    async def revoke_key(self, merchant_id: str, key_id: str, at: datetime) -> None:
        """Revoke a key at once; raise NotFound."""
        ...


class Clock(Protocol):
    """Time."""

    def now(self) -> datetime:
        """Return real time, in UTC and whole milliseconds."""
        ...

    async def pause(self, up_to_s: float) -> None:
        """Wait a random time of at most so many seconds."""
        ...


class Ids(Protocol):
    """Identity."""

    def core(self) -> str:
        """Return a new core of an id, ordered by time."""
        ...

    def api_key(self) -> tuple[str, str]:
        """Return a new key's public id and the whole key."""
        ...


class Secrets(Protocol):
    """Keyed hashes, under roots that never leave the adapter."""

    def identity(self, purpose: str, *parts: str) -> bytes:
        """Return 32 bytes that only the holder of the identity root can derive."""
        ...

    def webhook_root_id(self) -> str:
        """Return the id of the webhook root that new secrets are derived from."""
        ...

    def webhook(self, root_id: str, endpoint_id: str, version: int) -> bytes:
        """Return 32 bytes that an endpoint's requests are signed with.

        Raise LedgerUnavailable if there is no such root here.
        """
        ...
