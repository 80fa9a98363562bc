"""Retention: from its end on a payment is gone from every read, deleted or not."""

import asyncio
from datetime import datetime, timedelta

import pytest

from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.operations import Capture
from payments_sandbox.domain.payment import Payment, Status
from payments_sandbox.services.ports import KeySpent, Ledger, LostRace, PaymentFilter
from tests.contract.entries import ACME, EVERYTHING, auth_id, done, keep, key, listed, new, stored
from tests.contract.homes import Home
from tests.unit.examples import MILLISECOND
from tests.unit.stand_ins import NOW, ManualClock

END = NOW + timedelta(days=1)
LONG = timedelta(days=30)
ONE = Capture(auth_id(1), 1)


async def gone_from_every_read(ledger: Ledger, payment: Payment) -> bool:
    """Tell whether no read of any kind shows the payment."""
    lists = [
        EVERYTHING,
        PaymentFilter(card_id=payment.card.card_id),
        PaymentFilter(reference=payment.reference),
        PaymentFilter(status=Status.AUTHORIZED),
    ]
    shown = [
        payment.payment_id in {one.payment_id for one in await listed(ledger, by)} for by in lists
    ]
    for read in (ledger.payment, ledger.history, ledger.transaction):
        try:
            await read(payment.merchant_id, payment.payment_id)
        except NotFound:
            shown.append(False)
        else:
            shown.append(True)
    shown.append(await ledger.spent(key(life=LONG)) is not None)
    assert len(set(shown)) == 1, shown
    return not shown[0]


async def purge_all(home: Home) -> int:
    """Purge until nothing that has expired is left, and return how much went."""
    total = 0
    while went := await home.purge():
        total += went
    return total


@pytest.mark.parametrize(
    ("at", "gone"),
    [(NOW, False), (END - MILLISECOND, False), (END, True), (END + LONG, True)],
)
async def test_gone_at_its_end(
    ledger: Ledger, clock: ManualClock, at: datetime, *, gone: bool
) -> None:
    """A payment is there to its last millisecond, and from `expires_at` on nowhere."""
    payment = await keep(ledger, new(reference="r", expires_at=END), key(life=LONG))
    clock.at = at

    assert gone == await gone_from_every_read(ledger, payment)


async def test_kept_for_good(ledger: Ledger, clock: ManualClock) -> None:
    """A payment without an end is there for ever."""
    payment = await keep(ledger, new(reference="r"), key(life=timedelta(days=20_000)))
    clock.pass_by(timedelta(days=10_000))

    assert payment == await ledger.payment(ACME, payment.payment_id)


async def test_the_end_does_not_move(ledger: Ledger, clock: ManualClock) -> None:
    """Later operations do not lengthen a payment's life."""
    payment = await keep(ledger, new(expires_at=END))
    clock.at = END - MILLISECOND
    after = await keep(ledger, done(payment, ONE))
    assert after == await ledger.payment(ACME, payment.payment_id)

    clock.at = END

    with pytest.raises(NotFound):
        await ledger.payment(ACME, payment.payment_id)


async def test_nothing_is_added(ledger: Ledger, clock: ManualClock) -> None:
    """To a payment that has expired nothing is added: its head is gone, so the race is lost."""
    payment = await keep(ledger, new(expires_at=END))
    clock.at = END

    with pytest.raises(LostRace):
        await keep(ledger, done(payment, ONE), key())

    clock.at = NOW
    assert payment == (await stored(ledger, payment))[0]
    assert await ledger.spent(key()) is None


async def test_its_key_is_free(ledger: Ledger, clock: ManualClock) -> None:
    """A key that stands for what has expired stands for nothing, and is spent again."""
    await keep(ledger, new(1, expires_at=END), key(life=LONG))
    with pytest.raises(KeySpent):
        await keep(ledger, new(2), key(life=LONG))
    clock.at = END

    payment = await keep(ledger, new(2), key(at=END, life=LONG))

    spent = await ledger.spent(key(at=END))
    assert spent is not None
    assert payment.payment_id == spent.transaction.payment_id


async def test_pages_pass_over_it(ledger: Ledger, clock: ManualClock) -> None:
    """Pages go past what has expired and still give the rest exactly once."""
    payments = [
        await keep(ledger, new(number, expires_at=END if number % 3 else None))
        for number in range(20)
    ]
    clock.at = END

    assert payments[::3][::-1] == await listed(ledger, limit=2)


async def test_purge(home: Home, clock: ManualClock) -> None:
    """Purging deletes what has expired, so that not even turning time back shows it."""
    payment = await keep(home.ledger, new(reference="r", expires_at=END), key(life=LONG))
    await keep(home.ledger, done(payment, ONE))
    clock.at = END

    assert await purge_all(home) > 0

    clock.at = NOW
    assert await gone_from_every_read(home.ledger, payment)
    with pytest.raises(NotFound):
        await home.ledger.transaction(ACME, f"cap_{auth_id(1).removeprefix('auth_')}_2")


async def test_purge_leaves_what_lives(home: Home, clock: ManualClock) -> None:
    """Purging touches nothing that is not over, and says when nothing is left to delete."""
    kept = [
        await keep(home.ledger, new(1), key("1", life=LONG)),
        await keep(home.ledger, new(2, expires_at=END + MILLISECOND), key("2", life=LONG)),
    ]
    clock.at = END
    expected = [await stored(home.ledger, one) for one in kept]

    assert await home.purge() == 0

    assert expected == [await stored(home.ledger, one) for one in kept]
    assert await home.ledger.spent(key("1", at=END)) is not None
    assert await home.ledger.spent(key("2", at=END)) is not None


async def test_purge_of_many(home: Home, clock: ManualClock) -> None:
    """However much has expired, purging again and again deletes all of it and then rests."""
    count = home.purged_max + 20
    await asyncio.gather(
        *(
            keep(home.ledger, new(number, expires_at=END), key(f"{number}"))
            for number in range(count)
        )
    )
    kept = await keep(home.ledger, new(count), key("kept", life=LONG))
    clock.at = END

    await purge_all(home)

    clock.at = NOW
    assert [kept] == await listed(home.ledger)
    assert await home.ledger.spent(key("kept")) is not None


async def test_purge_of_keys(home: Home, clock: ManualClock) -> None:
    """Keys whose life is over are deleted; their payments stay, and the keys are spent anew."""
    payment = await keep(home.ledger, new(1), key(life=timedelta(days=1)))
    clock.at = END

    await purge_all(home)
    await keep(home.ledger, new(2), key(body="another", at=END))

    assert payment == await home.ledger.payment(ACME, payment.payment_id)
    spent = await home.ledger.spent(key(at=END))
    assert spent is not None
    assert auth_id(2) == spent.transaction.payment_id


async def test_purge_goes_past_keys_that_live_again(home: Home, clock: ManualClock) -> None:
    """However many keys were spent a second time, those that died behind them are deleted."""
    reused = range(home.purged_max + 10)
    died = range(len(reused), len(reused) + 20)
    await asyncio.gather(
        *(keep(home.ledger, new(number), key(f"{number}")) for number in (*reused, *died))
    )
    clock.at = END
    await asyncio.gather(
        *(keep(home.ledger, new(1000 + one), key(f"{one}", at=END)) for one in reused)
    )

    assert await purge_all(home) == len(died)

    assert await home.ledger.spent(key(f"{reused[0]}", at=END)) is not None
    assert await home.ledger.spent(key(f"{died[0]}")) is None


async def test_after_a_purge_the_id_is_not_a_stale_head(home: Home, clock: ManualClock) -> None:
    """A write that follows a purged head loses its race and brings nothing back."""
    payment = await keep(home.ledger, new(expires_at=END))
    clock.at = END
    await purge_all(home)

    with pytest.raises(LostRace):
        await keep(home.ledger, done(payment, ONE))

    clock.at = NOW
    with pytest.raises(NotFound):
        await home.ledger.payment(ACME, payment.payment_id)
