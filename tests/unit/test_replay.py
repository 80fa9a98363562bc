"""Idempotency: the same request again is answered again, and a key serves one request."""

from dataclasses import replace
from datetime import timedelta

import pytest

from payments_sandbox.domain.errors import IdempotencyKeyReused, NotFound, PaymentFull
from payments_sandbox.domain.operations import Capture, Refund, Void
from payments_sandbox.domain.transaction import Transaction
from payments_sandbox.services.payments import Outcome, Payments
from tests.unit.examples import AUTHORIZE, CORE, MERCHANT_ID, MILLISECOND, NOW, OTHER_ID, SETTINGS
from tests.unit.ledgers import ContendedLedger
from tests.unit.requests import request
from tests.unit.stand_ins import ManualClock

DAY = timedelta(hours=24)
UNKNOWN = f"auth_{CORE}"


async def authorized(payments: Payments) -> str:
    """Authorize a payment under a key of its own and return its id."""
    outcome = await payments.authorize(AUTHORIZE, request("authorize", "first"))
    return outcome.transaction.payment_id


async def test_an_authorization_is_replayed(payments: Payments) -> None:
    """The same authorization under the same key is the same payment, not a second one."""
    first = await payments.authorize(AUTHORIZE, request("authorize"))

    again = await payments.authorize(AUTHORIZE, request("authorize"))

    assert Outcome(first.transaction, replayed=True) == again


@pytest.mark.parametrize("amount", [300, 1001])
async def test_a_capture_is_replayed(payments: Payments, amount: int) -> None:
    """A capture, done or refused, is replayed as it was answered and moves no more money."""
    auth_id = await authorized(payments)
    capture = Capture(auth_id, amount)
    first = await payments.execute(capture, request("capture"))
    before = await payments.history(MERCHANT_ID, auth_id)

    again = await payments.execute(capture, request("capture"))

    assert Outcome(first.transaction, replayed=True) == again
    assert before == await payments.history(MERCHANT_ID, auth_id)


async def test_a_replay_shows_the_payment_of_then(payments: Payments) -> None:
    """A replay shows the amounts after that capture, whatever happened since."""
    auth_id = await authorized(payments)
    capture = Capture(auth_id, 300)
    first = await payments.execute(capture, request("capture", "one"))
    await payments.execute(Void(auth_id), request("void", "two"))

    again = await payments.execute(capture, request("capture", "one"))

    assert first.transaction == again.transaction
    assert again.transaction.after.capturable == AUTHORIZE.amount - 300


async def test_another_body_is_refused(payments: Payments) -> None:
    """A key that was spent on another body is refused, and nothing happens."""
    auth_id = await authorized(payments)
    await payments.execute(Capture(auth_id, 300), request("capture", body="a"))

    with pytest.raises(IdempotencyKeyReused):
        await payments.execute(Capture(auth_id, 200), request("capture", body="b"))

    _, transactions = await payments.history(MERCHANT_ID, auth_id)
    assert transactions[-1].after.captured == transactions[-1].amount


async def test_keys_of_two_operations_do_not_clash(payments: Payments) -> None:
    """The same key may be used for a capture and for a refund."""
    auth_id = await authorized(payments)

    capture = await payments.execute(Capture(auth_id), request("capture"))
    refund = await payments.execute(Refund(auth_id), request("refund"))

    assert not capture.replayed
    assert not refund.replayed


async def test_keys_of_two_merchants_do_not_clash(payments: Payments) -> None:
    """Two merchants may use the same key with different bodies."""
    first = await payments.authorize(AUTHORIZE, request("authorize", body="a"))
    second = await payments.authorize(
        AUTHORIZE, request("authorize", body="b", merchant_id=OTHER_ID)
    )

    assert first.transaction.payment_id != second.transaction.payment_id
    assert not second.replayed


@pytest.mark.parametrize(
    ("later", "replayed"),
    [(DAY - MILLISECOND, True), (DAY, False), (2 * DAY, False)],
)
async def test_a_key_lives_for_a_day(
    payments: Payments, clock: ManualClock, later: timedelta, *, replayed: bool
) -> None:
    """After exactly 24 hours a key is new again."""
    first = await payments.authorize(AUTHORIZE, request("authorize"))
    clock.at = NOW + later

    again = await payments.authorize(AUTHORIZE, request("authorize"))

    assert replayed == again.replayed
    assert replayed == (first.transaction == again.transaction)


async def test_an_old_key_takes_another_body(payments: Payments, clock: ManualClock) -> None:
    """After its 24 hours a key may be spent on something else, for another 24."""
    await payments.authorize(AUTHORIZE, request("authorize", body="a"))
    clock.pass_by(DAY)
    second = await payments.authorize(AUTHORIZE, request("authorize", body="b"))
    clock.pass_by(DAY - MILLISECOND)

    again = await payments.authorize(AUTHORIZE, request("authorize", body="b"))

    assert Outcome(second.transaction, replayed=True) == again


@pytest.mark.parametrize("operation", [Capture(UNKNOWN), Void(UNKNOWN), Refund(UNKNOWN)])
async def test_an_unknown_payment_spends_no_key(
    payments: Payments, operation: Capture | Void | Refund
) -> None:
    """What never reached the rules leaves the key to be used again."""
    with pytest.raises(NotFound):
        await payments.execute(operation, request("operation", body="a"))

    auth_id = await authorized(payments)
    outcome = await payments.execute(
        replace(operation, payment_id=auth_id), request("operation", body="b")
    )

    assert not outcome.replayed


async def test_a_reused_key_is_told_before_an_unknown_payment(payments: Payments) -> None:
    """A spent key is looked up before an unknown payment is called unknown."""
    auth_id = await authorized(payments)
    await payments.execute(Capture(auth_id, 1), request("capture", body="a"))

    with pytest.raises(IdempotencyKeyReused):
        await payments.execute(Capture(UNKNOWN, 1), request("capture", body="b"))


async def test_an_unknown_capture_leaves_nothing(payments: Payments) -> None:
    """A refund that names a capture which is not there is not found, and not recorded."""
    auth_id = await authorized(payments)

    with pytest.raises(NotFound):
        await payments.execute(
            Refund(auth_id, auth_id.replace("auth", "cap") + "_2"), request("refund")
        )

    payment, _ = await payments.history(MERCHANT_ID, auth_id)
    assert payment.version == len([auth_id])


async def fill(ledger: ContendedLedger, auth_id: str, count: int) -> None:
    """Fill the payment to so many transactions with refused captures, in one write."""
    payment = await ledger.payment(MERCHANT_ID, auth_id)
    transactions: list[Transaction] = []
    while payment.version < count:
        payment, added = Capture(auth_id, 10**12).apply(payment, SETTINGS, NOW)
        transactions += added
    await ledger.append(payment, transactions, None)


async def test_a_full_payment_refuses_and_spends_no_key(
    payments: Payments, ledger: ContendedLedger
) -> None:
    """A request that finds the payment full leaves nothing, so its key stays unspent."""
    auth_id = await authorized(payments)
    await fill(ledger, auth_id, 1000)

    for body in ("a", "b"):
        with pytest.raises(PaymentFull):
            await payments.execute(Capture(auth_id), request("capture", body=body))

    _, transactions = await payments.history(MERCHANT_ID, auth_id)
    assert transactions[-1].seq == len(transactions) == 1000


async def test_a_full_payment_still_replays(payments: Payments, ledger: ContendedLedger) -> None:
    """A request answered before the payment was full is answered the same after it."""
    auth_id = await authorized(payments)
    await fill(ledger, auth_id, 999)
    last = await payments.execute(Capture(auth_id), request("capture", body="a"))

    again = await payments.execute(Capture(auth_id), request("capture", body="a"))

    assert Outcome(last.transaction, replayed=True) == again
    with pytest.raises(IdempotencyKeyReused):
        await payments.execute(Capture(auth_id), request("capture", body="b"))


async def test_what_the_ledger_is_given_of_a_key(
    payments: Payments, ledger: ContendedLedger
) -> None:
    """A ledger is given two hashes of 16 bytes and a life, never the key or the body."""
    await payments.authorize(AUTHORIZE, request("authorize", "a-key", "a-body"))

    (key,) = ledger.keys
    assert key is not None
    assert len(key.scope_hash) == len(key.fingerprint) == 16
    assert (key.spent_at, key.expires_at) == (NOW, NOW + DAY)
    assert key.scope_hash != key.fingerprint


async def test_a_request_prints_neither_key_nor_body() -> None:
    """Keys and bodies stay out of what a log or a traceback would show."""
    text = repr(request("authorize", "a-secret-key", "a-secret-body"))

    assert "secret" not in text
