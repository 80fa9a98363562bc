"""The issuer: which rule decides an authorization, and what it answers."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from payments_sandbox.domain.issuer import Question, Simulate, decide
from payments_sandbox.domain.merchant import AmountRule
from payments_sandbox.domain.response_codes import RESPONSE_CODES
from payments_sandbox.domain.transaction import Simulation
from tests.unit.examples import NOW, VISA

OTHER = replace(VISA, number="4539578763621486")
OVER = replace(VISA, exp_month=2, exp_year=2026)
DECLINING = replace(VISA, number="4000000000009995")
QUESTION = Question(card=VISA, amount=1000, partial_approval=False, simulate=None)
OFF, CENTS = AmountRule.OFF, AmountRule.CENTS


@pytest.mark.parametrize(
    ("question", "rule", "expected"),
    [
        (
            replace(QUESTION, card=OVER, amount=1005, simulate=Simulate("41")),
            CENTS,
            ("41", Simulation("simulate", "simulate.response_code")),
        ),
        (
            replace(QUESTION, card=replace(DECLINING, exp_year=2025), amount=1005),
            CENTS,
            ("54", Simulation("card_expired", "card.exp_year")),
        ),
        (
            replace(QUESTION, card=DECLINING, amount=1005),
            CENTS,
            ("51", Simulation("test_card", "card.number")),
        ),
        (
            replace(QUESTION, amount=1005),
            CENTS,
            ("05", Simulation("amount_rule", "amount")),
        ),
        (
            replace(QUESTION, amount=1000),
            CENTS,
            ("00", Simulation("test_card", "card.number")),
        ),
        (
            replace(QUESTION, card=OTHER, amount=1005),
            CENTS,
            ("05", Simulation("amount_rule", "amount")),
        ),
        (
            replace(QUESTION, card=OTHER, amount=1005),
            OFF,
            ("00", Simulation("approve", "default")),
        ),
    ],
    ids=[
        "simulate",
        "card_expired",
        "declining test_card",
        "amount_rule on an approving test_card",
        "approving test_card",
        "amount_rule",
        "approve",
    ],
)
def test_precedence(question: Question, rule: AmountRule, expected: tuple[str, Simulation]) -> None:
    """The first rule that fires decides: simulate, expired, declining card, amount, card."""
    decision = decide(question, rule, NOW)

    assert expected == (decision.response_code, decision.simulation)


@pytest.mark.parametrize("code", RESPONSE_CODES)
def test_every_code_can_be_simulated(code: str) -> None:
    """Simulating a code gives that code; an approving one approves the whole amount."""
    meaning = RESPONSE_CODES[code]
    approved = {"00": 1000, "08": 1000, "10": 400, "85": 1000}.get(code, 0)
    expected = (code, approved, meaning.decline_code, meaning.advice)

    decision = decide(
        replace(
            QUESTION, partial_approval=True, simulate=Simulate(code, 400 if code == "10" else None)
        ),
        OFF,
        NOW,
    )

    assert expected == (
        decision.response_code,
        decision.approved_amount,
        decision.decline_code,
        decision.advice,
    )


def test_partial_approval_approves_less() -> None:
    """Code 10 approves the simulated part for those who can take it."""
    expected = ("10", 400, None)

    decision = decide(
        replace(QUESTION, partial_approval=True, simulate=Simulate("10", 400)), OFF, NOW
    )

    assert expected == (decision.response_code, decision.approved_amount, decision.decline_code)


def test_partial_approval_needs_to_be_wanted() -> None:
    """Without `partial_approval` code 10 is a 51: too little money on the card."""
    expected = ("51", 0, "insufficient_funds", "retry_later")

    decision = decide(replace(QUESTION, simulate=Simulate("10", 400)), OFF, NOW)

    assert expected == (
        decision.response_code,
        decision.approved_amount,
        decision.decline_code,
        decision.advice,
    )
    assert decision.simulation.rule == "simulate"


def test_partial_approval_without_a_part_approves_nothing() -> None:
    """Code 10 without an approved amount approves nothing, rather than everything."""
    expected = 0

    decision = decide(replace(QUESTION, partial_approval=True, simulate=Simulate("10")), OFF, NOW)

    assert expected == decision.approved_amount


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (1005, ("05", "amount_rule")),
        (5, ("05", "amount_rule")),
        (51, ("51", "amount_rule")),
        (999_999_999_954, ("54", "amount_rule")),
        (1008, ("08", "amount_rule")),
        (1085, ("85", "amount_rule")),
        (1000, ("00", "approve")),
        (100, ("00", "approve")),
        (1010, ("00", "approve")),
        (1011, ("00", "approve")),
        (1099, ("00", "approve")),
        (9, ("00", "approve")),
    ],
)
def test_cents(amount: int, expected: tuple[str, str]) -> None:
    """The last two digits are the code where it is listed; .00, .10 and the rest approve."""
    decision = decide(replace(QUESTION, card=OTHER, amount=amount), CENTS, NOW)

    assert expected == (decision.response_code, decision.simulation.rule)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (datetime(2026, 2, 28, 23, 59, 59, 999_000, tzinfo=UTC), "00"),
        (datetime(2026, 3, 1, tzinfo=UTC), "54"),
    ],
)
def test_an_expired_card(at: datetime, expected: str) -> None:
    """A card is declined as expired from the first moment after its last month."""
    decision = decide(replace(QUESTION, card=OVER), OFF, at)

    assert expected == decision.response_code


@pytest.mark.parametrize(
    ("number", "cvc", "expected"),
    [
        ("4242424242424242", "123", ("M", None)),
        ("4242424242424242", None, ("P", None)),
        ("4539578763621486", "123", ("M", None)),
        ("4000000000000101", "123", ("N", None)),
        ("4000000000000101", None, ("P", None)),
        ("4000000000000036", "123", ("M", "A")),
        ("4000000000000044", None, ("P", "U")),
    ],
)
def test_checks(number: str, cvc: str | None, expected: tuple[str, str | None]) -> None:
    """The CVC is not processed when not sent; the address is checked on cards that say so."""
    decision = decide(replace(QUESTION, card=replace(VISA, number=number, cvc=cvc)), OFF, NOW)

    assert expected == (decision.cvc_result, decision.avs_result)


def test_simulate_keeps_its_own_decline_code() -> None:
    """A simulated decline on a declining test card has the simulated code's decline code."""
    expected = ("05", "do_not_honor")

    decision = decide(
        replace(QUESTION, card=replace(VISA, number="4000000000000002"), simulate=Simulate("05")),
        OFF,
        NOW,
    )

    assert expected == (decision.response_code, decision.decline_code)
