"""Every transaction is an event, under a name that says what happened and how it ended."""

from dataclasses import replace
from datetime import date
from itertools import product

import pytest

from payments_sandbox.domain.batch import closed, paid
from payments_sandbox.domain.event import EventType, Logged, event_type_of
from payments_sandbox.domain.operations import Capture
from payments_sandbox.domain.payment import advance
from payments_sandbox.domain.settlement import (
    Account,
    BatchTransactionType,
    Settlement,
    Totals,
    settle,
)
from payments_sandbox.domain.transaction import Transaction, TransactionStatus, TransactionType
from tests.unit.examples import (
    AUTH_ID,
    CAPTURE,
    CUTOFF,
    DECLINE,
    EXPIRY_AT,
    MERCHANT_ID,
    REFUND,
    SETTLEMENT_ID,
    VOID,
    VOID_CAPTURE,
    after,
    opened,
)

BATCH = Settlement(
    SETTLEMENT_ID, MERCHANT_ID, "USD", date(2026, 3, 1), CUTOFF, date(2026, 3, 3), CUTOFF
)
CAPTURED = after(CAPTURE).payment
CLOSING = closed(BATCH, Account(MERCHANT_ID, "USD"), Totals(captures=1, gross=1000))
EVENTS: dict[str, Logged] = {
    "payment_authorized": opened().transactions[-1],
    "payment_declined": opened(DECLINE).transactions[-1],
    "payment_captured": after(CAPTURE).transactions[-1],
    "payment_capture_failed": after(Capture(AUTH_ID, 1001)).transactions[-1],
    "payment_refunded": after(CAPTURE, REFUND).transactions[-1],
    "payment_refund_failed": after(REFUND).transactions[-1],
    "payment_voided": after(VOID).transactions[-1],
    "payment_void_failed": after(CAPTURE, VOID).transactions[-1],
    "authorization_expired": advance(opened().payment, EXPIRY_AT).transactions[-1],
    "transaction_settled": settle(CAPTURED, SETTLEMENT_ID, CUTOFF).transactions[-1],
    "settlement_closed": CLOSING.transaction,
    "settlement_paid": paid(CLOSING.settlement, CLOSING.account).transaction,
}


@pytest.mark.parametrize("name", EVENTS)
def test_what_happened_has_its_name(name: str) -> None:
    """A transaction's event is named after it; a failure never bears a success's name."""
    assert name == event_type_of(EVENTS[name])


def test_every_name_is_in_use() -> None:
    """The names above are all there are."""
    assert list(EVENTS) == list(EventType)


def test_a_voided_capture_is_a_void() -> None:
    """To reverse a capture is to void, done or refused."""
    voided, again = after(CAPTURE, VOID_CAPTURE, VOID_CAPTURE).transactions[1:]

    assert event_type_of(voided) == "payment_voided"
    assert event_type_of(again) == "payment_void_failed"


def test_what_happens_to_a_batch_has_a_name_of_its_own() -> None:
    """Everything that can happen to a batch is told apart."""
    names = [event_type_of(replace(CLOSING.transaction, type=one)) for one in BatchTransactionType]

    assert names == ["settlement_closed", "settlement_paid"]


def test_each_type_and_status_has_a_name_of_its_own() -> None:
    """What can happen and how it can end is told apart; nothing else has a name."""
    transactions = [one for one in EVENTS.values() if isinstance(one, Transaction)]
    expected = {(one.type, one.status) for one in transactions}
    named = dict[tuple[TransactionType, TransactionStatus], EventType]()
    for kind, status in product(TransactionType, TransactionStatus):
        try:
            named[kind, status] = event_type_of(replace(transactions[0], type=kind, status=status))
        except KeyError:
            continue

    assert expected == named.keys()
    assert len(named) == len(set(named.values()))
