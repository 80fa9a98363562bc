"""The use cases around a payment: what they answer, and what they leave in the ledger."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from payments_sandbox.adapters.sqlite_merchants import SqliteMerchants
from payments_sandbox.domain.errors import Conflict, NotATestCard, NotFound
from payments_sandbox.domain.merchant import Settings
from payments_sandbox.domain.operations import Capture, Refund, Void
from payments_sandbox.domain.payment import Status
from payments_sandbox.domain.transaction import TransactionType
from payments_sandbox.services.payments import Payments
from payments_sandbox.services.ports import PaymentFilter
from tests.unit.examples import (
    AUTHORIZE,
    DECLINE,
    EXPIRY_AT,
    MERCHANT_ID,
    MILLISECOND,
    NOW,
    OTHER_ID,
    VISA,
)
from tests.unit.ledgers import ContendedLedger, set_to
from tests.unit.requests import request
from tests.unit.stand_ins import SECRETS, ManualClock, SeededIds

EVERYTHING = PaymentFilter()


async def authorized(payments: Payments) -> str:
    """Authorize a payment and return its id."""
    outcome = await payments.authorize(AUTHORIZE, request("authorize"))
    return outcome.transaction.payment_id


async def test_authorize(payments: Payments) -> None:
    """An authorization is answered with its transaction, which is then on record."""
    outcome = await payments.authorize(AUTHORIZE, request("authorize"))

    payment, transactions = await payments.history(MERCHANT_ID, outcome.transaction.payment_id)

    assert [outcome.transaction] == transactions
    assert payment.status is Status.AUTHORIZED
    assert not outcome.replayed


async def test_the_path_of_a_payment(payments: Payments) -> None:
    """What was done to a payment is on record in order, each answer a transaction of it."""
    auth_id = await authorized(payments)
    answers = [
        await payments.execute(Capture(auth_id, 300), request("capture")),
        await payments.execute(Void(auth_id), request("void")),
        await payments.execute(Refund(auth_id, amount=100), request("refund")),
    ]

    payment, transactions = await payments.history(MERCHANT_ID, auth_id)

    assert [one.transaction for one in answers] == transactions[1:]
    assert payment.status is Status.PARTIALLY_REFUNDED
    assert len(transactions) == payment.version


async def test_a_decline_is_on_record(payments: Payments) -> None:
    """A declined authorization is a payment like any other."""
    outcome = await payments.authorize(DECLINE, request("authorize"))

    payment, _ = await payments.history(MERCHANT_ID, outcome.transaction.payment_id)

    assert payment.status is Status.DECLINED


async def test_a_refusal_is_on_record(payments: Payments) -> None:
    """A refused operation answers with a failed transaction, which stays."""
    auth_id = await authorized(payments)
    outcome = await payments.execute(Capture(auth_id, 1001), request("capture"))
    expected = "amount_exceeds_capturable"

    assert expected == outcome.transaction.error_code
    assert outcome.transaction == await payments.transaction(
        MERCHANT_ID, outcome.transaction.transaction_id
    )


async def test_late_operations_record_what_was_due(payments: Payments, clock: ManualClock) -> None:
    """An operation after capture_before records the expiry first, in the same write."""
    auth_id = await authorized(payments)
    clock.at = EXPIRY_AT
    expected = [TransactionType.AUTHORIZATION, TransactionType.EXPIRY, TransactionType.CAPTURE]

    outcome = await payments.execute(Capture(auth_id), request("capture"))

    _, transactions = await payments.history(MERCHANT_ID, auth_id)
    assert expected == [one.type for one in transactions]
    assert outcome.transaction == transactions[-1]


async def test_reading_late_records_what_was_due(payments: Payments, clock: ManualClock) -> None:
    """Reading a payment after capture_before records its expiry, once."""
    auth_id = await authorized(payments)
    clock.at = EXPIRY_AT + timedelta(days=1)

    first = await payments.history(MERCHANT_ID, auth_id)
    second = await payments.history(MERCHANT_ID, auth_id)

    assert first == second
    assert first[0].status is Status.EXPIRED
    assert first[1][-1].created_at == EXPIRY_AT


async def test_reading_a_lost_race_again(
    payments: Payments, ledger: ContendedLedger, clock: ManualClock
) -> None:
    """A read whose recording loses a race reads again, until patience ends in a conflict."""
    auth_id = await authorized(payments)
    clock.at = EXPIRY_AT
    ledger.losses = 2

    payment, transactions = await payments.history(MERCHANT_ID, auth_id)

    assert payment.version == len(transactions)
    assert payment.status is Status.EXPIRED


async def test_reading_ends_in_a_conflict(
    payments: Payments, ledger: ContendedLedger, clock: ManualClock
) -> None:
    """A read that never wins its race says so."""
    auth_id = await authorized(payments)
    clock.at = EXPIRY_AT
    ledger.losses = 100

    with pytest.raises(Conflict):
        await payments.history(MERCHANT_ID, auth_id)

    assert clock.pauses[:3] == pytest.approx([0.025, 0.05, 0.1])


async def test_reading_has_sixteen_tries(
    payments: Payments, merchants: SqliteMerchants, ledger: ContendedLedger
) -> None:
    """A read tries as often as an operation does, pauses or not."""
    auth_id = await authorized(payments)
    late = ManualClock(EXPIRY_AT, pause_share=0)
    patient = Payments(ledger, merchants, late, SeededIds(), SECRETS)
    ledger.losses, ledger.appends = 100, 0
    expected = 16

    with pytest.raises(Conflict):
        await patient.history(MERCHANT_ID, auth_id)

    assert expected == ledger.appends


@pytest.mark.parametrize(
    ("late", "expected"), [(-MILLISECOND, Status.AUTHORIZED), (0 * MILLISECOND, Status.EXPIRED)]
)
async def test_lists_are_as_of_now(
    payments: Payments, clock: ManualClock, late: timedelta, expected: Status
) -> None:
    """A list shows payments as they are now, though it records nothing."""
    auth_id = await authorized(payments)
    clock.at = EXPIRY_AT + late

    page = await payments.list_payments(MERCHANT_ID, EVERYTHING, before=None, limit=10)

    assert [auth_id] == [one.payment_id for one in page.payments]
    assert expected is page.payments[0].status


async def test_listing_records_nothing(
    payments: Payments, ledger: ContendedLedger, clock: ManualClock
) -> None:
    """A list may show an expiry without writing it."""
    auth_id = await authorized(payments)
    clock.at = EXPIRY_AT

    await payments.list_payments(MERCHANT_ID, EVERYTHING, before=None, limit=10)

    stored = await ledger.payment(MERCHANT_ID, auth_id)
    assert stored.status is Status.AUTHORIZED


async def test_only_test_cards(payments: Payments, merchants: SqliteMerchants) -> None:
    """A merchant may refuse all but published cards; then nothing is left behind."""
    unknown = replace(AUTHORIZE, card=replace(VISA, number="4539578763621486"))
    await set_to(merchants, MERCHANT_ID, Settings(test_cards_only=True))

    with pytest.raises(NotATestCard):
        await payments.authorize(unknown, request("authorize", "a"))
    await payments.authorize(AUTHORIZE, request("authorize", "b"))

    page = await payments.list_payments(MERCHANT_ID, EVERYTHING, before=None, limit=10)
    assert len(page.payments) == 1


async def test_settings_are_those_of_the_moment(
    payments: Payments, merchants: SqliteMerchants
) -> None:
    """A change of settings counts from the next authorization on, and for nobody else."""
    unknown = replace(AUTHORIZE, card=replace(VISA, number="4539578763621486"))
    await payments.authorize(unknown, request("authorize", "a"))

    await set_to(merchants, MERCHANT_ID, Settings(test_cards_only=True))

    with pytest.raises(NotATestCard):
        await payments.authorize(unknown, request("authorize", "b"))
    await payments.authorize(unknown, request("authorize", "b", merchant_id=OTHER_ID))


async def test_a_merchant_that_is_not_there(payments: Payments, ledger: ContendedLedger) -> None:
    """Nobody authorizes or reads in the name of a merchant that is not there."""
    with pytest.raises(NotFound):
        await payments.authorize(AUTHORIZE, request("authorize", merchant_id="nobody"))
    with pytest.raises(NotFound):
        await payments.list_payments("nobody", EVERYTHING, before=None, limit=10)

    assert not ledger.appends


async def test_card_ids(payments: Payments, merchants: SqliteMerchants) -> None:
    """A card has one id within a merchant, another elsewhere, and neither tells its number."""

    async def card_id(number: str, key: str, merchant_id: str = MERCHANT_ID) -> str:
        operation = replace(AUTHORIZE, card=replace(VISA, number=number))
        outcome = await payments.authorize(
            operation, request("authorize", key, merchant_id=merchant_id)
        )
        assert not outcome.replayed
        payment, _ = await payments.history(merchant_id, outcome.transaction.payment_id)
        return payment.card.card_id

    first = await card_id("4242424242424242", "a")
    another = await card_id("4111111111111111", "b")
    elsewhere = await card_id("4242424242424242", "c", OTHER_ID)
    await set_to(merchants, MERCHANT_ID, Settings(test_cards_only=True))
    same = await card_id("4242424242424242", "d")

    assert first == same
    assert len({first, another, elsewhere}) == len([first, another, elsewhere])
    assert re.fullmatch(r"card_[0-9a-f]{24}", first)


async def test_another_merchants_payment(payments: Payments) -> None:
    """Another merchant's payment is as unknown as one that never was."""
    auth_id = await authorized(payments)

    with pytest.raises(NotFound):
        await payments.history(OTHER_ID, auth_id)
    with pytest.raises(NotFound):
        await payments.transaction(OTHER_ID, auth_id)
    with pytest.raises(NotFound):
        await payments.execute(Capture(auth_id), request("capture", merchant_id=OTHER_ID))


async def test_retention_counts_from_the_authorization(
    payments: Payments, merchants: SqliteMerchants, clock: ManualClock
) -> None:
    """A payment is gone when the retention of its authorization's day is over, whatever came."""
    await set_to(merchants, MERCHANT_ID, Settings(retention_days=1))
    auth_id = await authorized(payments)
    clock.at = NOW + timedelta(days=1) - MILLISECOND
    await payments.execute(Capture(auth_id), request("capture"))

    clock.pass_by(MILLISECOND)

    with pytest.raises(NotFound):
        await payments.history(MERCHANT_ID, auth_id)
