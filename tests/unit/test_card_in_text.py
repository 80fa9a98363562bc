"""Card numbers hidden in texts are found, and what only resembles them is left alone."""

import pytest

from payments_sandbox.domain.card import holds_card_number
from payments_sandbox.domain.test_cards import TEST_CARDS

SPACES = [" ", "\u00a0", "\u2009", "\u202f", "\u3000", "\t", "\n"]
DASHES = ["-", "\u2010", "\u2011", "\u2012", "\u2013", "\u2014", "\u2015"]
OTHERS = [".", "_", "|", " - ", " | "]
INVISIBLE = ["\u00ad", "\u200b", "\u200d", "\u200f", "\u202c", "\u2060", "\ufeff"]
FULL_WIDTH, ARABIC, DEVANAGARI = (
    str.maketrans("0123456789", "".join(chr(zero + digit) for digit in range(10)))
    for zero in (0xFF10, 0x0660, 0x0966)
)


@pytest.mark.parametrize("number", TEST_CARDS)
def test_every_published_number(number: str) -> None:
    """Every published number is found, alone and within a sentence."""
    assert holds_card_number(number)
    assert holds_card_number(f"paid with {number}, thanks")


@pytest.mark.parametrize("by", [*SPACES, *DASHES, *OTHERS])
def test_grouped(by: str) -> None:
    """Groups as printed on cards are found, whatever keeps them apart."""
    assert holds_card_number(by.join(["4242", "4242", "4242", "4242"]))
    assert holds_card_number(by.join(["3782", "822463", "10005"]))


@pytest.mark.parametrize("mark", INVISIBLE)
def test_marks_that_are_not_seen(mark: str) -> None:
    """What a reader does not see between the digits does not hide them."""
    assert holds_card_number(mark.join("4242424242424242"))
    assert holds_card_number(f" {mark}".join(["4242", "4242", "4242", "4242"]))


@pytest.mark.parametrize(
    "text",
    [
        "4242 4242-4242.4242",
        "4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2",
        "order 17 4242424242424242",
        "4242424242424242 12/35 123",
        "4242-4242-4242-4242-12-35",
        "call 555 0100 or 4242 4242 4242 4242 now",
        "card:4242424242424242;",
        "the shortest, 4222222222222",
        "the longest, 4000000000000000006",
        "the longest, 4000 0000 0000 0000 006",
        "a4242424242424242b",
        "\n4242424242424242\n",
    ],
)
def test_among_other_digits(text: str) -> None:
    """A number is found whatever stands around it, other groups of digits too."""
    assert holds_card_number(text)


@pytest.mark.parametrize("script", [FULL_WIDTH, ARABIC, DEVANAGARI])
def test_digits_of_any_script(script: dict[int, int]) -> None:
    """Writing the digits in another script does not hide the number."""
    assert holds_card_number("4242424242424242".translate(script))
    assert holds_card_number("4242 4242 4242 ".translate(script) + "4242")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no digits",
        "4242424242424241",
        "1234567890123456",
        "4242 4242",
        "42424242424",
        "2026-03-01 12:00:00.000000",
        "2026-03-01T12:00:00.123456789Z",
        "30.03.2026 00:00:07",
        "2026-03-01 12:00:23, 2026-03-01 12:05:06",
        "2026-03-01 12:00:23/2026-03-01 12:05:06",
        "1700000000",
        "1772366400000",
        "1772366400000000",
        "1772366400000000000",
        "order 100000000000",
        "INV-2026-000123",
        "+49 30 901820",
        "ISBN 978-3-16-148410-0",
        "GTIN 4006381333931",
        "EAN 0012345678905",
        "DE89 3704 0044 0532 0130 00",
        "0.4242424242424242424242424",
        "550e8400-e29b-41d4-a716-446655440000",
        "auth_01kjm0000000abcdefghjkmnpq",
    ],
)
def test_what_only_resembles_one(text: str) -> None:
    """Times, order numbers, bar codes, accounts and ids are not taken for card numbers."""
    assert not holds_card_number(text)


@pytest.mark.parametrize(
    "number",
    [
        "42424242424242",  # Luhn-valid, but Visa has no 14 digits
        "0000000000000000",  # Luhn-valid, in nobody's range
        "9999999999999995",
    ],
)
def test_luhn_alone_is_not_enough(number: str) -> None:
    """A Luhn-valid number outside a scheme's ranges or lengths is not a card number."""
    assert not holds_card_number(number)


def test_a_number_within_a_longer_one() -> None:
    """Digits that are part of a longer unbroken run are that run's, not a card's."""
    assert not holds_card_number("00004242424242424242")
