"""The sweep: what falls due by itself - expiry, settlement, closing, payout - in order of time.

Every step is one page of payments or one move of a batch, and may be made again: what was done
already is due no more. Runs that race each other do each thing once between them.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple, Protocol

from payments_sandbox.domain.batch import closed, new_batch, opened, paid
from payments_sandbox.domain.event import EventType, Logged, event_type_of
from payments_sandbox.domain.identifiers import event_id_of
from payments_sandbox.domain.merchant import Merchant
from payments_sandbox.domain.payment import Change, Payment, advance
from payments_sandbox.domain.settlement import Account, BatchState, Settlement, line_of, settle
from payments_sandbox.services.ports import Clock, Ledger, LostRace, Merchants
from payments_sandbox.services.settlement_ports import Settled, Settlements

PAGE = 256
PART = 64
"""Payments in one write."""
HAPPENINGS_MAX = 100
EVENTS_START = "start"
_MOMENT = timedelta(milliseconds=1)


class Pace(Protocol):
    """How much of the process a sweep takes, where others want it too."""

    @property
    def page(self) -> int:
        """How many payments a step takes, as of now."""
        ...

    async def rest(self, done: int) -> None:
        """Let others by after a step that did so much."""
        ...


class FullPace:
    """Takes all there is: nobody else is there."""

    page: int = PAGE

    async def rest(self, done: int) -> None:
        """Go on at once."""


class Step(NamedTuple):
    """What one step did, and up to which moment nothing is due any more but what it left."""

    at: datetime
    happened: Sequence[Logged]


class Progress(NamedTuple):
    """What a run did."""

    complete: bool
    """Whether all is done; if not, the same run may be asked for again."""
    reached: datetime
    counts: Mapping[EventType, int]
    happened: Sequence[Logged]
    """The first hundred things that happened, in order."""
    events_cursor: str
    """The newest event before: all that happened comes after it."""


class Sweep:
    """Does what is due for one merchant."""

    def __init__(
        self,
        ledger: Ledger,
        merchants: Merchants,
        settlements: Settlements,
        clock: Clock,
        pace: Pace | None = None,
    ) -> None:
        self._ledger = ledger
        self._merchants = merchants
        self._settlements = settlements
        self._clock = clock
        self._pace = pace or FullPace()

    async def run(
        self,
        merchant_id: str,
        up_to: datetime,
        within: timedelta,
        after_step: Callable[[datetime], Awaitable[None]] | None = None,
    ) -> Progress:
        """Do all that is due up to a moment, for as long as there is time; raise NotFound.

        `after_step` is told how far each step came.
        """
        began = self._clock.now()
        merchant = await self._merchants.merchant(merchant_id)
        newest = await self._ledger.events(merchant_id, before=None, after=None, limit=1)
        cursor = next(
            (event_id_of(one.subject_id, one.seq) for one in newest.transactions), EVENTS_START
        )
        reached, counts, happened = merchant.now(began), Counter[EventType](), list[Logged]()
        complete = False
        while not complete and self._clock.now() - began <= within:
            step = await self.step(merchant, up_to)
            if step is None:
                complete = True
                reached = max(reached, up_to)
            else:
                # More may be due at the very moment, and whoever looks there would do it instead.
                reached = max(reached, step.at - _MOMENT)
                counts.update(event_type_of(one) for one in step.happened)
                happened += step.happened[: HAPPENINGS_MAX - len(happened)]
            if after_step is not None:
                await after_step(reached)
        return Progress(complete, reached, counts, happened, cursor)

    async def step(self, merchant: Merchant, up_to: datetime) -> Step | None:
        """Do the next of what is due up to a moment, and rest; return None if nothing is."""
        step = await self.settle_page(merchant, up_to) or await self.close_batch(merchant, up_to)
        if step is not None:
            await self._pace.rest(len(step.happened))
        return step

    async def settle_page(self, merchant: Merchant, up_to: datetime) -> Step | None:
        """Do what is due of some payments; return None if a batch is due first, or nothing is."""
        # Accounts first: who opens a batch on what was due since then has lost a race.
        accounts = await self._settlements.accounts(merchant.merchant_id)
        first = _first_due(accounts, up_to)
        # A batch closes once no payment is due that it ought to take.
        before = up_to if first is None else _due_at(first)
        due = await self._settlements.due(merchant.merchant_id, before, self._pace.page)
        return await self._payments(merchant, accounts, due) if due else None

    async def close_batch(self, merchant: Merchant, up_to: datetime) -> Step | None:
        """Close the batch, or pay out the one, that is due first; return None if none is.

        Only when no payment is due: `settle_page` returned None.
        """
        first = _first_due(await self._settlements.accounts(merchant.merchant_id), up_to)
        return None if first is None else await self._batch(first)

    async def is_due(self, merchant: Merchant, at: datetime) -> bool:
        """Tell whether anything is due at that moment."""
        next_due = await self.next_due(merchant.merchant_id)
        return next_due is not None and next_due <= at

    async def next_due(self, merchant_id: str) -> datetime | None:
        """Return the earliest moment at which something falls due, or None."""
        accounts = await self._settlements.accounts(merchant_id)
        moments = [one.due_at for one in accounts]
        moments.append(await self._settlements.next_due(merchant_id))
        return min((one for one in moments if one is not None), default=None)

    async def _payments(
        self, merchant: Merchant, accounts: Sequence[Account], due: Sequence[Payment]
    ) -> Step:
        happened: list[Logged] = []
        ordered = _up_to_a_cutoff(sorted(map(_due, due)))
        for (at, currency, is_cutoff), some in groupby(ordered, key=itemgetter(0, 1, 2)):
            payments = [one.payment for one in some]
            if is_cutoff:
                kept = (one for one in accounts if one.currency == currency)
                account = next(kept, Account(merchant.merchant_id, currency))
                happened += await self._settle(merchant, account, at, payments)
            else:
                happened += await self._expire(at, payments)
        return Step(ordered[-1].at, happened)

    async def _expire(self, at: datetime, payments: Sequence[Payment]) -> list[Logged]:
        async def expired(payment: Payment) -> Sequence[Logged]:
            change = advance(payment, at)
            try:
                await self._ledger.append(change.payment, change.transactions, None)
            except LostRace:  # somebody acted on it, and so applied what was due
                return ()
            return change.transactions

        done = await asyncio.gather(*map(expired, payments))
        return [one for transactions in done for one in transactions]

    async def _settle(
        self, merchant: Merchant, account: Account, cutoff: datetime, payments: Sequence[Payment]
    ) -> list[Logged]:
        batch = await self._current_batch(merchant, account, cutoff)
        if batch is None:
            return []
        if batch.state is not BatchState.OPEN:  # a run that ended early left it closing
            return [*await self._close(batch, account)]
        room = asyncio.Semaphore(self._settlements.writes_at_once)

        async def settled(some: Sequence[Payment]) -> Sequence[Settled]:
            async with room:
                wanted = [_settled(payment, batch, cutoff) for payment in some]
                try:
                    return await self._settlements.settle(batch, wanted)
                except LostRace:  # closed meanwhile: what is still due goes into the next one
                    return ()

        parts = [payments[start : start + PART] for start in range(0, len(payments), PART)]
        written = await asyncio.gather(*map(settled, parts))
        return [one for part in written for each in part for one in each.transactions]

    async def _current_batch(
        self, merchant: Merchant, account: Account, cutoff: datetime
    ) -> Settlement | None:
        """Return the account's batch, a new one if need be; None if another run is ahead."""
        if account.batch_id is None:
            batch = new_batch(merchant, account, cutoff, self._clock.now())
            try:
                await self._settlements.open(batch, opened(account, batch))
            except LostRace:
                return None
            return batch
        return await self._settlements.settlement(account.merchant_id, account.batch_id)

    async def _batch(self, account: Account) -> Step:
        """Close the account's batch, or pay one out."""
        at = _due_at(account)
        batch_id = account.batch_id
        payout = next((one for one in account.in_transit if one.at == at), None)
        if payout is not None:
            batch_id = payout.settlement_id
        assert batch_id is not None  # noqa: S101 - something is due
        batch = await self._settlements.settlement(account.merchant_id, batch_id)
        if payout is None:
            return Step(at, await self._close(batch, account))
        move = paid(batch, account)
        try:
            await self._settlements.move(move)
        except LostRace:
            return Step(at, ())
        return Step(at, (move.transaction,))

    async def _close(self, batch: Settlement, account: Account) -> Sequence[Logged]:
        """Close a batch: first it takes no more, then its lines are summed up."""
        try:
            if batch.state is BatchState.OPEN:
                await self._settlements.begin_closing(batch)
                batch = replace(batch, state=BatchState.CLOSING)
            move = closed(batch, account, await self._settlements.totals(batch))
            await self._settlements.move(move)
        except LostRace:
            return ()
        return (move.transaction,)


def _due_at(account: Account) -> datetime:
    assert account.due_at is not None  # noqa: S101 - only those are asked that have something due
    return account.due_at


def _first_due(accounts: Sequence[Account], up_to: datetime) -> Account | None:
    """Return the account whose next closing or payout is due first, if one is."""
    waiting = [one for one in accounts if one.due_at is not None and one.due_at <= up_to]
    return min(waiting, key=_due_at, default=None)


class _Due(NamedTuple):
    """A payment in the order of a page: what is due at one moment goes by currency, then by id."""

    at: datetime
    currency: str
    is_cutoff: bool
    payment_id: str
    payment: Payment


def _due(payment: Payment) -> _Due:
    at, settles_at = payment.due_at, payment.settles_at
    assert at is not None  # noqa: S101 - only those are asked that have something due
    return _Due(at, payment.currency, at == settles_at, payment.payment_id, payment)


def _up_to_a_cutoff(ordered: list[_Due]) -> list[_Due]:
    """Return what comes no later than the first cut-off: its batches close before the rest."""
    first = next((one.at for one in ordered if one.is_cutoff), None)
    return [one for one in ordered if first is None or one.at <= first]


def _settled(payment: Payment, batch: Settlement, cutoff: datetime) -> Settled:
    after, expired = advance(payment, cutoff)
    change: Change = settle(after, batch.settlement_id, cutoff)
    transactions = (*expired, *change.transactions)
    return Settled(change.payment, transactions, line_of(change.payment, transactions[-1]))
