"""What must hold between a payment and its transactions, whatever was done."""

from itertools import pairwise

from payments_sandbox.domain.payment import Payment, status_of
from payments_sandbox.domain.transaction import Transaction, TransactionStatus, TransactionType


def assert_sound(payment: Payment, transactions: list[Transaction]) -> None:
    """Check that the head is what its transactions add up to, and that no sum runs over."""
    amounts = payment.amounts
    done = [one for one in transactions if one.status is TransactionStatus.COMPLETED]
    captures = [one for one in done if one.type is TransactionType.CAPTURE]
    refunds = [one for one in done if one.type is TransactionType.REFUND]
    parts = [part for refund in refunds for part in refund.allocations]
    reversed_ = {
        part.transaction_id
        for one in done
        if one.type is TransactionType.VOID
        for part in one.allocations
    }
    standing = [one for one in captures if one.transaction_id not in reversed_]

    assert [*range(1, payment.version + 1)] == [one.seq for one in transactions]
    assert {payment.payment_id} == {one.payment_id for one in transactions}
    assert transactions[-1].after == amounts
    assert amounts.authorized <= amounts.requested
    assert sum(one.amount for one in standing) == amounts.captured <= amounts.authorized
    assert sum(one.amount for one in refunds) == amounts.refunded <= amounts.captured
    assert min(amounts.capturable, amounts.refundable, amounts.released) >= 0
    assert [(one.transaction_id, one.amount) for one in captures] == [
        (one.transaction_id, one.amount) for one in payment.captures
    ]
    assert reversed_ == {one.transaction_id for one in payment.captures if one.voided}
    _assert_settled(payment, done)
    for capture in payment.captures:
        refunded = sum(one.amount for one in parts if one.transaction_id == capture.transaction_id)
        assert refunded == capture.refunded <= capture.amount
    for refund in refunds:
        assert refund.amount == sum(part.amount for part in refund.allocations)
    assert payment.status is status_of(amounts, payment.ended)
    times = [one.created_at for one in transactions]
    assert sorted(times) == times
    _assert_steps(transactions)


def _assert_settled(payment: Payment, done: list[Transaction]) -> None:
    """Check that what awaits settlement is what no settlement took, each of it once."""
    items = [item for one in done if one.settlement for item in one.settlement.items]
    taken = [item.transaction_id for item in items]
    refunds = [one.transaction_id for one in done if one.type is TransactionType.REFUND]

    assert len(set(taken)) == len(taken)
    assert [one.transaction_id for one in payment.refunds] == [
        one for one in refunds if one not in taken
    ]
    for capture in payment.captures:
        assert capture.settled == (capture.transaction_id in taken)
        assert not (capture.settled and capture.voided)
    captures = [item.amount for item in items if item.type is TransactionType.CAPTURE]
    assert sum(captures) == payment.amounts.settled
    for one in done:
        assert one.settlement is None or one.amount == one.settlement.net


def _assert_steps(transactions: list[Transaction]) -> None:
    """Check that each transaction changed only what its kind changes, and a failed one nothing."""
    for before, one in pairwise(transactions):
        captured = one.after.captured - before.after.captured
        refunded = one.after.refunded - before.after.refunded
        released = one.after.released - before.after.released
        failed = one.status is TransactionStatus.FAILED

        assert failed == (one.error_code is not None)
        assert one.after.authorized == before.after.authorized
        match one.type:
            case _ if failed:
                assert (captured, refunded, released) == (0, 0, 0)
            case TransactionType.CAPTURE:
                assert (one.amount, 0) == (captured, refunded)
                assert released in {0, before.after.capturable - one.amount}
            case TransactionType.REFUND:
                assert (0, one.amount, 0) == (captured, refunded, released)
            case TransactionType.SETTLEMENT:
                assert (captured, refunded, released) == (0, 0, 0)
            case TransactionType.VOID if one.allocations:
                assert (-one.amount, 0) == (captured, refunded)
                assert released in {0, one.amount}
            case _:
                assert (0, 0, one.amount) == (captured, refunded, released)
