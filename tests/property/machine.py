"""A machine that uses the sandbox at random; the model says what must come of it."""

from dataclasses import replace
from datetime import datetime, time, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)

from payments_sandbox.domain.card import PresentedCard
from payments_sandbox.domain.errors import IdempotencyKeyReused, NotFound
from payments_sandbox.domain.operations import Authorize, Capture, Refund, Void
from payments_sandbox.domain.void_capture import VoidCapture
from payments_sandbox.services.payments import Outcome
from tests import strategies
from tests.property.homes import Opens
from tests.property.model import Expected
from tests.property.sandbox import CheckedSandbox, Sent
from tests.property.settling import DAY, Rules
from tests.unit.stand_ins import NOW

IN_A_FILE = settings(max_examples=30, stateful_step_count=40, deadline=None, derandomize=True)
# The emulator is a network away; `python -m tests.property.long` does more.
AT_THE_EMULATOR = settings(IN_A_FILE, max_examples=4, stateful_step_count=28)
CARD = PresentedCard("4242424242424242", 12, 2050, None)
processes = st.integers(0, 1)
edges = st.sampled_from([-strategies.MILLISECOND, timedelta(0), strategies.MILLISECOND])
picks = st.integers(0, 2)
crowds = st.integers(2, 5)
choices = st.builds(
    Rules,
    cutoff=st.sampled_from([time(0), time(6, 30), time(18)]),
    weekdays=st.booleans(),
    holidays=st.frozensets(st.integers(1, 12).map(lambda days: NOW.date() + days * DAY)),
    rate_bps=st.sampled_from([0, 290, 3333, 10_000]),
    fixed=st.sampled_from([0, 1, 30]),
    returned=st.booleans(),
)


class PaymentsMachine(RuleBasedStateMachine):
    """Callers of two processes on one ledger: the one in the home that `opens` opens."""

    sent: Bundle[Sent] = Bundle("sent")

    def __init__(self, opens: Opens) -> None:
        super().__init__()
        self.sandbox = CheckedSandbox(opens)

    def teardown(self) -> None:
        """Let go of everything."""
        self.sandbox.close()

    @initialize(target=sent)
    def begin(self) -> Sent:
        """Have a payment to begin with."""
        return self.sandbox.send(Authorize(CARD, 80, "USD"), 0)

    @rule(target=sent, operation=strategies.authorizations(), process=processes)
    def authorize(self, operation: Authorize, process: int) -> Sent:
        """Authorize a card."""
        return self.sandbox.send(operation, process)

    @rule(
        target=sent,
        pick=picks,
        portion=strategies.portions,
        currency=strategies.maybe_currencies,
        final=strategies.seldom,
        process=processes,
    )
    def capture(
        self, pick: int, portion: int | None, currency: str | None, process: int, *, final: bool
    ) -> Sent:
        """Capture some, all or too much."""
        one = self._payment(pick)
        amount = strategies.part_of(one.rest, portion)
        return self.sandbox.send(Capture(one.auth_id, amount, currency, final), process)

    @rule(target=sent, amount=st.integers(8, 80), portion=st.integers(1, 8), process=processes)
    def sell(self, amount: int, portion: int, process: int) -> MultipleResults[Sent]:
        """Authorize and capture some of it at once."""
        sold = self.sandbox.send(Authorize(CARD, amount, "USD"), process)
        capture = Capture(sold.auth_id, strategies.part_of(amount, portion))
        return multiple(sold, self.sandbox.send(capture, process))

    @rule(target=sent, pick=picks, portion=st.integers(1, 4), process=processes)
    def capture_a_part(self, pick: int, portion: int, process: int) -> Sent:
        """Capture some, so that more may follow."""
        one = self._payment(pick)
        return self.sandbox.send(
            Capture(one.auth_id, strategies.part_of(one.rest, portion)), process
        )

    @rule(
        target=sent,
        pick=picks,
        which=st.none() | st.integers(0, 3),
        portion=strategies.portions,
        currency=strategies.maybe_currencies,
        process=processes,
    )
    def refund(
        self, pick: int, which: int | None, portion: int | None, currency: str | None, process: int
    ) -> Sent:
        """Refund one capture or the whole payment; some, all or too much."""
        one = self._payment(pick)
        captures = [*one.captured]
        named = captures[which % len(captures)] if captures and which is not None else None
        left = sum(one.left(source) for source in ([named] if named else captures))
        amount = strategies.part_of(left, portion)
        return self.sandbox.send(Refund(one.auth_id, named, amount, currency), process)

    @rule(target=sent, pick=picks, process=processes)
    def void(self, pick: int, process: int) -> Sent:
        """Void what is left."""
        return self.sandbox.send(Void(self._payment(pick).auth_id), process)

    @rule(target=sent, pick=picks, which=st.integers(0, 3), process=processes)
    def void_a_capture(self, pick: int, which: int, process: int) -> MultipleResults[Sent]:
        """Reverse a capture, whether it may still be or not."""
        one = self._payment(pick)
        captures = [*one.captured, *one.voided]
        if not captures:
            return multiple()
        void = VoidCapture(one.auth_id, captures[which % len(captures)])
        return multiple(self.sandbox.send(void, process))

    @rule(rules=choices)
    def choose(self, rules: Rules) -> None:
        """Choose other cut-offs, days and fees."""
        self.sandbox.choose(rules)

    @rule(hours=st.sampled_from([1, 6, 24, 25, 48, 240]), process=processes)
    def advance(self, hours: int, process: int) -> None:
        """Move the merchant's clock."""
        self.sandbox.advance_to(self.sandbox.now + timedelta(hours=hours), process)

    @rule(pick=picks, edge=edges, process=processes)
    def advance_to_what_is_due(self, pick: int, edge: timedelta, process: int) -> None:
        """Move the merchant's clock to when something happens, to the millisecond."""
        due_at = self._payment(pick).due_at
        if due_at is not None:
            self.sandbox.advance_to(due_at + edge, process)

    @rule(process=processes)
    def settle(self, process: int) -> None:
        """Do what is due by now."""
        self.sandbox.settle(process)

    @rule(span=strategies.spans)
    def settle_twice_at_once(self, span: timedelta) -> None:
        """Do what is due by now, in both processes."""
        self.sandbox.clock.pass_by(span)
        self.sandbox.settle_twice_at_once()

    @rule(one=sent, process=processes)
    def send_again(self, one: Sent, process: int) -> None:
        """The same request: replayed while its key lives, else done anew."""
        if self.sandbox.now >= one.key_ends_at:
            vars(one).update(vars(self.sandbox.send_anew(one.operation, one.request, process)))
            return
        (outcome,) = self.sandbox.ask([(one.operation, one.request)], process)

        assert Outcome(one.answer, replayed=True) == outcome

    @rule(one=sent, process=processes)
    def send_another_body(self, one: Sent, process: int) -> None:
        """Another body under the same key: refused while the key lives, else done."""
        request = replace(one.request, body=one.request.body + " ")
        if self.sandbox.now >= one.key_ends_at:
            vars(one).update(vars(self.sandbox.send_anew(one.operation, request, process)))
            return
        try:
            self.sandbox.ask([(one.operation, request)], process)
        except IdempotencyKeyReused:
            return
        raise AssertionError("another body passed under a spent key")

    @rule(target=sent, pick=picks, portion=st.integers(1, 4), crowd=crowds)
    def rivals(self, pick: int, portion: int, crowd: int) -> MultipleResults[Sent]:
        """Several captures of the same amount at once, each under a key of its own."""
        one = self._payment(pick)
        operation = Capture(one.auth_id, strategies.part_of(one.rest, portion))
        requests = [self.sandbox.new_request(operation) for _ in range(crowd)]
        outcomes = self.sandbox.ask([(operation, request) for request in requests])

        assert not any(outcome.replayed for outcome in outcomes)
        in_order = sorted(
            zip(outcomes, requests, strict=True), key=lambda pair: pair[0].transaction.seq
        )
        return multiple(
            *(
                self.sandbox.note(operation, request, outcome.transaction)
                for outcome, request in in_order
            )
        )

    @rule(target=sent, pick=picks, amount=st.none() | st.integers(1, 9), crowd=crowds)
    def twins(self, pick: int, amount: int | None, crowd: int) -> Sent:
        """The same request several times at once: done once, replayed to the others."""
        operation = Refund(self._payment(pick).auth_id, None, amount)
        request = self.sandbox.new_request(operation)
        outcomes = self.sandbox.ask([(operation, request)] * crowd)

        assert [False, *[True] * (crowd - 1)] == sorted(outcome.replayed for outcome in outcomes)
        assert [outcomes[0].transaction] * crowd == [outcome.transaction for outcome in outcomes]
        return self.sandbox.note(operation, request, outcomes[0].transaction)

    @rule(pick=picks)
    def refund_what_is_not_there(self, pick: int) -> None:
        """A capture that is not there is not found; nothing is left of the request."""
        auth_id = self._payment(pick).auth_id
        operation = Refund(auth_id, auth_id.replace("auth", "cap") + "_999")
        try:
            self.sandbox.ask([(operation, self.sandbox.new_request(operation))])
        except NotFound:
            return
        raise AssertionError("refunded a capture that is not there")

    @rule(pick=picks)
    def read(self, pick: int) -> None:
        """Read a payment."""
        self.sandbox.run(self.sandbox.check_read(self._payment(pick).auth_id))

    @rule(span=strategies.spans)
    def wait(self, span: timedelta) -> None:
        """Let time pass."""
        self.sandbox.clock.pass_by(span)

    @rule(pick=picks, edge=edges)
    def wait_for_expiry(self, pick: int, edge: timedelta) -> None:
        """Wait until an authorization expires, to the millisecond."""
        self._wait_until(self._payment(pick).expires_at + edge)

    @rule(one=sent, edge=edges, process=processes)
    def send_again_as_the_key_ends(self, one: Sent, edge: timedelta, process: int) -> None:
        """The same request around the moment when its key is new again."""
        self._wait_until(one.key_ends_at + edge)
        self.send_again(one, process)

    def _payment(self, pick: int) -> Expected:
        """Return one of the newest payments, 0 the very newest."""
        payments = [*self.sandbox.expected.values()]
        return payments[-1 - pick % len(payments)]

    def _wait_until(self, at: datetime) -> None:
        self.sandbox.clock.pass_by(max(at - self.sandbox.now, timedelta(0)))

    @invariant()
    def stored_as_expected(self) -> None:
        """What is stored is what the model has, and adds up."""
        self.sandbox.run(self.sandbox.check_stored())

    @invariant()
    def books_as_expected(self) -> None:
        """Batches, balances and postings are the model's, and the audit holds."""
        self.sandbox.run(self.sandbox.check_books())

    @invariant()
    def listed_as_expected(self) -> None:
        """The lists show exactly the model's payments."""
        self.sandbox.run(self.sandbox.check_lists())


def machine_on(opens: Opens) -> type[PaymentsMachine]:
    """Return the machine as Hypothesis wants it: a class that needs nothing."""

    class Machine(PaymentsMachine):
        def __init__(self) -> None:
            super().__init__(opens)

    return Machine
