"""What a seeded month is made of: who buys what when, and what becomes of it.

All of it follows from the seed and a payment's number, by hashes and plain arithmetic: the same on
every machine and in every release of Python.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum, auto
from itertools import accumulate
from typing import NamedTuple, TypeVar

from payments_sandbox.domain.card import PresentedCard, brand_of
from payments_sandbox.domain.chaos import chance_of
from payments_sandbox.domain.operations import Authorize
from payments_sandbox.domain.payment import AUTHORIZATION_LIFE
from payments_sandbox.domain.response_codes import APPROVED
from payments_sandbox.domain.test_cards import TEST_CARDS

Choice = TypeVar("Choice")
Weighted = Sequence[tuple[Choice, int]]

# Shoppers of Europe and America, in UTC: quiet before dawn, busiest in the evening.
_HOURS = (9, 6, 4, 3, 3, 4, 7, 12, 20, 28, 34, 38, 42, 43, 42, 42, 44, 48, 52, 54, 50, 40, 28, 16)
_WEEKDAYS = (9, 9, 10, 10, 13, 14, 12)
_CURRENCIES = (("USD", 72), ("EUR", 14), ("GBP", 9), ("JPY", 5))
_BRANDS = {"visa": 52, "mastercard": 30, "amex": 10, "discover": 4, "jcb": 2, "unionpay": 1}
_DECLINES = {"51": 38, "05": 24, "54": 9, "65": 7, "N7": 7, "59": 5, "41": 4, "43": 3, "96": 3}
# From a coffee to a laptop: which amount, in cents, this part of a thousand payments stays below.
_AMOUNTS = (
    (0, 290), (120, 480), (300, 1_250), (500, 2_900), (700, 6_400), (850, 14_000), (950, 42_000),
    (990, 130_000), (1_000, 279_900),
)  # fmt: skip
_ENDINGS = (99, 99, 99, 95, 90, 50, 49, 0, 0)
_YEN_A_CENT = 1.5
_ITEMS = ("coffee", "book", "shirt", "headphones", "shoes", "jacket", "phone", "laptop")
_ITEM_FROM = (0, 800, 2_000, 5_000, 9_000, 16_000, 42_000, 130_000)
_CHANNELS = (("web", 58), ("app", 34), ("phone", 8))
_DECLINED_PERCENT, _REFUNDED_PERCENT = 6, 5
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


class Fate(Enum):
    """What becomes of an authorization."""

    CAPTURED_AT_ONCE = auto()
    CAPTURED_LATER = auto()
    CAPTURED_IN_PARTS = auto()
    VOIDED = auto()
    EXPIRED = auto()


_FATES = (
    (Fate.CAPTURED_AT_ONCE, 70),
    (Fate.CAPTURED_LATER, 20),
    (Fate.CAPTURED_IN_PARTS, 4),
    (Fate.VOIDED, 3),
    (Fate.EXPIRED, 3),
)


class Act(Enum):
    """What is done at a moment."""

    AUTHORIZE = auto()
    CAPTURE = auto()
    REFUND = auto()
    VOID = auto()
    VOID_CAPTURE = auto()
    SWEEP = auto()
    """Everything that is due by then happens."""


class Step(NamedTuple):
    """One thing that is done: when, to which payment, with which amount (all of it if None)."""

    at: datetime
    number: int
    act: Act
    amount: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How many payments, over which days in UTC, by which seed."""

    seed: int
    payments: int
    start: date
    days: int

    @property
    def begins_at(self) -> datetime:
        """The first moment of the first day."""
        return datetime.combine(self.start, time(0), UTC)

    @property
    def ends_at(self) -> datetime:
        """The moment after the last day."""
        return self.begins_at + timedelta(days=self.days)

    def moments(self) -> list[datetime]:
        """Return when each payment is authorized, in order: by day and by night, week by week."""
        weights = [
            _WEEKDAYS[(self.begins_at + day * _DAY).weekday()] * hour
            for day in range(self.days)
            for hour in _HOURS
        ]
        up_to = list(accumulate(weights))
        return sorted(self._moment(number, up_to) for number in range(self.payments))

    def order(self, number: int) -> Authorize:
        """Return what a payment asks for."""
        cents, currency = self._cents(number), self._pick(number, "currency", _CURRENCIES)
        item = _ITEMS[bisect_right(_ITEM_FROM, cents) - 1]
        yen = int(cents * _YEN_A_CENT) // 10 * 10
        return Authorize(
            card=self._card(number),
            amount=yen if currency == "JPY" else cents,
            currency=currency,
            reference=f"order-{100_001 + number}",
            metadata={"channel": self._pick(number, "channel", _CHANNELS), "item": item},
        )

    def steps(self) -> list[Step]:
        """Return all that is done, in order; what would be later than the last day is left out."""
        done = [Step(self.begins_at + (day + 1) * _DAY, -1, Act.SWEEP) for day in range(self.days)]
        for number, at in enumerate(self.moments()):
            done.append(Step(at, number, Act.AUTHORIZE))
            done += self._fate(number, at)
        # What is due at a moment happens before what is done then.
        done.sort(key=lambda one: (one.at, one.act is not Act.SWEEP, one.number))
        return [one for one in done if one.at <= self.ends_at]

    def _fate(self, number: int, at: datetime) -> Iterator[Step]:
        """Yield what becomes of a payment, in order."""
        if self._is_declined(number):
            return
        fate = self._pick(number, "fate", _FATES)
        if fate is Fate.VOIDED:
            yield Step(self._after(number, "void", at, 10 * _MINUTE, 2 * _DAY), number, Act.VOID)
        elif fate is Fate.EXPIRED:
            yield Step(at + AUTHORIZATION_LIFE, number, Act.SWEEP)
        else:
            captures = list(self._captures(number, at, fate))
            yield from captures
            if captures[-1].act is Act.CAPTURE:
                yield from self._refund(number, captures[-1].at)

    def _captures(self, number: int, at: datetime, fate: Fate) -> Iterator[Step]:
        if fate is Fate.CAPTURED_IN_PARTS:
            yield from self._parts(number, at)
            return
        first, last = 2 * _HOUR, 4 * _DAY
        if fate is Fate.CAPTURED_AT_ONCE:
            first, last = _MINUTE / 60, _MINUTE / 2
        at = self._after(number, "capture", at, first, last)
        yield Step(at, number, Act.CAPTURE)
        # A sale that is taken back at the counter, before the day's cut-off.
        back_at = self._after(number, "back", at, 2 * _MINUTE, 40 * _MINUTE)
        if self._percent(number, "taken back") < 1 and back_at.date() == at.date():
            yield Step(back_at, number, Act.VOID_CAPTURE)
            yield Step(back_at + timedelta(seconds=2), number, Act.VOID)

    def _parts(self, number: int, at: datetime) -> Iterator[Step]:
        """Yield two captures, the second of less than the rest now and then, which expires."""
        order = self.order(number)
        part = max(order.amount * (35 + int(self._percent(number, "part") * 0.4)) // 100, 1)
        first_at = self._after(number, "first", at, _HOUR, 2 * _DAY)
        yield Step(first_at, number, Act.CAPTURE, part)
        second_at = self._after(number, "second", first_at, 12 * _HOUR, 4 * _DAY)
        if self._percent(number, "whole") < 70:  # noqa: PLR2004 - percent
            yield Step(second_at, number, Act.CAPTURE)
        else:
            yield Step(at + AUTHORIZATION_LIFE, number, Act.SWEEP)
            yield Step(second_at, number, Act.CAPTURE, max((order.amount - part) // 2, 1))

    def _refund(self, number: int, at: datetime) -> Iterator[Step]:
        """Yield a refund days later: of all, or of a part of what was asked for."""
        if self._percent(number, "refunded") >= _REFUNDED_PERCENT:
            return
        amount, share = None, self._percent(number, "share")
        if share >= 60:  # noqa: PLR2004 - percent
            amount = max(self.order(number).amount * int(share - 45) // 100, 1)
        yield Step(self._after(number, "refund", at, _DAY, 12 * _DAY), number, Act.REFUND, amount)

    def _moment(self, number: int, up_to: Sequence[int]) -> datetime:
        hour = bisect_right(up_to, self._chance(number, "hour") * up_to[-1])
        ms = int(self._chance(number, "ms") * 3_600_000)
        return self.begins_at + timedelta(hours=hour, milliseconds=ms)

    def _cents(self, number: int) -> int:
        """Return an amount from the long tail, with an ending that shops like."""
        place = self._chance(number, "amount") * 1_000
        above = bisect_right([one for one, _ in _AMOUNTS], place)
        (low_place, low), (high_place, high) = _AMOUNTS[above - 1 : above + 1]
        cents = low + int((high - low) * (place - low_place) / (high_place - low_place))
        if self._percent(number, "odd") < 25:  # noqa: PLR2004 - percent; a basket of several
            return cents
        return cents // 100 * 100 + _ENDINGS[int(self._chance(number, "ending") * len(_ENDINGS))]

    def _card(self, number: int) -> PresentedCard:
        cards = _DECLINING if self._is_declined(number) else _APPROVING
        card_number = self._pick(number, "card", cards)
        cvc = "1234" if brand_of(card_number) == "amex" else "123"
        years = 2 + int(self._chance(number, "year") * 4)
        month = 1 + int(self._chance(number, "month") * 12)
        return PresentedCard(card_number, month, self.start.year + years, cvc)

    def _is_declined(self, number: int) -> bool:
        return self._percent(number, "declined") < _DECLINED_PERCENT

    def _after(
        self, number: int, what: str, at: datetime, soonest: timedelta, latest: timedelta
    ) -> datetime:
        ms = int(self._chance(number, what) * ((latest - soonest) // timedelta(milliseconds=1)))
        return at + soonest + timedelta(milliseconds=ms)

    def _pick(self, number: int, what: str, choices: Weighted[Choice]) -> Choice:
        up_to = list(accumulate(weight for _, weight in choices))
        return choices[bisect_right(up_to, self._chance(number, what) * up_to[-1])][0]

    def _percent(self, number: int, what: str) -> float:
        return 100 * self._chance(number, what)

    def _chance(self, number: int, what: str) -> float:
        return chance_of(f"seed {self.seed} payment {number} {what}")


def _shared(cards: Sequence[tuple[str, str]], weights: dict[str, int]) -> Weighted[str]:
    """Return card numbers with the weight of their kind, shared by those of one kind."""
    kinds = [kind for _, kind in cards]
    return [(number, weights[kind] * 60 // kinds.count(kind)) for number, kind in cards]


_APPROVING = _shared(
    [
        (one.number, brand_of(one.number))
        for one in TEST_CARDS.values()
        if one.outcome == "approved" and brand_of(one.number) in _BRANDS
    ],
    _BRANDS,
)
_DECLINING = _shared(
    [
        (one.number, one.response_code)
        for one in TEST_CARDS.values()
        if one.response_code != APPROVED
    ],
    _DECLINES,
)
