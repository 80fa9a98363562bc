"""Settlement: what a cut-off takes of a payment, and its line in a batch."""

from dataclasses import replace
from datetime import date, time, timedelta

import pytest

from payments_sandbox.domain.fees import FeeOnRefund
from payments_sandbox.domain.merchant import Settings
from payments_sandbox.domain.operations import Capture, Refund
from payments_sandbox.domain.payment import TRANSACTIONS_MAX, Status
from payments_sandbox.domain.settlement import (
    Line,
    Totals,
    line_of,
    settle,
)
from payments_sandbox.domain.transaction import (
    SettledItem,
    SettlementDetails,
    TransactionStatus,
    TransactionType,
)
from tests.unit.examples import (
    AUTH_ID,
    CAPTURE,
    CARD_ID,
    CORE,
    CUTOFF,
    DAY,
    FIRST_CAPTURE,
    NOW,
    REFUND,
    SETTINGS,
    SETTLEMENT_ID,
    SOME,
    VOID_CAPTURE,
    after,
    settled,
)

CAPTURED, REFUNDED = TransactionType.CAPTURE, TransactionType.REFUND
NEXT_DAY = NOW + DAY
RETURNING = replace(SETTINGS, fee_on_refund=FeeOnRefund.RETURNED)


def test_a_capture() -> None:
    """A batch takes a capture with its fee; the transaction says what, and what is left of it."""
    payment = after(CAPTURE).payment
    item = SettledItem(FIRST_CAPTURE, CAPTURED, 1000, 59, NOW)

    taken, (settlement,) = settle(payment, SETTLEMENT_ID, CUTOFF)

    assert SettlementDetails(SETTLEMENT_ID, (item,)) == settlement.settlement
    assert f"set_{CORE}_3" == settlement.transaction_id
    assert (settlement.type, settlement.status) == (
        TransactionType.SETTLEMENT,
        TransactionStatus.COMPLETED,
    )
    assert (settlement.amount, settlement.created_at) == (941, CUTOFF)
    assert taken == replace(
        payment,
        version=3,
        updated_at=CUTOFF,
        amounts=replace(payment.amounts, settled=1000),
        captures=(replace(payment.captures[0], settled=True),),
    )
    assert settlement.after == taken.amounts
    assert (taken.status, taken.due_at, taken.unsettled) == (Status.CAPTURED, None, 0)


def test_exactly_what_the_cutoff_takes() -> None:
    """What is captured or refunded after a cut-off waits for the next."""
    first = after(SOME, Refund(AUTH_ID, amount=100)).payment
    payment = after(Capture(AUTH_ID, 200), Refund(AUTH_ID, amount=50), payment=first, at=NEXT_DAY)
    before = payment.payment

    taken, (settlement,) = settle(before, SETTLEMENT_ID, CUTOFF)

    details = settlement.settlement
    assert details is not None
    assert [(one.type, one.amount) for one in details.items] == [(CAPTURED, 300), (REFUNDED, 100)]
    assert (details.gross, details.refunds, details.fees, details.net) == (300, 100, 39, 161)
    assert [one.settled for one in taken.captures] == [True, False]
    assert [one.amount for one in taken.refunds] == [50]
    assert (before.unsettled, taken.unsettled) == (350, 150)
    assert (taken.settles_at, taken.due_at) == (CUTOFF + DAY, CUTOFF + DAY)
    assert settlement.created_at == NEXT_DAY


def test_a_late_cutoff_takes_more() -> None:
    """A run that comes a day late takes both days at once, and nothing is left."""
    first = after(SOME).payment
    payment = after(Capture(AUTH_ID, 700), Refund(AUTH_ID), payment=first, at=NEXT_DAY).payment

    taken, (settlement,) = settle(payment, SETTLEMENT_ID, CUTOFF + DAY)

    assert settlement.settlement is not None
    assert [one.amount for one in settlement.settlement.items] == [300, 700, 1000]
    assert (taken.unsettled, taken.settles_at, taken.amounts.settled) == (0, None, 1000)


def test_each_capture_once() -> None:
    """What one batch has taken the next does not."""
    first = settled(after(SOME).payment)
    payment = after(Capture(AUTH_ID, 200), payment=first, at=NEXT_DAY).payment

    taken, (settlement,) = settle(payment, "stl_next", CUTOFF + DAY)

    assert settlement.settlement is not None
    assert [one.amount for one in settlement.settlement.items] == [200]
    assert taken.amounts.settled == 500


def test_a_voided_capture_is_not_taken() -> None:
    """What was reversed before its cut-off is in no batch."""
    payment = after(SOME, Capture(AUTH_ID, 200), VOID_CAPTURE).payment

    taken, (settlement,) = settle(payment, SETTLEMENT_ID, CUTOFF)

    assert settlement.settlement is not None
    assert [one.amount for one in settlement.settlement.items] == [200]
    assert [one.settled for one in taken.captures] == [False, True]
    assert taken.settles_at is None


@pytest.mark.parametrize(
    ("settings", "fees", "net"), [(SETTINGS, 0, -1000), (RETURNING, -59, -941)]
)
def test_a_refund_after_settlement(settings: Settings, fees: int, net: int) -> None:
    """It is taken by the next batch, which may fall below zero; the fee comes back if chosen."""
    paid_before = settled(after(CAPTURE, settings=settings).payment)
    payment = after(REFUND, payment=paid_before, settings=settings, at=NEXT_DAY).payment
    assert (payment.unsettled, payment.due_at) == (-1000, CUTOFF + DAY)

    taken, (settlement,) = settle(payment, SETTLEMENT_ID, CUTOFF + DAY)

    assert settlement.settlement is not None
    assert (settlement.settlement.fees, settlement.amount) == (fees, net)
    assert (taken.refunds, taken.unsettled, taken.status) == ((), 0, Status.REFUNDED)
    assert taken.amounts.settled == 1000


def test_a_refund_is_not_settled_before_its_capture() -> None:
    """A merchant who moves the cut-off forward does not have the refund overtake its capture."""
    captured = after(CAPTURE).payment
    sooner = replace(SETTINGS, settlement_cutoff=time(18))
    at = NOW + timedelta(hours=1)
    assert sooner.calendar.settles_at(at) < CUTOFF

    payment = after(REFUND, payment=captured, settings=sooner, at=at).payment

    assert [one.settles_at for one in payment.refunds] == [CUTOFF]


def test_a_refund_of_several_waits_for_the_last() -> None:
    """A refund out of two captures is settled with the later of them."""
    holiday = replace(SETTINGS, settlement_holidays=(date(2026, 3, 1),))
    payment = after(SOME).payment
    payment = after(Capture(AUTH_ID, 200), payment=payment, settings=holiday).payment
    one, both = Refund(AUTH_ID, amount=300), Refund(AUTH_ID, amount=301)

    first = after(one, payment=payment).payment
    second = after(both, payment=payment).payment

    assert [each.settles_at for each in first.refunds] == [CUTOFF]
    assert [each.settles_at for each in second.refunds] == [CUTOFF + DAY]


def test_what_refunds_give_back_of_the_fee() -> None:
    """Refunds of parts give back, in sum and to the unit, what the fee was."""
    payment = after(CAPTURE, settings=RETURNING).payment
    parts = [Refund(AUTH_ID, amount=one) for one in (1, 333, 333, 332, 1)]

    payment = after(*parts, payment=payment, settings=RETURNING).payment

    assert [one.fee_returned for one in payment.refunds] == [0, 20, 19, 20, 0]
    assert payment.captures[0].fee == sum(one.fee_returned for one in payment.refunds)


def test_a_full_payment_is_settled() -> None:
    """There is always room for a settlement."""
    full = replace(after(CAPTURE).payment, version=TRANSACTIONS_MAX)

    assert settle(full, SETTLEMENT_ID, CUTOFF).transactions[0].seq == TRANSACTIONS_MAX + 1


def test_never_before_what_the_payment_has_gone_through() -> None:
    """On a payment that was used after the cut-off, it is dated after that."""
    payment = after(Refund(AUTH_ID, amount=1), payment=after(CAPTURE).payment, at=NEXT_DAY).payment

    assert settle(payment, SETTLEMENT_ID, CUTOFF).transactions[0].created_at == NEXT_DAY


def test_a_line() -> None:
    """A line says what the batch took of a payment, and adds up."""
    change = settle(after(SOME, Refund(AUTH_ID, amount=100)).payment, SETTLEMENT_ID, CUTOFF)

    line = line_of(change.payment, change.transactions[0])

    assert isinstance(line, Line)
    assert (line.settlement_id, line.payment_id, line.seq) == (SETTLEMENT_ID, AUTH_ID, 4)
    assert (line.transaction_id, line.reference) == (f"set_{CORE}_4", None)
    assert line.card.card_id == CARD_ID
    assert Totals(1, 1, 300, 100, 39) == line.totals
    assert [one.net for one in line.items] == [261, -100]
