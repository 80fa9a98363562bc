"""Appending: all of it or nothing, and what was written is what is read."""

from dataclasses import replace

import pytest

from payments_sandbox.domain.card import Card
from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.operations import Capture, Refund, Void
from payments_sandbox.domain.payment import Change
from payments_sandbox.services.ports import KeySpent, Ledger, LostRace
from tests.contract.entries import ACME, OTHER, auth_id, done, keep, key, new, stored
from tests.unit.examples import AUTHORIZE, EXPIRY_AT, VISA, opened

ONE = Capture(auth_id(1), 1)


async def test_a_new_payment(ledger: Ledger) -> None:
    """A payment that was appended is read back as it was, by each way to it."""
    payment, transactions = new()
    await ledger.append(payment, transactions, key())

    assert payment == await ledger.payment(ACME, payment.payment_id)
    assert (payment, list(transactions)) == await stored(ledger, payment)
    assert transactions[0] == await ledger.transaction(ACME, transactions[0].transaction_id)


async def test_everything_that_was_written(ledger: Ledger) -> None:
    """Amounts, captures, allocations, texts and times come back exactly as they went in."""
    text = "Grüße ✓ \N{PILE OF POO} \\ \" ' \u202e 0"
    operation = replace(
        AUTHORIZE,
        card=replace(VISA, number="4000000000000036", cvc=None),
        amount=999_999_999_999,
        currency="JPY",
        reference=text,
        metadata={"": "", text: text, "a": "1"},
    )
    payment, first = opened(operation, payment_id=auth_id(1))
    payment, rest = done(
        payment,
        Capture(payment.payment_id, 1),
        Capture(payment.payment_id, 10**12),
        Capture(payment.payment_id, 999, final=True),
        Refund(payment.payment_id, amount=500),
        Void(payment.payment_id),
    )
    expected = (payment, [*first, *rest])

    await keep(ledger, Change(payment, (*first, *rest)))

    assert expected == await stored(ledger, payment)
    for transaction in expected[1]:
        actual = await ledger.transaction(payment.merchant_id, transaction.transaction_id)
        assert transaction == actual


async def test_one_after_the_other(ledger: Ledger) -> None:
    """Each append follows the head before it, and history has them in order."""
    payment, first = new()
    await keep(ledger, Change(payment, first))
    expected = [*first]
    for operation in (ONE, Capture(auth_id(1), 10**12), Refund(auth_id(1)), Void(auth_id(1))):
        change = done(payment, operation)
        payment = await keep(ledger, change)
        expected += change.transactions

    assert (payment, expected) == await stored(ledger, payment)
    assert payment == await ledger.payment(ACME, payment.payment_id)


async def test_several_transactions_at_once(ledger: Ledger) -> None:
    """What was due and what was asked for are one write."""
    payment = await keep(ledger, new())
    change = done(payment, ONE, at=EXPIRY_AT)
    await keep(ledger, change, key())

    after, transactions = await stored(ledger, payment)

    assert change.payment == after
    assert change.transactions == tuple(transactions[1:])
    assert len(change.transactions) == len(["expiry", "capture"])


async def test_a_stale_head(ledger: Ledger) -> None:
    """A write that follows an older head loses its race and leaves nothing."""
    payment = await keep(ledger, new())
    after = await keep(ledger, done(payment, ONE))
    before = await stored(ledger, after)

    with pytest.raises(LostRace):
        await keep(ledger, done(payment, Void(auth_id(1))), key("loser"))

    assert before == await stored(ledger, after)
    assert await ledger.spent(key("loser")) is None


async def test_a_stale_head_by_several(ledger: Ledger) -> None:
    """A write of several transactions follows the head that its first one follows."""
    payment = await keep(ledger, new())
    after = await keep(ledger, done(payment, ONE))
    before = await stored(ledger, after)

    with pytest.raises(LostRace):
        await keep(ledger, done(payment, ONE, ONE, ONE))

    assert before == await stored(ledger, after)


async def test_a_head_from_the_future(ledger: Ledger) -> None:
    """A write that follows a head which is not there yet leaves no gap behind."""
    payment = await keep(ledger, new())
    before = await stored(ledger, payment)
    skipped = done(payment, ONE).payment

    with pytest.raises(LostRace):
        await keep(ledger, done(skipped, ONE))

    assert before == await stored(ledger, payment)


async def test_an_id_that_is_taken(ledger: Ledger) -> None:
    """A new payment under an id that is taken loses its race; the first one stays."""
    payment = await keep(ledger, new(reference="first"))

    with pytest.raises(LostRace):
        await keep(ledger, new(reference="second"), key("loser"))

    assert payment == await ledger.payment(ACME, payment.payment_id)
    assert await ledger.spent(key("loser")) is None


async def test_a_payment_that_is_not_there(ledger: Ledger) -> None:
    """A change to a payment that was never written loses its race and makes none."""
    with pytest.raises(LostRace):
        await keep(ledger, done(new().payment, ONE), key("loser"))

    with pytest.raises(NotFound):
        await ledger.payment(ACME, auth_id(1))
    assert await ledger.spent(key("loser")) is None


async def test_another_merchants_payment(ledger: Ledger) -> None:
    """A change in the name of another merchant finds no head to follow."""
    payment = await keep(ledger, new())
    before = await stored(ledger, payment)

    with pytest.raises(LostRace):
        await keep(ledger, done(replace(payment, merchant_id=OTHER), ONE), key("loser"))

    assert before == await stored(ledger, payment)
    with pytest.raises(NotFound):
        await ledger.payment(OTHER, payment.payment_id)


async def test_a_spent_key_leaves_nothing(ledger: Ledger) -> None:
    """A write under a spent key changes neither head nor history."""
    payment = await keep(ledger, new(), key())
    before = await stored(ledger, payment)

    with pytest.raises(KeySpent):
        await keep(ledger, done(payment, ONE), key())

    assert before == await stored(ledger, payment)


async def test_the_key_wins(ledger: Ledger) -> None:
    """If the key is spent and the head is stale too, the write is told of the key."""
    payment = await keep(ledger, new(), key("other"))
    change = done(payment, ONE)
    await keep(ledger, change, key())

    with pytest.raises(KeySpent) as caught:
        await keep(ledger, change, key())

    assert change.transactions[-1] == caught.value.spent.transaction


async def test_the_card_that_is_kept(ledger: Ledger) -> None:
    """Of the card only what a head may keep comes back."""
    payment = await keep(ledger, new())
    expected = Card("card_a", "visa", "4242", 12, 2035)

    assert expected == (await ledger.payment(ACME, payment.payment_id)).card
