"""Requests as the edge hands them to the services."""

from payments_sandbox.services.payments import Request
from tests.unit.examples import MERCHANT_ID


def request(
    operation: str, key: str = "key", body: str = "{}", *, merchant_id: str = MERCHANT_ID
) -> Request:
    """Return a request under a key, with a body in canonical form."""
    return Request(merchant_id, operation, key, body)
