"""Cards: what a number tells, and how text that holds a number is recognised."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

NUMBER_DIGITS_MIN, NUMBER_DIGITS_MAX = 12, 19


@dataclass(frozen=True, slots=True)
class Card:
    """All that is kept of a card."""

    card_id: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int


@dataclass(frozen=True, slots=True)
class PresentedCard:
    """A card as it was presented; lives only while its authorization is decided."""

    number: str = field(repr=False)
    exp_month: int
    exp_year: int
    cvc: str | None = field(repr=False)

    def kept_as(self, card_id: str) -> Card:
        """Return what may be kept of it."""
        return Card(card_id, brand_of(self.number), self.number[-4:], self.exp_month, self.exp_year)

    def expired(self, at: datetime) -> bool:
        """Tell whether its last month is over; a card is good through that month's last day."""
        return (at.year, at.month) > (self.exp_year, self.exp_month)


class Brand(NamedTuple):
    """A card scheme: its name, its ranges as (digits, first, last), and its number lengths."""

    name: str
    ranges: tuple[tuple[int, int, int], ...]
    lengths: frozenset[int]


# Ranges as the schemes publish them. Discover stands before UnionPay: 62 is UnionPay's alone.
BRANDS = (
    Brand("visa", ((1, 4, 4),), frozenset({13, 16, 19})),
    Brand("mastercard", ((2, 51, 55), (4, 2221, 2720)), frozenset({16})),
    Brand("amex", ((2, 34, 34), (2, 37, 37)), frozenset({15})),
    Brand("discover", ((4, 6011, 6011), (3, 644, 649), (2, 65, 65)), frozenset(range(16, 20))),
    Brand("jcb", ((4, 3528, 3589),), frozenset(range(16, 20))),
    Brand("diners", ((3, 300, 305), (2, 36, 36), (2, 38, 38)), frozenset(range(14, 20))),
    Brand("unionpay", ((2, 62, 62),), frozenset(range(16, 20))),
)
UNKNOWN_BRAND = "unknown"
_PREFIX_DIGITS = 4


def _prefixes(digits: int, first: int, last: int) -> Iterator[str]:
    """Yield the four-digit prefixes of a range of shorter ones."""
    wider = 10 ** (_PREFIX_DIGITS - digits)
    return map(str, range(first * wider, (last + 1) * wider))


_BY_PREFIX = {
    prefix: brand for brand in BRANDS for span in brand.ranges for prefix in _prefixes(*span)
}

_DOUBLED = str.maketrans("0123456789", "0246813579")  # twice the digit, its digits added
_DIGIT_GROUPS = re.compile(r"\d+(?:[\s.,/|_\-\u2010-\u2015\u2212\uff0d]{1,3}\d+)*")
# What no reader sees between two digits: soft hyphens, zero-width and direction marks.
_INVISIBLE = re.compile(r"[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")


def luhn_valid(number: str) -> bool:
    """Tell whether the digits pass the check of ISO/IEC 7812-1 annex B."""
    odd, even = number[-1::-2], number[-2::-2]
    return sum(map(int, odd + even.translate(_DOUBLED))) % 10 == 0


def brand_of(number: str) -> str:
    """Return the scheme whose range the number is in, or "unknown"."""
    brand = _BY_PREFIX.get(number[:_PREFIX_DIGITS])
    return UNKNOWN_BRAND if brand is None else brand.name


def cvc_fits(brand: str, cvc: str) -> bool:
    """Tell whether a CVC of this length exists: four digits on Amex, three on the rest."""
    if brand == UNKNOWN_BRAND:
        return len(cvc) in {3, 4}
    return len(cvc) == (4 if brand == "amex" else 3)


def holds_card_number(text: str) -> bool:
    """Tell whether some digits in the text are a card number, grouped or not.

    A card number here is Luhn-valid, in a scheme's range and of that scheme's length, so that
    a timestamp or an order number is not mistaken for one. Digits of any script count, and
    what is not seen between them does not.
    """
    return any(_is_card_number(digits) for digits in _candidates(_INVISIBLE.sub("", text)))


def _is_card_number(digits: str) -> bool:
    brand = _BY_PREFIX.get(digits[:_PREFIX_DIGITS])
    return brand is not None and len(digits) in brand.lengths and luhn_valid(digits)


def _candidates(text: str) -> Iterator[str]:
    """Yield each run of neighbouring digit groups that is as long as a card number."""
    for match in _DIGIT_GROUPS.finditer(text):
        groups = [
            "".join(str(int(digit)) for digit in group) for group in re.split(r"\D+", match.group())
        ]
        for first in range(len(groups)):
            digits = ""
            for group in groups[first:]:
                digits += group
                if len(digits) > NUMBER_DIGITS_MAX:
                    break
                if len(digits) >= NUMBER_DIGITS_MIN:
                    yield digits
