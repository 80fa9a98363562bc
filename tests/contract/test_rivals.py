"""Many writers at once: one wins, the others are told why not, and readers see no halves."""

import asyncio
from collections import Counter

import pytest

from payments_sandbox.domain.operations import Capture
from payments_sandbox.domain.payment import Payment, Status, advance
from payments_sandbox.services.ports import KeySpent, Ledger, LostRace, PaymentFilter
from tests.contract.entries import ACME, auth_id, done, keep, key, listed, new, stored
from tests.unit.examples import EXPIRY_AT

RIVALS = 50
ONE = Capture(auth_id(1), 1)


async def test_fifty_on_one_head(ledger: Ledger) -> None:
    """Of fifty writes that follow one head, one wins and forty-nine lose their race."""
    payment = await keep(ledger, new())
    changes = [done(payment, Capture(auth_id(1), amount + 1)) for amount in range(RIVALS)]

    outcomes = await asyncio.gather(
        *(keep(ledger, one, key(f"{rival}")) for rival, one in enumerate(changes)),
        return_exceptions=True,
    )

    (winner,) = (rival for rival, one in enumerate(outcomes) if not isinstance(one, Exception))
    assert [LostRace] * (RIVALS - 1) == [type(one) for one in outcomes if one != outcomes[winner]]
    after, transactions = await stored(ledger, payment)
    assert changes[winner] == (after, tuple(transactions[1:]))
    spent = [await ledger.spent(key(f"{rival}")) is not None for rival in range(RIVALS)]
    assert [rival == winner for rival in range(RIVALS)] == spent


async def test_fifty_with_one_key(ledger: Ledger) -> None:
    """Of fifty writes under one key, one wins and forty-nine are told of its transaction."""
    payment = await keep(ledger, new())
    change = done(payment, ONE)

    outcomes = await asyncio.gather(
        *(keep(ledger, change, key()) for _ in range(RIVALS)), return_exceptions=True
    )

    spent = [one.spent for one in outcomes if isinstance(one, KeySpent)]
    assert [change.transactions[0]] * (RIVALS - 1) == [one.transaction for one in spent]
    assert {key().fingerprint} == {one.fingerprint for one in spent}
    after, transactions = await stored(ledger, payment)
    assert (change.payment, change.transactions) == (after, tuple(transactions[1:]))


async def test_fifty_new_payments_with_one_key(ledger: Ledger) -> None:
    """Fifty authorizations under one key make one payment."""
    outcomes = await asyncio.gather(
        *(keep(ledger, new(number), key(body=f"{number}")) for number in range(RIVALS)),
        return_exceptions=True,
    )

    (winner,) = (one for one in outcomes if not isinstance(one, BaseException))
    assert [winner] == await listed(ledger)
    told = {one.spent.transaction.payment_id for one in outcomes if isinstance(one, KeySpent)}
    assert {winner.payment_id} == told
    assert Counter(type(one) for one in outcomes)[KeySpent] == RIVALS - 1


async def test_fifty_new_payments(ledger: Ledger) -> None:
    """Writes to different payments under different keys do not hinder each other."""
    payments = await asyncio.gather(
        *(keep(ledger, new(number), key(f"{number}")) for number in range(RIVALS))
    )

    assert payments[::-1] == await listed(ledger)


async def test_the_refused_hurt_no_neighbour(ledger: Ledger) -> None:
    """Refused writes among good ones at the same moment leave the good ones whole."""
    stale = await keep(ledger, new(0), key("taken"))
    await keep(ledger, done(stale, Capture(auth_id(0), 1)))
    changes = [
        (new(number), key(f"{number}"))
        if number % 3
        else (new(number), key("taken"))
        if number % 2
        else (done(stale, Capture(auth_id(0), number)), key(f"{number}"))
        for number in range(1, RIVALS)
    ]

    outcomes = await asyncio.gather(
        *(keep(ledger, change, spending) for change, spending in changes), return_exceptions=True
    )

    good = [change for number, (change, _) in enumerate(changes, 1) if number % 3]
    assert [change.payment for change in good] == [
        one for one in outcomes if not isinstance(one, BaseException)
    ]
    assert {LostRace, KeySpent} == {type(one) for one in outcomes if isinstance(one, Exception)}
    for change in good:
        assert (change.payment, [*change.transactions]) == await stored(ledger, change.payment)


@pytest.mark.parametrize("moments", range(6))
async def test_a_caller_who_leaves(ledger: Ledger, moments: int) -> None:
    """Callers who leave in the middle break nothing: each write is whole or not there."""
    changes = [new(number) for number in range(RIVALS)]
    tasks = [
        asyncio.create_task(keep(ledger, change, key(f"{number}")))
        for number, change in enumerate(changes)
    ]
    for _ in range(moments):
        await asyncio.sleep(0)
    for task in tasks[::7]:
        task.cancel()

    outcomes = await asyncio.gather(*tasks, return_exceptions=True)

    found = {one.payment_id for one in await listed(ledger)}
    for number, (change, outcome) in enumerate(zip(changes, outcomes, strict=True)):
        there = change.payment.payment_id in found
        assert there or isinstance(outcome, asyncio.CancelledError)
        assert there == (await ledger.spent(key(f"{number}")) is not None)


async def test_after_a_caller_left(ledger: Ledger) -> None:
    """After callers left, the ledger takes writes as before."""
    task = asyncio.create_task(keep(ledger, new(1), key("left")))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    payment = await keep(ledger, new(2), key("came"))

    assert payment == await ledger.payment(ACME, auth_id(2))


async def test_history_is_one_moment(ledger: Ledger) -> None:
    """Whoever reads while others write sees head and transactions of the same moment."""
    payment = await keep(ledger, new())

    async def write() -> None:
        head = payment
        for _ in range(RIVALS):
            head = await keep(ledger, done(head, ONE))

    writing = asyncio.create_task(write())
    versions: set[int] = set()
    while not writing.done():
        head, transactions = await stored(ledger, payment)
        assert [*range(1, head.version + 1)] == [one.seq for one in transactions]
        assert head.amounts == transactions[-1].after
        versions.add(head.version)
        await asyncio.sleep(0)
    await writing

    assert len(versions) > 1
    assert (await ledger.payment(ACME, payment.payment_id)).version == RIVALS + 1


async def test_reads_follow_writes(ledger: Ledger) -> None:
    """What an append returned from is what the very next read shows."""
    payment = await keep(ledger, new())
    for _ in range(RIVALS):
        payment = await keep(ledger, done(payment, ONE))

        assert payment == await ledger.payment(ACME, payment.payment_id)


async def test_a_list_is_one_moment(ledger: Ledger) -> None:
    """A list read while a payment changes its status does not miss it."""
    expired = PaymentFilter(status=Status.EXPIRED)
    for number in range(RIVALS):
        # A merchant each, as the gap to fall into is there only while a status is new to a list.
        payment = await keep(ledger, new(number, merchant_id=f"{number}"))
        writing = asyncio.create_task(keep(ledger, advance(payment, EXPIRY_AT)))
        shown: list[list[Payment]] = []
        while not writing.done():
            shown.append(
                await listed(ledger, expired, merchant_id=payment.merchant_id, at=EXPIRY_AT)
            )
            await asyncio.sleep(0)
        await writing

        assert [1] * len(shown) == [len(payments) for payments in shown]
