"""Endpoints and deliveries as bytes in a ledger and back.

What has its default value is left out, so a default may never change: old records would.
"""

from pydantic import TypeAdapter

from payments_sandbox.domain.delivery import Delivery
from payments_sandbox.domain.endpoint import Endpoint

_ENDPOINTS = TypeAdapter(tuple[Endpoint, ...])
_DELIVERY = TypeAdapter(Delivery)


def encode_endpoints(endpoints: tuple[Endpoint, ...]) -> bytes:
    """Return a merchant's endpoints as JSON; what has its default value is left out."""
    return _ENDPOINTS.dump_json(endpoints, exclude_defaults=True)


def decode_endpoints(data: bytes) -> tuple[Endpoint, ...]:
    """Return the endpoints that `encode_endpoints` wrote."""
    return _ENDPOINTS.validate_json(data)


def encode_delivery(delivery: Delivery) -> bytes:
    """Return the delivery as JSON; what has its default value is left out."""
    return _DELIVERY.dump_json(delivery, exclude_defaults=True)


def decode_delivery(data: bytes) -> Delivery:
    """Return the delivery that `encode_delivery` wrote."""
    return _DELIVERY.validate_json(data)
