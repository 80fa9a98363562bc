"""The answers' shapes about time, settlement and books, for the OpenAPI document."""

from pydantic import Field

from payments_sandbox.api.models import Answer
from payments_sandbox.domain.event import EventType
from payments_sandbox.domain.postings import BookAccount
from payments_sandbox.domain.settlement import BatchState


class SettlementAnswer(Answer):
    """A settlement batch, amounts in minor units; what a closing decides is null before it."""

    settlement_id: str
    state: BatchState
    currency: str
    business_day: str
    count: int = Field(description="captures and refunds")
    capture_count: int
    refund_count: int
    gross: int
    refunds: int
    fees: int
    net: int = Field(description="gross less refunds and fees; may be below zero")
    brought_forward: int | None = Field(description="what earlier batches left below zero")
    payout_amount: int | None
    carried_forward: int | None = Field(description="what is left to the next batch, zero or below")
    payout_date: str | None
    closes_at: str
    closed_at: str | None
    paid_at: str | None
    created_at: str


class SettlementsAnswer(Answer):
    """One page of batches, newest business day first."""

    data: list[SettlementAnswer]
    next_cursor: str | None


class ReportLineAnswer(Answer):
    """A capture or refund in a batch, in minor units."""

    settlement_id: str
    business_day: str
    auth_id: str
    transaction_id: str
    type: str
    amount: int
    fee: int = Field(description="kept by the processor; below zero for what a refund returns")
    net: int
    currency: str
    reference: str | None
    card_brand: str
    card_last4: str
    created_at: str
    settled_by: str = Field(description="the payment's settlement transaction")


class ReportAnswer(Answer):
    """A batch with all it took."""

    settlement: SettlementAnswer
    lines: list[ReportLineAnswer]


class BalanceAnswer(Answer):
    """Money in one currency, in minor units."""

    currency: str
    pending: int = Field(description="captured, less refunded, and in no batch yet")
    available: int = Field(description="settled, and not paid out yet; may be below zero")
    in_transit: int = Field(description="closed, and on its way")
    paid_out: int
    fees: int = Field(description="kept by the processor, to date")


class BalancesAnswer(Answer):
    """The balances, by currency."""

    data: list[BalanceAnswer]


class HappeningAnswer(Answer):
    """One thing that happened by itself."""

    event_id: str
    type: EventType
    subject_id: str = Field(description="the payment or the settlement batch")
    at: str


class ProgressAnswer(Answer):
    """What a run did, and whether all is done."""

    complete: bool = Field(description="if false, send the same request again")
    reached: str
    counts: dict[EventType, int]
    happenings: list[HappeningAnswer] = Field(description="the first hundred, in order")
    events_cursor: str = Field(description="GET /events?after=... lists all that happened")


class AdvancedAnswer(ProgressAnswer):
    """How far the clock came, and what happened on the way."""

    to: str


class ClockAnswer(Answer):
    """What the merchant's clock shows."""

    now: str
    real_now: str
    offset_s: float
    next_due_at: str | None = Field(description="when something happens by itself next")


class ResetAnswer(Answer):
    """Whether all is gone; if not, send the same request again."""

    complete: bool


class CheckAnswer(Answer):
    """One thing that must hold."""

    name: str
    holds: bool
    looked_at: int
    faults: int
    examples: list[str]
    figures: dict[str, int]


class InvariantsAnswer(Answer):
    """The books, derived anew from the log."""

    holds: bool
    complete: bool = Field(description="false if there was no time to look at all")
    payments: int
    transactions: int
    checks: list[CheckAnswer]


class PostingAnswer(Answer):
    """An amount in minor units from one account to another."""

    source: BookAccount
    target: BookAccount
    amount: int
    currency: str


class EntryAnswer(Answer):
    """What one entry of the log moves."""

    event_id: str
    transaction_id: str
    created_at: str
    postings: list[PostingAnswer]


class PostingsAnswer(Answer):
    """One page of the log, as books."""

    data: list[EntryAnswer]
    next_cursor: str | None
