"""A merchant: the tenant everything belongs to, its settings and its API keys."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from payments_sandbox.domain.delivery import RetrySchedule


class AmountRule(StrEnum):
    """Whether an amount decides the outcome."""

    OFF = "off"
    CENTS = "cents"
    """The last two digits of the amount are the response code, where one is listed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a merchant may choose."""

    amount_rule: AmountRule = AmountRule.OFF
    test_cards_only: bool = False
    retention_days: int | None = None
    """How long a payment is kept after its authorization; None keeps it for good."""
    webhook_schedule: RetrySchedule = RetrySchedule.STANDARD


@dataclass(frozen=True, slots=True)
class Merchant:
    """A tenant."""

    merchant_id: str
    settings: Settings


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key once it was shown: never the key itself."""

    key_id: str
    merchant_id: str
    created_at: datetime
    revoked_at: datetime | None = None
