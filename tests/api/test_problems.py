"""Every documented status and code of every operation is produced by a request here."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.api.edge import EdgeSettings
from payments_sandbox.api.problems import EDGE_PROBLEMS, STATUSES, status_of
from payments_sandbox.api.rate_limit import RateLimit
from payments_sandbox.domain.errors import Conflict, LedgerUnavailable, SandboxError
from payments_sandbox.services.payments import Patience
from payments_sandbox.services.ports import LostRace
from tests.api.calls import Call
from tests.api.faults import Faulty
from tests.api.harness import Api, api_over
from tests.api.openapi_document import current_document
from tests.api.situations import SITUATIONS, call_of

# What the ledger raises for the answers that a working one never gives.
FAULTS: dict[str, Exception] = {
    "internal_error": RuntimeError("planted"),
    "ledger_unavailable": LedgerUnavailable(),
}


def _documented() -> list[tuple[str, str, str]]:
    """Return (operation, status, code) for every problem the document promises."""
    return [
        (operation["operationId"], status, code)
        for operations in current_document()["paths"].values()
        for operation in operations.values()
        for status, response in operation["responses"].items()
        if int(status) >= 400
        for code in response["description"].split(", ")
        if code != "request_timeout"  # the server's own: tests/hostile/test_slow.py
    ]


@pytest.mark.parametrize(("operation", "status", "code"), _documented())
async def test_each_documented_problem_is_real(
    tmp_path: Path, operation: str, status: str, code: str
) -> None:
    """A request meets the problem, in its shape, with its status."""
    limit = RateLimit(1_000, lambda: 0.0)
    edge = EdgeSettings(limit, frozenset({"127.0.0.1"}))
    faulty: list[Faulty] = []

    def around(ledger: SqliteLedger) -> Faulty:
        faulty.append(Faulty(ledger))
        return faulty[0]

    patience = Patience(tries_max=2)
    async with api_over(tmp_path, edge=edge, around=around, patience=patience) as api:
        call = await call_of(operation, api)
        response = await _meet(api, call, code, limit, faulty[0])

    problem = response.json()
    assert (response.status_code, problem["code"]) == (int(status), code)
    assert problem["status"] == int(status)
    assert response.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "detail"} < problem.keys()
    assert "planted" not in response.text


async def _meet(
    api: Api, call: Call, code: str, limit: RateLimit, faulty: Faulty
) -> httpx.Response:
    """Bring the problem about."""
    if code in {*FAULTS, "conflict"}:
        if code == "conflict":
            api.clock.advance(days=8 if call.method == "GET" else 0)
            about_payments = call.path.startswith("/payments")
            faulty.calls = {"append"} if about_payments else {"writer"}
            faulty.error = LostRace() if about_payments else Conflict()
        else:
            faulty.error = FAULTS[code]
        response = await call.send(api)
        faulty.error = None
        return response
    if code == "quota_exceeded":
        while limit.take("sk_test_local").allowed:
            pass
        return await call.send(api)
    return await (await SITUATIONS[code](call, api)).send(api)


def _successes(operation: str) -> list[int]:
    documented = [
        one
        for operations in current_document()["paths"].values()
        for one in operations.values()
        if one["operationId"] == operation
    ]
    return [int(status) for status in documented[0]["responses"] if int(status) < 400]


@pytest.mark.parametrize("operation", sorted({operation for operation, _, _ in _documented()}))
async def test_each_documented_success_is_real(api: Api, operation: str) -> None:
    """A good call of each operation gives the one success the document has for it."""
    call = await call_of(operation, api)
    response = await call.send(api)

    assert [response.status_code] == _successes(operation)


async def test_the_method_that_no_route_takes(api: Api) -> None:
    """A 405 lists the methods of its path."""
    response = await api.client.delete("/sandbox/settings")

    assert (response.status_code, response.headers["allow"]) == (405, "GET, PATCH")


def _leaves(error: type[SandboxError]) -> list[type[SandboxError]]:
    children = error.__subclasses__()
    return [leaf for child in children for leaf in _leaves(child)] or [error]


@pytest.mark.parametrize("error", _leaves(SandboxError))
def test_every_domain_error_has_a_status(error: type[SandboxError]) -> None:
    """Each leaf of the tree is found in the one table."""
    assert 400 <= status_of(error) < 600
    assert error.detail().endswith(".")


def test_a_code_has_one_status() -> None:
    """A code the edge shares with the domain has the same status in both."""
    shared = {error.code: status_of(error) for error in STATUSES if hasattr(error, "code")}
    edge: dict[str, Any] = {code: status for code, (status, _) in EDGE_PROBLEMS.items()}

    assert {code: edge[code] for code in shared if code in edge} == {
        code: status for code, status in shared.items() if code in edge
    }
