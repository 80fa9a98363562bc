"""The auditor: what a merchant's log says, derived anew and compared with what is kept beside it.

It shares no code with the rules that wrote the log: records are plain JSON objects, as they are
stored, with the names and minor units of `domain`; what has its default value may be left out.
Payments stream through it; it keeps sums alone.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Record = Mapping[str, Any]
EXAMPLES_MAX = 10


@dataclass(slots=True)
class Check:
    """One thing that must hold: how often it was looked at, and where it does not."""

    name: str
    looked_at: int = 0
    faults: int = 0
    examples: list[str] = field(default_factory=list[str])
    """The ids of the first ten."""
    figures: dict[str, int] = field(default_factory=dict[str, int])

    def fault(self, where: str) -> None:
        """Note that it does not hold."""
        self.faults += 1
        if len(self.examples) < EXAMPLES_MAX:
            self.examples.append(where)


@dataclass(slots=True)
class Book:
    """What the log of payments amounts to in one currency, in minor units."""

    captured: int = 0
    refunded: int = 0
    settled: int = 0
    """Captured less refunded, of what is settled."""
    fees: int = 0


@dataclass(slots=True)
class Batch:
    """What the log or the lines of one settlement batch add up to."""

    currency: str = ""
    payments: int = 0
    gross: int = 0
    refunded: int = 0
    fees: int = 0
    marks: int = 0
    """The sum of a hash of each, so that no two may be confused."""

    def add(self, payment_id: str, seq: int, gross: int, refunded: int, fees: int) -> None:
        """Add what was settled of one payment."""
        self.payments += 1
        self.gross += gross
        self.refunded += refunded
        self.fees += fees
        self.marks += hash((payment_id, seq, gross, refunded, fees))


class Auditor:
    """Takes payments with their logs, one by one."""

    def __init__(self) -> None:
        self.seq = Check("seq_without_gaps")
        self.captured = Check("captured_within_authorized")
        self.refunded = Check("refunded_within_captured")
        self.head = Check("head_follows_from_log")
        self.settled = Check("each_capture_and_refund_in_one_batch")
        self.books: defaultdict[str, Book] = defaultdict(Book)
        self.batches: defaultdict[str, Batch] = defaultdict(Batch)
        self.types: Counter[str] = Counter()

    def open_batches(self, currency: str, closed: Collection[str]) -> Batch:
        """Return what the batches of a currency took, but for those that are closed."""
        taken = Batch(currency)
        for settlement_id, batch in self.batches.items():
            if batch.currency == currency and settlement_id not in closed:
                taken.gross += batch.gross
                taken.refunded += batch.refunded
                taken.fees += batch.fees
        return taken

    @property
    def checks(self) -> Sequence[Check]:
        """What was found on the way."""
        transactions = sum(self.types.values())
        self.seq.looked_at = transactions
        return [self.seq, self.captured, self.refunded, self.head, self.settled]

    def payment(self, head: Record, log: Sequence[Record]) -> None:
        """Derive one payment from its log, and compare it with its head."""
        try:
            self._payment(head, log)
        except (KeyError, TypeError, AttributeError, IndexError):  # not in the form of a record
            self.head.fault(str(head.get("payment_id", "a payment that cannot be read")))

    def _payment(self, head: Record, log: Sequence[Record]) -> None:
        payment_id = head["payment_id"]
        derived = _Derived()
        for number, one in enumerate(log, 1):
            if one["seq"] != number or one["payment_id"] != payment_id:
                self.seq.fault(one["transaction_id"])
            self.types[one["type"]] += 1
            if one["status"] == "approved":
                derived.authorized = one["authorization"]["approved_amount"]
            elif one["status"] == "completed":
                self._add(derived, one)
        self._compare(head, len(log), derived)

    def _add(self, derived: "_Derived", one: Record) -> None:
        kind, amount = one["type"], one["amount"]
        if kind == "capture":
            derived.captured += amount
            derived.awaiting[one["transaction_id"]] = amount
            derived.released = one["after"].get("released", 0)  # a final one releases the rest
        elif kind == "refund":
            derived.refunded += amount
            derived.awaiting[one["transaction_id"]] = -amount
        elif kind == "settlement":
            self._settle(derived, one)
        elif "allocations" in one:  # the void of a capture
            derived.captured -= amount
            derived.awaiting.pop(one["allocations"][0]["transaction_id"], None)
            derived.released = one["after"].get("released", 0)
        else:
            derived.released += amount

    def _settle(self, derived: "_Derived", one: Record) -> None:
        details = one["settlement"]
        gross = refunded = fees = 0
        for item in details["items"]:
            amount, is_capture = item["amount"], item["type"] == "capture"
            self.settled.looked_at += 1
            expected = derived.awaiting.pop(item["transaction_id"], None)
            if expected != (amount if is_capture else -amount):
                self.settled.fault(item["transaction_id"])
            if is_capture:
                gross += amount
            else:
                refunded += amount
            fees += item["fee"]
        if gross - refunded - fees != one["amount"]:
            self.settled.fault(one["transaction_id"])
        derived.settled += gross
        derived.net += gross - refunded
        derived.fees += fees
        batch = self.batches[details["settlement_id"]]
        batch.currency = one["currency"]
        batch.add(one["payment_id"], one["seq"], gross, refunded, fees)

    def _compare(self, head: Record, transactions: int, derived: "_Derived") -> None:
        payment_id, amounts = head["payment_id"], head["amounts"]
        for check in (self.captured, self.refunded, self.head):
            check.looked_at += 1
        if not 0 <= derived.captured + derived.released <= derived.authorized:
            self.captured.fault(payment_id)
        if not 0 <= derived.refunded <= derived.captured:
            self.refunded.fault(payment_id)
        kept = (
            head["version"],
            amounts["authorized"],
            amounts.get("captured", 0),
            amounts.get("refunded", 0),
            amounts.get("released", 0),
            amounts.get("settled", 0),
        )
        if (
            kept
            != (
                transactions,
                derived.authorized,
                derived.captured,
                derived.refunded,
                derived.released,
                derived.settled,
            )
            or _awaiting(head) != derived.awaiting
        ):
            self.head.fault(payment_id)
        book = self.books[head["currency"]]
        book.captured += derived.captured
        book.refunded += derived.refunded
        book.settled += derived.net
        book.fees += derived.fees


@dataclass(slots=True)
class _Derived:
    """A payment as its log says."""

    authorized: int = 0
    captured: int = 0
    refunded: int = 0
    released: int = 0
    settled: int = 0
    net: int = 0
    fees: int = 0
    awaiting: dict[str, int] = field(default_factory=dict[str, int])
    """Captures and, below zero, refunds that no batch has taken."""


def _awaiting(head: Record) -> dict[str, int]:
    """Return what the head says is awaiting settlement."""
    awaiting = {
        one["transaction_id"]: one["amount"]
        for one in head.get("captures", ())
        if "settled" not in one and "voided" not in one
    }
    for one in head.get("refunds", ()):
        awaiting[one["transaction_id"]] = -one["amount"]
    return awaiting
