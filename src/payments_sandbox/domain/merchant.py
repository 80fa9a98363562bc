"""A merchant: the tenant everything belongs to, its settings and its API keys."""

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from payments_sandbox.domain.calendar import Calendar, SettlementDays
from payments_sandbox.domain.delivery import RetrySchedule
from payments_sandbox.domain.fees import FeeOnRefund, FeePolicy


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
    settlement_cutoff: time = time(0)
    """When a business day ends, in UTC."""
    settlement_days: SettlementDays = SettlementDays.EVERY_DAY
    settlement_holidays: tuple[date, ...] = ()
    fee_rate_bps: int = 290
    fee_fixed: int = 30
    """In minor units of the currency of the capture."""
    fee_on_refund: FeeOnRefund = FeeOnRefund.KEPT

    @property
    def calendar(self) -> Calendar:
        """The business days of what is captured and refunded from now on."""
        return Calendar(self.settlement_cutoff, self.settlement_days, self.settlement_holidays)

    @property
    def fees(self) -> FeePolicy:
        """The fees of what is captured and refunded from now on."""
        return FeePolicy(self.fee_rate_bps, self.fee_fixed, self.fee_on_refund)


@dataclass(frozen=True, slots=True)
class Merchant:
    """A tenant; its clock is real time and an offset that only grows, until a reset."""

    merchant_id: str
    settings: Settings
    clock_offset: timedelta = timedelta()
    resets: int = 0
    """How often its data were deleted: no idempotency key or settlement of before is met again."""

    def now(self, real_at: datetime) -> datetime:
        """Return the time on the merchant's clock."""
        return real_at + self.clock_offset

    def moved_to(self, at: datetime, real_at: datetime) -> "Merchant":
        """Return the merchant with its clock at that time, if it is not beyond it already."""
        return replace(self, clock_offset=max(self.clock_offset, at - real_at))

    def reset(self) -> "Merchant":
        """Return the merchant on real time, as after its data were deleted."""
        return replace(self, clock_offset=timedelta(), resets=self.resets + 1)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key once it was shown: never the key itself."""

    key_id: str
    merchant_id: str
    created_at: datetime
    revoked_at: datetime | None = None
