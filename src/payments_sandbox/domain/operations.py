"""What a caller may do to a payment; each operation applies itself, purely.

`apply` never raises for a business refusal: that is a failed transaction which changes no amount.
Refusals are found in one order: what the payment is, then the currency, then the amount.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from payments_sandbox.domain import issuer
from payments_sandbox.domain.card import PresentedCard
from payments_sandbox.domain.errors import (
    AlreadyCaptured,
    AlreadyRefunded,
    AlreadyVoided,
    AmountExceedsCapturable,
    AmountExceedsRefundable,
    AuthorizationDeclined,
    AuthorizationExpired,
    AuthorizationVoided,
    CurrencyMismatch,
    NotCaptured,
    PaymentFull,
    Refusal,
)
from payments_sandbox.domain.identifiers import transaction_id_of
from payments_sandbox.domain.merchant import Merchant, Settings
from payments_sandbox.domain.payment import (
    AUTHORIZATION_LIFE,
    CAPTURES_MAX,
    Captured,
    Change,
    Ended,
    Payment,
    Refunded,
    Status,
    record,
)
from payments_sandbox.domain.transaction import (
    Allocation,
    Amounts,
    AuthorizationDetails,
    Transaction,
    TransactionStatus,
    TransactionType,
)


class Operation(Protocol):
    """Something a caller may do to a payment that exists."""

    @property
    def payment_id(self) -> str:
        """The payment it acts on."""
        ...

    def apply(self, payment: Payment, settings: Settings, at: datetime) -> Change:
        """Return the payment and the one transaction that follow; raise Unrecorded."""
        ...


@dataclass(frozen=True, slots=True)
class Authorize:
    """Ask the issuer for an amount, in minor units, on a card."""

    card: PresentedCard
    amount: int
    currency: str
    reference: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    partial_approval: bool = False
    simulate: issuer.Simulate | None = None

    def apply(self, payment_id: str, card_id: str, merchant: Merchant, at: datetime) -> Change:
        """Return the new payment and its authorization."""
        question = issuer.Question(self.card, self.amount, self.partial_approval, self.simulate)
        decision = issuer.decide(question, merchant.settings.amount_rule, at)
        approved = decision.approved_amount
        payment = Payment(
            payment_id=payment_id,
            merchant_id=merchant.merchant_id,
            version=1,
            card=self.card.kept_as(card_id),
            currency=self.currency,
            amounts=Amounts(requested=self.amount, authorized=approved),
            created_at=at,
            updated_at=at,
            capture_before=at + AUTHORIZATION_LIFE if approved else None,
            reference=self.reference,
        )
        return Change(payment, (self._transaction(payment, decision),))

    def _transaction(self, payment: Payment, decision: issuer.Decision) -> Transaction:
        approved = decision.approved_amount > 0
        return Transaction(
            transaction_id=payment.payment_id,
            payment_id=payment.payment_id,
            seq=1,
            merchant_id=payment.merchant_id,
            type=TransactionType.AUTHORIZATION,
            status=TransactionStatus.APPROVED if approved else TransactionStatus.DECLINED,
            amount=self.amount,
            currency=self.currency,
            created_at=payment.created_at,
            after=payment.amounts,
            authorization=AuthorizationDetails(
                card=payment.card,
                approved_amount=decision.approved_amount,
                response_code=decision.response_code,
                simulation=decision.simulation,
                decline_code=decision.decline_code,
                advice=decision.advice,
                approval_code=payment.payment_id[-6:].upper() if approved else None,
                cvc_result=decision.cvc_result,
                avs_result=decision.avs_result,
                capture_before=payment.capture_before,
                reference=self.reference,
                metadata=self.metadata,
            ),
        )


def retained(payment: Payment, merchant: Merchant, real_at: datetime) -> Payment:
    """Return the payment with the end of its retention, in real time and whole seconds."""
    days = merchant.settings.retention_days
    if days is None:
        return payment
    ends_at = real_at + timedelta(days=days)
    if ends_at.microsecond:
        ends_at = ends_at.replace(microsecond=0) + timedelta(seconds=1)
    return replace(payment, expires_at=ends_at)


@dataclass(frozen=True, slots=True)
class Capture:
    """Take an amount (minor units; all that is left if None) of an authorization."""

    payment_id: str
    amount: int | None = None
    currency: str | None = None
    final: bool = False

    def apply(self, payment: Payment, settings: Settings, at: datetime) -> Change:
        """Return the captured payment, or a failed capture; raise PaymentFull."""
        amount = payment.amounts.capturable if self.amount is None else self.amount
        refusal = _not_open(payment) or _differs(self.currency, payment)
        if refusal is None and amount > payment.amounts.capturable:
            refusal = AmountExceedsCapturable
        if refusal is not None:
            return _failed(payment, TransactionType.CAPTURE, amount, at, refusal)
        if len(payment.captures) >= CAPTURES_MAX:
            raise PaymentFull
        captured = _captured(payment, settings, amount, at, final=self.final)
        return record(captured, TransactionType.CAPTURE, amount, at)


@dataclass(frozen=True, slots=True)
class Void:
    """Release what is not captured."""

    payment_id: str

    def apply(self, payment: Payment, settings: Settings, at: datetime) -> Change:
        """Return the released payment, or a failed void; raise PaymentFull."""
        del settings
        rest = payment.amounts.capturable
        refusal = _not_open(payment)
        if refusal is not None:
            return _failed(payment, TransactionType.VOID, rest, at, refusal)
        amounts = replace(payment.amounts, released=payment.amounts.released + rest)
        voided = replace(payment, amounts=amounts, ended=Ended.VOID)
        return record(voided, TransactionType.VOID, rest, at)


@dataclass(frozen=True, slots=True)
class Refund:
    """Give back an amount (minor units; all that is left if None).

    `transaction_id` names one capture, or None for the whole payment, oldest capture first.
    """

    payment_id: str
    transaction_id: str | None = None
    amount: int | None = None
    currency: str | None = None

    def apply(self, payment: Payment, settings: Settings, at: datetime) -> Change:
        """Return the refunded payment, or a failed refund; raise NotFound or PaymentFull."""
        sources = self._sources(payment)
        refundable = sum(source.refundable for source in sources)
        amount = refundable if self.amount is None else self.amount
        refusal = _not_refundable(payment, sources) or _differs(self.currency, payment)
        if refusal is None and amount > refundable:
            refusal = AmountExceedsRefundable
        if refusal is not None:
            return _failed(payment, TransactionType.REFUND, amount, at, refusal)
        allocations = _allocate(amount, sources)
        refunded = _refunded(payment, settings, allocations, at)
        return record(refunded, TransactionType.REFUND, amount, at, allocations=allocations)

    def _sources(self, payment: Payment) -> tuple[Captured, ...]:
        if self.transaction_id is None:
            return payment.captures
        return (payment.capture(self.transaction_id),)


def _not_open(payment: Payment) -> type[Refusal] | None:
    """Say why nothing can be captured or voided, if so."""
    if payment.status is Status.DECLINED:
        return AuthorizationDeclined
    if payment.ended is Ended.VOID:
        return AuthorizationVoided
    if payment.ended is Ended.EXPIRY:
        return AuthorizationExpired
    return None if payment.amounts.capturable else AlreadyCaptured


def _not_refundable(payment: Payment, sources: tuple[Captured, ...]) -> type[Refusal] | None:
    if payment.status is Status.DECLINED:
        return AuthorizationDeclined
    if not sources:
        return NotCaptured
    if all(one.voided for one in sources):
        return AlreadyVoided
    return None if any(one.refundable for one in sources) else AlreadyRefunded


def _differs(currency: str | None, payment: Payment) -> type[Refusal] | None:
    return CurrencyMismatch if currency not in {None, payment.currency} else None


def _failed(
    payment: Payment, kind: TransactionType, amount: int, at: datetime, why: type[Refusal]
) -> Change:
    return record(payment, kind, amount, at, error_code=why.code)


def _captured(
    payment: Payment, settings: Settings, amount: int, at: datetime, *, final: bool
) -> Payment:
    before = payment.amounts
    released = before.released + (before.capturable - amount if final else 0)
    capture = Captured(
        transaction_id_of(payment.payment_id, payment.version + 1, TransactionType.CAPTURE),
        amount,
        at,
        settles_at=settings.calendar.settles_at(at),
        fee=settings.fees.of_capture(amount),
    )
    return replace(
        payment,
        amounts=replace(before, captured=before.captured + amount, released=released),
        captures=(*payment.captures, capture),
        ended=Ended.FINAL_CAPTURE if final else payment.ended,
    )


def _allocate(amount: int, sources: tuple[Captured, ...]) -> tuple[Allocation, ...]:
    """Take the amount out of the captures, oldest first."""
    allocations: list[Allocation] = []
    for source in sources:
        part = min(amount, source.refundable)
        if part:
            allocations.append(Allocation(source.transaction_id, part))
            amount -= part
    return tuple(allocations)


def _refunded(
    payment: Payment, settings: Settings, allocations: tuple[Allocation, ...], at: datetime
) -> Payment:
    """Return the payment less the refund, which is settled no sooner than what it gives back."""
    settles_at, fee_returned, fees = settings.calendar.settles_at(at), 0, settings.fees
    captures = payment.captures
    for part in allocations:
        source = payment.capture(part.transaction_id)
        refunded = source.refunded + part.amount
        fee_returned += fees.returned(
            source.fee, source.amount, before=source.refunded, after=refunded
        )
        settles_at = max(settles_at, source.settles_at)
        captures = tuple(
            replace(one, refunded=refunded) if one is source else one for one in captures
        )
    amount = sum(part.amount for part in allocations)
    refund = Refunded(
        transaction_id_of(payment.payment_id, payment.version + 1, TransactionType.REFUND),
        amount,
        at,
        settles_at,
        fee_returned,
    )
    return replace(
        payment,
        amounts=replace(payment.amounts, refunded=payment.amounts.refunded + amount),
        captures=captures,
        refunds=(*payment.refunds, refund),
    )
