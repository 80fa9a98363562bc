"""Settling: each payment whole or not at all, once, and only into an open batch."""

import asyncio
from collections import Counter

import pytest

from payments_sandbox.adapters import dynamodb_settlements, sqlite_settlements
from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.identifiers import event_id_of
from payments_sandbox.domain.operations import Capture, Refund, Void
from payments_sandbox.domain.payment import Payment, Status
from payments_sandbox.domain.settlement import Settlement, Totals
from payments_sandbox.domain.transaction import TransactionType
from payments_sandbox.services.ports import LostRace
from payments_sandbox.services.settlement_ports import Settled, Settlements
from tests.contract.batches import (
    DAY,
    batch,
    captured,
    close_batch,
    lines_of,
    open_batch,
    pay_batch,
    settled,
)
from tests.contract.entries import ACME, OTHER, auth_id, done, keep, new, stored
from tests.contract.homes import Home
from tests.unit.examples import CUTOFF, EXPIRY_AT, MILLISECOND
from tests.unit.stand_ins import NOW, ManualClock

RUNS = 4


@pytest.fixture
def settlements(home: Home) -> Settlements:
    """Return the settlements under test."""
    return home.settlements


async def assert_settled(home: Home, one: Settled) -> None:
    """Check that the ledger has the payment, its transactions and its line as they were given."""
    payment, transactions = await stored(home.ledger, one.payment)

    assert one.payment == payment
    assert [*one.transactions] == transactions[-len(one.transactions) :]
    for each in one.transactions:
        assert each == await home.ledger.transaction(ACME, each.transaction_id)
        assert each == await home.ledger.event(ACME, event_id_of(each.payment_id, each.seq))


async def move_on(home: Home, payment: Payment) -> Payment:
    """Have somebody refund some of a payment meanwhile."""
    return await keep(home.ledger, done(payment, Refund(payment.payment_id, amount=1)))


async def test_settled(home: Home, settlements: Settlements, clock: ManualClock) -> None:
    """What is written is there in full: heads, transactions, lines and events."""
    into = await open_batch(home)
    wanted = [settled(await captured(home, number), into) for number in (3, 1, 2)]

    written = await settlements.settle(into, wanted)

    assert wanted == written
    for one in wanted:
        await assert_settled(home, one)
    assert [wanted[1].line, wanted[2].line, wanted[0].line] == await lines_of(home, into)
    clock.pass_by(MILLISECOND)
    page = await home.ledger.events(ACME, before=None, after="", limit=100)
    kinds = Counter(one.type for one in page.transactions)
    assert kinds[TransactionType.SETTLEMENT] == 3


async def test_none(home: Home, settlements: Settlements) -> None:
    """Of nothing, nothing is settled."""
    into = await open_batch(home)

    assert await settlements.settle(into, []) == []


async def test_with_what_was_due(home: Home, settlements: Settlements) -> None:
    """The expiry of the rest that was due before is written with the settlement."""
    into = await open_batch(home, batch(EXPIRY_AT.date()))
    cutoff = into.closes_at
    payment = await captured(home, 1, 300)
    one = settled(payment, into, cutoff)

    await settlements.settle(into, [one])

    kinds = [each.type for each in one.transactions]
    assert kinds == [TransactionType.EXPIRY, TransactionType.SETTLEMENT]
    assert one.payment.status is Status.CAPTURED
    await assert_settled(home, one)


async def test_without_the_losers(home: Home, settlements: Settlements) -> None:
    """Those that somebody was faster with are left as they are; the others are written."""
    into = await open_batch(home)
    payments = [await captured(home, number) for number in range(70)]
    wanted = [settled(one, into) for one in payments]
    lost = {0, 1, 31, 32, 33, 34, 50, 69}
    heads = {number: await move_on(home, payments[number]) for number in lost}

    written = await settlements.settle(into, wanted)

    won = [one for number, one in enumerate(wanted) if number not in lost]
    assert won == written
    for number, head in heads.items():
        assert (head, head.version) == (
            await home.ledger.payment(ACME, auth_id(number)),
            len((await stored(home.ledger, head))[1]),
        )
    assert {one.payment.payment_id for one in won} == {
        one.payment_id for one in await lines_of(home, into)
    }


async def test_all_lost(home: Home, settlements: Settlements) -> None:
    """If somebody was faster with all, none is written."""
    into = await open_batch(home)
    payments = [await captured(home, number) for number in range(3)]
    wanted = [settled(one, into) for one in payments]
    for one in payments:
        await move_on(home, one)

    assert await settlements.settle(into, wanted) == []
    assert await lines_of(home, into) == []


async def test_again(home: Home, settlements: Settlements) -> None:
    """What is settled is not settled again."""
    into = await open_batch(home)
    one = settled(await captured(home), into)
    await settlements.settle(into, [one])

    assert await settlements.settle(into, [one]) == []
    assert [one.line] == await lines_of(home, into)


async def test_rival_runs(home: Home, settlements: Settlements) -> None:
    """Of runs at the same time, one settles each payment, and only one."""
    into = await open_batch(home)
    wanted = [settled(await captured(home, number), into) for number in range(40)]

    runs = await asyncio.gather(*(settlements.settle(into, wanted) for _ in range(RUNS)))

    times = Counter(one.payment.payment_id for run in runs for one in run)
    assert Counter(one.payment.payment_id for one in wanted) == times
    assert [one.line for one in wanted] == await lines_of(home, into)


async def test_amid_other_writes(home: Home, settlements: Settlements) -> None:
    """Whoever writes a payment at the same moment, it is settled whole or not at all."""
    into = await open_batch(home)
    payments = [await captured(home, number) for number in range(20)]
    wanted = [settled(one, into) for one in payments]

    async def refund(payment: Payment) -> bool:
        try:
            await move_on(home, payment)
        except LostRace:
            return False
        return True

    written, refunded = await asyncio.gather(
        settlements.settle(into, wanted), asyncio.gather(*(refund(one) for one in payments))
    )

    won = {one.payment.payment_id for one in written}
    assert won == {
        one.payment_id for one, is_done in zip(payments, refunded, strict=True) if not is_done
    }
    assert won == {one.payment_id for one in await lines_of(home, into)}


async def test_no_open_batch(home: Home, settlements: Settlements) -> None:
    """A batch that is unknown, closing, closed or paid takes no more, and nothing is written."""
    payment = await captured(home)
    closing = await open_batch(home, batch(NOW.date() - 3 * DAY))
    other = await open_batch(home, batch(NOW.date() - 2 * DAY))
    await settlements.begin_closing(closing)
    paid = await close_batch(home, await open_batch(home, batch(NOW.date(), currency="EUR")))

    for into in (batch(NOW.date() + DAY), closing, paid):
        with pytest.raises(LostRace):
            await settlements.settle(into, [settled(payment, into)])
        assert await lines_of(home, into) == []

    assert payment == await home.ledger.payment(ACME, payment.payment_id)
    assert len(await settlements.settle(other, [settled(payment, other)])) == 1


async def test_closing_amid_a_run(home: Home, settlements: Settlements) -> None:
    """What was written before the batch closed is in it; what was not is not settled."""
    into = await open_batch(home)
    wanted = [settled(await captured(home, number), into) for number in range(70)]

    async def run() -> None:
        try:
            await settlements.settle(into, wanted)
        except LostRace:
            return

    await asyncio.gather(run(), settlements.begin_closing(into))

    there = {one.payment_id for one in await lines_of(home, into)}
    for one in wanted:
        payment = await home.ledger.payment(ACME, one.payment.payment_id)
        assert (one.payment.payment_id in there) == (payment == one.payment)


async def test_lines_in_order(
    home: Home, settlements: Settlements, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines come in the order of payments, then of their settlements, however long the pages."""
    for module in (dynamodb_settlements, sqlite_settlements):
        monkeypatch.setattr(module, "LINES_PAGE", 2)
    into = await open_batch(home)
    wanted: list[Settled] = []
    for number in (11, 2, 7):
        first = settled(await captured(home, number, 400), into)
        wanted += await settlements.settle(into, [first])
        after = done(first.payment, Capture(auth_id(number), 100), at=CUTOFF)
        second = settled(await keep(home.ledger, after), into, CUTOFF + DAY)
        wanted += await settlements.settle(into, [second])

    expected = [wanted[place].line for place in (2, 3, 4, 5, 0, 1)]
    assert expected == await lines_of(home, into)
    assert expected == await lines_of(home, into)


async def test_totals(home: Home, settlements: Settlements) -> None:
    """Totals are what the lines add up to, refunds and fees too, of this batch alone."""
    into, beside = await open_batch(home), await open_batch(home, batch(currency="EUR"))
    assert Totals() == await settlements.totals(into)
    twice = await captured(home, 1, 300)
    twice = await keep(
        home.ledger, done(twice, Capture(auth_id(1), 200), Refund(auth_id(1), amount=450))
    )
    wanted = [settled(twice, into), settled(await captured(home, 2), into)]
    await settlements.settle(into, wanted)
    euros = settled(await captured(home, 3, currency="EUR"), beside)
    await settlements.settle(beside, [euros])

    totals = await settlements.totals(into)

    fees = [39, 36, 59]  # 2.9 % and 30, half up
    assert Totals(3, 1, 1500, 450, sum(fees)) == totals
    assert wanted[0].line.totals.plus(wanted[1].line.totals) == totals
    assert euros.line.totals == await settlements.totals(beside)


async def test_refunds_alone(home: Home, settlements: Settlements) -> None:
    """A refund after its capture was paid out is taken from a later batch."""
    first = await open_batch(home)
    one = settled(await captured(home), first)
    await settlements.settle(first, [one])
    await pay_batch(home, await close_batch(home, first))
    late = await keep(home.ledger, done(one.payment, Refund(auth_id(1)), at=CUTOFF))
    second = await open_batch(home, batch(CUTOFF.date()))

    await settlements.settle(second, [settled(late, second, CUTOFF + DAY)])

    assert Totals(refunds=1, refunded=1000) == await settlements.totals(second)


async def test_a_wrong_kind_of_transaction(home: Home, settlements: Settlements) -> None:
    """A settlement is found by its own id, and by no other of its place."""
    into = await open_batch(home)
    one = settled(await captured(home), into)
    await settlements.settle(into, [one])
    transaction_id = one.line.transaction_id
    assert one.transactions[-1] == await home.ledger.transaction(ACME, transaction_id)

    with pytest.raises(NotFound):
        await home.ledger.transaction(ACME, transaction_id.replace("set_", "cap_"))
    with pytest.raises(NotFound):
        await home.ledger.transaction(OTHER, transaction_id)


async def test_voided_since(home: Home, settlements: Settlements) -> None:
    """An authorization that was voided and one that was captured since are not mixed up."""
    into = await open_batch(home)
    payment = await captured(home, 1, 300)
    one = settled(payment, into)
    voided = await keep(home.ledger, done(payment, Void(auth_id(1))))

    assert await settlements.settle(into, [one]) == []
    assert [settled(voided, into)] == await settlements.settle(into, [settled(voided, into)])


async def test_a_new_payment(home: Home, settlements: Settlements) -> None:
    """A head that is not there is not made by settling."""
    into = await open_batch(home)
    authorized = new().payment
    wanted = settled(done(authorized, Capture(auth_id(1))).payment, into)

    assert await settlements.settle(into, [wanted]) == []
    with pytest.raises(NotFound):
        await home.ledger.payment(ACME, auth_id(1))


async def test_anothers_batch_is_ones_own(home: Home, settlements: Settlements) -> None:
    """Two merchants' batches of a day stand apart."""
    batches: list[Settlement] = []
    for number, merchant_id in enumerate((ACME, OTHER)):
        into = await open_batch(home, batch(merchant_id=merchant_id))
        payment = await captured(home, number, 100 + number, merchant_id=merchant_id)
        await settlements.settle(into, [settled(payment, into)])
        batches.append(into)

    assert [(await settlements.totals(one)).gross for one in batches] == [100, 101]
