"""Webhook endpoints: where a merchant wants to hear of events, and what they are signed with."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from payments_sandbox.domain.chaos import Chaos
from payments_sandbox.domain.errors import NotFound, TooManyEndpoints
from payments_sandbox.domain.event import EVERYTHING

ENDPOINTS_MAX = 16
OVERLAP = timedelta(hours=24)
SECRETS_MAX = 4


class DisabledReason(StrEnum):
    """Why an endpoint that its merchant wanted hears nothing."""

    GONE = "gone"
    """It answered 410."""


@dataclass(frozen=True, slots=True)
class SecretVersion:
    """Which secret: derived from a webhook root, the endpoint's id and this number."""

    version: int
    root_id: str
    until: datetime | None = None
    """When it ends, after a rotation; None for the one that is current."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A URL of a merchant, and which events go there."""

    endpoint_id: str
    merchant_id: str
    url: str
    secrets: tuple[SecretVersion, ...]
    """The current one first, then what a rotation left valid."""
    created_at: datetime
    updated_at: datetime
    events: tuple[str, ...] = (EVERYTHING,)
    description: str = ""
    enabled: bool = True
    disabled_reason: DisabledReason | None = None
    chaos: Chaos | None = None

    def wants(self, event_type: str) -> bool:
        """Tell whether events of this type go there."""
        return self.enabled and not {EVERYTHING, event_type}.isdisjoint(self.events)

    def signing(self, at: datetime) -> tuple[SecretVersion, ...]:
        """Return the secrets to sign with: each that is valid, the current one first."""
        return tuple(one for one in self.secrets if one.until is None or at < one.until)

    def rotated(self, root_id: str, at: datetime) -> "Endpoint":
        """Return the endpoint with a new secret; the one before stays valid for a day."""
        current, *older = self.signing(at)
        new = SecretVersion(current.version + 1, root_id)
        kept = (new, replace(current, until=at + OVERLAP), *older)[:SECRETS_MAX]
        return replace(self, secrets=kept, updated_at=at)

    def gone(self, at: datetime) -> "Endpoint":
        """Return the endpoint disabled, because it said that nobody is there any more."""
        return replace(self, enabled=False, disabled_reason=DisabledReason.GONE, updated_at=at)


def added(endpoints: tuple[Endpoint, ...], new: Endpoint) -> tuple[Endpoint, ...]:
    """Return a merchant's endpoints with one more; raise TooManyEndpoints."""
    if len(endpoints) >= ENDPOINTS_MAX:
        raise TooManyEndpoints
    return (*endpoints, new)


def found(endpoints: tuple[Endpoint, ...], endpoint_id: str) -> Endpoint:
    """Return the one with this id; raise NotFound."""
    for one in endpoints:
        if one.endpoint_id == endpoint_id:
            return one
    raise NotFound


def replaced(endpoints: tuple[Endpoint, ...], new: Endpoint) -> tuple[Endpoint, ...]:
    """Return a merchant's endpoints with this one in the place of the one of its id."""
    return tuple(new if one.endpoint_id == new.endpoint_id else one for one in endpoints)


def without(endpoints: tuple[Endpoint, ...], endpoint_id: str) -> tuple[Endpoint, ...]:
    """Return a merchant's endpoints but this one; raise NotFound."""
    found(endpoints, endpoint_id)
    return tuple(one for one in endpoints if one.endpoint_id != endpoint_id)
