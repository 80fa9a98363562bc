"""Every transaction is an event, under a name that says what happened and how it ended."""

from dataclasses import replace
from itertools import product

import pytest

from payments_sandbox.domain.event import EventType, event_type_of
from payments_sandbox.domain.operations import Capture
from payments_sandbox.domain.payment import advance
from payments_sandbox.domain.transaction import Transaction, TransactionStatus, TransactionType
from tests.unit.examples import (
    AUTH_ID,
    CAPTURE,
    DECLINE,
    EXPIRY_AT,
    REFUND,
    VOID,
    after,
    opened,
)

EVENTS: dict[str, Transaction] = {
    "payment_authorized": opened().transactions[-1],
    "payment_declined": opened(DECLINE).transactions[-1],
    "payment_captured": after(CAPTURE).transactions[-1],
    "payment_capture_failed": after(Capture(AUTH_ID, 1001)).transactions[-1],
    "payment_refunded": after(CAPTURE, REFUND).transactions[-1],
    "payment_refund_failed": after(REFUND).transactions[-1],
    "payment_voided": after(VOID).transactions[-1],
    "payment_void_failed": after(CAPTURE, VOID).transactions[-1],
    "authorization_expired": advance(opened().payment, EXPIRY_AT).transactions[-1],
}


@pytest.mark.parametrize("name", EVENTS)
def test_what_happened_has_its_name(name: str) -> None:
    """A transaction's event is named after it; a failure never bears a success's name."""
    assert name == event_type_of(EVENTS[name])


def test_every_name_is_in_use() -> None:
    """The names above are all there are."""
    assert list(EVENTS) == list(EventType)


def test_each_type_and_status_has_a_name_of_its_own() -> None:
    """What can happen and how it can end is told apart; nothing else has a name."""
    expected = {(one.type, one.status) for one in EVENTS.values()}
    named = dict[tuple[TransactionType, TransactionStatus], EventType]()
    for kind, status in product(TransactionType, TransactionStatus):
        try:
            named[kind, status] = event_type_of(
                replace(EVENTS["payment_captured"], type=kind, status=status)
            )
        except KeyError:
            continue

    assert expected == named.keys()
    assert len(named) == len(set(named.values()))
