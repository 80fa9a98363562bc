"""The answers' shapes, for the OpenAPI document and whoever generates a client from it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from payments_sandbox.domain.calendar import SettlementDays
from payments_sandbox.domain.delivery import RetrySchedule
from payments_sandbox.domain.fees import FeeOnRefund
from payments_sandbox.domain.merchant import AmountRule
from payments_sandbox.domain.payment import Status
from payments_sandbox.domain.response_codes import Advice


class Answer(BaseModel):
    """Closed: an answer holds these members and no other."""

    model_config = ConfigDict(extra="forbid")


class CardAnswer(Answer):
    """What is kept of a card."""

    card_id: str = Field(description="the same card of the same merchant has the same id")
    brand: str
    last4: str
    exp_month: int
    exp_year: int


class SimulationAnswer(Answer):
    """The rule that decided the outcome."""

    rule: Literal["simulate", "card_expired", "test_card", "amount_rule", "approve"]
    source: str = Field(description="the field or setting that made the rule fire")


class AuthorizationAnswer(Answer):
    """An authorization, approved or declined."""

    status: Literal["approved", "declined"]
    auth_id: str
    transaction_id: str
    seq: int
    type: Literal["authorization"]
    amount: int
    approved_amount: int
    currency: str
    card: CardAnswer
    response_code: str
    decline_code: str | None = None
    advice: Advice | None = None
    approval_code: str | None = None
    cvc_result: str | None = Field(None, description="M match, N no match, P not processed")
    avs_result: str | None = Field(None, description="A, Z, N or U, from a test card that sets it")
    capturable_amount: int
    capture_before: str | None
    simulation: SimulationAnswer
    metadata: dict[str, str]
    reference: str | None
    created_at: str


class AllocationAnswer(Answer):
    """How much of a refund came out of which capture."""

    transaction_id: str
    amount: int


class SettledAnswer(Answer):
    """What a batch took of the payment, in minor units; `net` may be below zero."""

    settlement_id: str
    gross: int
    refunds: int
    fees: int
    net: int


class MovementAnswer(Answer):
    """A capture, refund, void, expiry or settlement; a settlement's amount is its net."""

    status: Literal["completed", "failed"]
    transaction_id: str
    seq: int
    type: Literal["capture", "refund", "void", "expiry", "settlement"]
    auth_id: str
    amount: int
    currency: str
    capturable_amount: int
    refundable_amount: int
    created_at: str
    allocations: list[AllocationAnswer] | None = None
    error_code: str | None = None
    settlement: SettledAnswer | None = None


class TransactionAnswer(RootModel[AuthorizationAnswer | MovementAnswer]):
    """Any transaction."""


class CaptureAnswer(Answer):
    """A capture and what became of it; before `settles_at` it can be voided."""

    transaction_id: str
    amount: int
    refunded_amount: int
    voided: bool
    settled: bool
    settles_at: str
    created_at: str


class PaymentAnswer(Answer):
    """A payment as it is now; amounts in minor units."""

    auth_id: str
    status: Status
    amount: int
    approved_amount: int
    captured_amount: int
    refunded_amount: int
    settled_amount: int
    capturable_amount: int
    refundable_amount: int
    currency: str
    card: CardAnswer
    captures: list[CaptureAnswer]
    capture_before: str | None
    reference: str | None
    created_at: str
    updated_at: str


class HistoryAnswer(PaymentAnswer):
    """A payment with its transactions, oldest first."""

    transactions: list[AuthorizationAnswer | MovementAnswer]


class PaymentsAnswer(Answer):
    """One page of payments, newest first."""

    data: list[PaymentAnswer]
    next_cursor: str | None


class SettingsAnswer(Answer):
    """A merchant's settings."""

    amount_rule: AmountRule
    test_cards_only: bool
    retention_days: int | None
    webhook_schedule: RetrySchedule
    settlement_cutoff: str
    settlement_days: SettlementDays
    settlement_holidays: list[str]
    fee_rate_bps: int
    fee_fixed: int
    fee_on_refund: FeeOnRefund


class HealthAnswer(Answer):
    """The sandbox serves, and its ledger answers."""

    status: Literal["ok"]
    version: str


class ProblemAnswer(BaseModel):
    """RFC 9457; a failed capture, refund or void adds its transaction's facts."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    param: str | None = None
