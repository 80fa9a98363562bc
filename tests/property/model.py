"""What the sandbox should do, told a second time: plain sums and the documented order."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from payments_sandbox.domain.operations import Authorize, Capture, Operation, Refund, Void
from payments_sandbox.domain.transaction import Transaction
from tests.strategies import DECLINING

WEEK = timedelta(days=7)


class Fact(NamedTuple):
    """What a transaction should say; amounts of the payment as they are after it."""

    type: str
    status: str
    amount: int
    created_at: datetime
    sums: tuple[int, int, int]
    error_code: str | None = None
    allocations: tuple[tuple[str, int], ...] = ()


def fact_of(transaction: Transaction) -> Fact:
    """Return what a transaction does say."""
    after = transaction.after
    return Fact(
        transaction.type,
        transaction.status,
        transaction.amount,
        transaction.created_at,
        (after.captured, after.refunded, after.released),
        transaction.error_code,
        tuple((one.transaction_id, one.amount) for one in transaction.allocations),
    )


@dataclass
class Expected:
    """What one payment should be."""

    auth_id: str
    card: str
    currency: str
    reference: str | None
    authorized: int
    expires_at: datetime
    facts: list[Fact]
    captured: dict[str, int] = field(default_factory=dict[str, int])
    refunded: dict[str, int] = field(default_factory=dict[str, int])
    released: int = 0
    ended: str | None = None

    @property
    def rest(self) -> int:
        """What may still be captured."""
        return self.authorized - sum(self.captured.values()) - self.released

    def left(self, capture_id: str) -> int:
        """What of a capture may still be refunded."""
        return self.captured[capture_id] - self.refunded[capture_id]

    def status_at(self, at: datetime) -> str:
        """What it should be called then."""
        taken, given = sum(self.captured.values()), sum(self.refunded.values())
        overdue = self.rest > 0 and at >= self.expires_at
        rest = 0 if overdue else self.rest
        if not self.authorized:
            return "declined"
        if not taken and not rest:
            return "expired" if overdue else {"void": "voided"}.get(self.ended or "", "expired")
        if not taken:
            return "authorized"
        if not given:
            return "partially_captured" if rest else "captured"
        return "refunded" if given == taken and not rest else "partially_refunded"

    def fall_due(self, at: datetime) -> None:
        """Expire what is overdue."""
        if self.rest > 0 and at >= self.expires_at:
            rest = self.rest
            self.released, self.ended = self.released + rest, "expiry"
            self._add("expiry", rest, self.expires_at)

    def foresee(self, operation: Operation, at: datetime) -> Fact:
        """Do what the operation should do, and return what its transaction should say."""
        self.fall_due(at)
        match operation:
            case Capture():
                return self._capture(operation, at)
            case Refund():
                return self._refund(operation, at)
            case _:
                assert isinstance(operation, Void)
                return self._void(at)

    def _capture(self, operation: Capture, at: datetime) -> Fact:
        rest = self.rest
        amount = rest if operation.amount is None else operation.amount
        refused = self._closed() or self._mismatch(operation.currency)
        refused = refused or ("amount_exceeds_capturable" if amount > rest else None)
        if refused is None:
            capture_id = self.auth_id.replace("auth", "cap") + f"_{len(self.facts) + 1}"
            self.captured[capture_id], self.refunded[capture_id] = amount, 0
            if operation.final:
                self.released, self.ended = self.released + rest - amount, "final"
        return self._add("capture", amount, at, refused)

    def _refund(self, operation: Refund, at: datetime) -> Fact:
        wanted = operation.transaction_id
        sources = [*self.captured] if wanted is None else [wanted]
        left = sum(map(self.left, sources))
        amount = left if operation.amount is None else operation.amount
        refused = None
        if not self.authorized:
            refused = "authorization_declined"
        elif not self.captured:
            refused = "not_captured"
        elif not left:
            refused = "already_refunded"
        refused = refused or self._mismatch(operation.currency)
        refused = refused or ("amount_exceeds_refundable" if amount > left else None)
        if refused:
            return self._add("refund", amount, at, refused)
        allocations: list[tuple[str, int]] = []
        for source in sources:
            part = min(self.left(source), amount - sum(one for _, one in allocations))
            if part:
                self.refunded[source] += part
                allocations.append((source, part))
        return self._add("refund", amount, at, None, tuple(allocations))

    def _void(self, at: datetime) -> Fact:
        rest, refused = self.rest, self._closed()
        if refused is None:
            self.released, self.ended = self.released + rest, "void"
        return self._add("void", rest, at, refused)

    def _closed(self) -> str | None:
        if not self.authorized:
            return "authorization_declined"
        if self.ended in {"void", "expiry"}:
            return {"void": "authorization_voided", "expiry": "authorization_expired"}[self.ended]
        return None if self.rest else "already_captured"

    def _mismatch(self, currency: str | None) -> str | None:
        return None if currency in {None, self.currency} else "currency_mismatch"

    def _add(
        self,
        kind: str,
        amount: int,
        at: datetime,
        refused: str | None = None,
        allocations: tuple[tuple[str, int], ...] = (),
    ) -> Fact:
        sums = (sum(self.captured.values()), sum(self.refunded.values()), self.released)
        status = "failed" if refused else "completed"
        fact = Fact(kind, status, amount, at, sums, refused, allocations)
        self.facts.append(fact)
        return fact


def expected_of(operation: Authorize, auth_id: str, at: datetime) -> Expected:
    """Return what an authorization should make."""
    simulate, number = operation.simulate, operation.card.number
    authorized = 0 if number in DECLINING else operation.amount
    if simulate is not None:
        part = simulate.approved_amount if operation.partial_approval else 0
        authorized = {"00": operation.amount, "10": part or 0}.get(simulate.response_code, 0)
    status = "approved" if authorized else "declined"
    fact = Fact("authorization", status, operation.amount, at, (0, 0, 0))
    return Expected(
        auth_id, number, operation.currency, operation.reference, authorized, at + WEEK, [fact]
    )
