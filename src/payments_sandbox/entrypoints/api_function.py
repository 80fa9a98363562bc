"""The API as a function behind an API Gateway REST API: the app that serves locally, observed.

The gateway checks API keys and holds the rate limit. Logs are JSON lines with the gateway's request
id; metrics are lines that CloudWatch reads; no line holds what was sent.
"""

import logging
from collections.abc import Callable, Sequence
from time import monotonic, perf_counter
from typing import Any, cast

from aws_lambda_powertools import Logger, Tracer
from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES

from payments_sandbox.adapters.clock import reseed
from payments_sandbox.adapters.dynamodb_merchants import DynamoMerchants
from payments_sandbox.adapters.dynamodb_table import Table
from payments_sandbox.api.app import create_app
from payments_sandbox.api.edge import EdgeSettings, where
from payments_sandbox.api.problems import Problem
from payments_sandbox.domain.destination import DestinationPolicy
from payments_sandbox.domain.transaction import Transaction, TransactionStatus, TransactionType
from payments_sandbox.entrypoints.function_metrics import (
    AUTHORIZED,
    CAPTURED,
    DECLINED,
    LATENCY,
    REFUNDED,
    FunctionMetrics,
)
from payments_sandbox.entrypoints.gateway import GatewayCaller, RestApiRequest, request_id_of
from payments_sandbox.entrypoints.table_store import table_store
from payments_sandbox.entrypoints.wiring import NoCourier, use_cases_over
from payments_sandbox.services.ports import Clock, Ids, Secrets
from payments_sandbox.services.webhook_ports import Courier

Event = dict[str, Any]
Adapter = Callable[[Event, Any], dict[str, Any]]

# Named as the package, so that all its modules log through it.
logger = Logger(service="payments_sandbox", utc=True)
tracer = Tracer(service="payments_sandbox", patch_modules=("botocore",))
# It would log paths, which may hold anything, and errors, which the edge has logged.
logging.getLogger("mangum").setLevel(logging.CRITICAL)
_log = logging.getLogger(__name__)

_COUNTED = {
    (TransactionType.AUTHORIZATION, TransactionStatus.APPROVED): AUTHORIZED,
    (TransactionType.AUTHORIZATION, TransactionStatus.DECLINED): DECLINED,
    (TransactionType.CAPTURE, TransactionStatus.COMPLETED): CAPTURED,
    (TransactionType.REFUND, TransactionStatus.COMPLETED): REFUNDED,
}
_NOBODYS_REQUEST: Event = {
    "httpMethod": "POST",
    "path": "/payments/authorize",
    "headers": {},
    "body": "{}",
    "requestContext": {"requestId": "prime"},
}


class ApiFunction:
    """The function over these adapters, and what SnapStart asks of it."""

    def __init__(  # noqa: PLR0913 - one for each port
        self,
        table: Table,
        secrets: Secrets,
        clock: Clock,
        ids: Ids,
        *,
        courier: Courier | None = None,
        policy: DestinationPolicy | None = None,
        stage: str = "local",
    ) -> None:
        self._table = table
        self._metrics = FunctionMetrics("api", stage)
        store = table_store(table, clock, self._count)
        use = use_cases_over(store, courier or NoCourier(), secrets, clock, ids)
        edge = EdgeSettings(
            access_log=True,
            caller=GatewayCaller(DynamoMerchants(table), use.tenancy, monotonic),
            request_id=request_id_of,
        )
        app = create_app(use, edge, policy or DestinationPolicy())
        self._adapter: Adapter = Mangum(
            app,
            lifespan="off",
            custom_handlers=[cast("Any", RestApiRequest)],
            text_mime_types=[*DEFAULT_TEXT_MIME_TYPES, "application/problem+json"],
        )
        # Neither answers nor errors belong into a trace: they may show what was sent.
        traced = tracer.capture_lambda_handler(
            self._answer, capture_response=False, capture_error=False
        )
        self.handle = logger.inject_lambda_context(
            traced, correlation_id_path="requestContext.requestId", clear_state=True
        )

    def prime(self) -> None:
        """Run what a first request runs, without a word to the table or the log."""
        logging.disable(logging.CRITICAL)
        try:
            self._adapter(_NOBODYS_REQUEST, None)
        finally:
            logging.disable(logging.NOTSET)

    def refresh(self) -> None:
        """Drop what does not survive a snapshot: connections, and the order of chance."""
        self._table.client.close()
        reseed()

    def _answer(self, event: Event, context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's
        started = perf_counter()
        try:
            answer = self._adapter(event, context)
        except Exception as error:  # noqa: BLE001 - Lambda would log its message, and trace it
            _log.error("an event failed: %s", where(error))
            answer = _failed()
        latency_ms = (perf_counter() - started) * 1000
        self._metrics.add(LATENCY, latency_ms)
        self._metrics.write()
        return answer

    def _count(self, transactions: Sequence[Transaction]) -> None:
        for one in transactions:
            name = _COUNTED.get((one.type, one.status))
            if name is not None:
                self._metrics.add(name)


def _failed() -> dict[str, Any]:
    """Return the answer to an event that is no request of a gateway's."""
    response = Problem("internal_error").response()
    return {
        "statusCode": response.status_code,
        "headers": {"content-type": response.media_type, "cache-control": "no-store"},
        "multiValueHeaders": {},
        "body": bytes(response.body).decode(),
        "isBase64Encoded": False,
    }
