"""The sweep: expiry, settlement, closing and payout, each at its time and once."""

from dataclasses import replace
from datetime import date, time, timedelta

from payments_sandbox.domain.calendar import SettlementDays
from payments_sandbox.domain.operations import Capture
from payments_sandbox.domain.payment import Status
from payments_sandbox.domain.settlement import BatchState, Totals
from payments_sandbox.domain.void_capture import VoidCapture
from tests.unit.examples import (
    AUTHORIZE,
    CUTOFF,
    DAY,
    EXPIRY_AT,
    MERCHANT_ID,
    MILLISECOND,
    NOW,
    OTHER_ID,
    SETTINGS,
)
from tests.unit.ledgers import set_to
from tests.unit.requests import request
from tests.unit.shop import Shop, names_of

PAYOUT_AT = CUTOFF + DAY
SECOND = timedelta(seconds=1)
SETTLED, CLOSED, PAID = "transaction_settled", "settlement_closed", "settlement_paid"
EXPIRED = "authorization_expired"


async def test_a_day(shop: Shop) -> None:
    """What is captured on a day is settled at its cut-off, and paid out a day after."""
    sale = await shop.sell(1000)
    await shop.refund(sale, 100)

    progress = await shop.run(PAYOUT_AT)

    (batch,) = await shop.batches()
    assert names_of(progress.happened) == [SETTLED, CLOSED, PAID]
    assert [one.created_at for one in progress.happened] == [CUTOFF, CUTOFF, PAYOUT_AT]
    assert (batch.business_day, batch.closes_at) == (date(2026, 3, 1), CUTOFF)
    assert (batch.payout_date, batch.created_at) == (PAYOUT_AT.date(), CUTOFF)
    assert (batch.closed_at, batch.paid_at, batch.version) == (CUTOFF, PAYOUT_AT, 2)
    assert Totals(1, 1, 1000, 100, 59) == batch.totals
    assert (batch.state, batch.payout, batch.expires_at) == (BatchState.PAID, 841, None)
    assert (await shop.account()).paid_out == 841


async def test_nothing_is_due_yet(shop: Shop) -> None:
    """Until the last millisecond before the cut-off nothing happens."""
    await shop.sell()
    before = await shop.log()

    progress = await shop.run(CUTOFF - MILLISECOND)

    assert (progress.complete, progress.reached) == (True, CUTOFF - MILLISECOND)
    assert (progress.happened, progress.counts) == ([], {})
    assert (await shop.batches(), await shop.log()) == ([], before)


async def test_up_to_the_cutoff(shop: Shop) -> None:
    """At the cut-off the batch is settled and closed, and its payout is on its way."""
    sale = await shop.sell()

    progress = await shop.run(CUTOFF)

    assert names_of(progress.happened) == [SETTLED, CLOSED]
    assert (await shop.payment(sale)).amounts.settled == 1000
    assert [one.state for one in await shop.batches()] == [BatchState.CLOSED]
    assert (await shop.account()).due_at == PAYOUT_AT


async def test_a_batch_for_each_currency(shop: Shop) -> None:
    """Each currency has its own batch, account and payout."""
    for amount, currency in [(1000, "USD"), (500, "JPY"), (2000, "USD"), (700, "EUR")]:
        await shop.sell(amount, currency)

    await shop.run(PAYOUT_AT)

    batches = await shop.batches()
    assert [(one.currency, one.totals.gross) for one in batches] == [
        ("EUR", 700),
        ("JPY", 500),
        ("USD", 3000),
    ]
    assert len({one.settlement_id for one in batches}) == len(batches)
    assert [(await shop.account(one.currency)).paid_out for one in batches] == [650, 455, 2853]


async def test_each_merchant_for_itself(shop: Shop) -> None:
    """A run touches no other merchant's payments."""
    await shop.sell()
    other = await shop.payments.authorize(
        AUTHORIZE, request("authorize", "other", merchant_id=OTHER_ID)
    )

    await shop.run(NOW + 30 * DAY)

    theirs = await shop.ledger.payment(OTHER_ID, other.transaction.payment_id)
    assert theirs.status is Status.AUTHORIZED
    assert await shop.settlements.accounts(OTHER_ID) == []


async def test_expiry(shop: Shop) -> None:
    """What nobody captures expires by itself, the rest of what is captured in part too."""
    whole = await shop.authorize()
    part = await shop.authorize()
    await shop.execute(Capture(part, 300))
    await shop.run(PAYOUT_AT)

    progress = await shop.run(EXPIRY_AT)

    assert names_of(progress.happened) == [EXPIRED, EXPIRED]
    for payment_id, released in [(whole, 1000), (part, 700)]:
        payment = await shop.ledger.payment(MERCHANT_ID, payment_id)
        assert (payment.amounts.released, payment.due_at) == (released, None)
        assert payment.updated_at == EXPIRY_AT


async def test_expiry_and_settlement_at_once(shop: Shop) -> None:
    """Where both are due at one moment the expiry comes first, and both are one write."""
    shop.clock.at = CUTOFF
    payment_id = await shop.authorize()
    shop.clock.at = CUTOFF + 7 * DAY - MILLISECOND
    await shop.execute(Capture(payment_id, 300))

    progress = await shop.run(CUTOFF + 7 * DAY)

    assert names_of(progress.happened) == [EXPIRED, SETTLED, CLOSED]
    assert {one.created_at for one in progress.happened} == {CUTOFF + 7 * DAY}


async def test_a_voided_capture_is_in_no_batch(shop: Shop) -> None:
    """What was reversed before the cut-off is not settled; what was not is, and stays so."""
    voided, kept = await shop.sell(), await shop.sell(500)
    await shop.execute(VoidCapture(voided.payment_id, voided.transaction_id))
    await shop.run(CUTOFF)
    shop.clock.at = CUTOFF

    refused = await shop.execute(VoidCapture(kept.payment_id, kept.transaction_id))

    assert [one for _, one in await shop.taken()] == [kept.transaction_id]
    assert refused.error_code == "already_settled"


async def test_the_merchants_own_day(shop: Shop) -> None:
    """Cut-off, weekend and holidays are the merchant's; a batch of Friday is paid on Tuesday."""
    settings = replace(
        SETTINGS,
        settlement_cutoff=time(17),
        settlement_days=SettlementDays.WEEKDAYS,
        settlement_holidays=(date(2026, 3, 9),),
    )
    await set_to(shop.merchants, MERCHANT_ID, settings)
    shop.clock.at = friday = NOW + 5 * DAY
    await shop.sell()

    progress = await shop.run(friday + 30 * DAY)

    (batch,) = await shop.batches()
    assert [one.created_at for one in progress.happened] == [
        friday.replace(hour=17),
        friday.replace(hour=17),
        (friday + 4 * DAY).replace(hour=0),
    ]
    assert (batch.business_day, batch.payout_date) == (date(2026, 3, 6), date(2026, 3, 10))


async def test_how_long_a_batch_is_kept(shop: Shop) -> None:
    """Where payments are kept for some days, batches are for a hundred more."""
    await set_to(shop.merchants, MERCHANT_ID, replace(SETTINGS, retention_days=30))
    shop.clock.at = NOW + MILLISECOND
    await shop.sell()

    await shop.run(CUTOFF)

    (batch,) = await shop.batches()
    assert batch.expires_at == NOW + 130 * DAY
