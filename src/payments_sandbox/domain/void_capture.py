"""Voiding a capture: as if it had not been, as long as its cut-off has not passed."""

from dataclasses import dataclass, replace
from datetime import datetime

from payments_sandbox.domain.errors import (
    AlreadyRefunded,
    AlreadySettled,
    AlreadyVoided,
    Refusal,
)
from payments_sandbox.domain.merchant import Settings
from payments_sandbox.domain.payment import Captured, Change, Ended, Payment, record
from payments_sandbox.domain.transaction import Allocation, TransactionType


@dataclass(frozen=True, slots=True)
class VoidCapture:
    """Reverse a whole capture before its cut-off.

    What it took may be captured again while the authorization is open, and is released after.
    """

    payment_id: str
    transaction_id: str

    def apply(self, payment: Payment, settings: Settings, at: datetime) -> Change:
        """Return the payment without the capture, or a failed void.

        Raise NotFound or PaymentFull.
        """
        del settings
        capture = payment.capture(self.transaction_id)
        refusal = _not_voidable(capture, at)
        if refusal is not None:
            return record(
                payment, TransactionType.VOID, capture.amount, at, error_code=refusal.code
            )
        amounts = replace(payment.amounts, captured=payment.amounts.captured - capture.amount)
        ended, is_late = payment.ended, payment.capture_before and at >= payment.capture_before
        if ended is not None or is_late:
            amounts = replace(amounts, released=amounts.released + capture.amount)
            ended = ended if amounts.captured else Ended.VOID
        reversed_ = replace(
            payment,
            amounts=amounts,
            ended=ended,
            captures=tuple(
                replace(one, voided=True) if one is capture else one for one in payment.captures
            ),
        )
        allocations = (Allocation(capture.transaction_id, capture.amount),)
        return record(reversed_, TransactionType.VOID, capture.amount, at, allocations=allocations)


def _not_voidable(capture: Captured, at: datetime) -> type[Refusal] | None:
    if capture.voided:
        return AlreadyVoided
    if capture.settled or at >= capture.settles_at:
        return AlreadySettled
    return AlreadyRefunded if capture.refunded else None
