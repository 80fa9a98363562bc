"""What a card's number, CVC and expiry tell."""

from dataclasses import fields, replace
from datetime import UTC, datetime

import pytest

from payments_sandbox.domain.card import BRANDS, Card, brand_of, cvc_fits, luhn_valid
from payments_sandbox.domain.test_cards import TEST_CARDS
from tests.unit.examples import VISA


@pytest.mark.parametrize("number", [*TEST_CARDS, "0", "18", "79927398713"])
def test_luhn_accepts(number: str) -> None:
    """Every published number and the textbook ones pass the check."""
    assert luhn_valid(number)


@pytest.mark.parametrize(
    "number",
    ["4242424242424241", "4242424242424224", "2424242424242424", "79927398710", "1", "19"],
)
def test_luhn_rejects(number: str) -> None:
    """A wrong digit, swapped neighbours and shifted digits fail the check."""
    assert not luhn_valid(number)


@pytest.mark.parametrize("number", TEST_CARDS)
def test_luhn_catches_one_wrong_digit(number: str) -> None:
    """Changing any single digit breaks the check."""
    changed = [
        number[:place] + str((int(digit) + 1) % 10) + number[place + 1 :]
        for place, digit in enumerate(number)
    ]

    assert not any(luhn_valid(one) for one in changed)


@pytest.mark.parametrize(
    ("prefix", "brand"),
    [
        ("3999", "unknown"), ("4000", "visa"), ("4999", "visa"), ("5000", "unknown"),
        ("5099", "unknown"), ("5100", "mastercard"), ("5599", "mastercard"), ("5600", "unknown"),
        ("2220", "unknown"), ("2221", "mastercard"), ("2720", "mastercard"), ("2721", "unknown"),
        ("3399", "unknown"), ("3400", "amex"), ("3499", "amex"), ("3500", "unknown"),
        ("3700", "amex"), ("3799", "amex"),
        ("6010", "unknown"), ("6011", "discover"), ("6012", "unknown"), ("6439", "unknown"),
        ("6440", "discover"), ("6499", "discover"), ("6500", "discover"), ("6599", "discover"),
        ("6600", "unknown"),
        ("3527", "unknown"), ("3528", "jcb"), ("3589", "jcb"), ("3590", "unknown"),
        ("2999", "unknown"), ("3000", "diners"), ("3059", "diners"), ("3060", "unknown"),
        ("3600", "diners"), ("3699", "diners"), ("3800", "diners"), ("3899", "diners"),
        ("6199", "unknown"), ("6200", "unionpay"), ("6299", "unionpay"), ("6300", "unknown"),
        ("0000", "unknown"), ("1000", "unknown"), ("9999", "unknown"),
    ],
)  # fmt: skip
def test_brand_by_range(prefix: str, brand: str) -> None:
    """A number belongs to the scheme whose range it is in, to the edges of the range."""
    expected = brand

    assert expected == brand_of(prefix + "0" * 12)


@pytest.mark.parametrize(
    ("brand", "lengths"),
    [
        ("visa", {13, 16, 19}), ("mastercard", {16}), ("amex", {15}),
        ("discover", {16, 17, 18, 19}), ("jcb", {16, 17, 18, 19}),
        ("diners", {14, 15, 16, 17, 18, 19}), ("unionpay", {16, 17, 18, 19}),
    ],
)  # fmt: skip
def test_number_lengths(brand: str, lengths: set[int]) -> None:
    """A scheme's numbers have the lengths the scheme publishes."""
    expected = lengths

    assert expected == next(one.lengths for one in BRANDS if one.name == brand)


def test_ranges_do_not_overlap() -> None:
    """No number is in the ranges of two schemes, so their order decides nothing."""
    owners: dict[int, str] = {}
    for brand in BRANDS:
        for digits, first, last in brand.ranges:
            spread = 10 ** (4 - digits)
            for prefix in range(first * spread, (last + 1) * spread):
                assert owners.setdefault(prefix, brand.name) == brand.name


@pytest.mark.parametrize(
    ("brand", "lengths"),
    [
        ("visa", {3}), ("mastercard", {3}), ("amex", {4}), ("discover", {3}), ("jcb", {3}),
        ("diners", {3}), ("unionpay", {3}), ("unknown", {3, 4}),
    ],
)  # fmt: skip
def test_cvc_length(brand: str, lengths: set[int]) -> None:
    """Amex prints four digits, the other schemes three; of an unknown one either may be."""
    expected = lengths

    assert expected == {length for length in range(6) if cvc_fits(brand, "1" * length)}


@pytest.mark.parametrize(
    ("at", "expired"),
    [
        (datetime(2026, 2, 1, tzinfo=UTC), False),
        (datetime(2026, 2, 28, 23, 59, 59, 999_000, tzinfo=UTC), False),
        (datetime(2026, 3, 1, tzinfo=UTC), True),
        (datetime(2025, 12, 31, tzinfo=UTC), False),
        (datetime(2027, 1, 1, tzinfo=UTC), True),
    ],
)
def test_good_through_its_last_day(at: datetime, *, expired: bool) -> None:
    """A card is good through the last day of its month and not a moment longer."""
    card = replace(VISA, exp_month=2, exp_year=2026)

    assert expired == card.expired(at)


def test_what_is_kept() -> None:
    """Of a presented card its id, brand, last four digits and expiry are kept, no more."""
    expected = Card("card_1", "visa", "4242", 12, 2035)

    assert expected == VISA.kept_as("card_1")
    assert {"card_id", "brand", "last4", "exp_month", "exp_year"} == {
        one.name for one in fields(Card)
    }


def test_a_presented_card_prints_no_secret() -> None:
    """Neither the number nor the CVC is in the text that a log or a traceback would show."""
    text = f"{VISA!r} {VISA}"

    assert VISA.number not in text
    assert "'123'" not in text
