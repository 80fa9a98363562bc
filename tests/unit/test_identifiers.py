"""Ids tell what they belong to, and junk tells nothing."""

import pytest

from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.identifiers import (
    DeliveryPlace,
    EventPlace,
    Place,
    delivery_id_of,
    delivery_place_of,
    endpoint_id_of,
    event_id_of,
    event_place_of,
    is_payment_id,
    payment_id_of,
    ping_id_of,
    place_of,
    transaction_id_of,
)
from payments_sandbox.domain.transaction import TransactionType
from tests.unit.examples import AUTH_ID, CORE

OTHER_CORE = CORE[::-1]
MOVEMENTS = [kind for kind in TransactionType if kind is not TransactionType.AUTHORIZATION]
JUNK = [
    "",
    " ",
    "auth_",
    CORE,
    AUTH_ID.upper(),
    AUTH_ID + "\n",
    " " + AUTH_ID,
    AUTH_ID[:-1],
    AUTH_ID + "0",
    "cap_" + CORE,
    *(f"auth_{CORE[:-1]}{letter}" for letter in "iloU*-\u0663é"),
]
JUNK_TRANSACTIONS = [
    *JUNK,
    f"{AUTH_ID}_1",
    f"{AUTH_ID}_2",
    *(
        f"cap_{CORE}_{seq}"
        for seq in ("", "0", "1", "02", "-2", "2.0", "10000", "\u0662", "2_", "2\n")
    ),
    f"cap_{CORE}__2",
    f"pay_{CORE}_2",
    f"ca_{CORE}_2",
    f"capture_{CORE}_2",
    f"CAP_{CORE}_2",
    f"stl_{CORE}",
    f"stl_{CORE}_2",
    f"cap_{CORE[:-1]}_2",
    f"cap_{CORE}0_2",
]
NO_NUMBERS = ["", "01", "-1", "1.0", "10000", "\u0661", "1_", "1\n"]
JUNK_EVENTS = [
    *JUNK,
    f"evt_{CORE}",
    f"evt_{CORE[:-1]}_1",
    f"evt_{CORE}0_1",
    f"EVT_{CORE}_1",
    f"cap_{CORE}_2",
    f"ping_{CORE}",
    f"stl_{CORE}",
    f"stl_{CORE}_1",
    f"evt_stl_{CORE}",
    f"evt_stl_stl_{CORE}_1",
    f"evt_auth_{CORE}_1",
    f"evt_cap_{CORE}_1",
    f"evt_STL_{CORE}_1",
    f"evt_stl{CORE}_1",
    f"evt_stl_{CORE[:-1]}_1",
    *(f"evt_stl_{CORE}_{seq}" for seq in ["0", *NO_NUMBERS]),
    *(f"evt_{CORE}_{seq}" for seq in ["0", *NO_NUMBERS]),
]
JUNK_DELIVERIES = [
    *JUNK_EVENTS,
    f"dlv_{CORE}_1",
    f"dlv_{CORE}_{CORE}",
    f"dlv_{CORE}_1_{CORE[:-1]}",
    f"dlv_{CORE}_1_{CORE}0",
    f"dlv_{CORE}_1_{CORE}\n",
    f"dlv_{CORE}_1_ep_{CORE}",
    f"DLV_{CORE}_1_{CORE}",
    f"dlv_auth_{CORE}_1_{CORE}",
    f"dlv_stl_stl_{CORE}_1_{CORE}",
    f"dlv_stl_{CORE}_1_{CORE}\n",
    *(f"dlv_stl_{CORE}_{seq}_{CORE}" for seq in NO_NUMBERS),
    *(f"dlv_{CORE}_{seq}_{CORE}" for seq in NO_NUMBERS),
]


@pytest.mark.parametrize("kind", MOVEMENTS)
@pytest.mark.parametrize("seq", [2, 9, 10, 99, 100, 999, 1000])
def test_round_trip(kind: TransactionType, seq: int) -> None:
    """A transaction's id leads back to its payment, its number and its type."""
    expected = Place(AUTH_ID, seq, kind)

    assert expected == place_of(transaction_id_of(AUTH_ID, seq, kind))


def test_an_authorization_is_its_payment() -> None:
    """The first transaction has the payment's own id."""
    authorization = TransactionType.AUTHORIZATION
    expected = "auth_" + CORE

    assert expected == payment_id_of(CORE) == transaction_id_of(expected, 1, authorization)
    assert Place(expected, 1, authorization) == place_of(expected)


@pytest.mark.parametrize(
    ("kind", "prefix"),
    [
        (TransactionType.CAPTURE, "cap"),
        (TransactionType.REFUND, "ref"),
        (TransactionType.VOID, "void"),
        (TransactionType.EXPIRY, "exp"),
        (TransactionType.SETTLEMENT, "set"),
    ],
)
def test_prefixes(kind: TransactionType, prefix: str) -> None:
    """Each type has its prefix."""
    expected = f"{prefix}_{CORE}_7"

    assert expected == transaction_id_of(AUTH_ID, 7, kind)


@pytest.mark.parametrize("text", JUNK)
def test_junk_is_no_payment(text: str) -> None:
    """Text of another form is not a payment's id."""
    assert not is_payment_id(text)


@pytest.mark.parametrize("text", JUNK_TRANSACTIONS)
def test_junk_is_no_transaction(text: str) -> None:
    """Text that cannot be an id of ours is not found, without a look-up."""
    with pytest.raises(NotFound):
        place_of(text)


def test_ids_stand_in_the_order_of_their_cores() -> None:
    """Ids sort as their cores do, so newest first needs no other column."""
    cores = ["0" * 26, "0" * 25 + "1", CORE, "7" + "z" * 25]

    assert sorted(cores) == cores
    assert sorted(map(payment_id_of, cores)) == [payment_id_of(core) for core in cores]


@pytest.mark.parametrize("seq", [1, 2, 9, 10, 1000, 9999])
def test_events(seq: int) -> None:
    """An event's id leads back to its payment and its number there."""
    event_id = f"evt_{CORE}_{seq}"

    assert event_id == event_id_of(AUTH_ID, seq)
    assert EventPlace(AUTH_ID, seq) == event_place_of(event_id)


@pytest.mark.parametrize("seq", [1, 2, 10, 9999])
def test_deliveries_of_events(seq: int) -> None:
    """A delivery's id leads back to its event and its endpoint."""
    event_id, endpoint_id = event_id_of(AUTH_ID, seq), endpoint_id_of(OTHER_CORE)
    delivery_id = f"dlv_{CORE}_{seq}_{OTHER_CORE}"

    assert delivery_id == delivery_id_of(event_id, endpoint_id)
    assert DeliveryPlace(event_id, endpoint_id) == delivery_place_of(delivery_id)


def test_deliveries_of_pings() -> None:
    """A ping counts as number 0, which no event has."""
    ping_id, endpoint_id = ping_id_of(CORE), endpoint_id_of(OTHER_CORE)
    delivery_id = f"dlv_{CORE}_0_{OTHER_CORE}"

    assert (f"ping_{CORE}", f"ep_{OTHER_CORE}") == (ping_id, endpoint_id)
    assert delivery_id == delivery_id_of(ping_id, endpoint_id)
    assert DeliveryPlace(ping_id, endpoint_id) == delivery_place_of(delivery_id)


@pytest.mark.parametrize("text", JUNK_EVENTS)
def test_junk_is_no_event(text: str) -> None:
    """Text that cannot be an event's id is not found, without a look-up."""
    with pytest.raises(NotFound):
        event_place_of(text)


@pytest.mark.parametrize("text", JUNK_DELIVERIES)
def test_junk_is_no_delivery(text: str) -> None:
    """Text that cannot be a delivery's id is not found, without a look-up."""
    with pytest.raises(NotFound):
        delivery_place_of(text)


def test_deliveries_of_an_event_begin_alike() -> None:
    """The ids of an event's deliveries share a beginning that no other event's has."""
    first = delivery_id_of(event_id_of(AUTH_ID, 1), "")
    ids = [delivery_id_of(event_id_of(AUTH_ID, seq), endpoint_id_of(CORE)) for seq in (1, 10, 11)]

    assert [one.startswith(first) for one in ids] == [True, False, False]
