"""Fees: what the processor keeps of a capture, and what of it a refund gives back."""

from dataclasses import dataclass
from enum import StrEnum

WHOLE_BPS = 10_000


class FeeOnRefund(StrEnum):
    """What a refund does to the fee of its capture."""

    KEPT = "kept"
    RETURNED = "returned"
    """In proportion to what is refunded; all of it once all is."""


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """A share in basis points, half up, and a fixed part in minor units of the currency."""

    rate_bps: int
    fixed: int
    on_refund: FeeOnRefund

    def of_capture(self, amount: int) -> int:
        """Return the fee of a capture of that amount."""
        return _half_up(amount * self.rate_bps, WHOLE_BPS) + self.fixed

    def returned(self, fee: int, captured: int, *, before: int, after: int) -> int:
        """Return what of a capture's fee comes back as its refunded amount goes on.

        Counted from the whole, so that many small refunds give back what one large one does.
        """
        if self.on_refund is FeeOnRefund.KEPT:
            return 0
        return _half_up(fee * after, captured) - _half_up(fee * before, captured)


def _half_up(numerator: int, denominator: int) -> int:
    """Divide what is not negative, and round a half up."""
    return (2 * numerator + denominator) // (2 * denominator)
