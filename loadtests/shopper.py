"""A user of the sandbox: what it does next, and what it knows of its payments.

It plans each request together with the answer that must come back, and never works on a payment
of another user. So any number of them may run at once, and each knows what is right.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from loadtests.checks import Call, Fault, Json, Reply, faults_of

MIX = {"authorize": 60, "capture": 25, "refund": 5, "read": 10}
AGAIN_SHARE = 0.05
DECLINED_SHARE = 0.08
TOO_LARGE_SHARE = 0.25
REMEMBERED = 40
_APPROVED, _DECLINED = "4242424242424242", "4000000000000002"


@dataclass
class Known:
    """A payment as its user knows it from the answers, amounts in minor units."""

    auth_id: str
    amount: int
    approved: int
    currency: str
    reference: str
    captured: int = 0
    refunded: int = 0
    transactions: dict[str, Json] = field(default_factory=dict[str, Json])

    @property
    def capturable(self) -> int:
        """What is left to capture."""
        return self.approved - self.captured

    @property
    def refundable(self) -> int:
        """What is left to refund."""
        return self.captured - self.refunded

    @property
    def status(self) -> str:
        """The status that follows from the amounts."""
        if not self.approved:
            return "declined"
        if not self.captured:
            return "authorized"
        if self.refunded:
            over = not self.refundable and not self.capturable
            return "refunded" if over else "partially_refunded"
        return "partially_captured" if self.capturable else "captured"

    def as_read(self) -> Json:
        """Return the members that a read of it must show."""
        return {
            "auth_id": self.auth_id,
            "status": self.status,
            "amount": self.amount,
            "approved_amount": self.approved,
            "captured_amount": self.captured,
            "refunded_amount": self.refunded,
            "capturable_amount": self.capturable,
            "refundable_amount": self.refundable,
            "currency": self.currency,
            "reference": self.reference,
        }


class Shopper:
    """Plans one call after the other and judges what comes back.

    `name` begins its keys, and decides what it does.
    """

    def __init__(self, name: str) -> None:
        self._name, self._chance = name, Random(name)
        self._number = 0
        self._payments: deque[Known] = deque(maxlen=REMEMBERED)
        self._answered: deque[tuple[Call, Reply]] = deque(maxlen=REMEMBERED)
        self._then: Callable[[Json], None] = _nothing

    def next_call(self) -> Call:
        """Return what to send next; judge its answer before the next one is asked for."""
        self._then = _nothing
        if self._answered and self._chance.random() < AGAIN_SHARE:
            call, first = self._chance.choice(self._answered)
            return replace(call, kind=f"{call.kind} again", first=first)
        self._number += 1
        (kind,) = self._chance.choices([*MIX], [*MIX.values()])
        if kind == "read" and (known := self._any(lambda _: True)):
            return self._read(known)
        if kind == "refund" and (known := self._any(lambda one: one.refundable > 0)):
            return self._refund(known)
        if kind in {"capture", "refund"} and (known := self._any(lambda one: one.capturable > 0)):
            return self._capture(known)
        return self._authorize()

    def judge(self, call: Call, reply: Reply) -> list[Fault]:
        """Return what is wrong with the answer, and remember what it says if nothing is."""
        faults = faults_of(call, reply)
        if call.first is not None:
            return faults
        if not faults:
            self._then(reply.json)
            if call.key is not None:
                self._answered.append((call, reply))
        elif call.path != "/payments/authorize":
            # What became of the payment is not known any more.
            self._forget(call)
        return faults

    def _any(self, fits: Callable[[Known], bool]) -> Known | None:
        fitting = [one for one in self._payments if fits(one)]
        return self._chance.choice(fitting) if fitting else None

    def _forget(self, call: Call) -> None:
        kept = [one for one in self._payments if one.auth_id != call.expected.get("auth_id")]
        self._payments = deque(kept, maxlen=REMEMBERED)

    def _authorize(self) -> Call:
        key = f"{self._name}-{self._number}"
        declined = self._chance.random() < DECLINED_SHARE
        amount = self._chance.randint(100, 100_000)
        approved = 0 if declined else amount
        expected = {
            "status": "declined" if declined else "approved",
            "type": "authorization",
            "seq": 1,
            "amount": amount,
            "approved_amount": approved,
            "capturable_amount": approved,
            "currency": "USD",
            "reference": key,
            "response_code": "05" if declined else "00",
        }
        card = {
            "number": _DECLINED if declined else _APPROVED,
            "exp_month": 12,
            "exp_year": 2035,
            "cvc": "123",
        }
        body = {"card": card, "amount": amount, "currency": "USD", "reference": key}

        def then(answer: Json) -> None:
            known = Known(str(answer["auth_id"]), amount, approved, "USD", key)
            known.transactions[str(answer["transaction_id"])] = answer
            self._payments.append(known)

        self._then = then
        return Call("authorize", "POST", "/payments/authorize", 201, expected, body, key)

    def _capture(self, known: Known) -> Call:
        whole = self._chance.random() < 0.7  # noqa: PLR2004 - most shops capture all at once
        amount = known.capturable if whole else self._chance.randint(1, known.capturable)
        after = replace(known, captured=known.captured + amount)
        body = {"auth_id": known.auth_id, "amount": amount}
        return self._movement("capture", known, after, amount, body)

    def _refund(self, known: Known) -> Call:
        if self._chance.random() < TOO_LARGE_SHARE:
            return self._refund_too_large(known)
        amount = self._chance.randint(1, known.refundable)
        after = replace(known, refunded=known.refunded + amount)
        body = {"transaction_id": known.auth_id, "amount": amount}
        return self._movement("refund", known, after, amount, body)

    def _movement(self, kind: str, known: Known, after: Known, amount: int, body: Json) -> Call:
        expected = {
            "status": "completed",
            "type": kind,
            "auth_id": known.auth_id,
            "amount": amount,
            "currency": known.currency,
            "capturable_amount": after.capturable,
            "refundable_amount": after.refundable,
        }

        def then(answer: Json) -> None:
            known.captured, known.refunded = after.captured, after.refunded
            known.transactions[str(answer["transaction_id"])] = answer

        self._then = then
        key = f"{self._name}-{self._number}"
        return Call(kind, "POST", f"/payments/{kind}", 201, expected, body, key)

    def _refund_too_large(self, known: Known) -> Call:
        """Ask for one more than is left; that must be refused, and change nothing."""
        expected = {
            "code": "amount_exceeds_refundable",
            "auth_id": known.auth_id,
            "capturable_amount": known.capturable,
            "refundable_amount": known.refundable,
        }

        def then(answer: Json) -> None:
            known.transactions[str(answer["transaction_id"])] = answer

        self._then = then
        body = {"transaction_id": known.auth_id, "amount": known.refundable + 1}
        key = f"{self._name}-{self._number}"
        return Call("refund too much", "POST", "/payments/refund", 422, expected, body, key)

    def _read(self, known: Known) -> Call:
        answered = [one for one in known.transactions.values() if "code" not in one]
        if self._chance.random() < 0.3:  # noqa: PLR2004 - a payment is read more often
            one = self._chance.choice(answered)
            path = f"/transactions/{one['transaction_id']}"
            return Call("read transaction", "GET", path, 200, one)
        path = f"/payments/{known.auth_id}"
        history = dict(known.transactions)
        return Call("read payment", "GET", path, 200, known.as_read(), history=history)


def _nothing(answer: Json) -> None:
    del answer
