"""Idempotency keys: spent once, in the append itself, until their life is over."""

from datetime import UTC, datetime, timedelta

import pytest

from payments_sandbox.domain.operations import Capture
from payments_sandbox.services.ports import KeySpent, Ledger, LostRace, Spent
from tests.contract.entries import KEY_LIFE, auth_id, done, keep, key, new, stored
from tests.unit.examples import EXPIRY_AT, MILLISECOND
from tests.unit.stand_ins import NOW

ONE = Capture(auth_id(1), 1)
# Far ahead a float no longer holds every millisecond since 1970 apart.
TIMES = [
    NOW,
    NOW + MILLISECOND,
    *(datetime(2038, 3, 1, 12, 0, 0, ms * 1000, UTC) for ms in range(9)),
]


async def test_an_unspent_key(ledger: Ledger) -> None:
    """A key that was never spent stands for nothing."""
    await keep(ledger, new(), key("another"))

    assert await ledger.spent(key()) is None


async def test_a_spent_key(ledger: Ledger) -> None:
    """A spent key stands for its body and the transaction it was spent on."""
    payment, transactions = new()
    await ledger.append(payment, transactions, key())

    assert Spent(key().fingerprint, transactions[0]) == await ledger.spent(key())


async def test_several_transactions_under_one_key(ledger: Ledger) -> None:
    """A key spent on several transactions stands for the last: the one that was asked for."""
    payment = await keep(ledger, new())
    change = done(payment, ONE, at=EXPIRY_AT)
    await keep(ledger, change, key())

    assert Spent(key().fingerprint, change.transactions[-1]) == await ledger.spent(key())


async def test_no_key_spends_none(ledger: Ledger) -> None:
    """Writes without a key never clash over one."""
    payment = await keep(ledger, new(1), None)
    await keep(ledger, new(2), None)
    await keep(ledger, done(payment, ONE), None)

    assert await ledger.spent(key()) is None


@pytest.mark.parametrize("body", ["body", "another body"])
async def test_spent_once(ledger: Ledger, body: str) -> None:
    """The second write is told what the key stands for, whichever body it came with."""
    payment, transactions = new(1)
    await ledger.append(payment, transactions, key())

    with pytest.raises(KeySpent) as caught:
        await keep(ledger, new(2), key(body=body))

    assert Spent(key().fingerprint, transactions[0]) == caught.value.spent
    assert caught.value.spent == await ledger.spent(key(body=body))


async def test_scopes_are_apart(ledger: Ledger) -> None:
    """The same request under the key of another scope is another request."""
    await keep(ledger, new(1), key("one"))
    second = new(2)
    await keep(ledger, second, key("two"))

    assert Spent(key("two").fingerprint, second.transactions[0]) == await ledger.spent(key("two"))


async def test_a_lost_race_spends_no_key(ledger: Ledger) -> None:
    """After a lost race the same key is spent by the write that follows."""
    stale = await keep(ledger, new())
    head = await keep(ledger, done(stale, ONE))
    with pytest.raises(LostRace):
        await keep(ledger, done(stale, ONE), key())

    change = done(head, ONE)
    await keep(ledger, change, key())

    assert Spent(key().fingerprint, change.transactions[0]) == await ledger.spent(key())


@pytest.mark.parametrize("at", TIMES)
async def test_a_life_ends_at_its_end(ledger: Ledger, at: datetime) -> None:
    """A key is spent to its last millisecond, and at `expires_at` it is not."""
    change = new()
    await keep(ledger, change, key(at=at))
    end = at + KEY_LIFE

    last = await ledger.spent(key(at=end - MILLISECOND))
    with pytest.raises(KeySpent):
        await keep(ledger, new(2), key(at=end - MILLISECOND))

    assert Spent(key().fingerprint, change.transactions[0]) == last
    assert await ledger.spent(key(at=end)) is None


async def test_a_second_life(ledger: Ledger) -> None:
    """A key whose life is over is spent again, on another body, for a life of its own."""
    await keep(ledger, new(1), key(body="first"))
    again = key(body="second", at=NOW + KEY_LIFE)
    second = new(2)

    await keep(ledger, second, again)

    expected = Spent(again.fingerprint, second.transactions[0])
    assert expected == await ledger.spent(key(at=again.expires_at - MILLISECOND))
    with pytest.raises(KeySpent) as caught:
        await keep(ledger, new(3), key(body="third", at=again.expires_at - MILLISECOND))
    assert expected == caught.value.spent


async def test_a_second_life_that_loses_its_race(ledger: Ledger) -> None:
    """A dead key that is spent in vain stays as dead as it was."""
    payment = await keep(ledger, new(1), key())
    await keep(ledger, done(payment, ONE))
    later = NOW + KEY_LIFE

    with pytest.raises(LostRace):
        await keep(ledger, done(payment, ONE), key(at=later))

    assert await ledger.spent(key(at=later)) is None


async def test_lives_are_as_long_as_said(ledger: Ledger) -> None:
    """How long a key lives is the caller's to say."""
    await keep(ledger, new(), key(life=timedelta(milliseconds=2)))

    assert await ledger.spent(key(at=NOW + MILLISECOND)) is not None
    assert await ledger.spent(key(at=NOW + 2 * MILLISECOND)) is None


async def test_a_key_outlives_later_writes(ledger: Ledger) -> None:
    """What a key stands for does not change with the payment."""
    change = new()
    payment = await keep(ledger, change, key())
    await keep(ledger, done(payment, ONE, ONE), key("later"))

    assert Spent(key().fingerprint, change.transactions[0]) == await ledger.spent(key())
    assert len((await stored(ledger, payment))[1]) == 3
