"""Postings: what each transaction moves, and that the books of any history add up."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payments_sandbox.domain.batch import closed, opened, paid
from payments_sandbox.domain.event import Logged
from payments_sandbox.domain.fees import FeeOnRefund
from payments_sandbox.domain.operations import Capture, Operation, Refund
from payments_sandbox.domain.payment import Payment, advance
from payments_sandbox.domain.postings import BookAccount, Posting, postings_of
from payments_sandbox.domain.settlement import Account, Settlement, Totals, line_of, settle
from payments_sandbox.domain.transaction import Transaction
from payments_sandbox.domain.void_capture import VoidCapture
from tests.unit import examples
from tests.unit.examples import (
    AUTH_ID,
    AUTHORIZE,
    CAPTURE,
    CUTOFF,
    DAY,
    DECLINE,
    EXPIRY_AT,
    MERCHANT_ID,
    NOW,
    REFUND,
    SETTINGS,
    SETTLEMENT_ID,
    SOME,
    VOID,
    VOID_CAPTURE,
    after,
)
from tests.unit.stand_ins import SeededIds

NETWORK, PENDING = BookAccount.CARD_NETWORK, BookAccount.MERCHANT_PENDING
AVAILABLE, FEES = BookAccount.MERCHANT_AVAILABLE, BookAccount.FEES
IN_TRANSIT, BANK = BookAccount.IN_TRANSIT, BookAccount.MERCHANT_BANK
RETURNING = replace(SETTINGS, fee_on_refund=FeeOnRefund.RETURNED)
BATCH = Settlement(
    SETTLEMENT_ID, MERCHANT_ID, "USD", date(2026, 3, 1), CUTOFF, date(2026, 3, 3), CUTOFF
)
ACCOUNT = opened(Account(MERCHANT_ID, "USD"), BATCH)
NEXT_DAY = NOW + DAY

Books = Counter[tuple[BookAccount, str]]


def booked(logged: list[Logged]) -> Books:
    """Return what stands in each account, in each currency, after all of it."""
    books = Books()
    for one in logged:
        for posting in postings_of(one):
            assert posting.amount >= 0
            books[posting.source, posting.currency] -= posting.amount
            books[posting.target, posting.currency] += posting.amount
    return books


@pytest.mark.parametrize(
    ("logged", "expected"),
    [
        (examples.opened().transactions[-1], []),
        (examples.opened(DECLINE).transactions[-1], []),
        (after(CAPTURE).transactions[-1], [Posting(NETWORK, PENDING, 1000, "USD")]),
        (after(Capture(AUTH_ID, 1001)).transactions[-1], []),
        (after(SOME, REFUND).transactions[-1], [Posting(PENDING, NETWORK, 300, "USD")]),
        (after(REFUND).transactions[-1], []),
        (after(VOID).transactions[-1], []),
        (after(SOME, VOID).transactions[-1], []),
        (after(CAPTURE, VOID).transactions[-1], []),
        (after(SOME, VOID_CAPTURE).transactions[-1], [Posting(PENDING, NETWORK, 300, "USD")]),
        (after(SOME, VOID_CAPTURE, VOID_CAPTURE).transactions[-1], []),
        (advance(examples.opened().payment, EXPIRY_AT).transactions[-1], []),
    ],
)
def test_what_a_payment_moves(logged: Logged, expected: list[Posting]) -> None:
    """Money moves when it is captured, and back when that is refunded or reversed."""
    assert expected == list(postings_of(logged))


def test_what_a_settlement_moves() -> None:
    """What was captured becomes available, less what was refunded; the fee is taken off."""
    payment = after(SOME, Refund(AUTH_ID, amount=100)).payment
    expected = (Posting(PENDING, AVAILABLE, 200, "USD"), Posting(AVAILABLE, FEES, 39, "USD"))

    assert expected == postings_of(settle(payment, SETTLEMENT_ID, CUTOFF).transactions[0])


def test_what_a_refund_that_is_settled_alone_moves() -> None:
    """It goes back from what was available, and so does the fee that is returned."""
    sold = examples.settled(after(CAPTURE, settings=RETURNING).payment)
    payment = after(REFUND, payment=sold, settings=RETURNING, at=NEXT_DAY).payment
    expected = (Posting(AVAILABLE, PENDING, 1000, "USD"), Posting(FEES, AVAILABLE, 59, "USD"))

    assert expected == postings_of(settle(payment, SETTLEMENT_ID, CUTOFF + DAY).transactions[0])


@pytest.mark.parametrize(
    ("totals", "amount"),
    [(Totals(captures=1, gross=500, fees=60), 440), (Totals(refunds=1, refunded=500), 0)],
)
def test_what_a_batch_moves(totals: Totals, amount: int) -> None:
    """What is paid out goes on its way as the batch closes, and arrives with the payout."""
    closing = closed(BATCH, ACCOUNT, totals)
    payout = paid(closing.settlement, closing.account)

    assert (Posting(AVAILABLE, IN_TRANSIT, amount, "USD"),) == postings_of(closing.transaction)
    assert (Posting(IN_TRANSIT, BANK, amount, "USD"),) == postings_of(payout.transaction)


@dataclass
class History:
    """Payments of a merchant, their log, and its account in each currency, for some days."""

    at: datetime = NOW
    payments: list[Payment] = field(default_factory=list[Payment])
    accounts: dict[str, Account] = field(default_factory=dict[str, Account])
    log: list[Logged] = field(default_factory=list[Logged])
    closed: list[Settlement] = field(default_factory=list[Settlement])
    _ids: SeededIds = field(default_factory=SeededIds)

    def authorize(self, amount: int, currency: str) -> None:
        """Have another payment."""
        operation = replace(AUTHORIZE, amount=amount, currency=currency)
        payment_id = f"auth_{self._ids.core()}"
        change = examples.opened(operation, payment_id=payment_id, at=self.at)
        self.payments.append(change.payment)
        self.log += change.transactions

    def apply(self, which: int, operation: Operation) -> None:
        """Do something to a payment."""
        payment = self.payments[which]
        change = after(operation, payment=payment, settings=RETURNING, at=self.at)
        self.payments[which] = change.payment
        self.log += change.transactions

    def end_of_day(self) -> None:
        """Settle what is due at midnight, close each currency's batch and pay out others."""
        cutoff = self.at.replace(hour=0) + DAY
        for currency in {one.currency for one in self.payments}:
            self._settle(currency, cutoff)
        self.at += DAY

    def _settle(self, currency: str, cutoff: datetime) -> None:
        account = self.accounts.get(currency, Account(MERCHANT_ID, currency))
        for payout in account.in_transit:
            batch = next(one for one in self.closed if one.settlement_id == payout.settlement_id)
            move = paid(batch, account)
            account = move.account
            self.log.append(move.transaction)
        batch = replace(
            BATCH,
            settlement_id=f"stl_{currency}_{cutoff.isoformat()}",
            currency=currency,
            closes_at=cutoff,
            payout_date=cutoff.date() + DAY,
        )
        account, totals = opened(account, batch), Totals()
        for number, payment in enumerate(self.payments):
            due = payment.settles_at
            if payment.currency == currency and due is not None and due <= cutoff:
                change = settle(payment, batch.settlement_id, cutoff)
                self.payments[number] = change.payment
                self.log += change.transactions
                totals = totals.plus(line_of(change.payment, change.transactions[0]).totals)
        move = closed(batch, account, totals)
        self.closed.append(move.settlement)
        self.accounts[currency] = move.account
        self.log.append(move.transaction)


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Draw what happens to some payments within some days."""
    history = History()
    history.authorize(draw(st.integers(1, 2_000)), "USD")
    for kind in draw(st.lists(st.sampled_from("aacccrrrvVee"), max_size=40)):
        which = draw(st.integers(0, len(history.payments) - 1))
        payment_id = history.payments[which].payment_id
        captures = [one.transaction_id for one in history.payments[which].captures]
        match kind:
            case "a":
                history.authorize(
                    draw(st.integers(1, 2_000)), draw(st.sampled_from(["USD", "JPY"]))
                )
            case "c":
                history.apply(which, Capture(payment_id, draw(st.none() | st.integers(1, 999))))
            case "r":
                amount = draw(st.none() | st.integers(1, 999))
                history.apply(which, Refund(payment_id, None, amount))
            case "v":
                history.apply(which, replace(VOID, payment_id=payment_id))
            case "V" if captures:
                history.apply(which, VoidCapture(payment_id, draw(st.sampled_from(captures))))
            case _:
                history.end_of_day()
        history.at += timedelta(minutes=1)
    return history


@settings(deadline=None, derandomize=True, max_examples=120)
@given(histories())
def test_the_books_of_a_history_add_up(history: History) -> None:
    """Whatever happened, each currency sums to zero and each account is what it is made of."""
    books = booked(history.log)
    currencies = {one.currency for one in history.payments}

    for currency in currencies:
        mine = [one for one in history.payments if one.currency == currency]
        account = history.accounts.get(currency, Account(MERCHANT_ID, currency))
        transit = sum(one.amount for one in account.in_transit)

        assert sum(amount for (_, one), amount in books.items() if one == currency) == 0
        assert books[PENDING, currency] == sum(one.unsettled for one in mine)
        assert -books[NETWORK, currency] == sum(one.amounts.refundable for one in mine)
        assert books[AVAILABLE, currency] == account.carried_forward
        assert books[FEES, currency] == account.totals.fees
        assert books[IN_TRANSIT, currency] == transit
        assert books[BANK, currency] == account.paid_out
        settled = [one for one in mine for one in one.captures if one.settled]
        assert account.totals.gross == sum(one.amount for one in settled)
    assert {currency for _, currency in books} <= currencies


@settings(deadline=None, derandomize=True, max_examples=120)
@given(histories())
def test_no_capture_is_in_two_batches(history: History) -> None:
    """Of any history each capture and refund is taken at most once, and after it was made."""
    items = [
        (item.transaction_id, one.created_at >= item.created_at)
        for one in history.log
        if isinstance(one, Transaction) and one.settlement is not None
        for item in one.settlement.items
    ]

    assert len(items) == len(dict(items))
    assert all(later for _, later in items)
