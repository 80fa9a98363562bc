"""What a ledger writes down it reads back, to the last field."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from payments_sandbox.adapters.codec import (
    decode_payment,
    decode_settings,
    decode_transaction,
    encode_payment,
    encode_settings,
    encode_transaction,
)
from payments_sandbox.domain.merchant import AmountRule, Merchant, Settings
from payments_sandbox.domain.operations import Authorize, Capture, Operation, Refund, Void, retained
from payments_sandbox.domain.payment import advance
from tests.strategies import authorizations, maybe_currencies, portions, spans
from tests.unit.examples import AUTH_ID, CARD_ID
from tests.unit.stand_ins import NOW

SETTINGS = settings(deadline=None, derandomize=True, max_examples=200)
merchant_settings = st.builds(
    Settings,
    amount_rule=st.sampled_from(AmountRule),
    test_cards_only=st.booleans(),
    retention_days=st.none() | st.integers(1, 3650),
)
operations = st.one_of(
    st.builds(Capture, st.just(AUTH_ID), portions, maybe_currencies, st.booleans()),
    st.builds(Refund, st.just(AUTH_ID), st.none(), portions, maybe_currencies),
    st.builds(Void, st.just(AUTH_ID)),
)


@SETTINGS
@given(authorizations(), merchant_settings, st.lists(st.tuples(operations, spans), max_size=6))
def test_payments_and_transactions(
    authorize: Authorize, chosen: Settings, steps: list[tuple[Operation, timedelta]]
) -> None:
    """Whatever became of a payment, its head and transactions come back equal."""
    merchant, at = Merchant("acme", chosen), NOW
    payment, transactions = authorize.apply(AUTH_ID, CARD_ID, merchant, at)
    payment, found = retained(payment, merchant, at), [*transactions]
    for operation, span in steps:
        at += span
        payment, due = advance(payment, at)
        payment, added = operation.apply(payment, chosen, at)
        found += [*due, *added]

    assert payment == decode_payment(encode_payment(payment))
    assert found == [decode_transaction(encode_transaction(one)) for one in found]


@SETTINGS
@given(merchant_settings)
def test_settings(chosen: Settings) -> None:
    """Settings come back equal."""
    assert chosen == decode_settings(encode_settings(chosen))


def test_settings_of_an_older_release() -> None:
    """A setting that was not written takes its default."""
    assert Settings(test_cards_only=True) == decode_settings(b'{"test_cards_only":true}')
