"""What the sandbox should do, told a second time: plain sums and the documented order."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from payments_sandbox.domain.operations import (
    Authorize,
    Capture,
    Operation,
    Refund,
    Void,
)
from payments_sandbox.domain.transaction import SettledItem, Transaction
from payments_sandbox.domain.void_capture import VoidCapture
from tests.property.settling import Item, Rules
from tests.strategies import DECLINING

WEEK = timedelta(days=7)


class Fact(NamedTuple):
    """What a transaction should say; amounts of the payment as they are after it."""

    type: str
    status: str
    amount: int
    created_at: datetime
    sums: tuple[int, int, int, int]
    error_code: str | None = None
    allocations: tuple[tuple[str, int], ...] = ()
    items: tuple[Item, ...] = ()


def fact_of(transaction: Transaction) -> Fact:
    """Return what a transaction does say."""
    after = transaction.after
    return Fact(
        transaction.type,
        transaction.status,
        transaction.amount,
        transaction.created_at,
        (after.captured, after.refunded, after.released, after.settled),
        transaction.error_code,
        tuple((one.transaction_id, one.amount) for one in transaction.allocations),
        tuple(map(item_of, transaction.settlement.items)) if transaction.settlement else (),
    )


def item_of(item: SettledItem) -> Item:
    """Return what a settlement says of one capture or refund."""
    sign = 1 if item.type == "capture" else -1
    return item.transaction_id, sign * item.amount, item.fee


class Awaiting(NamedTuple):
    """A capture, or a refund below zero, that no batch has taken."""

    amount: int
    fee: int
    settles_at: datetime


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
    settled: int = 0
    ended: str | None = None
    voided: dict[str, int] = field(default_factory=dict[str, int])
    cut_off_at: dict[str, datetime] = field(default_factory=dict[str, datetime])
    fees: dict[str, int] = field(default_factory=dict[str, int])
    awaiting: dict[str, Awaiting] = field(default_factory=dict[str, Awaiting])

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

    @property
    def seq(self) -> int:
        """The number of its last transaction."""
        return len(self.facts)

    @property
    def pending(self) -> int:
        """What is captured and not refunded, and in no batch."""
        return sum(one.amount for one in self.awaiting.values())

    @property
    def due_at(self) -> datetime | None:
        """When something happens to it by itself."""
        moments = [one.settles_at for one in self.awaiting.values()]
        return min([*moments, self.expires_at] if self.rest > 0 else moments, default=None)

    def fall_due(self, at: datetime) -> None:
        """Expire what is overdue."""
        if self.rest > 0 and at >= self.expires_at:
            rest = self.rest
            self.released, self.ended = self.released + rest, "expiry"
            self._add("expiry", rest, max(self.expires_at, self.facts[-1].created_at))

    def happen(self, at: datetime) -> tuple[Item, ...] | None:
        """Do what is due then; return what a batch takes, or None if it only expires."""
        self.fall_due(at)
        taken = {name: one for name, one in self.awaiting.items() if one.settles_at <= at}
        if not taken:
            return None
        items = [(name, one.amount, one.fee) for name, one in taken.items()]
        items.sort(key=lambda one: one[1] < 0)  # captures first
        self.settled += sum(amount for _, amount, _ in items if amount > 0)
        for name in taken:
            del self.awaiting[name]
        net = sum(amount - fee for _, amount, fee in items)
        self._add("settlement", net, max(at, self.facts[-1].created_at), items=tuple(items))
        return tuple(items)

    def foresee(self, operation: Operation, at: datetime, rules: Rules) -> Fact:
        """Do what the operation should do, and return what its transaction should say."""
        self.fall_due(at)
        match operation:
            case Capture():
                return self._capture(operation, at, rules)
            case Refund():
                return self._refund(operation, at, rules)
            case VoidCapture():
                return self._void_capture(operation.transaction_id, at)
            case _:
                assert isinstance(operation, Void)
                return self._void(at)

    def _capture(self, operation: Capture, at: datetime, rules: Rules) -> Fact:
        rest = self.rest
        amount = rest if operation.amount is None else operation.amount
        refused = self._closed() or self._mismatch(operation.currency)
        refused = refused or ("amount_exceeds_capturable" if amount > rest else None)
        if refused is None:
            capture_id = self.auth_id.replace("auth", "cap") + f"_{len(self.facts) + 1}"
            self.captured[capture_id], self.refunded[capture_id] = amount, 0
            self.fees[capture_id], self.cut_off_at[capture_id] = (
                rules.fee(amount),
                rules.end_after(at),
            )
            self.awaiting[capture_id] = Awaiting(
                amount, self.fees[capture_id], self.cut_off_at[capture_id]
            )
            if operation.final:
                self.released, self.ended = self.released + rest - amount, "final"
        return self._add("capture", amount, at, refused)

    def _refund(self, operation: Refund, at: datetime, rules: Rules) -> Fact:
        wanted = operation.transaction_id
        sources = [one for one in self.captured if wanted in {None, one}]
        left = sum(map(self.left, sources))
        amount = left if operation.amount is None else operation.amount
        refused = None
        if not self.authorized:
            refused = "authorization_declined"
        elif not sources:
            refused = "already_voided" if self.voided else "not_captured"
        elif not left:
            refused = "already_refunded"
        refused = refused or self._mismatch(operation.currency)
        refused = refused or ("amount_exceeds_refundable" if amount > left else None)
        if refused:
            return self._add("refund", amount, at, refused)
        allocations: list[tuple[str, int]] = []
        fee_back, settles_at = 0, rules.end_after(at)
        for source in sources:
            part = min(self.left(source), amount - sum(one for _, one in allocations))
            if part:
                before = self.refunded[source]
                self.refunded[source] += part
                fee_back += rules.fee_back(
                    self.fees[source], self.captured[source], before, before + part
                )
                settles_at = max(settles_at, self.cut_off_at[source])
                allocations.append((source, part))
        refund_id = self.auth_id.replace("auth", "ref") + f"_{len(self.facts) + 1}"
        self.awaiting[refund_id] = Awaiting(-amount, -fee_back, settles_at)
        return self._add("refund", amount, at, allocations=tuple(allocations))

    def _void_capture(self, capture_id: str, at: datetime) -> Fact:
        refused = None
        if capture_id in self.voided:
            refused = "already_voided"
        elif capture_id not in self.awaiting or at >= self.cut_off_at[capture_id]:
            refused = "already_settled"
        elif self.refunded[capture_id]:
            refused = "already_refunded"
        amount = self.voided.get(capture_id) or self.captured[capture_id]
        if refused:
            return self._add("void", amount, at, refused)
        self.voided[capture_id] = self.captured.pop(capture_id)
        del self.awaiting[capture_id]
        if self.ended or at >= self.expires_at:
            self.released += amount
            self.ended = self.ended if self.captured else "void"
        return self._add("void", amount, at, allocations=((capture_id, amount),))

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

    def _add(  # noqa: PLR0913 - a transaction says this much
        self,
        kind: str,
        amount: int,
        at: datetime,
        refused: str | None = None,
        *,
        allocations: tuple[tuple[str, int], ...] = (),
        items: tuple[Item, ...] = (),
    ) -> Fact:
        captured, refunded = sum(self.captured.values()), sum(self.refunded.values())
        sums = (captured, refunded, self.released, self.settled)
        status = "failed" if refused else "completed"
        fact = Fact(kind, status, amount, at, sums, refused, allocations, items)
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
    fact = Fact("authorization", status, operation.amount, at, (0, 0, 0, 0))
    return Expected(
        auth_id, number, operation.currency, operation.reference, authorized, at + WEEK, [fact]
    )
