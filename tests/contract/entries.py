"""What the contract's tests write into a ledger, and the keys they write it under."""

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta

from payments_sandbox.domain.merchant import Merchant, Settings
from payments_sandbox.domain.operations import Operation
from payments_sandbox.domain.payment import Change, Payment
from payments_sandbox.domain.transaction import Transaction
from payments_sandbox.services.ports import IdempotencyKey, Ledger, PaymentFilter
from tests.unit.examples import AUTHORIZE, after, opened
from tests.unit.stand_ins import NOW

ACME, OTHER = "acme", "other"
KEY_LIFE = timedelta(hours=24)
EVERYTHING = PaymentFilter()
PAGES_MAX = 1_000


def auth_id(number: int) -> str:
    """Return the id of the payment with this number; a higher one is a newer one."""
    return f"auth_{number:026}"


def new(  # noqa: PLR0913 - what tells one payment from another
    number: int = 1,
    *,
    merchant_id: str = ACME,
    card_id: str = "card_a",
    reference: str | None = None,
    currency: str = "USD",
    at: datetime = NOW,
    expires_at: datetime | None = None,
) -> Change:
    """Return a new payment and its authorization."""
    payment, transactions = opened(
        replace(AUTHORIZE, reference=reference, currency=currency),
        payment_id=auth_id(number),
        card_id=card_id,
        merchant=Merchant(merchant_id, Settings()),
        at=at,
    )
    return Change(replace(payment, expires_at=expires_at), transactions)


def key(
    name: str = "key",
    body: str = "body",
    *,
    at: datetime = NOW,
    life: timedelta = KEY_LIFE,
    forgotten_at: datetime | None = None,
) -> IdempotencyKey:
    """Return the key of this name for a request with this body, spent at that time.

    Its life ends on both clocks at once, unless it is said when real time forgets it.
    """
    end = at + life
    return IdempotencyKey(_hash(name), _hash(body), at, end, forgotten_at or end)


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:16]


async def keep(ledger: Ledger, change: Change, spending: IdempotencyKey | None = None) -> Payment:
    """Append the change and return the payment after it."""
    await ledger.append(change.payment, change.transactions, spending)
    return change.payment


def done(payment: Payment, *operations: Operation, at: datetime = NOW) -> Change:
    """Return the payment after the operations, with what was due before each."""
    return after(*operations, payment=payment, at=at)


async def stored(ledger: Ledger, payment: Payment) -> tuple[Payment, list[Transaction]]:
    """Return what the ledger has of the payment."""
    return await ledger.history(payment.merchant_id, payment.payment_id)


async def listed(
    ledger: Ledger,
    wanted: PaymentFilter = EVERYTHING,
    *,
    merchant_id: str = ACME,
    limit: int = 100,
    at: datetime = NOW,
) -> list[Payment]:
    """Follow the pages to the end and return all they hold."""
    found: list[Payment] = []
    before: str | None = None
    for _ in range(PAGES_MAX):
        page = await ledger.payments(merchant_id, wanted, at, before=before, limit=limit)
        assert len(page.payments) <= limit
        found += page.payments
        before = page.next_before
        if before is None:
            return found
    raise AssertionError("the pages do not end")
