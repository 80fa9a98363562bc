"""A transaction: one immutable fact about a payment, and everything its answer shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from payments_sandbox.domain.card import Card


class TransactionType(StrEnum):
    """What happened."""

    AUTHORIZATION = "authorization"
    CAPTURE = "capture"
    REFUND = "refund"
    VOID = "void"
    EXPIRY = "expiry"
    SETTLEMENT = "settlement"


class TransactionStatus(StrEnum):
    """How it ended: an authorization is approved or declined, the rest completed or failed."""

    APPROVED = "approved"
    DECLINED = "declined"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Amounts:
    """What a payment amounts to, in minor units of its currency."""

    requested: int
    authorized: int
    captured: int = 0
    refunded: int = 0
    released: int = 0
    """Authorized but given back: voided, expired, or left over by a final capture."""
    settled: int = 0
    """What of the captured is in a settlement batch."""

    @property
    def capturable(self) -> int:
        """What may still be captured."""
        return self.authorized - self.captured - self.released

    @property
    def refundable(self) -> int:
        """What may still be refunded."""
        return self.captured - self.refunded


@dataclass(frozen=True, slots=True)
class Simulation:
    """The rule that decided an authorization, and the field or setting that made it fire."""

    rule: str
    source: str


@dataclass(frozen=True, slots=True)
class AuthorizationDetails:
    """What only an authorization knows."""

    card: Card
    approved_amount: int
    response_code: str
    simulation: Simulation
    decline_code: str | None = None
    advice: str | None = None
    approval_code: str | None = None
    cvc_result: str | None = None
    avs_result: str | None = None
    capture_before: datetime | None = None
    reference: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Allocation:
    """How much of a refund, or of a capture's void, came out of which capture."""

    transaction_id: str
    amount: int


@dataclass(frozen=True, slots=True)
class SettledItem:
    """One capture or refund in a settlement batch, in minor units.

    `fee` is what the processor keeps of it; below zero for what a refund gives back.
    """

    transaction_id: str
    type: TransactionType
    amount: int
    fee: int
    created_at: datetime

    @property
    def net(self) -> int:
        """What it adds to the merchant's balance."""
        return (self.amount if self.type is TransactionType.CAPTURE else -self.amount) - self.fee


@dataclass(frozen=True, slots=True)
class SettlementDetails:
    """What only the settlement of a payment knows: into which batch, and what."""

    settlement_id: str
    items: tuple[SettledItem, ...]

    @property
    def gross(self) -> int:
        """What was captured."""
        return sum([one.amount for one in self.items if one.type is TransactionType.CAPTURE])

    @property
    def refunds(self) -> int:
        """What was refunded."""
        return sum([one.amount for one in self.items if one.type is TransactionType.REFUND])

    @property
    def fees(self) -> int:
        """What the processor keeps."""
        return sum([one.fee for one in self.items])

    @property
    def net(self) -> int:
        """What is left for the merchant; below zero if more was refunded."""
        return self.gross - self.refunds - self.fees


@dataclass(frozen=True, slots=True)
class Transaction:
    """One fact, appended and never edited.

    `created_at` is when it took effect on the merchant's clock; for what happens by itself,
    the moment it became due, however late it was noticed. `amount` is in minor units; a
    settlement's is its net, which may be below zero. A void of one capture has it as allocation.
    """

    transaction_id: str
    payment_id: str
    seq: int
    merchant_id: str
    type: TransactionType
    status: TransactionStatus
    amount: int
    currency: str
    created_at: datetime
    after: Amounts
    error_code: str | None = None
    allocations: tuple[Allocation, ...] = ()
    authorization: AuthorizationDetails | None = None
    settlement: SettlementDetails | None = None

    @property
    def subject_id(self) -> str:
        """Whose log it stands in: the payment's id."""
        return self.payment_id
