"""Settlement batches and their accounts: opened, closed and paid once, whoever else is at it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from payments_sandbox.domain.batch import Move, closed, opened, paid
from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.settlement import Account, BatchState, Settlement
from payments_sandbox.services.ports import LostRace
from payments_sandbox.services.settlement_ports import (
    SettlementFilter,
    SettlementPage,
    Settlements,
    listed_at,
)
from tests.contract.batches import (
    DAY,
    TODAY,
    account,
    batch,
    batches_of,
    captured,
    close_batch,
    lines_of,
    open_batch,
    pay_batch,
    settled,
)
from tests.contract.entries import ACME, OTHER, auth_id
from tests.contract.homes import Home
from tests.contract.test_retention import purge_all
from tests.unit.examples import MILLISECOND
from tests.unit.stand_ins import NOW, ManualClock

RIVALS = 8
END = NOW + 30 * DAY
MALFORMED = ["", "stl_", auth_id(1), f"{batch().settlement_id} ", batch().settlement_id.upper()]


@pytest.fixture
def settlements(home: Home) -> Settlements:
    """Return the settlements under test."""
    return home.settlements


async def winners(do: Callable[[], Awaitable[None]]) -> int:
    """Have rivals do the same at once, and return how many were not told that they lost."""

    async def won() -> bool:
        try:
            await do()
        except LostRace:
            return False
        return True

    return sum(await asyncio.gather(*(won() for _ in range(RIVALS))))


async def closing(home: Home, one: Settlement) -> Settlement:
    """Begin to close an open batch."""
    await home.settlements.begin_closing(one)
    return replace(one, state=BatchState.CLOSING)


async def closing_of(home: Home, one: Settlement) -> Move:
    """Return the closing of a batch that takes no more."""
    before = await account(home, one.currency, one.merchant_id)
    return closed(one, before, await home.settlements.totals(one))


async def test_none(home: Home, settlements: Settlements) -> None:
    """Where no batch is, none is found."""
    assert await settlements.accounts(ACME) == []
    assert SettlementPage([], None) == await settlements.settlements(
        ACME, SettlementFilter(), before=None, limit=10
    )
    assert await lines_of(home, batch()) == []
    for settlement_id in (batch().settlement_id, *MALFORMED):
        with pytest.raises(NotFound):
            await settlements.settlement(ACME, settlement_id)


async def test_opened(home: Home, settlements: Settlements) -> None:
    """A new batch is there with its account, and is nobody else's."""
    one = batch(expires_at=END)
    after = opened(Account(ACME, "USD"), one)

    await settlements.open(one, after)

    assert one == await settlements.settlement(ACME, one.settlement_id)
    assert [one] == await batches_of(home)
    assert [after] == await settlements.accounts(ACME)
    with pytest.raises(NotFound):
        await settlements.settlement(OTHER, one.settlement_id)
    assert await batches_of(home, merchant_id=OTHER) == []
    assert await settlements.accounts(OTHER) == []


async def test_rivals_open(home: Home, settlements: Settlements) -> None:
    """Of rivals that open a batch, the first or a later one, one does."""
    for day in (TODAY, TODAY + DAY):
        one = batch(day)
        after = opened(await account(home), one)

        assert await winners(lambda one=one, after=after: settlements.open(one, after)) == 1
        assert after == await account(home)

    assert len(await batches_of(home)) == 2


async def test_open_two_at_once(home: Home, settlements: Settlements) -> None:
    """Two batches are not opened after the same account: nothing of the second is kept."""
    first, second = batch(TODAY), batch(TODAY + DAY)
    before = Account(ACME, "USD")
    await settlements.open(first, opened(before, first))

    with pytest.raises(LostRace):
        await settlements.open(second, opened(before, second))

    assert [first] == await batches_of(home)
    assert opened(before, first) == await account(home)


async def test_open_what_is_there(home: Home, settlements: Settlements) -> None:
    """A batch that is there already is not opened again, and its account is as it was."""
    one = await close_batch(home, await open_batch(home))
    before = await account(home)

    with pytest.raises(LostRace):
        await settlements.open(batch(), opened(before, batch()))

    assert before == await account(home)
    assert one == await settlements.settlement(ACME, one.settlement_id)


async def test_open_after_a_gap(settlements: Settlements) -> None:
    """An account that would follow one that is not there is not kept."""
    after = replace(opened(Account(ACME, "USD"), batch()), version=2)

    with pytest.raises(LostRace):
        await settlements.open(batch(), after)

    assert await settlements.accounts(ACME) == []


async def test_accounts(home: Home, settlements: Settlements) -> None:
    """There is an account for each currency, in their order, and for each merchant."""
    for currency, merchant_id in product(("USD", "EUR", "JPY"), (ACME, OTHER)):
        await open_batch(home, batch(currency=currency, merchant_id=merchant_id))

    for merchant_id in (ACME, OTHER):
        found = await settlements.accounts(merchant_id)
        assert [one.currency for one in found] == ["EUR", "JPY", "USD"]
        assert {one.merchant_id for one in found} == {merchant_id}


async def test_a_life(home: Home, settlements: Settlements) -> None:
    """A batch is open, closing, closed and paid, and its account says what became of its net."""
    one = await open_batch(home)
    await settlements.settle(one, [settled(await captured(home), one)])
    one = await closing(home, one)
    assert one == await settlements.settlement(ACME, one.settlement_id)

    move = await closing_of(home, one)
    await settlements.move(move)
    assert move.settlement == await settlements.settlement(ACME, one.settlement_id)
    assert move.account == await account(home)
    assert (move.settlement.totals.gross, move.settlement.payout) == (1000, 941)

    payout = paid(move.settlement, move.account)
    await settlements.move(payout)
    assert payout.settlement == await settlements.settlement(ACME, one.settlement_id)
    assert payout.account == await account(home)
    assert payout.account.paid_out == 941


async def test_rivals_close(home: Home, settlements: Settlements) -> None:
    """Of rivals that begin to close a batch, close it or pay it out, one does each."""
    one = await open_batch(home)

    assert await winners(lambda: settlements.begin_closing(one)) == 1
    move = await closing_of(home, replace(one, state=BatchState.CLOSING))
    assert await winners(lambda: settlements.move(move)) == 1
    payout = paid(move.settlement, move.account)
    assert await winners(lambda: settlements.move(payout)) == 1

    assert payout.account == await account(home)
    assert [payout.settlement] == await batches_of(home)


async def test_out_of_turn(home: Home, settlements: Settlements) -> None:
    """No state is left out, and none comes again."""
    one = await open_batch(home)
    taking = replace(one, state=BatchState.CLOSING)
    with pytest.raises(LostRace):
        await settlements.move(await closing_of(home, taking))
    assert one == await settlements.settlement(ACME, one.settlement_id)

    await closing(home, one)
    move = await closing_of(home, taking)
    with pytest.raises(LostRace):
        await settlements.move(paid(move.settlement, await account(home)))
    with pytest.raises(LostRace):
        await settlements.begin_closing(one)
    await settlements.move(move)
    with pytest.raises(LostRace):
        await settlements.begin_closing(one)
    ended = await pay_batch(home, move.settlement)
    with pytest.raises(LostRace):
        await settlements.move(await closing_of(home, taking))

    assert ended == await settlements.settlement(ACME, one.settlement_id)


async def test_begin_closing_none(settlements: Settlements) -> None:
    """A batch that is not there does not begin to close, and is not made by that."""
    with pytest.raises(LostRace):
        await settlements.begin_closing(batch())

    with pytest.raises(NotFound):
        await settlements.settlement(ACME, batch().settlement_id)


async def test_a_move_with_a_stale_account(home: Home, settlements: Settlements) -> None:
    """A batch does not close over an account that has moved on: nothing of it is written."""
    older = await close_batch(home, await open_batch(home, batch(TODAY - DAY)))
    one = await closing(home, await open_batch(home))
    stale = await closing_of(home, one)
    await home.settlements.move(paid(older, await account(home)))
    before = await account(home)

    with pytest.raises(LostRace):
        await settlements.move(stale)

    assert one == await settlements.settlement(ACME, one.settlement_id)
    assert before == await account(home)
    fresh = await closing_of(home, one)
    await settlements.move(fresh)
    assert fresh.account == await account(home)


async def keep_many(home: Home) -> list[Settlement]:
    """Keep batches of several days and currencies in several states; newest first."""
    kept: list[Settlement] = []
    for number, currency in product(range(5), ("EUR", "JPY", "USD")):
        one = batch(TODAY + number * DAY, currency=currency)
        one = await close_batch(home, await open_batch(home, one))
        kept.append(await pay_batch(home, one) if number % 2 else one)
    await open_batch(home, batch(TODAY + 2 * DAY, merchant_id=OTHER))
    kept.append(await open_batch(home, batch(TODAY + 7 * DAY)))
    return sorted(kept, key=listed_at, reverse=True)


@pytest.mark.parametrize("limit", [1, 2, 15, 16, 17, 100])
async def test_pages(home: Home, limit: int) -> None:
    """However long the pages, each batch is in them once, the newest first."""
    kept = await keep_many(home)

    assert kept == await batches_of(home, limit=limit)


async def test_filters(home: Home) -> None:
    """A filter leaves out what it does not name, whatever it is joined with."""
    kept = await keep_many(home)

    for currency, state in product((None, "USD", "GBP"), (None, *BatchState)):
        wanted = SettlementFilter(currency, state)
        expected = [
            one for one in kept if currency in {None, one.currency} and state in {None, one.state}
        ]
        assert expected == await batches_of(home, wanted, limit=2), wanted


async def test_retention(home: Home, settlements: Settlements, clock: ManualClock) -> None:
    """A batch is there to its last millisecond, and from `expires_at` on nowhere."""
    gone = await close_batch(home, await open_batch(home, batch(expires_at=END)))
    kept = await close_batch(home, await open_batch(home, batch(TODAY + DAY)))
    event_id = f"evt_{gone.settlement_id}_1"
    clock.at = END - MILLISECOND
    assert [kept, gone] == await batches_of(home, limit=1)
    assert gone == await settlements.settlement(ACME, gone.settlement_id)
    await home.ledger.event(ACME, event_id)

    clock.at = END

    assert [kept] == await batches_of(home, limit=1)
    with pytest.raises(NotFound):
        await settlements.settlement(ACME, gone.settlement_id)
    with pytest.raises(NotFound):
        await home.ledger.event(ACME, event_id)


async def test_purge(home: Home, settlements: Settlements, clock: ManualClock) -> None:
    """Purging deletes a batch that has expired with its lines, and no other."""
    batches: list[Settlement] = []
    for number, expires_at in enumerate((END, END + timedelta(seconds=1))):
        one = await open_batch(home, batch(TODAY + number * DAY, expires_at=expires_at))
        payment = await captured(home, number)
        await settlements.settle(one, [settled(payment, one)])
        batches.append(await close_batch(home, one))
    clock.at = END

    assert await purge_all(home) > 0

    clock.at = NOW
    assert [batches[1]] == await batches_of(home)
    assert [len(await lines_of(home, one)) for one in batches] == [0, 1]
