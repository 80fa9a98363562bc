"""Settlement, told a second time: days counted one by one, exact fractions, plain sums."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from math import floor
from typing import NamedTuple, Protocol

DAY = timedelta(days=1)
SATURDAY = 5
Item = tuple[str, int, int]
"""A capture or, below zero, a refund in a batch, and its fee."""


def half_up(exact: Fraction) -> int:
    """Round to whole units, a half up."""
    return floor(exact + Fraction(1, 2))


@dataclass(frozen=True)
class Rules:
    """What a merchant has chosen: when days end, which days count, what the processor keeps."""

    cutoff: time = time(0)
    weekdays: bool = False
    holidays: Collection[date] = ()
    rate_bps: int = 290
    fixed: int = 30
    returned: bool = False

    def works_on(self, day: date) -> bool:
        """Tell whether it is a business day."""
        return not (self.weekdays and day.weekday() >= SATURDAY) and day not in self.holidays

    def end_of(self, day: date) -> datetime:
        """Return when a day ends: at its cut-off, or with the day."""
        return datetime.combine(day if self.cutoff > time(0) else day + DAY, self.cutoff, UTC)

    def end_after(self, at: datetime) -> datetime:
        """Return the first end of a business day that is later."""
        day = at.date() - DAY
        while not self.works_on(day) or self.end_of(day) <= at:
            day += DAY
        return self.end_of(day)

    def next_day(self, day: date) -> date:
        """Return the next business day."""
        day += DAY
        while not self.works_on(day):
            day += DAY
        return day

    def fee(self, amount: int) -> int:
        """Return the fee of a capture."""
        return half_up(Fraction(amount * self.rate_bps, 10_000)) + self.fixed

    def fee_back(self, fee: int, captured: int, before: int, after: int) -> int:
        """Return what of a capture's fee a refund gives back."""
        if not self.returned:
            return 0
        return half_up(Fraction(fee * after, captured)) - half_up(Fraction(fee * before, captured))


class Balance(NamedTuple):
    """What a merchant has in a currency."""

    pending: int
    available: int
    in_transit: int
    paid_out: int
    fees: int


class Due(Protocol):
    """A payment, as far as a batch knows it."""

    @property
    def auth_id(self) -> str:
        """Its id."""
        ...

    @property
    def currency(self) -> str:
        """Its currency."""
        ...

    @property
    def due_at(self) -> datetime | None:
        """When something happens to it by itself."""
        ...

    def happen(self, at: datetime) -> tuple[Item, ...] | None:
        """Do what is due then; return what a batch takes, or None if it only expires."""
        ...

    @property
    def seq(self) -> int:
        """The number of its last transaction."""
        ...

    @property
    def pending(self) -> int:
        """What is captured and not refunded, and in no batch."""
        ...


@dataclass
class Batch:
    """One day's batch in one currency."""

    day: date
    closes_at: datetime
    pays_on: date
    lines: dict[tuple[str, int], tuple[Item, ...]] = field(
        default_factory=dict[tuple[str, int], tuple[Item, ...]]
    )
    state: str = "open"
    brought: int = 0

    @property
    def items(self) -> list[Item]:
        """All that it took."""
        return [item for line in self.lines.values() for item in line]

    @property
    def sums(self) -> tuple[int, int, int]:
        """Return what was captured, refunded and kept."""
        captured = sum(amount for _, amount, _ in self.items if amount > 0)
        refunded = sum(-amount for _, amount, _ in self.items if amount < 0)
        return captured, refunded, sum(fee for _, _, fee in self.items)

    @property
    def net(self) -> int:
        """What it leaves, without what was brought."""
        captured, refunded, fees = self.sums
        return captured - refunded - fees

    @property
    def left(self) -> int:
        """What there is in the end."""
        return self.net + self.brought


@dataclass
class Books:
    """All batches, by currency, oldest first."""

    batches: dict[str, list[Batch]] = field(default_factory=dict[str, list[Batch]])

    def catch_up(self, payments: Collection[Due], rules: Rules, to: datetime) -> Counter[str]:
        """Do all that is due, one thing after the other; count what happened."""
        happened = Counter[str]()
        while True:
            due = [one.due_at for one in payments if one.due_at]
            moves = [at for one in self.batches.values() for batch in one if (at := _due(batch))]
            at = min([*due, *moves], default=None)
            if at is None or at > to:
                return +happened
            for payment in [one for one in payments if one.due_at == at]:
                happened.update(self._pay(payment, rules, at))
            if at in moves and at not in [one.due_at for one in payments]:
                happened.update(self._move(at))

    def _pay(self, payment: Due, rules: Rules, at: datetime) -> Iterator[str]:
        before = payment.seq
        taken = payment.happen(at)
        expired = payment.seq - before - (taken is not None)
        yield from ["authorization_expired"] * expired
        if taken is None:
            return
        yield "transaction_settled"
        kept = self.batches.setdefault(payment.currency, [])
        if not kept or kept[-1].state != "open":
            kept.append(_new(kept, rules, at))
        kept[-1].lines[payment.auth_id, payment.seq] = taken

    def _move(self, at: datetime) -> Iterator[str]:
        """Close and pay out what is due then."""
        for kept in self.batches.values():
            brought = 0
            for batch in kept:
                if batch.state == "open" and batch.closes_at == at:
                    batch.state, batch.brought = "closed", brought
                    yield "settlement_closed"
                elif _due(batch) == at:
                    batch.state = "paid"
                    yield "settlement_paid"
                brought = min(batch.left, 0)

    def balances(self, payments: Collection[Due]) -> dict[str, Balance]:
        """Return the balances that are not all zero."""
        found: dict[str, Balance] = {}
        for currency in {one.currency for one in payments}:
            kept = self.batches.get(currency, [])
            own = sum(batch.net for batch in kept)
            transit = sum(max(one.left, 0) for one in kept if one.state == "closed")
            paid = sum(max(one.left, 0) for one in kept if one.state == "paid")
            found[currency] = Balance(
                sum(one.pending for one in payments if one.currency == currency),
                own - transit - paid,
                transit,
                paid,
                sum(batch.sums[2] for batch in kept),
            )
        return {currency: one for currency, one in found.items() if any(one)}


def _due(batch: Batch) -> datetime | None:
    """Return when a batch closes, or is paid out, if it is to."""
    if batch.state == "open":
        return batch.closes_at
    if batch.state == "closed" and batch.left > 0:
        return datetime.combine(batch.pays_on, time(0), UTC)
    return None


def _new(kept: list[Batch], rules: Rules, at: datetime) -> Batch:
    """Return the batch of the day that ends then, or of the day after the last one."""
    day, closes_at = (at - timedelta(milliseconds=1)).date(), at
    if kept and day <= kept[-1].day:
        day = rules.next_day(kept[-1].day)
        closes_at = rules.end_of(day)
    return Batch(day, closes_at, rules.next_day(closes_at.date()))
