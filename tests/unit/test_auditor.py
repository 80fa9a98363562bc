"""The auditor on records in its hand: what is right passes, each kind of fault is named."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from payments_sandbox.adapters.codec import encode_payment, encode_transaction
from payments_sandbox.domain.operations import Capture, Refund, Void
from payments_sandbox.domain.payment import Payment, advance
from payments_sandbox.domain.settlement import settle
from payments_sandbox.domain.transaction import Transaction
from payments_sandbox.domain.void_capture import VoidCapture
from payments_sandbox.services.auditor import EXAMPLES_MAX, Auditor, Check
from tests.unit.examples import AUTH_ID, CUTOFF, DECLINE, EXPIRY_AT, SETTLEMENT_ID, after, opened

Records = list[dict[str, Any]]


def recorded(
    payment: Payment, transactions: Sequence[Transaction]
) -> tuple[dict[str, Any], Records]:
    """Return head and log as they are stored."""
    log = [json.loads(encode_transaction(one)) for one in transactions]
    return json.loads(encode_payment(payment)), log


def sold(*, is_settled: bool = True) -> tuple[dict[str, Any], Records]:
    """Return a payment that was captured twice, refunded, settled and that expired."""
    first = opened()
    captured = after(
        Capture(AUTH_ID, 300), Capture(AUTH_ID, 200), Refund(AUTH_ID, amount=50), payment=first[0]
    )
    transactions = [*first.transactions, *captured.transactions]
    payment = captured.payment
    if is_settled:
        payment, added = settle(payment, SETTLEMENT_ID, CUTOFF)
        transactions += added
    payment, added = advance(payment, EXPIRY_AT)
    return recorded(payment, [*transactions, *added])


def audited(head: dict[str, Any], log: Records) -> Auditor:
    """Return an auditor that has looked at one payment."""
    auditor = Auditor()
    auditor.payment(head, log)
    return auditor


def faulty(auditor: Auditor) -> set[str]:
    """Return the names of the checks that do not hold."""
    return {one.name for one in auditor.checks if one.faults}


@pytest.mark.parametrize("is_settled", [True, False])
def test_a_payment_that_is_right(is_settled: bool) -> None:  # noqa: FBT001 - a case
    """Nothing is found, and the books have what was captured, refunded and settled."""
    auditor = audited(*sold(is_settled=is_settled))
    book = auditor.books["USD"]

    assert faulty(auditor) == set()
    assert (book.captured, book.refunded) == (500, 50)
    assert (book.settled, book.fees) == ((450, 75) if is_settled else (0, 0))
    assert [one.looked_at for one in auditor.checks] == [
        6 if is_settled else 5,
        1,
        1,
        1,
        3 if is_settled else 0,
    ]


@pytest.mark.parametrize(
    "operations",
    [
        (Void(AUTH_ID),),
        (Capture(AUTH_ID, 300, final=True),),
        (Capture(AUTH_ID), VoidCapture(AUTH_ID, f"cap_{AUTH_ID.removeprefix('auth_')}_2")),
        (
            Capture(AUTH_ID, 300, final=True),
            VoidCapture(AUTH_ID, f"cap_{AUTH_ID.removeprefix('auth_')}_2"),
        ),
        (Capture(AUTH_ID, 2000),),
    ],
)
def test_payments_of_all_kinds(operations: tuple[Any, ...]) -> None:
    """Voids, final captures and refused ones are followed."""
    first = opened()
    payment, transactions = after(*operations, payment=first.payment)

    assert faulty(audited(*recorded(payment, [*first.transactions, *transactions]))) == set()


def test_a_declined_payment() -> None:
    """Nothing was authorized, and nothing follows."""
    assert faulty(audited(*recorded(*opened(DECLINE)))) == set()


def test_a_gap() -> None:
    """A transaction that is gone is a gap, and its amount is missing."""
    head, log = sold()

    assert faulty(audited(head, [log[0], *log[2:]])) >= {
        "seq_without_gaps",
        "head_follows_from_log",
        "each_capture_and_refund_in_one_batch",
    }


def test_too_much_captured() -> None:
    """What is captured beyond the authorization is named."""
    head, log = sold(is_settled=False)
    log[1]["amount"] = 5000

    assert faulty(audited(head, log)) == {"captured_within_authorized", "head_follows_from_log"}


def test_too_much_refunded() -> None:
    """What is refunded beyond the captures is named."""
    head, log = sold(is_settled=False)
    log[3]["amount"] = 600

    assert faulty(audited(head, log)) == {"refunded_within_captured", "head_follows_from_log"}


def test_a_capture_settled_twice() -> None:
    """A capture that stands in a batch twice is named, once."""
    head, log = sold()
    items = log[4]["settlement"]["items"]
    items.append(items[0])

    auditor = audited(head, log)

    assert auditor.settled.examples == [items[0]["transaction_id"], log[4]["transaction_id"]]
    assert "head_follows_from_log" in faulty(auditor)


@pytest.mark.parametrize(
    ("name", "value"), [("amount", 1), ("refunded", 1), ("fee", 1), ("voided", True)]
)
def test_a_capture_in_the_head(name: str, value: object) -> None:
    """What a head says of a settled capture is what the log says."""
    head, log = sold()
    head["captures"][0][name] = value

    assert faulty(audited(head, log)) == {"head_follows_from_log"}


def test_captures_of_a_head() -> None:
    """A capture that the head has not, or has under another id, is named."""
    head, log = sold()
    other = {**head, "captures": [{**head["captures"][0], "transaction_id": "x"}]}

    assert faulty(audited({**head, "captures": head["captures"][:1]}, log)) == {
        "head_follows_from_log"
    }
    other["captures"].append(head["captures"][1])
    assert faulty(audited(other, log)) == {"head_follows_from_log"}


@pytest.mark.parametrize("number", range(6))
def test_another_currency(number: int) -> None:
    """A payment has one currency, from its first transaction to its last."""
    head, log = sold()
    log[number]["currency"] = "JPY"

    assert "head_follows_from_log" in faulty(audited(head, log))


@pytest.mark.parametrize("number", range(6))
def test_amounts_after_a_transaction(number: int) -> None:
    """What a transaction says that the payment amounts to is what it and those before add up to."""
    head, log = sold()
    log[number]["after"]["captured"] = 7

    assert audited(head, log).head.examples == [log[number]["transaction_id"]]


def test_a_record_of_another_form() -> None:
    """What is no payment at all is named as well as it can be."""
    head, log = sold()
    head["captures"] = "none"

    assert audited(head, log).head.examples == [AUTH_ID]
    assert audited({}, []).head.examples == ["a payment that cannot be read"]


def test_a_head_that_forgot_what_awaits() -> None:
    """A head whose capture is marked as settled, and was not, does not follow."""
    head, log = sold(is_settled=False)
    head["captures"][0]["settled"] = True

    assert faulty(audited(head, log)) == {"head_follows_from_log"}


def test_batches_are_told_apart() -> None:
    """Two payments with the amounts swapped are no longer the same batch."""
    one, other = audited(*sold()).batches[SETTLEMENT_ID], audited(*sold()).batches[SETTLEMENT_ID]
    one.add("auth_a", 2, 100, 0, 10)
    one.add("auth_b", 2, 200, 0, 10)
    other.add("auth_a", 2, 200, 0, 10)
    other.add("auth_b", 2, 100, 0, 10)

    assert (one.gross, one.payments) == (other.gross, other.payments)
    assert one != other


def test_open_batches_leave_out_the_closed() -> None:
    """What closed batches took is counted with them."""
    auditor = audited(*sold())

    assert auditor.open_batches("USD", set()).gross == 500
    assert auditor.open_batches("USD", {SETTLEMENT_ID}).gross == 0
    assert auditor.open_batches("EUR", set()).gross == 0


def test_examples_are_few() -> None:
    """All faults are counted; ten are named."""
    check = Check("a check")
    for number in range(EXAMPLES_MAX + 5):
        check.fault(str(number))

    assert check.faults == EXAMPLES_MAX + 5
    assert check.examples == [str(number) for number in range(EXAMPLES_MAX)]
