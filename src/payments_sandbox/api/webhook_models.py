"""The answers' shapes about events, webhook endpoints and deliveries, for the document."""

from payments_sandbox.api.models import Answer, AuthorizationAnswer, MovementAnswer
from payments_sandbox.api.settlement_models import SettlementAnswer
from payments_sandbox.domain.chaos import Mischief
from payments_sandbox.domain.delivery import DeadReason, State
from payments_sandbox.domain.endpoint import DisabledReason
from payments_sandbox.domain.event import EventType


class EventAnswer(Answer):
    """What happened; the body of a webhook is the same."""

    id: str
    type: EventType
    timestamp: str
    sequence: int
    data: AuthorizationAnswer | MovementAnswer | SettlementAnswer


class EventsAnswer(Answer):
    """One page of events."""

    data: list[EventAnswer]
    next_cursor: str | None


class SecretVersionAnswer(Answer):
    """A secret that signs: which, and until when if a rotation ends it."""

    version: int
    valid_until: str | None


class ChaosAnswer(Answer):
    """How many of a hundred deliveries meet each mischief."""

    seed: int
    delay: int
    reorder: int
    drop: int
    duplicate: int
    stale_timestamp: int
    bad_signature: int


class EndpointAnswer(Answer):
    """A webhook endpoint."""

    endpoint_id: str
    url: str
    events: list[str]
    description: str
    enabled: bool
    disabled_reason: DisabledReason | None
    secret_versions: list[SecretVersionAnswer]
    chaos: ChaosAnswer | None
    created_at: str
    updated_at: str


class EndpointWithSecretAnswer(EndpointAnswer):
    """A webhook endpoint with a new secret, which is shown this once."""

    secret: str


class EndpointsAnswer(Answer):
    """All webhook endpoints of a merchant, oldest first."""

    data: list[EndpointAnswer]
    next_cursor: None


class DeliveryAnswer(Answer):
    """One message on its way to one endpoint."""

    delivery_id: str
    endpoint_id: str
    event_id: str
    type: str
    state: State
    attempts_made: int
    next_attempt_at: str | None
    dead_reason: DeadReason | None
    chaos: list[Mischief]
    created_at: str


class AttemptAnswer(Answer):
    """One request that was made, and what came back."""

    number: int
    attempted_at: str
    duration_ms: int
    status: int | None
    error: str | None
    response: str
    chaos: list[Mischief]


class DeliveryWithAttemptsAnswer(DeliveryAnswer):
    """A delivery with its attempts, oldest first, the last 30."""

    attempts: list[AttemptAnswer]


class DeliveriesAnswer(Answer):
    """One page of deliveries, newest first."""

    data: list[DeliveryAnswer]
    next_cursor: str | None


class RedeliveredAnswer(Answer):
    """How many are due again, and where to go on if there may be more."""

    redelivered: int
    next_cursor: str | None
