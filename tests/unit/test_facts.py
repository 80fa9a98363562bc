"""Facts are added, never edited: what the rules return cannot be changed afterwards."""

from dataclasses import FrozenInstanceError, fields

import pytest

from tests.unit.examples import (
    AUTHORIZE,
    CAPTURE,
    MERCHANT,
    REFUND,
    STATES,
    VISA,
    VOID,
    after,
    opened,
)

PAYMENT = STATES["partially refunded"]
DETAILS = opened().transactions[0].authorization
assert DETAILS is not None
REFUNDED = after(REFUND, payment=STATES["captured"]).transactions[0]


@pytest.mark.parametrize(
    "fact",
    [
        PAYMENT,
        PAYMENT.amounts,
        PAYMENT.captures[0],
        PAYMENT.card,
        REFUNDED,
        DETAILS,
        DETAILS.simulation,
        REFUNDED.allocations[0],
        MERCHANT,
        MERCHANT.settings,
        VISA,
        AUTHORIZE,
        CAPTURE,
        REFUND,
        VOID,
    ],
    ids=lambda fact: type(fact).__name__,
)
def test_cannot_be_edited(fact: object) -> None:
    """No field of a payment, a transaction, an operation or what they are made of can be set."""
    for field in fields(fact):  # type: ignore[arg-type]
        with pytest.raises(FrozenInstanceError):
            setattr(fact, field.name, None)
