"""What callers get: transactions and payments rendered, and the models that document them."""

from collections.abc import Sequence
from datetime import datetime

from pydantic_core import to_json
from starlette.responses import Response

from payments_sandbox.api.problems import problem_response, refusal_body, refusal_status
from payments_sandbox.domain.card import Card
from payments_sandbox.domain.event import Logged, event_type_of
from payments_sandbox.domain.identifiers import event_id_of
from payments_sandbox.domain.payment import Captured, Payment
from payments_sandbox.domain.settlement import BatchTransaction, Settlement
from payments_sandbox.domain.times import iso_of
from payments_sandbox.domain.transaction import (
    AuthorizationDetails,
    Transaction,
    TransactionStatus,
)
from payments_sandbox.services.payments import Outcome
from payments_sandbox.services.sweep import Progress

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
    if transaction.settlement is not None:
        details = transaction.settlement
        body["settlement"] = {
            "settlement_id": details.settlement_id,
            "gross": details.gross,
            "refunds": details.refunds,
            "fees": details.fees,
            "net": details.net,
        }
    return body


def event_json(transaction: Logged) -> Json:
    """Return the event that a transaction is; what webhooks carry."""
    if isinstance(transaction, BatchTransaction):
        data = settlement_json(transaction.settlement)
    else:
        data = transaction_json(transaction)
    return {
        "id": event_id_of(transaction.subject_id, transaction.seq),
        "type": event_type_of(transaction),
        "timestamp": time_text(transaction.created_at),
        "sequence": transaction.seq,
        "data": data,
    }


def event_bytes(transaction: Logged) -> bytes:
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
        "settled_amount": amounts.settled,
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


def settlement_json(settlement: Settlement) -> Json:
    """Return a settlement batch as callers see it; what a closing decides is null before it."""
    totals, is_closed = settlement.totals, settlement.closed_at is not None
    pays_out = settlement.payout > 0 or not is_closed
    return {
        "settlement_id": settlement.settlement_id,
        "state": settlement.state,
        "currency": settlement.currency,
        "business_day": settlement.business_day.isoformat(),
        "count": totals.captures + totals.refunds,
        "capture_count": totals.captures,
        "refund_count": totals.refunds,
        "gross": totals.gross,
        "refunds": totals.refunded,
        "fees": totals.fees,
        "net": totals.net,
        "brought_forward": settlement.brought_forward if is_closed else None,
        "payout_amount": settlement.payout if is_closed else None,
        "carried_forward": settlement.carried_forward if is_closed else None,
        "payout_date": settlement.payout_date.isoformat() if pays_out else None,
        "closes_at": time_text(settlement.closes_at),
        "closed_at": time_text(settlement.closed_at),
        "paid_at": time_text(settlement.paid_at),
        "created_at": time_text(settlement.created_at),
    }


def progress_json(progress: Progress) -> Json:
    """Return what a run did."""
    return {
        "complete": progress.complete,
        "reached": time_text(progress.reached),
        "counts": {one: progress.counts[one] for one in sorted(progress.counts)},
        "happenings": [
            {
                "event_id": event_id_of(one.subject_id, one.seq),
                "type": event_type_of(one),
                "subject_id": one.subject_id,
                "at": time_text(one.created_at),
            }
            for one in progress.happened
        ],
        "events_cursor": progress.events_cursor,
    }


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
        "voided": captured.voided,
        "settled": captured.settled,
        "settles_at": time_text(captured.settles_at),
        "created_at": time_text(captured.created_at),
    }


def time_text(at: datetime | None) -> str | None:
    """Return RFC 3339 with milliseconds, or None where there is no time."""
    return None if at is None else iso_of(at)
