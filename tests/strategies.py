"""Values to try the sandbox with: small amounts that collide, cards that decline, odd texts."""

from datetime import timedelta

from hypothesis import strategies as st

from payments_sandbox.domain.card import BRANDS, PresentedCard, luhn_valid
from payments_sandbox.domain.issuer import Simulate
from payments_sandbox.domain.operations import Authorize

APPROVING = ("4242424242424242", "5555555555554444", "378282246310005")
DECLINING = {"4000000000000002": "05", "4000000000009995": "51"}
CURRENCIES = ("USD", "EUR")
EIGHTHS = 8
DAY, MILLISECOND = timedelta(days=1), timedelta(milliseconds=1)

# Small, so that sums meet their limits to the unit.
amounts = st.integers(1, 80)
# How much of what is left: nothing said, some eighths of it, all (8), or one more (9).
portions = st.sampled_from([None, 1, 3, 5, 8, 9, 9])
references = st.none() | st.sampled_from(["order 1", "order 2"])
currencies = st.sampled_from(CURRENCIES)
# Mostly left out, sometimes right, sometimes wrong.
maybe_currencies = st.sampled_from([None, None, None, None, None, *CURRENCIES])
seldom = st.sampled_from([*[False] * 9, True])
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)

cards = st.builds(
    PresentedCard,
    number=st.sampled_from([*APPROVING * 4, *DECLINING]),
    exp_month=st.integers(1, 12),
    exp_year=st.just(2050),
    cvc=st.none(),
)
spans = st.sampled_from([MILLISECOND, timedelta(hours=1), DAY - MILLISECOND, DAY])


def part_of(left: int, portion: int | None) -> int | None:
    """Return the amount that a portion stands for, at least 1."""
    if portion is None:
        return None
    return left + 1 if portion > EIGHTHS else max(1, left * portion // EIGHTHS)


@st.composite
def simulations(draw: st.DrawFn, amount: int) -> Simulate | None:
    """Draw what a request simulates: mostly nothing, a code, or a part of the amount."""
    code = draw(st.sampled_from([*[None] * 12, "00", "05", "10", "10"]))
    if code is None:
        return None
    if code != "10":
        return Simulate(code)
    return Simulate(code, draw(st.integers(1, amount - 1))) if amount > 1 else None


@st.composite
def authorizations(draw: st.DrawFn) -> Authorize:
    """Draw an authorization, approved, declined or approved in part."""
    amount = draw(amounts)
    return Authorize(
        card=draw(cards),
        amount=amount,
        currency=draw(currencies),
        reference=draw(references),
        metadata=draw(st.dictionaries(texts, texts, max_size=2)),
        partial_approval=draw(st.booleans()),
        simulate=draw(simulations(amount)),
    )


@st.composite
def card_numbers(draw: st.DrawFn) -> str:
    """Draw a Luhn-valid number in a scheme's range and of that scheme's length."""
    brand = draw(st.sampled_from(BRANDS))
    _, first, last = draw(st.sampled_from(brand.ranges))
    length = draw(st.sampled_from(sorted(brand.lengths)))
    prefix = str(draw(st.integers(first, last)))
    middle = length - len(prefix) - 1
    body = prefix + draw(st.text("0123456789", min_size=middle, max_size=middle))
    return next(body + digit for digit in "0123456789" if luhn_valid(body + digit))
