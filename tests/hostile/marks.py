"""What is sent to be recognised: a card, its CVC and a token that must never come back."""

import json
from random import Random

from payments_sandbox.domain.card import luhn_valid
from tests.running import Answer

FULL_WIDTH_ZERO, ARABIC_ZERO = 0xFF10, 0x0660
# Headers that hold digits of chance or of time, in which three digits of a CVC may occur.
_OF_CHANCE = {"x-request-id", "date", "content-length"}


_CHANCE = Random(20260302)  # noqa: S311 - the same in every process that runs tests


def new_card_number() -> str:
    """Return a number of chance that passes the Luhn check; no published test card begins so."""
    digits = "4716" + "".join(_CHANCE.choice("0123456789") for _ in range(11))
    return next(digits + check for check in "0123456789" if luhn_valid(digits + check))


PAN = new_card_number()
CVC = "739"
TOKEN = f"token-{_CHANCE.getrandbits(96):024x}"
CARD = {"number": PAN, "exp_month": 12, "exp_year": 2035, "cvc": CVC}

AUTHORIZE = json.dumps({"card": CARD, "amount": 1000, "currency": "USD"}).encode()
"""A valid authorization of the card."""


def in_script(digits: str, zero: int) -> str:
    """Return the digits in another script, whose zero is this code point."""
    return "".join(chr(zero + int(digit)) for digit in digits)


def grouped(digits: str, between: str) -> str:
    """Return the digits in groups of four."""
    return between.join(digits[at : at + 4] for at in range(0, len(digits), 4))


def assert_unrepeated(answer: Answer, *sent: str) -> None:
    """Fail if the answer holds a mark, or something else that was sent."""
    headers = "\n".join(
        f"{name}: {value}" for name, value in answer.headers.items() if name not in _OF_CHANCE
    )
    text = headers + "\n" + answer.body.decode()
    repeated = [one for one in (PAN, CVC, TOKEN, *sent) if one in text]

    assert repeated == []


def assert_problem(answer: Answer, status: int, code: str) -> None:
    """Fail unless the answer is this problem, whole and in its media type."""
    kind = answer.headers["content-type"]

    assert (answer.status, kind) == (status, "application/problem+json"), answer.body
    assert answer.json["code"] == code
    assert answer.json["status"] == status
    assert {"type", "title", "detail"} <= answer.json.keys()
    assert answer.headers["cache-control"] == "no-store"
