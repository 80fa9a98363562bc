"""What only lists meet: an index that lags, heads left out, pages cut short."""

from typing import Any

import pytest

from payments_sandbox.domain.errors import LedgerUnavailable
from payments_sandbox.domain.payment import Payment
from payments_sandbox.services.ports import PaymentFilter
from tests.aws.faults import (
    ALWAYS,
    BY_CARD,
    BY_MERCHANT,
    HEADS,
)
from tests.aws.faults_answers import cut, empty, leaving_out, missing, naming, put
from tests.aws.faults_rig import Rig, result_of, rig_at
from tests.contract.entries import auth_id, new
from tests.unit.examples import MERCHANT_ID, OTHER_ID

pytestmark = pytest.mark.aws

NUMBER = 7
CARD = "card_a"
OTHERS_ID = auth_id(99)
FILTERS = {BY_MERCHANT: PaymentFilter(), BY_CARD: PaymentFilter(card_id=CARD)}
INDEXES = pytest.mark.parametrize("index", [*FILTERS])
LIMITS = pytest.mark.parametrize("limit", [2, 100])


def several(rig: Rig) -> list[Payment]:
    """Keep payments of one card, and one of another merchant and card; return the first."""
    changes = [new(number, merchant_id=MERCHANT_ID) for number in range(NUMBER)]
    foreign = new(99, merchant_id=OTHER_ID, card_id="card_b")
    put(rig, *changes, foreign)
    return [one.payment for one in reversed(changes)]


async def walked(rig: Rig, index: str, limit: int) -> list[Payment]:
    """Follow the pages of a list to their end."""
    found: list[Payment] = []
    before: str | None = None
    for _ in range(4 * NUMBER):
        page = await rig.payments.list_payments(
            MERCHANT_ID, FILTERS[index], before=before, limit=limit
        )
        assert len(page.payments) <= limit
        found += page.payments
        before = page.next_before
        if before is None:
            return found
    raise AssertionError("the pages do not end")


@INDEXES
@LIMITS
@pytest.mark.parametrize("ghost", [auth_id(98), OTHERS_ID])
async def test_an_index_names_too_much(emulator: str, index: str, limit: int, ghost: str) -> None:
    """A payment that is gone, or belongs elsewhere by now, is not shown, and hides no other."""
    async with rig_at(emulator) as rig:
        expected = several(rig)
        rig.injector.plan(index, naming(ghost), ALWAYS)

        assert expected == await walked(rig, index, limit)


@INDEXES
@LIMITS
async def test_an_index_names_too_little(emulator: str, index: str, limit: int) -> None:
    """A payment the index does not name yet is missing from the list, and only it."""
    async with rig_at(emulator) as rig:
        payments = several(rig)
        absent = payments[2]
        rig.injector.plan(index, missing(absent.payment_id), ALWAYS)

        found = await walked(rig, index, limit)

        assert [one for one in payments if one is not absent] == found
        assert absent == await rig.ledger.payment(MERCHANT_ID, absent.payment_id)
        rig.injector.heal()
        assert payments == await walked(rig, index, limit)


@INDEXES
@LIMITS
@pytest.mark.parametrize("keep_first", [1, 2])
@pytest.mark.parametrize("times", [1, ALWAYS])
async def test_an_index_page_cut_short(
    emulator: str, index: str, limit: int, keep_first: int, times: int
) -> None:
    """Pages that end early are followed: the list is the same."""
    async with rig_at(emulator) as rig:
        expected = several(rig)
        rig.injector.plan(index, cut(keep_first), times)

        assert expected == await walked(rig, index, limit)


@INDEXES
@LIMITS
async def test_an_empty_index_page(emulator: str, index: str, limit: int) -> None:
    """A page with nothing on it is not taken for the end of the list."""

    def start(asked: Any) -> Any:
        hashed = "card_id" if asked["IndexName"] == "by_card" else "listed_in"
        top = {"S": "auth_~"}
        return {
            hashed: asked["ExpressionAttributeValues"][":list"],
            "listed_at": top,
            "transaction_id": top,
            "record": {"S": "payment"},
        }

    async with rig_at(emulator) as rig:
        expected = several(rig)
        rig.injector.plan(index, empty(start))

        assert expected == await walked(rig, index, limit)
        assert rig.injector.met == 1


@INDEXES
@LIMITS
@pytest.mark.parametrize(
    "left",
    [slice(None), slice(1, None), slice(2), slice(-1, None)],
    ids=str,
)
async def test_heads_left_out(emulator: str, index: str, limit: int, left: slice) -> None:
    """Heads a busy table left out are asked for again, once it has time."""
    async with rig_at(emulator) as rig:
        expected = several(rig)
        rig.injector.plan(HEADS, leaving_out(left))

        assert expected == await walked(rig, index, limit)
        assert rig.injector.met == 1


@INDEXES
@pytest.mark.parametrize("left", [slice(None), slice(-1, None)], ids=str)
async def test_heads_left_out_for_ever(emulator: str, index: str, left: slice) -> None:
    """A table that never has time for a head is unavailable; the head is not just left out."""
    async with rig_at(emulator) as rig:
        expected = several(rig)
        rig.injector.plan(HEADS, leaving_out(left), ALWAYS)

        assert LedgerUnavailable is await result_of(walked(rig, index, 100))
        assert rig.injector.met == 4

        rig.injector.heal()
        assert expected == await walked(rig, index, 100)
