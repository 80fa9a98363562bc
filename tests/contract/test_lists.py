"""Listing payments: newest first, narrowed by any filter, each exactly once over all pages."""

import asyncio
from datetime import datetime, timedelta
from itertools import product

import pytest

from payments_sandbox.domain.operations import Capture, Operation, Refund, Void
from payments_sandbox.domain.payment import Payment, Status, advance
from payments_sandbox.services.ports import Ledger, PaymentFilter
from tests.contract.entries import EVERYTHING, OTHER, auth_id, done, keep, listed, new
from tests.contract.homes import Home
from tests.unit.examples import EXPIRY_AT, MILLISECOND
from tests.unit.stand_ins import NOW

CARDS = [None, "card_a", "card_b", "card_c"]
REFERENCES = [None, "order 1", "order 2", "order"]
OLD = timedelta(days=1)
SOON = EXPIRY_AT - OLD


async def keep_many(ledger: Ledger) -> list[Payment]:
    """Keep payments of every card, reference and state, a day's age apart, newest first."""
    payments: list[Payment] = []
    for number, (card_id, reference, state) in enumerate(
        product(CARDS[1:], REFERENCES[:3], range(6))
    ):
        one = auth_id(number)
        operations: list[list[Operation]] = [
            [],
            [Capture(one, 300)],
            [Capture(one)],
            [Capture(one, 300), Refund(one)],
            [Void(one)],
            [Capture(one), Refund(one)],
        ]
        at = NOW - OLD if number % 2 else NOW
        change = new(number, card_id=card_id or "", reference=reference, at=at)
        payment = await keep(ledger, change)
        if operations[state]:
            payment = await keep(ledger, done(payment, *operations[state]))
        payments.insert(0, payment)
    return payments


def wanted(payments: list[Payment], by: PaymentFilter) -> list[Payment]:
    """Return what the filter lets through, told the slow way, just before the newer expire."""
    return [
        one
        for one in payments
        if by.card_id in {None, one.card.card_id}
        and by.reference in {None, one.reference}
        and by.status in {None, advance(one, SOON).payment.status}
    ]


async def test_none(ledger: Ledger) -> None:
    """A merchant without payments has one empty page."""
    page = await ledger.payments("acme", EVERYTHING, NOW, before=None, limit=10)

    assert list(page.payments) == []
    assert page.next_before is None


async def test_newest_first(ledger: Ledger) -> None:
    """Payments stand in the order of their ids, whichever was written first or last."""
    payments = {number: await keep(ledger, new(number)) for number in (5, 1, 9, 3)}
    payments[1] = await keep(ledger, done(payments[1], Capture(auth_id(1), 1)))
    expected = [payments[number] for number in (9, 5, 3, 1)]

    assert expected == await listed(ledger)


async def test_every_filter(ledger: Ledger) -> None:
    """Card, reference and status narrow the list, each alone and all together."""
    payments = await keep_many(ledger)

    for card_id, reference, status in product(CARDS, REFERENCES, [None, *Status]):
        by = PaymentFilter(card_id=card_id, reference=reference, status=status)
        assert wanted(payments, by) == await listed(ledger, by, at=SOON), by


@pytest.mark.parametrize(
    "by",
    [
        EVERYTHING,
        PaymentFilter(card_id="card_b"),
        PaymentFilter(status=Status.EXPIRED),
        PaymentFilter(status=Status.CAPTURED, reference="order 1"),
    ],
    ids=["everything", "card", "status", "status and reference"],
)
async def test_pages(ledger: Ledger, by: PaymentFilter) -> None:
    """However long the pages, following them gives each payment exactly once, in order."""
    payments = await keep_many(ledger)

    for limit in (1, 2, 7, 53, 54, 55, 100):
        assert wanted(payments, by) == await listed(ledger, by, limit=limit, at=SOON), limit


async def test_a_page_starts_below(ledger: Ledger) -> None:
    """A page has what is older than the id it starts below, be that id there or not."""
    payments = [await keep(ledger, new(number)) for number in (1, 3, 5)]

    below_five = await ledger.payments("acme", EVERYTHING, NOW, before=auth_id(5), limit=10)
    below_four = await ledger.payments("acme", EVERYTHING, NOW, before=auth_id(4), limit=10)
    below_one = await ledger.payments("acme", EVERYTHING, NOW, before=auth_id(1), limit=10)

    assert payments[1::-1] == list(below_five.payments) == list(below_four.payments)
    assert list(below_one.payments) == []


async def test_paging_while_others_write(ledger: Ledger) -> None:
    """New payments do not shift the pages of one who is reading older ones."""
    payments = [await keep(ledger, new(number)) for number in range(10)]
    first = await ledger.payments("acme", EVERYTHING, NOW, before=None, limit=4)
    await keep(ledger, new(10))

    second = await ledger.payments("acme", EVERYTHING, NOW, before=first.next_before, limit=6)

    assert payments[::-1] == [*first.payments, *second.payments]


@pytest.mark.parametrize(
    ("at", "expected", "other"),
    [
        (EXPIRY_AT - MILLISECOND, Status.AUTHORIZED, Status.EXPIRED),
        (EXPIRY_AT, Status.EXPIRED, Status.AUTHORIZED),
    ],
)
async def test_status_as_of(ledger: Ledger, at: datetime, expected: Status, other: Status) -> None:
    """An authorization past its capture_before lists as expired, though nobody wrote that."""
    payment = await keep(ledger, new())

    assert [payment] == await listed(ledger, PaymentFilter(status=expected), at=at)
    assert await listed(ledger, PaymentFilter(status=other), at=at) == []


@pytest.mark.parametrize(
    ("operations", "before", "after"),
    [
        ([Capture(auth_id(1), 300)], Status.PARTIALLY_CAPTURED, Status.CAPTURED),
        (
            [Capture(auth_id(1), 300), Refund(auth_id(1))],
            Status.PARTIALLY_REFUNDED,
            Status.REFUNDED,
        ),
        (
            [Capture(auth_id(1), 300), Refund(auth_id(1), amount=1)],
            Status.PARTIALLY_REFUNDED,
            Status.PARTIALLY_REFUNDED,
        ),
    ],
)
async def test_what_else_falls_due(
    ledger: Ledger, operations: list[Operation], before: Status, after: Status
) -> None:
    """A payment captured in part lists as what the expiry of its rest makes of it."""
    payment = await keep(ledger, done(await keep(ledger, new()), *operations))

    for at, expected in ((EXPIRY_AT - MILLISECOND, before), (EXPIRY_AT, after)):
        found = {
            status: await listed(ledger, PaymentFilter(status=status), at=at) for status in Status
        }
        assert {expected: [payment]} == {status: some for status, some in found.items() if some}


async def test_other_merchants(ledger: Ledger) -> None:
    """A list, and every page of it, has the merchant's own payments alone."""
    mine = [await keep(ledger, new(number, reference="same")) for number in range(0, 20, 2)]
    theirs = [
        await keep(ledger, new(number, reference="same", merchant_id=OTHER))
        for number in range(1, 20, 2)
    ]

    for by in (
        EVERYTHING,
        PaymentFilter(card_id="card_a"),
        PaymentFilter(reference="same"),
        PaymentFilter(status=Status.AUTHORIZED),
    ):
        assert mine[::-1] == await listed(ledger, by, limit=3)
        assert theirs[::-1] == await listed(ledger, by, limit=3, merchant_id=OTHER)


async def test_another_merchants_cursor(ledger: Ledger) -> None:
    """Another merchant's place in a list shows nothing but one's own payments."""
    mine = await keep(ledger, new(1))
    theirs = [await keep(ledger, new(number, merchant_id=OTHER)) for number in (2, 3)]
    their_page = await ledger.payments(OTHER, EVERYTHING, NOW, before=None, limit=1)
    assert [theirs[1]] == list(their_page.payments)

    page = await ledger.payments("acme", EVERYTHING, NOW, before=their_page.next_before, limit=9)

    assert [mine] == list(page.payments)


async def test_a_needle(home: Home) -> None:
    """A payment behind more that do not match than a page looks through twice is found."""
    ledger, hay = home.ledger, 2 * home.looked_through_max + 1
    needle = await keep(ledger, new(0, at=NOW - OLD))
    await asyncio.gather(*(keep(ledger, new(1 + one, reference="hay")) for one in range(hay)))

    assert [needle] == await listed(ledger, PaymentFilter(status=Status.EXPIRED), at=SOON)
    assert await listed(ledger, PaymentFilter(reference="hay", status=Status.VOIDED)) == []
