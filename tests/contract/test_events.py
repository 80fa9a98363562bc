"""Events: every transaction in the order it was written, read from either end."""

import asyncio
from datetime import timedelta
from typing import NamedTuple

import pytest

from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.event import Logged
from payments_sandbox.domain.identifiers import event_id_of
from payments_sandbox.domain.operations import Capture, Refund
from payments_sandbox.domain.payment import Change, Payment, advance
from payments_sandbox.domain.transaction import Transaction, TransactionType
from payments_sandbox.services.ports import KeySpent, Ledger, LostRace
from tests.contract.entries import ACME, OTHER, PAGES_MAX, auth_id, done, keep, key, new
from tests.contract.homes import Home
from tests.unit.examples import EXPIRY_AT, MILLISECOND
from tests.unit.stand_ins import NOW, ManualClock

END = NOW + timedelta(days=1)
MALFORMED = [
    "",
    "evt_",
    "evt_1_1",
    auth_id(1),
    f"{event_id_of(auth_id(1), 1)} ",
    "ping_" + "0" * 26,
]


class Log(NamedTuple):
    """A ledger that is written a millisecond after the other, and what was written."""

    ledger: Ledger
    clock: ManualClock
    transactions: list[Transaction]

    async def write(self, change: Change) -> Payment:
        """Append a change, and let its moment pass."""
        await keep(self.ledger, change)
        self.clock.pass_by(MILLISECOND)
        self.transactions.extend(one for one in change.transactions if one.merchant_id == ACME)
        return change.payment


@pytest.fixture
def log(ledger: Ledger, clock: ManualClock) -> Log:
    """Return an empty log."""
    return Log(ledger, clock, [])


def id_of(transaction: Logged) -> str:
    """Return the id of the event that the transaction is."""
    return event_id_of(transaction.subject_id, transaction.seq)


async def newest_first(ledger: Ledger, limit: int, merchant_id: str = ACME) -> list[Logged]:
    """Follow the pages down to the end and return all they hold."""
    found: list[Logged] = []
    for _ in range(PAGES_MAX):
        before = id_of(found[-1]) if found else None
        page = await ledger.events(merchant_id, before=before, after=None, limit=limit)
        assert len(page.transactions) <= limit
        found += page.transactions
        if not page.more:
            return found
        assert page.transactions
    raise AssertionError("the pages do not end")


async def oldest_first(
    ledger: Ledger, limit: int, after: str = "", merchant_id: str = ACME
) -> list[Logged]:
    """Follow the pages up to the end and return all they hold."""
    found: list[Logged] = []
    for _ in range(PAGES_MAX):
        page = await ledger.events(merchant_id, before=None, after=after, limit=limit)
        assert len(page.transactions) <= limit
        found += page.transactions
        if not page.more:
            return found
        after = id_of(page.transactions[-1])
    raise AssertionError("the pages do not end")


async def write_many(log: Log) -> None:
    """Write payments out of the order of their ids, with other merchants' between them."""
    payments: list[Payment] = []
    for number in (5, 1, 9, 3, 7):
        payments.append(await log.write(new(number)))
        await log.write(new(number + 100, merchant_id=OTHER))
    for payment in reversed(payments):
        captured = await log.write(done(payment, Capture(payment.payment_id, 300)))
        await log.write(done(captured, Refund(payment.payment_id, amount=100)))


async def test_none(ledger: Ledger) -> None:
    """A merchant to whom nothing happened has one empty page, from either end."""
    for before, after in ((None, None), (None, "")):
        page = await ledger.events(ACME, before=before, after=after, limit=10)

        assert ([*page.transactions], page.more) == ([], False)


async def test_pages(log: Log) -> None:
    """However long the pages, either way gives each event exactly once, in the written order."""
    await write_many(log)

    assert len(log.transactions) == 15
    for limit in (1, 2, 7, 14, 15, 16, 100):
        assert log.transactions == await oldest_first(log.ledger, limit), limit
        assert log.transactions[::-1] == await newest_first(log.ledger, limit), limit


async def test_more(log: Log) -> None:
    """A page says that there is more if, and only if, there is."""
    await write_many(log)
    count = len(log.transactions)

    for limit in (count - 1, count, count + 1):
        for after in (None, ""):
            page = await log.ledger.events(ACME, before=None, after=after, limit=limit)
            assert (min(limit, count), limit < count) == (len(page.transactions), page.more)


async def test_from_each(log: Log) -> None:
    """From each event one comes to all that are older, and to all that are newer."""
    await write_many(log)

    for place, one in enumerate(log.transactions):
        older = await log.ledger.events(ACME, before=id_of(one), after=None, limit=100)
        newer = await log.ledger.events(ACME, before=None, after=id_of(one), limit=100)

        assert log.transactions[:place][::-1] == [*older.transactions]
        assert log.transactions[place + 1 :] == [*newer.transactions]


async def test_following(log: Log) -> None:
    """Who goes on from the last event sees what came since, and nothing twice."""
    await log.write(new(2))
    seen = await oldest_first(log.ledger, 10)
    assert await oldest_first(log.ledger, 10, after=id_of(seen[-1])) == []

    await log.write(new(1))
    await log.write(new(3))

    assert log.transactions[1:] == await oldest_first(log.ledger, 10, after=id_of(seen[-1]))


async def test_several_in_one_write(log: Log) -> None:
    """What one write adds stands together, and from between one comes to the rest."""
    payment = await log.write(new())
    change = done(payment, *(Capture(payment.payment_id, 1) for _ in range(12)))
    await log.write(change)

    found = await oldest_first(log.ledger, 5)

    assert {id_of(one) for one in log.transactions} == {id_of(one) for one in found}
    assert len(found) == 13
    assert found[::-1] == await newest_first(log.ledger, 4)


async def test_what_fell_due(log: Log) -> None:
    """An expiry that a later write brings along is an event like any other."""
    payment = await log.write(new())
    await log.write(advance(payment, EXPIRY_AT))

    found = await oldest_first(log.ledger, 10)

    assert log.transactions == found
    assert [one.type for one in found] == [TransactionType.AUTHORIZATION, TransactionType.EXPIRY]


async def test_a_refused_write_is_no_event(log: Log) -> None:
    """What lost its race or met a spent key happened to nobody."""
    payment = new(1)
    await keep(log.ledger, payment, key())
    log.clock.pass_by(MILLISECOND)
    with pytest.raises(KeySpent):
        await keep(log.ledger, new(2), key())
    with pytest.raises(LostRace):
        await keep(log.ledger, payment)
    log.clock.pass_by(MILLISECOND)

    assert [*payment.transactions] == await oldest_first(log.ledger, 10)


async def test_one(log: Log) -> None:
    """Each event is read by its id at once, and is its transaction."""
    payment = await log.write(new())
    await log.write(done(payment, *(Capture(payment.payment_id, 1) for _ in range(10))))
    fresh = new(2)
    await keep(log.ledger, fresh)

    for one in (*log.transactions, *fresh.transactions):
        assert one == await log.ledger.event(ACME, id_of(one))


async def is_nowhere(ledger: Ledger, event_id: str, merchant_id: str = ACME) -> bool:
    """Tell whether the event is not found by any read that may name it."""
    reads = (
        lambda: ledger.event(merchant_id, event_id),
        lambda: ledger.events(merchant_id, before=event_id, after=None, limit=10),
        lambda: ledger.events(merchant_id, before=None, after=event_id, limit=10),
    )
    found: list[object] = []
    for read in reads:
        try:
            found.append(await read())
        except NotFound:
            continue
    assert len(found) in {0, len(reads)}
    return not found


async def test_an_unknown_event(log: Log) -> None:
    """Before, after or by itself: what is not there is not found."""
    await log.write(new())
    assert not await is_nowhere(log.ledger, event_id_of(auth_id(1), 1))

    assert await is_nowhere(log.ledger, event_id_of(auth_id(1), 2))
    assert await is_nowhere(log.ledger, event_id_of(auth_id(2), 1))


@pytest.mark.parametrize("event_id", [one for one in MALFORMED if one])
async def test_what_is_no_events_id(log: Log, event_id: str) -> None:
    """What cannot be an event's id is not found, whatever else it is."""
    await log.write(new())

    assert await is_nowhere(log.ledger, event_id)


async def test_another_merchants_event(log: Log) -> None:
    """Another merchant's event is nowhere, and its payment's events are in no list of mine."""
    theirs = event_id_of(auth_id(1), 1)
    await log.write(new(1, merchant_id=OTHER))
    await log.write(new(2))

    assert await is_nowhere(log.ledger, theirs)
    assert not await is_nowhere(log.ledger, theirs, OTHER)
    assert [auth_id(2)] == [one.subject_id for one in await newest_first(log.ledger, 10)]
    assert [auth_id(1)] == [one.subject_id for one in await oldest_first(log.ledger, 10, "", OTHER)]


async def test_expired(home: Home, log: Log) -> None:
    """With its payment's retention an event ends: in every list, by its id and as a place."""
    expected = [*new(1).transactions, *new(3).transactions]
    for number in (0, 1, 2, 3, 4):
        await log.write(new(number, expires_at=None if number % 2 else END))
    assert await oldest_first(log.ledger, 2) == log.transactions
    log.clock.at = END

    for _ in range(2):  # before it is deleted and after
        for number in (0, 2, 4):
            assert await is_nowhere(log.ledger, event_id_of(auth_id(number), 1))
        for limit in (1, 2, 3):
            assert expected == await oldest_first(log.ledger, limit)
            assert expected[::-1] == await newest_first(log.ledger, limit)
        await home.purge()


async def test_many_expired(log: Log) -> None:
    """However many have expired at either end, one comes past them to what is left."""
    kept, expiring = 310, [range(310), range(311, 620)]
    for numbers in (expiring[0], [kept], expiring[1]):
        ends = [None if number == kept else END for number in numbers]
        changes = [new(one, expires_at=end) for one, end in zip(numbers, ends, strict=True)]
        await asyncio.gather(*(keep(log.ledger, one) for one in changes))
        log.clock.pass_by(MILLISECOND)
    log.clock.at = END

    assert [*new(kept).transactions] == await oldest_first(log.ledger, 100)
    assert [*new(kept).transactions] == await newest_first(log.ledger, 100)
