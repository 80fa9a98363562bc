"""A merchant's clock: forward only, at most 400 days a step, with all that falls due on the way."""

from datetime import datetime, timedelta

import pytest

from payments_sandbox.domain.errors import ClockStep, NotFound
from payments_sandbox.domain.event import EventType
from payments_sandbox.domain.merchant import Merchant
from payments_sandbox.domain.operations import Capture
from payments_sandbox.domain.payment import Status
from payments_sandbox.services.clocks import Clocks, Reading
from payments_sandbox.services.payments import Payments
from payments_sandbox.services.settlement import SettlementDesk
from payments_sandbox.services.sweep import Sweep
from tests.unit.examples import (
    AUTHORIZE,
    CUTOFF,
    DAY,
    EXPIRY_AT,
    MERCHANT,
    MERCHANT_ID,
    MILLISECOND,
    NOW,
    OTHER_ID,
)
from tests.unit.requests import request
from tests.unit.shop import Shop, names_of
from tests.unit.stand_ins import SECRETS, ManualClock, SeededIds, SlowClock

PAYOUT_AT = CUTOFF + DAY
HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> SlowClock:
    """Return a clock that stands still until it is told to go on."""
    return SlowClock()


@pytest.fixture
def clocks(shop: Shop) -> Clocks:
    """Return the use cases under test."""
    return Clocks(shop.merchants, shop.sweep, shop.clock)


async def now_of(clocks: Clocks, merchant_id: str = MERCHANT_ID) -> datetime:
    """Return what the merchant's clock shows."""
    return (await clocks.read(merchant_id)).now


def test_a_clock_is_real_time_and_an_offset() -> None:
    """The offset grows when the clock is moved forward, and nothing moves it back but a reset."""
    ahead = MERCHANT.moved_to(NOW + DAY, NOW)

    assert MERCHANT.now(NOW) == NOW
    assert ahead.now(NOW + HOUR) == NOW + DAY + HOUR
    assert ahead == ahead.moved_to(NOW + HOUR, NOW) == ahead.moved_to(NOW - DAY, NOW)
    assert Merchant(MERCHANT_ID, MERCHANT.settings, resets=1) == ahead.reset()


async def test_reading(clocks: Clocks, shop: Shop) -> None:
    """It shows its time, real time, and when the next thing is due."""
    assert Reading(NOW, NOW, None) == await clocks.read(MERCHANT_ID)
    await shop.sell()
    await clocks.advance_by(MERCHANT_ID, HOUR)
    shop.clock.pass_by(MILLISECOND)

    assert Reading(NOW + HOUR + MILLISECOND, NOW + MILLISECOND, CUTOFF) == await clocks.read(
        MERCHANT_ID
    )


async def test_an_advance(clocks: Clocks, shop: Shop) -> None:
    """The clock is where it was sent, and what fell due on the way has happened in time."""
    payment_id = await shop.authorize()
    await clocks.advance_by(MERCHANT_ID, HOUR)
    sale = await shop.sell()
    await clocks.advance_to(MERCHANT_ID, PAYOUT_AT)

    advanced = await clocks.advance_to(MERCHANT_ID, EXPIRY_AT)

    assert sale.created_at == NOW + HOUR
    assert (advanced.to, advanced.progress.reached) == (EXPIRY_AT, EXPIRY_AT)
    assert advanced.progress.complete
    assert names_of(advanced.progress.happened) == ["authorization_expired"]
    assert advanced.progress.counts == {EventType.AUTHORIZATION_EXPIRED: 1}
    assert await now_of(clocks) == EXPIRY_AT
    assert (await shop.ledger.payment(MERCHANT_ID, payment_id)).status is Status.EXPIRED
    assert (await shop.account()).paid_out == sale.amount - 59


async def test_to_the_millisecond(clocks: Clocks, shop: Shop) -> None:
    """A millisecond before the cut-off nothing is settled; at it, all is."""
    await shop.sell()

    before = await clocks.advance_to(MERCHANT_ID, CUTOFF - MILLISECOND)
    at_it = await clocks.advance_by(MERCHANT_ID, MILLISECOND)

    assert before.progress.happened == []
    assert at_it.to == CUTOFF
    assert names_of(at_it.progress.happened) == ["transaction_settled", "settlement_closed"]


async def test_the_clock_is_never_ahead_of_what_is_done(clocks: Clocks, shop: Shop) -> None:
    """Each thing is done before the clock has come to its time, where others might do it too."""
    await shop.sell()
    shown: list[datetime] = []

    async def look() -> None:
        shown.append(await now_of(clocks))

    shop.settlements.rivals = {"settle": [look], "begin_closing": [look], "move": [look, look]}
    await clocks.advance_to(MERCHANT_ID, EXPIRY_AT)

    assert shown == [NOW, *[CUTOFF - MILLISECOND] * 3]
    assert await now_of(clocks) == EXPIRY_AT


async def test_a_repeated_to(clocks: Clocks, shop: Shop) -> None:
    """The same moment again changes nothing; neither does one that is over."""
    await shop.sell()
    await clocks.advance_to(MERCHANT_ID, PAYOUT_AT)
    before = await shop.log()
    shop.clock.pass_by(HOUR)

    for to in (PAYOUT_AT, CUTOFF, NOW - 4_000 * DAY):
        again = await clocks.advance_to(MERCHANT_ID, to)

        assert (again.to, again.progress.complete, again.progress.happened) == (to, True, [])
        assert again.progress.reached == PAYOUT_AT + HOUR
    assert await now_of(clocks) == PAYOUT_AT + HOUR
    assert before == await shop.log()


async def test_no_way_back(clocks: Clocks) -> None:
    """A span below nothing moves no clock."""
    await clocks.advance_by(MERCHANT_ID, DAY)

    await clocks.advance_by(MERCHANT_ID, -HOUR)
    await clocks.advance_by(MERCHANT_ID, timedelta(0))

    assert await now_of(clocks) == NOW + DAY


@pytest.mark.parametrize("moved", [timedelta(0), 10 * DAY])
async def test_four_hundred_days(clocks: Clocks, moved: timedelta) -> None:
    """A step of 400 days is the longest, counted from what the clock shows."""
    await clocks.advance_by(MERCHANT_ID, moved)
    longest = NOW + moved + 400 * DAY

    with pytest.raises(ClockStep):
        await clocks.advance_to(MERCHANT_ID, longest + MILLISECOND)
    with pytest.raises(ClockStep):
        await clocks.advance_by(MERCHANT_ID, 400 * DAY + MILLISECOND)
    assert await now_of(clocks) == NOW + moved
    await clocks.advance_to(MERCHANT_ID, longest)

    assert await now_of(clocks) == longest


async def test_incomplete_then_complete(clocks: Clocks, shop: Shop, clock: SlowClock) -> None:
    """An advance that takes too long says how far it came; the same call again goes on there."""
    sale = await shop.sell()
    await shop.authorize()
    await clocks.advance_to(MERCHANT_ID, CUTOFF)
    clock.looked_for = timedelta(seconds=6)
    calls = 0

    while True:
        calls += 1
        advanced = await clocks.advance_to(MERCHANT_ID, PAYOUT_AT + 30 * DAY)
        if advanced.progress.complete:
            break
        assert advanced.progress.reached >= CUTOFF
        assert await now_of(clocks) >= advanced.progress.reached

    assert calls > 1
    assert await now_of(clocks) >= PAYOUT_AT + 30 * DAY
    assert (await shop.account()).paid_out == 941
    await assert_in_order(shop)
    assert (await shop.payment(sale)).amounts.settled == sale.amount


async def assert_in_order(shop: Shop) -> None:
    """Check that the log is in the order of time."""
    moments = [one.created_at for one in await shop.log()]

    assert sorted(moments) == moments


async def test_each_merchant_has_its_own(clocks: Clocks, shop: Shop) -> None:
    """Another merchant's clock, and what it waits for, stay as they are."""
    other = await shop.payments.authorize(
        AUTHORIZE, request("authorize", "other", merchant_id=OTHER_ID)
    )

    await clocks.advance_by(MERCHANT_ID, 30 * DAY)

    assert await now_of(clocks, OTHER_ID) == NOW
    payment, _ = await shop.payments.history(OTHER_ID, other.transaction.payment_id)
    assert payment.status is Status.AUTHORIZED


async def test_nobodys_clock(clocks: Clocks) -> None:
    """Who is no merchant has no clock."""
    for call in (
        clocks.read("nobody"),
        clocks.advance_by("nobody", DAY),
        clocks.advance_to("nobody", EXPIRY_AT),
    ):
        with pytest.raises(NotFound):
            await call


async def test_the_lives_of_keys_follow_the_clock(clocks: Clocks, shop: Shop) -> None:
    """An idempotency key lives for a day on the merchant's clock."""
    first = await shop.payments.authorize(AUTHORIZE, request("authorize", "a key"))
    await clocks.advance_by(MERCHANT_ID, DAY - MILLISECOND)
    replayed = await shop.payments.authorize(AUTHORIZE, request("authorize", "a key"))
    await clocks.advance_by(MERCHANT_ID, MILLISECOND)

    again = await shop.payments.authorize(AUTHORIZE, request("authorize", "a key"))

    assert (replayed.transaction, replayed.replayed) == (first.transaction, True)
    assert not again.replayed
    assert again.transaction.created_at == NOW + DAY


async def test_time_on_a_payment_never_goes_back(clocks: Clocks, shop: Shop) -> None:
    """What another process writes that has not seen the advance is dated after what there is."""
    payment_id = await shop.authorize()
    await clocks.advance_by(MERCHANT_ID, DAY)
    await shop.execute(Capture(payment_id, 1))
    late = Payments(shop.ledger, shop.merchants, ManualClock(NOW - 2 * DAY), SeededIds(1), SECRETS)

    outcome = await late.execute(Capture(payment_id, 1), request("capture", "late"))

    assert outcome.transaction.created_at == NOW + DAY


async def test_a_run_goes_by_the_merchants_clock(clocks: Clocks, shop: Shop) -> None:
    """A run of the settlement does what is due on the merchant's clock, and moves it nowhere."""
    await shop.sell()
    sweep = Sweep(shop.ledger, shop.merchants, shop.settlements, shop.clock)
    await shop.merchants.change(MERCHANT_ID, lambda one: one.moved_to(CUTOFF, NOW))
    desk = SettlementDesk(shop.settlements, sweep, shop.time)

    progress = await desk.run(MERCHANT_ID)

    assert names_of(progress.happened) == ["transaction_settled", "settlement_closed"]
    assert await now_of(clocks) == CUTOFF
