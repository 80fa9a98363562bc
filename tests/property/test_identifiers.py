"""Ids and texts that might be ids: each leads to one place or to none."""

from hypothesis import given, settings
from hypothesis import strategies as st

from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.identifiers import Place, payment_id_of, place_of, transaction_id_of
from payments_sandbox.domain.transaction import TransactionType

SETTINGS = settings(deadline=None, derandomize=True, max_examples=300)
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
MOVEMENTS = [kind for kind in TransactionType if kind is not TransactionType.AUTHORIZATION]
cores = st.text(ALPHABET, min_size=26, max_size=26)


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
