"""The books over HTTP: everything derived anew from the log, each check by name."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from payments_sandbox.api.answers import Json, json_response
from payments_sandbox.api.edge import merchant_id_of
from payments_sandbox.api.query import no_parameters
from payments_sandbox.api.routing import DirectRoute
from payments_sandbox.services.audit import Audit, Report
from payments_sandbox.services.auditor import Check


class InvariantRoutes:
    """The endpoint over the use case of an audit."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    async def read(self, request: Request) -> Response:
        """Derive this merchant's books anew from its log, and report each check."""
        no_parameters(request)
        report = await self._audit.run(merchant_id_of(request.scope))
        return json_response(report_json(report))


def invariant_routes(audit: Audit) -> Sequence[DirectRoute]:
    """Return the route over this use case."""
    one = InvariantRoutes(audit)
    return [DirectRoute("GET", "/sandbox/invariants", one.read, "read_invariants")]


def report_json(report: Report) -> Json:
    """Return a report as callers see it."""
    return {
        "holds": report.holds,
        "complete": report.complete,
        "payments": report.payments,
        "transactions": report.transactions,
        "checks": [check_json(one) for one in report.checks],
    }


def check_json(check: Check) -> Json:
    """Return a check as callers see it."""
    return {
        "name": check.name,
        "holds": not check.faults,
        "looked_at": check.looked_at,
        "faults": check.faults,
        "examples": check.examples,
        "figures": check.figures,
    }
