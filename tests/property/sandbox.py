"""The real services on a real ledger, with every answer held against the model."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from payments_sandbox.domain.calendar import SettlementDays
from payments_sandbox.domain.fees import FeeOnRefund
from payments_sandbox.domain.merchant import ApiKey
from payments_sandbox.domain.operations import Authorize, Operation
from payments_sandbox.domain.payment import Payment, Status
from payments_sandbox.domain.transaction import Transaction
from payments_sandbox.services.merchants import hash_of
from payments_sandbox.services.payments import Outcome, Payments, Request
from payments_sandbox.services.ports import PaymentFilter
from payments_sandbox.services.sweep import Progress
from tests.property.bookkeeping import Bookkeeping
from tests.property.folding import assert_sound
from tests.property.homes import Home, Opens
from tests.property.model import Expected, expected_of, fact_of
from tests.property.settling import Books, Rules
from tests.unit.stand_ins import NOW, SECRETS, ManualClock, SeededIds

KEY_LIFE = timedelta(hours=24)
PROCESSES = 2
MERCHANT_ID, STRANGER_ID = "acme", "stranger"
Result = TypeVar("Result")


@dataclass
class Sent:
    """A request, its answer, and when its key is new again."""

    operation: Authorize | Operation
    request: Request
    answer: Transaction
    key_ends_at: datetime

    @property
    def auth_id(self) -> str:
        """The payment it was about."""
        return self.answer.payment_id


class CheckedSandbox:
    """Two processes' services on one ledger, and what each payment should be."""

    def __init__(self, opens: Opens) -> None:
        self._folder = TemporaryDirectory()
        self._runner = asyncio.Runner()
        self._opened = AsyncExitStack()
        self.clock = ManualClock(pause_share=0)
        home = self.run(
            self._opened.enter_async_context(opens(Path(self._folder.name), self.clock))
        )
        self.run(_with_merchants(home, MERCHANT_ID, STRANGER_ID))
        self._ledger = home.ledger
        self._merchants = home.merchants
        self._bookkeepers = [Bookkeeping(home, self.clock, MERCHANT_ID) for _ in range(PROCESSES)]
        self._processes = [
            Payments(home.ledger, home.merchants, self.clock, SeededIds(seed), SECRETS)
            for seed in range(PROCESSES)
        ]
        self.expected: dict[str, Expected] = {}
        self.books = Books()
        self.rules = Rules()
        self._ahead = timedelta()
        self._keys = 0
        self._checked: object = None

    @property
    def now(self) -> datetime:
        """What the merchant's clock should show."""
        return self.clock.at + self._ahead

    def close(self) -> None:
        """Let go of everything."""
        self.run(self._opened.aclose())
        self._runner.close()
        self._folder.cleanup()

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run it to its end."""
        return self._runner.run(coroutine)

    def new_request(self, operation: Authorize | Operation) -> Request:
        """Return a request under a key of its own."""
        self._keys += 1
        return Request(MERCHANT_ID, type(operation).__name__, f"key {self._keys}", repr(operation))

    def ask(
        self, asked: list[tuple[Authorize | Operation, Request]], first: int = 0
    ) -> list[Outcome]:
        """Send the requests at once, to the processes in turn, and return what they answer."""

        async def all_at_once() -> list[Outcome]:
            return await asyncio.gather(
                *(
                    self._one(operation, request, self._processes[process % PROCESSES])
                    for process, (operation, request) in enumerate(asked, first)
                )
            )

        return self.run(all_at_once())

    @staticmethod
    async def _one(
        operation: Authorize | Operation, request: Request, process: Payments
    ) -> Outcome:
        if isinstance(operation, Authorize):
            return await process.authorize(operation, request)
        return await process.execute(operation, request)

    def send(self, operation: Authorize | Operation, process: int) -> Sent:
        """Send a new request, and check its answer."""
        request = self.new_request(operation)
        return self.send_anew(operation, request, process)

    def send_anew(self, operation: Authorize | Operation, request: Request, process: int) -> Sent:
        """Send a request whose key is not spent, and check its answer."""
        (outcome,) = self.ask([(operation, request)], process)
        assert not outcome.replayed
        return self.note(operation, request, outcome.transaction)

    def note(self, operation: Authorize | Operation, request: Request, answer: Transaction) -> Sent:
        """Do in the model what was done, and compare."""
        at, auth_id = self.now, answer.payment_id
        if isinstance(operation, Authorize):
            assert auth_id not in self.expected
            self.expected[auth_id] = expected_of(operation, auth_id, at)
            foreseen = self.expected[auth_id].facts[0]
        else:
            foreseen = self.expected[auth_id].foresee(operation, at, self.rules)
        assert foreseen == fact_of(answer)
        return Sent(operation, request, answer, at + KEY_LIFE)

    def choose(self, rules: Rules) -> None:
        """Have the merchant choose other rules for what is captured and refunded from now on."""
        self.rules = rules
        chosen = {
            "settlement_cutoff": rules.cutoff,
            "settlement_days": SettlementDays("weekdays" if rules.weekdays else "every_day"),
            "settlement_holidays": tuple(sorted(rules.holidays)),
            "fee_rate_bps": rules.rate_bps,
            "fee_fixed": rules.fixed,
            "fee_on_refund": FeeOnRefund("returned" if rules.returned else "kept"),
        }
        self.run(
            self._merchants.change(
                MERCHANT_ID, lambda one: replace(one, settings=replace(one.settings, **chosen))
            )
        )

    def advance_to(self, to: datetime, process: int) -> None:
        """Move the merchant's clock, and check what happened on the way."""
        clocks = self._bookkeepers[process].clocks
        advanced = self.run(clocks.advance_to(MERCHANT_ID, to))
        self._ahead = max(self.now, to) - self.clock.at
        self._check_progress(advanced.progress, to)
        assert self.run(clocks.read(MERCHANT_ID)).now == self.now

    def settle(self, process: int) -> None:
        """Do what is due by now, and check what happened."""
        self._check_progress(self.run(self._bookkeepers[process].desk.run(MERCHANT_ID)), self.now)

    def settle_twice_at_once(self) -> None:
        """Do what is due by now in both processes: between them, each thing happens once."""

        async def both() -> list[Progress]:
            return await asyncio.gather(*(one.desk.run(MERCHANT_ID) for one in self._bookkeepers))

        first, second = self.run(both())
        happened = self.books.catch_up([*self.expected.values()], self.rules, self.now)
        assert happened == Counter(first.counts) + Counter(second.counts)

    def _check_progress(self, progress: Progress, to: datetime) -> None:
        assert progress.complete
        assert progress.reached == max(to, self.now)
        happened = self.books.catch_up([*self.expected.values()], self.rules, to)
        assert happened == progress.counts, (happened, progress.counts)

    async def check_books(self) -> None:
        """Compare batches and balances with the model, if anything can have changed."""
        states = [one.state for kept in self.books.batches.values() for one in kept]
        so_far = (sum(one.seq for one in self.expected.values()), states)
        if so_far != self._checked:
            await self._bookkeepers[0].check(self.books, [*self.expected.values()])
            self._checked = so_far

    async def check_read(self, auth_id: str) -> None:
        """Read a payment, which records what is due, and compare."""
        expected = self.expected[auth_id]
        expected.fall_due(self.now)
        payment, transactions = await self._processes[0].history(MERCHANT_ID, auth_id)
        assert_sound(payment, transactions)
        assert expected.status_at(self.now) == payment.status
        assert expected.facts == [fact_of(one) for one in transactions]

    async def check_stored(self) -> None:
        """Compare everything that is stored with the model, and with itself."""
        await asyncio.gather(*map(self._check_stored, self.expected.values()))

    async def _check_stored(self, expected: Expected) -> None:
        payment, transactions = await self._ledger.history(MERCHANT_ID, expected.auth_id)
        assert_sound(payment, transactions)
        assert expected.facts == [fact_of(one) for one in transactions]
        assert payment == await self._ledger.payment(MERCHANT_ID, expected.auth_id)

    async def check_lists(self) -> None:
        """Compare what the lists show now with the model."""
        newest_first = sorted(self.expected.values(), key=lambda one: one.auth_id, reverse=True)
        everyone = await self._listed(PaymentFilter(), 2)
        cards = {one.payment_id: one.card.card_id for one in everyone}
        lists = [
            (PaymentFilter(status=one), self._with_status(newest_first, one)) for one in Status
        ]
        for name in {one.card for one in newest_first}:
            wanted = [one for one in newest_first if one.card == name]
            lists.append((PaymentFilter(card_id=cards.get(wanted[0].auth_id)), wanted))
        for reference in {one.reference for one in newest_first} - {None}:
            wanted = [one for one in newest_first if one.reference == reference]
            lists.append((PaymentFilter(reference=reference), wanted))
        await asyncio.gather(*(self._check_list(wanted, by) for by, wanted in lists))
        assert [one.auth_id for one in newest_first] == [one.payment_id for one in everyone]
        assert await self._listed(PaymentFilter(), 2, STRANGER_ID) == []

    def _with_status(self, payments: list[Expected], status: Status) -> list[Expected]:
        return [one for one in payments if one.status_at(self.now) == status]

    async def _check_list(self, wanted: list[Expected], by: PaymentFilter) -> None:
        assert [(one.auth_id, one.status_at(self.now)) for one in wanted] == [
            (one.payment_id, one.status) for one in await self._listed(by, 50)
        ]

    async def _listed(
        self, by: PaymentFilter, limit: int, merchant_id: str = MERCHANT_ID
    ) -> list[Payment]:
        found: list[Payment] = []
        before: str | None = None
        while True:
            page = await self._processes[0].list_payments(
                merchant_id, by, before=before, limit=limit
            )
            found += page.payments
            before = page.next_before
            if before is None:
                return found


async def _with_merchants(home: Home, *merchant_ids: str) -> None:
    """Add these merchants, each with a key."""
    for merchant_id in merchant_ids:
        key = ApiKey(f"key of {merchant_id}", merchant_id, NOW)
        await home.merchants.add_key(key, hash_of(key.key_id))
