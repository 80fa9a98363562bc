"""What callers get: transactions and payments rendered, and the models that document them."""

from collections.abc import Sequence
from datetime import datetime

from pydantic_core import to_json
from starlette.responses import Response

from payments_sandbox.api.problems import problem_response, refusal_body, refusal_status
from payments_sandbox.domain.card import Card
from payments_sandbox.domain.event import event_type_of
from payments_sandbox.domain.identifiers import event_id_of
from payments_sandbox.domain.payment import Captured, Payment
from payments_sandbox.domain.times import iso_of
from payments_sandbox.domain.transaction import (
    AuthorizationDetails,
    Transaction,
    TransactionStatus,
)
from payments_sandbox.services.payments import Outcome

Json = dict[str, object]


def outcome_response(outcome: Outcome) -> Response:
    """Return the answer to an operation; a replay has the same bytes and says so in a header."""
    transaction = outcome.transaction
    if transaction.status is TransactionStatus.FAILED:
        assert transaction.error_code is not None  # noqa: S101 - a failed one always says why
        status = refusal_status(transaction.error_code)
        response = problem_response(status, _failure(transaction, transaction.error_code))
    else:
        response = json_response(transaction_json(transaction), 201)
    if outcome.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def json_response(body: Json, status: int = 200) -> Response:
    """Return the body as JSON."""
    return Response(to_json(body), status, media_type="application/json")


def transaction_json(transaction: Transaction) -> Json:
    """Return a transaction as callers see it."""
    if transaction.authorization is not None:
        return _authorization(transaction, transaction.authorization)
    body = _movement(transaction)
    if transaction.allocations:
        body["allocations"] = [
            {"transaction_id": one.transaction_id, "amount": one.amount}
            for one in transaction.allocations
        ]
    if transaction.error_code is not None:
        body["error_code"] = transaction.error_code
    return body


def event_json(transaction: Transaction) -> Json:
    """Return the event that a transaction is; what webhooks carry."""
    return {
        "id": event_id_of(transaction.payment_id, transaction.seq),
        "type": event_type_of(transaction),
        "timestamp": time_text(transaction.created_at),
        "sequence": transaction.seq,
        "data": transaction_json(transaction),
    }


def event_bytes(transaction: Transaction) -> bytes:
    """Return an event as the body of a webhook: the same bytes on each attempt."""
    return to_json(event_json(transaction))


def payment_json(payment: Payment) -> Json:
    """Return a payment's head as callers see it."""
    amounts = payment.amounts
    return {
        "auth_id": payment.payment_id,
        "status": payment.status,
        "amount": amounts.requested,
        "approved_amount": amounts.authorized,
        "captured_amount": amounts.captured,
        "refunded_amount": amounts.refunded,
        "capturable_amount": amounts.capturable,
        "refundable_amount": amounts.refundable,
        "currency": payment.currency,
        "card": _card(payment.card),
        "captures": [_capture(one) for one in payment.captures],
        "capture_before": time_text(payment.capture_before),
        "reference": payment.reference,
        "created_at": time_text(payment.created_at),
        "updated_at": time_text(payment.updated_at),
    }


def history_json(payment: Payment, transactions: Sequence[Transaction]) -> Json:
    """Return a payment with all its transactions, oldest first."""
    return payment_json(payment) | {"transactions": [transaction_json(one) for one in transactions]}


def _authorization(transaction: Transaction, details: AuthorizationDetails) -> Json:
    body: Json = {
        "status": transaction.status,
        "auth_id": transaction.payment_id,
        "transaction_id": transaction.transaction_id,
        "seq": transaction.seq,
        "type": transaction.type,
        "amount": transaction.amount,
        "approved_amount": details.approved_amount,
        "currency": transaction.currency,
        "card": _card(details.card),
        "response_code": details.response_code,
    }
    for name in ("decline_code", "advice", "approval_code", "cvc_result", "avs_result"):
        value = getattr(details, name)
        if value is not None:
            body[name] = value
    return body | {
        "capturable_amount": transaction.after.capturable,
        "capture_before": time_text(details.capture_before),
        "simulation": {"rule": details.simulation.rule, "source": details.simulation.source},
        "metadata": details.metadata,
        "reference": details.reference,
        "created_at": time_text(transaction.created_at),
    }


def _movement(transaction: Transaction) -> Json:
    return {
        "status": transaction.status,
        "transaction_id": transaction.transaction_id,
        "seq": transaction.seq,
        "type": transaction.type,
        "auth_id": transaction.payment_id,
        "amount": transaction.amount,
        "currency": transaction.currency,
        "capturable_amount": transaction.after.capturable,
        "refundable_amount": transaction.after.refundable,
        "created_at": time_text(transaction.created_at),
    }


def _failure(transaction: Transaction, error_code: str) -> Json:
    """Return the problem with its facts; not the amount, for that is what was sent."""
    facts = _movement(transaction)
    kept = ("transaction_id", "seq", "auth_id", "capturable_amount", "refundable_amount")
    return refusal_body(error_code) | {name: facts[name] for name in kept}


def _card(card: Card) -> Json:
    return {
        "card_id": card.card_id,
        "brand": card.brand,
        "last4": card.last4,
        "exp_month": card.exp_month,
        "exp_year": card.exp_year,
    }


def _capture(captured: Captured) -> Json:
    return {
        "transaction_id": captured.transaction_id,
        "amount": captured.amount,
        "refunded_amount": captured.refunded,
        "created_at": time_text(captured.created_at),
    }


def time_text(at: datetime | None) -> str | None:
    """Return RFC 3339 with milliseconds, or None where there is no time."""
    return None if at is None else iso_of(at)
