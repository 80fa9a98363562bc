"""What happens to a settlement batch and its account: opened, closed, paid out."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from payments_sandbox.domain.identifiers import batch_transaction_id_of, settlement_id_of
from payments_sandbox.domain.merchant import Merchant
from payments_sandbox.domain.settlement import (
    Account,
    BatchState,
    BatchTransaction,
    BatchTransactionType,
    Payout,
    Settlement,
    Totals,
)

BATCH_KEPT_LONGER = timedelta(days=100)
"""A batch outlives its payments: it may still have to close and be paid out."""


class Move(NamedTuple):
    """A batch and its account after a step, and the transaction that says so."""

    settlement: Settlement
    account: Account
    transaction: BatchTransaction


def new_batch(
    merchant: Merchant, account: Account, cutoff: datetime, real_at: datetime
) -> Settlement:
    """Return the batch of a cut-off, or of the business day after the last one there was."""
    calendar, kept_days = merchant.settings.calendar, merchant.settings.retention_days
    day, closes_at = calendar.day_ending_at(cutoff), cutoff
    if account.last_day is not None and day <= account.last_day:
        day = calendar.day_after(account.last_day)
        closes_at = calendar.cutoff_of(day)
    named = (merchant.merchant_id, str(merchant.resets), account.currency, day.isoformat())
    expires_at = None
    if kept_days is not None:
        expires_at = real_at.replace(microsecond=0) + timedelta(days=kept_days) + BATCH_KEPT_LONGER
    return Settlement(
        settlement_id=settlement_id_of(closes_at, *named),
        merchant_id=merchant.merchant_id,
        currency=account.currency,
        business_day=day,
        closes_at=closes_at,
        payout_date=calendar.payout_date(closes_at),
        created_at=cutoff,
        expires_at=expires_at,
    )


def opened(account: Account, settlement: Settlement) -> Account:
    """Return the account with a new batch that takes what is settled from now on."""
    return _moved(
        account,
        batch_id=settlement.settlement_id,
        closes_at=settlement.closes_at,
        last_day=settlement.business_day,
    )


def closed(settlement: Settlement, account: Account, totals: Totals) -> Move:
    """Close a batch that takes no more, with what its lines add up to."""
    at = settlement.closes_at
    after = replace(
        settlement,
        state=BatchState.CLOSED,
        version=settlement.version + 1,
        totals=totals,
        brought_forward=account.carried_forward,
        closed_at=at,
    )
    payout = Payout(settlement.settlement_id, after.payout, after.payout_at)
    account = _moved(
        account,
        batch_id=None,
        closes_at=None,
        carried_forward=after.carried_forward,
        in_transit=(*account.in_transit, payout) if payout.amount else account.in_transit,
        totals=account.totals.plus(totals),
    )
    return Move(after, account, _batch_transaction(after, BatchTransactionType.CLOSING, at))


def paid(settlement: Settlement, account: Account) -> Move:
    """Pay a closed batch out."""
    at = settlement.payout_at
    after = replace(settlement, state=BatchState.PAID, version=settlement.version + 1, paid_at=at)
    account = _moved(
        account,
        in_transit=tuple(
            one for one in account.in_transit if one.settlement_id != settlement.settlement_id
        ),
        paid_out=account.paid_out + settlement.payout,
    )
    return Move(after, account, _batch_transaction(after, BatchTransactionType.PAYOUT, at))


def _batch_transaction(
    settlement: Settlement, kind: BatchTransactionType, at: datetime
) -> BatchTransaction:
    seq = settlement.version
    return BatchTransaction(
        batch_transaction_id_of(settlement.settlement_id, seq), seq, kind, at, settlement
    )


def _moved(account: Account, **changes: object) -> Account:
    return replace(account, **{"version": account.version + 1} | changes)  # pyright: ignore[reportArgumentType]
