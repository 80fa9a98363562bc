"""Ids and texts that might be ids: each leads to one place or to none."""

from hypothesis import given, settings
from hypothesis import strategies as st

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
    payment_id_of,
    ping_id_of,
    place_of,
    transaction_id_of,
)
from payments_sandbox.domain.transaction import TransactionType

SETTINGS = settings(deadline=None, derandomize=True, max_examples=300)
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
MOVEMENTS = [kind for kind in TransactionType if kind is not TransactionType.AUTHORIZATION]
cores = st.text(ALPHABET, min_size=26, max_size=26)
events = st.builds(EventPlace, st.builds(payment_id_of, cores), st.integers(1, 9_999))
event_ids = st.builds(event_id_of, st.builds(payment_id_of, cores), st.integers(1, 9_999))
messages = event_ids | st.builds(ping_id_of, cores)
deliveries = st.builds(DeliveryPlace, messages, st.builds(endpoint_id_of, cores))
delivery_ids = st.builds(delivery_id_of, messages, st.builds(endpoint_id_of, cores))
odd_texts = (
    st.text()
    | st.from_regex(
        r"(evt|dlv)_[0-9a-z]{24,28}(_[0-9]{0,5}(_[0-9a-z]{24,28})?)?\n?", fullmatch=True
    )
    | st.builds("{}_{}_{}_{}".format, st.sampled_from(["evt", "dlv"]), cores, st.text(), cores)
)


@SETTINGS
@given(cores, st.sampled_from(MOVEMENTS), st.integers(2, 9_999))
def test_round_trip(core: str, kind: TransactionType, seq: int) -> None:
    """Every id of a transaction leads back to where it stands."""
    place = Place(payment_id_of(core), seq, kind)

    assert place == place_of(transaction_id_of(*place))


@SETTINGS
@given(
    st.text()
    | st.from_regex(r"[a-z]{3,5}_[0-9a-z]{24,28}(_[0-9]{0,5})?\n?", fullmatch=True)
    | st.builds("auth_{}".format, cores)
    | st.builds("{}_{}_{}".format, st.sampled_from(["cap", "auth", "xyz"]), cores, st.text())
)
def test_no_text_has_two_meanings(text: str) -> None:
    """A text that leads to a place is exactly that place's id; any other is not found."""
    try:
        place = place_of(text)
    except NotFound:
        return

    assert text == transaction_id_of(*place)


@SETTINGS
@given(events)
def test_events_round_trip(place: EventPlace) -> None:
    """Every event's id leads back to the transaction that it is."""
    assert place == event_place_of(event_id_of(*place))


@SETTINGS
@given(deliveries)
def test_deliveries_round_trip(place: DeliveryPlace) -> None:
    """Every delivery's id leads back to its message and its endpoint."""
    assert place == delivery_place_of(delivery_id_of(*place))


@SETTINGS
@given(odd_texts | event_ids)
def test_no_text_is_two_events(text: str) -> None:
    """A text that leads to an event is exactly that event's id; any other is not found."""
    try:
        place = event_place_of(text)
    except NotFound:
        return

    assert text == event_id_of(*place)


@SETTINGS
@given(odd_texts | delivery_ids)
def test_no_text_is_two_deliveries(text: str) -> None:
    """A text that leads to a delivery is exactly its id; any other is not found."""
    try:
        place = delivery_place_of(text)
    except NotFound:
        return

    assert text == delivery_id_of(*place)
