"""Events read back, whether or not anybody listens."""

import pytest

from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.event import Logged
from payments_sandbox.domain.identifiers import event_id_of
from payments_sandbox.domain.operations import Capture
from payments_sandbox.domain.transaction import Transaction
from payments_sandbox.services.events import Events
from payments_sandbox.services.payments import Payments
from tests.unit.examples import AUTHORIZE, MERCHANT_ID, OTHER_ID
from tests.unit.ledgers import ContendedLedger
from tests.unit.requests import request

AMOUNTS = [100, 200, 5000, 300]


@pytest.fixture
def events(ledger: ContendedLedger) -> Events:
    """Return the use cases under test."""
    return Events(ledger)


def id_of(event: Logged) -> str:
    """Return the id of the event."""
    return event_id_of(event.subject_id, event.seq)


async def happenings(payments: Payments) -> list[Transaction]:
    """Let some things happen to a payment of a merchant, and one to another's."""
    first = (await payments.authorize(AUTHORIZE, request("authorize"))).transaction
    happened = [first]
    for number, amount in enumerate(AMOUNTS):
        outcome = await payments.execute(
            Capture(first.payment_id, amount), request("capture", f"key {number}")
        )
        happened.append(outcome.transaction)
        await payments.authorize(
            AUTHORIZE, request("authorize", f"key {number}", merchant_id=OTHER_ID)
        )
    return happened


async def test_each_transaction_is_an_event(events: Events, payments: Payments) -> None:
    """What happened, a failure too, is found under its event's id."""
    for one in await happenings(payments):
        assert one == await events.event(MERCHANT_ID, id_of(one))


async def test_newest_first(events: Events, payments: Payments) -> None:
    """The newest come first, then those before them, and no other merchant's."""
    happened = await happenings(payments)

    first = await events.newest_first(MERCHANT_ID, before=None, limit=2)
    second = await events.newest_first(MERCHANT_ID, before=id_of(first.transactions[-1]), limit=9)

    assert happened[::-1] == [*first.transactions, *second.transactions]
    assert (first.more, second.more) == (True, False)


async def test_oldest_first(events: Events, payments: Payments) -> None:
    """Who follows starts with the first, or after the one that was seen last."""
    happened = await happenings(payments)

    first = await events.oldest_first(MERCHANT_ID, after="", limit=2)
    second = await events.oldest_first(MERCHANT_ID, after=id_of(happened[1]), limit=3)
    third = await events.oldest_first(MERCHANT_ID, after=id_of(happened[-1]), limit=3)

    assert happened == [*first.transactions, *second.transactions]
    assert (first.more, second.more) == (True, False)
    assert third == ([], False)


async def test_what_another_merchant_has(events: Events, payments: Payments) -> None:
    """Another merchant's event is not found, nor a place to read on from."""
    event_id = id_of((await happenings(payments))[0])

    for merchant_id, named in [(OTHER_ID, event_id), (MERCHANT_ID, "evt_x")]:
        with pytest.raises(NotFound):
            await events.event(merchant_id, named)
        with pytest.raises(NotFound):
            await events.newest_first(merchant_id, before=named, limit=1)
        with pytest.raises(NotFound):
            await events.oldest_first(merchant_id, after=named, limit=1)
