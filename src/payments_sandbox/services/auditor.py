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
        # Of a text: hashes of tuples are nearly linear, and sums of them may be equal.
        self.marks += hash(f"{payment_id} {seq} {gross} {refunded} {fees}")


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
            if one["type"] == "authorization":
                derived.requested = one["amount"]
                derived.authorized = one["authorization"]["approved_amount"]
            elif one["status"] == "completed":
                self._add(derived, one)
            if one["currency"] != head["currency"] or _amounts(one["after"]) != derived.amounts:
                self.head.fault(one["transaction_id"])
        self._compare(head, len(log), derived)

    def _add(self, derived: "_Derived", one: Record) -> None:
        kind, amount = one["type"], one["amount"]
        if kind == "capture":
            derived.captured += amount
            derived.awaiting[one["transaction_id"]] = amount
            derived.captures[one["transaction_id"]] = _Capture(amount)
            derived.released = one["after"].get("released", 0)  # a final one releases the rest
        elif kind == "refund":
            derived.refunded += amount
            derived.awaiting[one["transaction_id"]] = -amount
            for part in one["allocations"]:
                derived.capture(part["transaction_id"]).refunded += part["amount"]
        elif kind == "settlement":
            self._settle(derived, one)
        elif "allocations" in one:  # the void of a capture
            capture_id = one["allocations"][0]["transaction_id"]
            derived.captured -= amount
            derived.awaiting.pop(capture_id, None)
            derived.capture(capture_id).voided = True
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
                derived.capture(item["transaction_id"]).fee = item["fee"]
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
        if (
            head["version"] != transactions
            or _amounts(amounts) != derived.amounts
            or _awaiting(head) != derived.awaiting
            or not _are_captures(head.get("captures", ()), derived.captures)
        ):
            self.head.fault(payment_id)
        book = self.books[head["currency"]]
        book.captured += derived.captured
        book.refunded += derived.refunded
        book.settled += derived.net
        book.fees += derived.fees


@dataclass(slots=True)
class _Capture:
    """A capture as the log says."""

    amount: int
    refunded: int = 0
    voided: bool = False
    fee: int | None = None
    """None until it is settled."""


@dataclass(slots=True)
class _Derived:
    """A payment as its log says."""

    requested: int = 0
    authorized: int = 0
    captured: int = 0
    refunded: int = 0
    released: int = 0
    settled: int = 0
    net: int = 0
    fees: int = 0
    awaiting: dict[str, int] = field(default_factory=dict[str, int])
    """Captures and, below zero, refunds that no batch has taken."""
    captures: dict[str, _Capture] = field(default_factory=dict[str, _Capture])

    def capture(self, capture_id: str) -> _Capture:
        """Return a capture; one of no account where the log has none of that id."""
        return self.captures.get(capture_id) or _Capture(0)

    @property
    def amounts(self) -> tuple[int, ...]:
        """What a record of the amounts says."""
        return (
            self.requested,
            self.authorized,
            self.captured,
            self.refunded,
            self.released,
            self.settled,
        )


def _amounts(record: Record) -> tuple[int, ...]:
    return (
        record["requested"],
        record["authorized"],
        record.get("captured", 0),
        record.get("refunded", 0),
        record.get("released", 0),
        record.get("settled", 0),
    )


def _are_captures(kept: Sequence[Record], derived: Mapping[str, _Capture]) -> bool:
    """Tell whether a head's captures are the log's; a fee is in the log once it is settled."""
    if len(kept) != len(derived):
        return False
    for one in kept:
        capture = derived.get(one["transaction_id"])
        if (
            capture is None
            or one["amount"] != capture.amount
            or one.get("refunded", 0) != capture.refunded
            or one.get("voided", False) != capture.voided
            or one.get("settled", False) != (capture.fee is not None)
            or capture.fee not in {None, one.get("fee", 0)}
        ):
            return False
    return True


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
