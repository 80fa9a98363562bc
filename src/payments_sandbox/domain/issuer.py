"""The issuer: decides the outcome of an authorization, and names the rule that decided.

Precedence: what the request simulates, then a card past its expiry, then a published test
card that declines, then the amount rule (a setting), then a test card that approves, then
approval.
"""

from dataclasses import dataclass
from datetime import datetime

from payments_sandbox.domain.card import PresentedCard
from payments_sandbox.domain.merchant import AmountRule
from payments_sandbox.domain.response_codes import (
    APPROVED,
    EXPIRED_CARD,
    INSUFFICIENT_FUNDS,
    PARTIAL_APPROVAL,
    RESPONSE_CODES,
)
from payments_sandbox.domain.test_cards import TEST_CARDS, PublishedCard
from payments_sandbox.domain.transaction import Simulation

CVC_MATCH, CVC_NOT_PROCESSED = "M", "P"


@dataclass(frozen=True, slots=True)
class Simulate:
    """The outcome a request asks for; `approved_amount` in minor units goes with code 10."""

    response_code: str
    approved_amount: int | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What the issuer is asked; `amount` in minor units."""

    card: PresentedCard
    amount: int
    partial_approval: bool
    simulate: Simulate | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What the issuer answers."""

    response_code: str
    approved_amount: int
    simulation: Simulation
    decline_code: str | None
    advice: str | None
    cvc_result: str
    avs_result: str | None


def decide(question: Question, amount_rule: AmountRule, at: datetime) -> Decision:
    """Return the outcome by the first rule that fires."""
    published = _test_card(question.card)
    if question.simulate is not None:
        code = question.simulate.response_code
        simulation = Simulation("simulate", "simulate.response_code")
    elif question.card.expired(at):
        code, simulation = EXPIRED_CARD, Simulation("card_expired", "card.exp_year")
    elif published is not None and published.response_code != APPROVED:
        code, simulation = published.response_code, Simulation("test_card", "card.number")
    elif amount_rule is AmountRule.CENTS and (cents := _cents_code(question.amount)):
        code, simulation = cents, Simulation("amount_rule", "amount")
    elif published is not None:
        code, simulation = APPROVED, Simulation("test_card", "card.number")
    else:
        code, simulation = APPROVED, Simulation("approve", "default")
    return _answer(question, published, code, simulation)


def _test_card(card: PresentedCard) -> PublishedCard | None:
    published = TEST_CARDS.get(card.number)
    if published is not None and published.only_with_cvc and card.cvc is None:
        return None
    return published


def _cents_code(amount: int) -> str | None:
    """Return the code in the last two digits, if listed; 10 needs an amount, so it is not."""
    code = f"{amount % 100:02}"
    return code if code in RESPONSE_CODES and code not in {APPROVED, PARTIAL_APPROVAL} else None


def _answer(
    question: Question, published: PublishedCard | None, code: str, simulation: Simulation
) -> Decision:
    if code == PARTIAL_APPROVAL and not question.partial_approval:
        code = INSUFFICIENT_FUNDS
    meaning = RESPONSE_CODES[code]
    decline_code = meaning.decline_code
    if published is not None and simulation.rule == "test_card":
        decline_code = published.decline_code or decline_code
    return Decision(
        response_code=code,
        approved_amount=_approved_amount(question, code) if meaning.approves else 0,
        simulation=simulation,
        decline_code=decline_code,
        advice=meaning.advice,
        cvc_result=_cvc_result(question.card, published),
        avs_result=published.avs_result if published is not None else None,
    )


def _approved_amount(question: Question, code: str) -> int:
    if code == PARTIAL_APPROVAL and question.simulate is not None:
        return question.simulate.approved_amount or 0
    return question.amount


def _cvc_result(card: PresentedCard, published: PublishedCard | None) -> str:
    if card.cvc is None:
        return CVC_NOT_PROCESSED
    return (published.cvc_result if published is not None else None) or CVC_MATCH
