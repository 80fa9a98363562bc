"""Payments over HTTP: parse into an operation, call one service, render the transaction."""

from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from payments_sandbox.api.answers import (
    history_json,
    json_response,
    outcome_response,
    payment_json,
    transaction_json,
)
from payments_sandbox.api.bodies import AuthorizeBody, CaptureBody, RefundBody, VoidBody
from payments_sandbox.api.edge import merchant_id_of
from payments_sandbox.api.idempotency import idempotency_key
from payments_sandbox.api.json_body import read_json
from payments_sandbox.api.query import cursor_of, list_query, no_parameters
from payments_sandbox.api.routing import DirectRoute
from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.identifiers import is_payment_id
from payments_sandbox.services.payments import Payments, Request

Body = TypeVar("Body", bound=BaseModel)


class PaymentRoutes:
    """The endpoints over the use cases of a payment."""

    def __init__(self, payments: Payments) -> None:
        self._payments = payments

    async def authorize(self, request: HttpRequest) -> Response:
        """Ask the issuer for an amount on a card; a decline is an answer, not an error."""
        body, asked = await _asked(request, "authorize", AuthorizeBody)
        return outcome_response(await self._payments.authorize(body.to_operation(), asked))

    async def capture(self, request: HttpRequest) -> Response:
        """Take what was authorized, or part of it, once or several times."""
        body, asked = await _asked(request, "capture", CaptureBody)
        return outcome_response(await self._payments.execute(body.to_operation(), asked))

    async def refund(self, request: HttpRequest) -> Response:
        """Give back what was captured, or part of it, of one capture or of the whole payment."""
        body, asked = await _asked(request, "refund", RefundBody)
        return outcome_response(await self._payments.execute(body.to_operation(), asked))

    async def void(self, request: HttpRequest) -> Response:
        """Release what is not captured."""
        body, asked = await _asked(request, "void", VoidBody)
        return outcome_response(await self._payments.execute(body.to_operation(), asked))

    async def read(self, request: HttpRequest) -> Response:
        """Return a payment as it is now, with its transactions, oldest first."""
        no_parameters(request)
        auth_id = request.path_params["auth_id"]
        if not is_payment_id(auth_id):
            raise NotFound
        payment, transactions = await self._payments.history(merchant_id_of(request.scope), auth_id)
        return json_response(history_json(payment, transactions))

    async def list(self, request: HttpRequest) -> Response:
        """List payments, newest first. A page may be short: follow next_cursor until it is null."""
        query = list_query(request)
        page = await self._payments.list_payments(
            merchant_id_of(request.scope),
            query.to_filter(),
            before=query.before(),
            limit=int(query.limit),
        )
        data = [payment_json(payment) for payment in page.payments]
        return json_response({"data": data, "next_cursor": cursor_of(page.next_before)})

    async def read_transaction(self, request: HttpRequest) -> Response:
        """Return one transaction of a payment."""
        no_parameters(request)
        transaction_id = request.path_params["transaction_id"]
        transaction = await self._payments.transaction(
            merchant_id_of(request.scope), transaction_id
        )
        return json_response(transaction_json(transaction))


async def _asked(request: HttpRequest, operation: str, model: type[Body]) -> tuple[Body, Request]:
    """Return the body, and who asks under which key; raise Problem."""
    no_parameters(request)
    key = idempotency_key(request)
    body, canonical = await read_json(request, model)
    return body, Request(merchant_id_of(request.scope), operation, key, canonical)


def payment_routes(payments: Payments) -> Sequence[DirectRoute]:
    """Return the routes over these use cases."""
    one = PaymentRoutes(payments)
    return [
        DirectRoute("POST", "/payments/authorize", one.authorize, "authorize"),
        DirectRoute("POST", "/payments/capture", one.capture, "capture"),
        DirectRoute("POST", "/payments/refund", one.refund, "refund"),
        DirectRoute("POST", "/payments/void", one.void, "void"),
        DirectRoute("GET", "/payments", one.list, "list_payments"),
        DirectRoute("GET", "/payments/{auth_id}", one.read, "read_payment"),
        DirectRoute(
            "GET", "/transactions/{transaction_id}", one.read_transaction, "read_transaction"
        ),
    ]
