"""Ids of settlement batches, of what happens to them, and of the messages that say so."""

from datetime import timedelta

import pytest

from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.identifiers import (
    DeliveryPlace,
    EventPlace,
    batch_transaction_id_of,
    delivery_id_of,
    delivery_place_of,
    endpoint_id_of,
    event_id_of,
    event_place_of,
    is_settlement_id,
    place_of,
    settlement_id_of,
)
from tests.unit.examples import AUTH_ID, CORE, CUTOFF, DAY, MILLISECOND, SETTLEMENT_ID

NAMED = ("default", "0", "USD", "2026-03-01")


def test_a_batch_has_one_id() -> None:
    """Whoever opens a batch, and however often, gives it the same id."""
    batch_id = settlement_id_of(CUTOFF, *NAMED)

    assert is_settlement_id(batch_id)
    assert batch_id == settlement_id_of(CUTOFF, *NAMED)


def test_batches_are_told_apart() -> None:
    """Batches of one moment differ by any word of their names, wherever the words are parted."""
    names = [
        NAMED,
        ("other", *NAMED[1:]),
        ("default", "1", *NAMED[2:]),
        (*NAMED[:2], "EUR", NAMED[3]),
        (*NAMED[:3], "2026-03-02"),
        ("default0", "", *NAMED[2:]),
        ("default", "0USD", "", NAMED[3]),
    ]

    ids = {settlement_id_of(CUTOFF, *named) for named in names}

    assert len(names) == len(ids)
    assert all(map(is_settlement_id, ids))


@pytest.mark.parametrize("later", [MILLISECOND, timedelta(hours=1), DAY, 36_525 * DAY])
def test_batches_stand_in_the_order_of_time(later: timedelta) -> None:
    """A batch that closes later sorts after one that closes sooner."""
    assert settlement_id_of(CUTOFF, *NAMED) < settlement_id_of(CUTOFF + later, *NAMED)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "stl_",
        CORE,
        AUTH_ID,
        SETTLEMENT_ID.upper(),
        SETTLEMENT_ID + "\n",
        " " + SETTLEMENT_ID,
        SETTLEMENT_ID[:-1],
        SETTLEMENT_ID + "0",
        SETTLEMENT_ID + "_1",
        *(f"stl_{CORE[:-1]}{letter}" for letter in "iloU*-\u0663é"),
    ],
)
def test_junk_is_no_batch(text: str) -> None:
    """Text of another form is not a batch's id."""
    assert not is_settlement_id(text)


@pytest.mark.parametrize("seq", [1, 2])
def test_what_happens_to_a_batch(seq: int) -> None:
    """It has a number in the batch's own log, where no payment's transaction is looked for."""
    transaction_id = batch_transaction_id_of(SETTLEMENT_ID, seq)

    assert f"{SETTLEMENT_ID}_{seq}" == transaction_id
    with pytest.raises(NotFound):
        place_of(transaction_id)


@pytest.mark.parametrize("seq", [1, 2, 9999])
def test_events(seq: int) -> None:
    """An event's id leads back to its batch and its number there."""
    event_id = f"evt_stl_{CORE}_{seq}"

    assert event_id == event_id_of(SETTLEMENT_ID, seq)
    assert EventPlace(SETTLEMENT_ID, seq) == event_place_of(event_id)
    assert EventPlace(AUTH_ID, seq) == event_place_of(event_id_of(AUTH_ID, seq))


@pytest.mark.parametrize("seq", [1, 2, 9999])
def test_deliveries(seq: int) -> None:
    """A delivery's id leads back to the batch's event and its endpoint."""
    event_id, endpoint_id = event_id_of(SETTLEMENT_ID, seq), endpoint_id_of(CORE)
    delivery_id = f"dlv_stl_{CORE}_{seq}_{CORE}"

    assert delivery_id == delivery_id_of(event_id, endpoint_id)
    assert DeliveryPlace(event_id, endpoint_id) == delivery_place_of(delivery_id)


def test_no_batch_is_pinged() -> None:
    """Number 0 is a ping's, whose id has no batch in it."""
    with pytest.raises(NotFound):
        delivery_place_of(f"dlv_stl_{CORE}_0_{CORE}")
