"""What the published tables promise: every test card and every response code."""

from dataclasses import replace

import pytest

from payments_sandbox.domain.card import BRANDS, brand_of, luhn_valid
from payments_sandbox.domain.issuer import Decision, Question, decide
from payments_sandbox.domain.merchant import AmountRule
from payments_sandbox.domain.response_codes import RESPONSE_CODES, Advice
from payments_sandbox.domain.test_cards import TEST_CARDS
from tests.unit.examples import NOW, VISA

# Number -> response code, decline code, advice, CVC result, AVS result; with a CVC sent.
OUTCOMES = {
    "4242424242424242": ("00", None, None, "M", None),
    "4111111111111111": ("00", None, None, "M", None),
    "4012888888881881": ("00", None, None, "M", None),
    "5555555555554444": ("00", None, None, "M", None),
    "2223003122003222": ("00", None, None, "M", None),
    "378282246310005": ("00", None, None, "M", None),
    "371449635398431": ("00", None, None, "M", None),
    "6011111111111117": ("00", None, None, "M", None),
    "3566002020360505": ("00", None, None, "M", None),
    "3056930009020004": ("00", None, None, "M", None),
    "6200000000000005": ("00", None, None, "M", None),
    "4000000000000002": ("05", "generic_decline", None, "M", None),
    "4000000000000341": ("05", "generic_decline", None, "M", None),
    "4000000000009995": ("51", "insufficient_funds", "retry_later", "M", None),
    "4000000000009987": ("41", "lost_card", "do_not_retry", "M", None),
    "4000000000009979": ("43", "stolen_card", "do_not_retry", "M", None),
    "4000000000000069": ("54", "expired_card", "fix_data", "M", None),
    "4000000000000127": ("N7", "incorrect_cvc", "fix_data", "N", None),
    "4000000000000119": ("96", "processing_error", "retry_later", "M", None),
    "4000000000006975": ("65", "card_velocity_exceeded", "retry_later", "M", None),
    "4100000000000019": ("59", "fraudulent", "retry_later", "M", None),
    "4000000000000101": ("00", None, None, "N", None),
    "4000000000000036": ("00", None, None, "M", "A"),
    "4000000000000028": ("00", None, None, "M", "Z"),
    "4000000000000010": ("00", None, None, "M", "N"),
    "4000000000000044": ("00", None, None, "M", "U"),
}
# Visa's categories: never again, later, once the data is mended; the rest without advice.
ADVICE = {
    Advice.DO_NOT_RETRY: {"04", "07", "12", "14", "15", "41", "43", "46", "57", "R0", "R1", "R3"},
    Advice.RETRY_LATER: {"03", "19", "51", "59", "61", "62", "65", "75", "78", "91", "93", "96"},
    Advice.FIX_DATA: {"54", "55", "82", "1A", "N7"},
}
APPROVING = {"00", "08", "10", "85"}


def answer_to(number: str, cvc: str | None) -> Decision:
    """Return what the issuer answers to the number."""
    card = replace(VISA, number=number, cvc=cvc)
    question = Question(card=card, amount=1000, partial_approval=False, simulate=None)
    return decide(question, AmountRule.OFF, NOW)


def test_the_table_is_whole() -> None:
    """The outcomes below are of exactly the cards that are published."""
    assert set(OUTCOMES) == set(TEST_CARDS)


@pytest.mark.parametrize("number", OUTCOMES)
def test_every_test_card(number: str) -> None:
    """A published card gives its published outcome."""
    decision = answer_to(number, "123")

    assert OUTCOMES[number] == (
        decision.response_code,
        decision.decline_code,
        decision.advice,
        decision.cvc_result,
        decision.avs_result,
    )
    assert decision.simulation.rule == "test_card"


@pytest.mark.parametrize("number", OUTCOMES)
def test_without_a_cvc(number: str) -> None:
    """What only a CVC can show does not show without one: the card is then like any other."""
    by_cvc = OUTCOMES[number][3] == "N"
    expected = ("00", "approve") if by_cvc else (OUTCOMES[number][0], "test_card")

    decision = answer_to(number, None)

    assert expected == (decision.response_code, decision.simulation.rule)
    assert decision.cvc_result == "P"


@pytest.mark.parametrize("number", OUTCOMES)
def test_every_test_card_could_exist(number: str) -> None:
    """A published number is Luhn-valid, in its scheme's range and of that scheme's length."""
    lengths = next(brand.lengths for brand in BRANDS if brand.name == brand_of(number))

    assert luhn_valid(number)
    assert len(number) in lengths


def test_every_outcome_is_described() -> None:
    """A published card says in words what it does, with a response code that is listed."""
    for card in TEST_CARDS.values():
        assert card.outcome.startswith("approved" if card.response_code == "00" else "declined")
        assert card.response_code in RESPONSE_CODES


def test_which_codes_approve() -> None:
    """Four codes approve; each of the others has a decline code."""
    expected = APPROVING

    assert expected == {code for code, meaning in RESPONSE_CODES.items() if meaning.approves}


@pytest.mark.parametrize("code", RESPONSE_CODES)
def test_every_response_code(code: str) -> None:
    """A code has a name, knows itself, and advises what its category says."""
    meaning = RESPONSE_CODES[code]
    expected = next((advice for advice, codes in ADVICE.items() if code in codes), None)

    assert expected == meaning.advice
    assert code == meaning.code
    assert meaning.name[0].isupper()


def test_codes_are_listed_once() -> None:
    """The list has 46 codes of two characters, and every advised one is listed."""
    expected = 46

    assert expected == len(RESPONSE_CODES)
    assert {2} == {len(code) for code in RESPONSE_CODES}
    assert set().union(*ADVICE.values()) <= set(RESPONSE_CODES)
