"""Requests as the edge hands them to the services."""

from payments_sandbox.domain.merchant import Merchant
from payments_sandbox.services.payments import Request
from tests.unit.examples import MERCHANT


def request(
    operation: str, key: str = "key", body: str = "{}", *, merchant: Merchant = MERCHANT
) -> Request:
    """Return a request under a key, with a body in canonical form."""
    return Request(merchant, operation, key, body)
