"""Card numbers are recognised however they are written, whatever stands around them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from payments_sandbox.domain.card import BRANDS, brand_of, holds_card_number, luhn_valid
from tests.strategies import card_numbers, texts

SETTINGS = settings(deadline=None, derandomize=True, max_examples=200)
SEPARATORS = " -._\t\u00a0\u2009\u2010\u2011\u2012\u2013\u2014\u2015\u202f\u3000"
ZEROS = [ord("0"), 0x0660, 0x06F0, 0x0966, 0xFF10, 0x1D7CE]


@SETTINGS
@given(card_numbers())
def test_a_drawn_number_is_a_card_number(number: str) -> None:
    """What is drawn from a scheme's range is that scheme's, Luhn-valid and found."""
    lengths = {brand.name: brand.lengths for brand in BRANDS}

    assert luhn_valid(number)
    assert len(number) in lengths[brand_of(number)]
    assert holds_card_number(number)


@SETTINGS
@given(card_numbers(), st.data())
def test_found_in_any_grouping(number: str, data: st.DataObject) -> None:
    """A separator may stand between any two digits, and each digit be of any script."""
    written = ""
    for digit in number:
        separator = data.draw(st.sampled_from(["", "", "", *SEPARATORS])) if written else ""
        zero = data.draw(st.sampled_from(ZEROS))
        written += separator + chr(zero + int(digit))

    assert holds_card_number(written)


@SETTINGS
@given(texts, card_numbers(), texts)
def test_found_in_any_text(before: str, number: str, after: str) -> None:
    """Whatever stands before and after a number, apart from it, does not hide it."""
    assert holds_card_number(f"{before} {number} {after}")


@SETTINGS
@given(card_numbers(), st.integers(0, 18), st.integers(1, 9))
def test_one_wrong_digit(number: str, place: int, by: int) -> None:
    """With any one digit changed a number is no card number any more."""
    place %= len(number)
    wrong = (int(number[place]) + by) % 10

    assert not holds_card_number(f"{number[:place]}{wrong}{number[place + 1 :]}")


@SETTINGS
@given(st.text("0123456789 -.", max_size=300))
def test_short_of_digits(text: str) -> None:
    """A text with fewer digits than the shortest card number holds none."""
    digits = sum(one.isdigit() for one in text)

    assert digits >= min(min(brand.lengths) for brand in BRANDS) or not holds_card_number(text)


@SETTINGS
@given(st.text())
def test_any_text_can_be_asked(text: str) -> None:
    """No text makes the search fail."""
    assert holds_card_number(text) in {True, False}
