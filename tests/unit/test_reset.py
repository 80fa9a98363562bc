"""Reset: a merchant's data go and its clock is set back; nothing of before is met again."""

from dataclasses import replace
from datetime import timedelta

import pytest

from payments_sandbox.domain.errors import NotFound
from payments_sandbox.services.clocks import Clocks
from payments_sandbox.services.reset import Reset
from tests.unit.examples import (
    AUTHORIZE,
    CUTOFF,
    DAY,
    MERCHANT_ID,
    NOW,
    OTHER_ID,
    SETTINGS,
)
from tests.unit.ledgers import set_to
from tests.unit.requests import request
from tests.unit.shop import Shop
from tests.unit.stand_ins import SlowClock
from tests.unit.webhooks import DELIVERY, ENDPOINT, Webhooks

PAYOUT_AT = CUTOFF + DAY


@pytest.fixture
def reset(shop: Shop) -> Reset:
    """Return the use case under test."""
    return Reset(shop.ledger, shop.merchants, shop.clock)


async def test_all_is_gone(reset: Reset, shop: Shop) -> None:
    """Payments, events, batches, accounts and balances are gone, and the clock is real time."""
    sale = await shop.sell()
    await shop.sell(500, "EUR")
    clocks = Clocks(shop.merchants, shop.sweep, shop.clock)
    await clocks.advance_to(MERCHANT_ID, PAYOUT_AT)
    await shop.sell()
    batch = (await shop.batches())[0]

    assert await reset.run(MERCHANT_ID)

    assert (await shop.log(), await shop.batches()) == ([], [])
    assert await shop.settlements.accounts(MERCHANT_ID) == []
    assert await shop.settlements.pending(MERCHANT_ID) == {}
    assert await shop.lines(batch) == []
    assert (await clocks.read(MERCHANT_ID)) == (NOW, NOW, None)
    with pytest.raises(NotFound):
        await shop.payment(sale)
    with pytest.raises(NotFound):
        await shop.settlements.settlement(MERCHANT_ID, batch.settlement_id)


async def test_settings_keys_and_endpoints_stay(
    reset: Reset, shop: Shop, webhooks: Webhooks
) -> None:
    """What a merchant has set up stays; what is on the way to its endpoints is gone."""
    settings = replace(SETTINGS, fee_fixed=7)
    await set_to(shop.merchants, MERCHANT_ID, settings)
    await webhooks.listen(ENDPOINT)
    await webhooks.deliveries.add([DELIVERY])
    keys = await shop.merchants.keys(MERCHANT_ID)

    await reset.run(MERCHANT_ID)

    merchant = await shop.merchant()
    assert (merchant.settings, merchant.resets) == (settings, 1)
    assert keys == await shop.merchants.keys(MERCHANT_ID)
    assert await webhooks.endpoints.endpoints(MERCHANT_ID) == (ENDPOINT,)
    with pytest.raises(NotFound):
        await webhooks.there(DELIVERY)


async def test_a_key_of_before_is_new_again(reset: Reset, shop: Shop) -> None:
    """A request that was answered before the reset is done anew, and then replayed."""
    before = await shop.payments.authorize(AUTHORIZE, request("authorize"))
    await reset.run(MERCHANT_ID)

    anew = await shop.payments.authorize(AUTHORIZE, request("authorize"))
    again = await shop.payments.authorize(AUTHORIZE, request("authorize"))

    assert (anew.replayed, again.replayed) == (False, True)
    assert before.transaction.payment_id != anew.transaction.payment_id
    assert again.transaction == anew.transaction


async def test_a_day_that_was_settled_before(reset: Reset, shop: Shop) -> None:
    """The day of a batch of before the reset can be settled again, in a batch of another id."""
    await shop.sell(1000)
    await shop.run(PAYOUT_AT)
    (before,) = await shop.batches()
    await reset.run(MERCHANT_ID)
    await shop.sell(500)

    await shop.run(PAYOUT_AT)

    (after,) = await shop.batches()
    assert before.business_day == after.business_day
    assert before.settlement_id != after.settlement_id
    assert (await shop.account()).paid_out == 455


async def test_other_merchants_keep_what_they_have(reset: Reset, shop: Shop) -> None:
    """A reset is one merchant's alone."""
    other = await shop.payments.authorize(
        AUTHORIZE, request("authorize", "other", merchant_id=OTHER_ID)
    )
    await shop.merchants.change(OTHER_ID, lambda one: one.moved_to(NOW + DAY, NOW))

    await reset.run(MERCHANT_ID)

    payment_id = other.transaction.payment_id
    assert (await shop.ledger.payment(OTHER_ID, payment_id)).version == 1
    assert (await shop.merchants.merchant(OTHER_ID)).now(NOW) == NOW + DAY


async def test_nothing_to_delete(reset: Reset) -> None:
    """A merchant without any data may be reset, and again."""
    assert await reset.run(MERCHANT_ID)
    assert await reset.run(MERCHANT_ID)


async def test_nobody(reset: Reset) -> None:
    """Who is no merchant has nothing to reset."""
    with pytest.raises(NotFound):
        await reset.run("nobody")


async def test_what_takes_too_long(shop: Shop) -> None:
    """A reset that cannot end within 20 s says so, and is completed by the next."""
    for _ in range(5):
        await shop.sell()
        await shop.run(shop.clock.at + DAY)
        shop.clock.pass_by(DAY)
    reset = Reset(shop.ledger, shop.merchants, SlowClock(looked_for=timedelta(seconds=15)))

    results = [await reset.run(MERCHANT_ID) for _ in range(3)]

    assert results == [False, False, True]
    assert (await shop.log(), await shop.batches()) == ([], [])
