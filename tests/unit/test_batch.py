"""Settlement batches and their accounts, from the first line to the payout."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from payments_sandbox.domain.batch import closed, opened, paid
from payments_sandbox.domain.settlement import (
    Account,
    BatchState,
    BatchTransactionType,
    Payout,
    Settlement,
    Totals,
)
from tests.unit.examples import (
    CUTOFF,
    DAY,
    MERCHANT_ID,
    NOW,
    SETTLEMENT_ID,
)

SALES = Totals(captures=2, gross=1_000, fees=60)
REFUNDS = Totals(refunds=1, refunded=700)
BATCH = Settlement(
    SETTLEMENT_ID, MERCHANT_ID, "USD", date(2026, 3, 1), CUTOFF, date(2026, 3, 3), CUTOFF
)
ACCOUNT = Account(MERCHANT_ID, "USD")


def numbered(number: int) -> Settlement:
    """Return an open batch of a day of its own."""
    return replace(
        BATCH,
        settlement_id=f"stl_{number}",
        business_day=BATCH.business_day + number * DAY,
        closes_at=CUTOFF + number * DAY,
        payout_date=BATCH.payout_date + number * DAY,
    )


def test_totals() -> None:
    """Totals add up field by field; net is what is left."""
    some, more = Totals(1, 2, 300, 40, 5), Totals(10, 20, 3000, 400, 50)

    assert Totals(11, 22, 3300, 440, 55) == some.plus(more) == more.plus(some)
    assert some == some.plus(Totals())
    assert (some.net, Totals().net) == (255, 0)


def test_a_batch_that_pays() -> None:
    """A batch that closes is on its way to the merchant, and paid out on its date."""
    account = opened(ACCOUNT, BATCH)
    assert account == Account(MERCHANT_ID, "USD", 1, SETTLEMENT_ID, CUTOFF, BATCH.business_day)

    closing = closed(BATCH, account, SALES)
    payout = paid(closing.settlement, closing.account)

    payout_at = datetime(2026, 3, 3, tzinfo=UTC)
    assert closing.settlement == replace(
        BATCH, state=BatchState.CLOSED, version=1, totals=SALES, closed_at=CUTOFF
    )
    assert closing.account == Account(
        MERCHANT_ID,
        "USD",
        2,
        last_day=BATCH.business_day,
        in_transit=(Payout(SETTLEMENT_ID, 940, payout_at),),
        totals=SALES,
    )
    assert (closing.transaction.seq, closing.transaction.created_at) == (1, CUTOFF)
    assert closing.transaction.type is BatchTransactionType.CLOSING
    assert payout.settlement == replace(
        closing.settlement, state=BatchState.PAID, version=2, paid_at=payout_at
    )
    assert payout.account == replace(closing.account, version=3, in_transit=(), paid_out=940)
    assert (payout.transaction.seq, payout.transaction.created_at) == (2, payout_at)
    assert payout.transaction.type is BatchTransactionType.PAYOUT


@pytest.mark.parametrize("seq", [1, 2])
def test_what_happens_to_a_batch_stands_in_its_log(seq: int) -> None:
    """A batch's transactions are numbered, and tell the batch and its merchant."""
    closing = closed(BATCH, opened(ACCOUNT, BATCH), SALES)
    move = closing if seq == 1 else paid(closing.settlement, closing.account)

    assert f"{SETTLEMENT_ID}_{seq}" == move.transaction.transaction_id
    assert (move.transaction.subject_id, move.transaction.merchant_id) == (
        SETTLEMENT_ID,
        MERCHANT_ID,
    )
    assert move.transaction.settlement == move.settlement


@pytest.mark.parametrize(
    "totals", [Totals(), Totals(captures=1, gross=30, fees=30), REFUNDS], ids=["empty", "0", "less"]
)
def test_nothing_to_pay_out(totals: Totals) -> None:
    """A batch without anything left stays closed: no payout is on its way."""
    closing = closed(BATCH, opened(ACCOUNT, BATCH), totals)

    assert closing.settlement.payout == 0
    assert (closing.account.in_transit, closing.account.due_at) == ((), None)
    assert closing.settlement.state is BatchState.CLOSED
    assert totals.net == closing.account.carried_forward == closing.settlement.carried_forward


def test_carried_forward_until_it_is_made_up() -> None:
    """What a batch leaves below zero is taken off the next ones, until nothing of it is left."""
    account, batches = ACCOUNT, list[Settlement]()
    for number, totals in enumerate(
        [REFUNDS, Totals(captures=1, gross=300), Totals(refunds=1, refunded=50), SALES, SALES]
    ):
        batch = numbered(number)
        closing = closed(batch, opened(account, batch), totals)
        account = closing.account
        batches.append(closing.settlement)

    assert [one.brought_forward for one in batches] == [0, -700, -400, -450, 0]
    assert [one.carried_forward for one in batches] == [-700, -400, -450, 0, 0]
    assert [one.payout for one in batches] == [0, 0, 0, 490, 940]
    assert [one.amount for one in account.in_transit] == [490, 940]
    assert (account.totals.gross, account.totals.refunded) == (2300, 750)
    assert account.totals.net == sum(one.payout for one in batches)


def test_payouts_of_several_batches() -> None:
    """A payout takes its own batch out of what is in transit, and leaves the others."""
    account, closings = ACCOUNT, list[Settlement]()
    for number in range(3):
        closing = closed(numbered(number), opened(account, numbered(number)), SALES)
        account = closing.account
        closings.append(closing.settlement)

    account = paid(closings[1], account).account

    assert [one.settlement_id for one in account.in_transit] == ["stl_0", "stl_2"]
    assert account.paid_out == 940


def test_when_an_account_is_due() -> None:
    """The earliest of its closing and its payouts; never, while it has neither."""
    payouts = tuple(Payout("stl_x", 1, CUTOFF + days * DAY) for days in (2, 1))

    assert ACCOUNT.due_at is None
    assert opened(ACCOUNT, BATCH).due_at == CUTOFF
    assert replace(ACCOUNT, in_transit=payouts).due_at == CUTOFF + DAY
    assert replace(ACCOUNT, in_transit=payouts, closes_at=CUTOFF).due_at == CUTOFF
    assert replace(ACCOUNT, in_transit=payouts, closes_at=NOW + 9 * DAY).due_at == CUTOFF + DAY


def test_a_payout_is_at_the_beginning_of_its_day() -> None:
    """Money leaves at midnight, in UTC."""
    assert BATCH.payout_at == datetime(2026, 3, 3, tzinfo=UTC)
