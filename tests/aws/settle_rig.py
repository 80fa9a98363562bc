"""Settlement in AWS, for one test: a table, merchants with payments, the function, its books."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any
from unittest.mock import patch

from payments_sandbox.adapters.dynamodb_items import HEAD, logged_of, payment_of
from payments_sandbox.adapters.dynamodb_settlement_items import (
    LINE,
    SUMMARY,
    line_of,
    settlement_of,
)
from payments_sandbox.adapters.dynamodb_table import Table, dynamodb_client
from payments_sandbox.api.app import UseCases
from payments_sandbox.domain.event import EventType, event_type_of
from payments_sandbox.domain.operations import Capture, Operation, Refund
from payments_sandbox.domain.payment import Payment
from payments_sandbox.domain.settlement import BatchState, Line, Settlement
from payments_sandbox.domain.transaction import Transaction
from payments_sandbox.entrypoints.function_parts import parts_of
from payments_sandbox.entrypoints.settle_function import Settle
from payments_sandbox.entrypoints.wiring import NoCourier, use_cases_over
from tests.aws.delivery_rig import TimedContext, done
from tests.aws.faults import Injector
from tests.aws.faults_rig import NO_TIME, begin_with_settings
from tests.contract.homes import new_table
from tests.property.folding import assert_sound
from tests.unit.examples import AUTHORIZE, CUTOFF, DAY
from tests.unit.requests import request
from tests.unit.stand_ins import SECRETS, ManualClock, SeededIds

SHOP, KIOSK = "a_shop", "kiosk"
BOTH = (SHOP, KIOSK)
AFTER_CUTOFF = CUTOFF + DAY / 24
_process = threading.local()


@dataclass(frozen=True)
class Taken:
    """What the test itself had captured and refunded of one payment."""

    merchant_id: str
    currency: str
    captured: int
    refunded: int

    @property
    def fee(self) -> int:
        """What the default policy takes of the capture: 2.9 %, half up, and 30."""
        return (self.captured * 290 + 5_000) // 10_000 + 30


@dataclass
class Rig:
    """The function and what a test may reach behind it."""

    table: Table
    """Meets no faults."""
    clock: ManualClock
    use: UseCases
    settle: Settle
    injector: Injector
    """Faults of the table, for the function."""
    taken: dict[str, Taken] = field(default_factory=dict[str, Taken])
    numbers: Iterator[int] = field(default_factory=count)

    def task(self, event: dict[str, Any], left_ms: int = 60_000) -> dict[str, Any]:
        """Do one task, in a process with a loop of its own for each thread."""
        with asyncio.Runner() as runner:
            _process.runner = runner
            return self.settle.handle(event, TimedContext(left_ms=left_ms))

    def of(self, task: str, merchant_id: str = SHOP, left_ms: int = 60_000) -> dict[str, Any]:
        """Do a task of one merchant."""
        return self.task({"task": task, "merchant_id": merchant_id, "done": 0}, left_ms)

    def plan(self, after: str = "", left_ms: int = 60_000) -> dict[str, Any]:
        """Plan from a merchant on."""
        return self.task({"task": "plan", "after": after, "failed": 0}, left_ms)

    def work(self, merchant_id: str = SHOP) -> int:
        """Do a merchant's tasks as each says which is next; return how many there were."""
        event = {"task": "settle", "merchant_id": merchant_id, "done": 0}
        for tasks in range(1_000):
            if event["task"] == "done":
                return tasks
            event = self.task(event)
        raise AssertionError("the tasks do not end")

    def at_once(self, *tasks: Callable[[], Any]) -> list[Any]:
        """Do several things at the same moment; return what each did."""
        together = threading.Barrier(len(tasks))

        def run(task: Callable[[], Any]) -> Any:
            together.wait(10)
            return task()

        with ThreadPoolExecutor(len(tasks)) as threads:
            return [one.result() for one in [threads.submit(run, task) for task in tasks]]

    def sell(self, number: int, merchant_id: str = SHOP, currency: str = "USD") -> str:
        """Authorize a payment, capture it in part and refund a part of some; return its id."""
        amount = 1_000 + 7 * number
        payment_id = self.authorize(merchant_id, amount, currency)
        captured, refunded = amount - number, 100 * (number % 3)
        self._execute(Capture(payment_id, captured, final=number % 2 == 0), merchant_id)
        if refunded:
            self._execute(Refund(payment_id, amount=refunded), merchant_id)
        self.taken[payment_id] = Taken(merchant_id, currency, captured, refunded)
        return payment_id

    def authorize(self, merchant_id: str = SHOP, amount: int = 1_000, currency: str = "USD") -> str:
        """Authorize a payment; return its id."""
        wanted = replace(AUTHORIZE, amount=amount, currency=currency)
        asked = request("authorize", f"{next(self.numbers)}", merchant_id=merchant_id)
        return done(self.use.payments.authorize(wanted, asked)).transaction.payment_id

    def _execute(self, operation: Operation, merchant_id: str) -> None:
        name = type(operation).__name__.lower()
        asked = request(name, operation.payment_id, merchant_id=merchant_id)
        done(self.use.payments.execute(operation, asked))

    def sell_days(self, days: int, each: int = 4, merchants: Sequence[str] = BOTH) -> None:
        """Sell in two currencies on each of some days, then wait until all that is settled."""
        for _ in range(days):
            for merchant_id in merchants:
                for number in range(each):
                    self.sell(number, merchant_id, "EUR" if number == 1 else "USD")
            self.clock.pass_by(DAY)

    def items(self) -> list[dict[str, Any]]:
        """Return all items of the table."""
        pages = self.table.client.get_paginator("scan").paginate(
            TableName=self.table.name, ConsistentRead=True
        )
        return [dict(item) for page in pages for item in page["Items"]]

    def batches(self, merchant_id: str | None = None) -> list[Settlement]:
        """Return the batches, by their closing."""
        items = [one for one in self.items() if one["record"]["S"] == SUMMARY]
        found = [settlement_of(one) for one in items]
        wanted = [one for one in found if merchant_id in {None, one.merchant_id}]
        return sorted(wanted, key=lambda one: (one.closes_at, one.merchant_id, one.currency))

    def lines(self) -> list[Line]:
        """Return the lines of all batches."""
        return [line_of(one) for one in self.items() if one["record"]["S"].startswith(LINE)]

    def payment(self, payment_id: str) -> Payment:
        """Return a payment as it is now."""
        (item,) = [
            one
            for one in self.items()
            if (one["transaction_id"]["S"], one["record"]["S"]) == (payment_id, HEAD)
        ]
        return payment_of(item)

    def events(self, merchant_id: str = SHOP) -> Counter[EventType]:
        """Return how many of each kind stand in a merchant's log."""
        items = (one for one in self.items() if one["record"]["S"].startswith("txn#"))
        logged = map(logged_of, items)
        return Counter(event_type_of(one) for one in logged if one.merchant_id == merchant_id)

    def assert_settled(self, merchants: Collection[str] = BOTH) -> None:
        """Check that all that was taken is in one closed batch each, and all books hold."""
        batches = {one.settlement_id: one for one in self.batches()}
        lines = self.lines()
        items = [item.transaction_id for line in lines for item in line.items]
        assert len(items) == len(set(items))
        assert {line.payment_id for line in lines} == set(self.taken)
        assert sum(1 + bool(one.refunded) for one in self.taken.values()) == len(items)
        assert {one.state for one in batches.values()} <= {BatchState.CLOSED, BatchState.PAID}
        expected: Counter[tuple[str, str, str]] = Counter()
        for one in self.taken.values():
            self._add(expected, one.merchant_id, one.currency, one.captured, one.refunded, one.fee)
        found: Counter[tuple[str, str, str]] = Counter()
        for one in batches.values():
            sums = one.totals.gross, one.totals.refunded, one.totals.fees
            self._add(found, one.merchant_id, one.currency, *sums)
        assert expected == found
        self.assert_books(merchants)

    @staticmethod
    def _add(  # noqa: PLR0913, PLR0917 - one for each figure
        sums: Counter[tuple[str, str, str]],
        merchant_id: str,
        currency: str,
        gross: int,
        refunded: int,
        fees: int,
    ) -> None:
        figures = {"gross": gross, "refunded": refunded, "net": gross - refunded - fees}
        for name, amount in figures.items():
            sums[merchant_id, currency, name] += amount

    def assert_books(self, merchants: Collection[str] = BOTH) -> None:
        """Check each payment against its log, and have the auditor look at each merchant."""
        logs: dict[str, list[Transaction]] = {}
        items = sorted(self.items(), key=lambda one: one["record"]["S"])
        for logged in (logged_of(one) for one in items if one["record"]["S"].startswith("txn#")):
            if isinstance(logged, Transaction):
                logs.setdefault(logged.payment_id, []).append(logged)
        for payment in (payment_of(one) for one in items if one["record"]["S"] == HEAD):
            assert_sound(payment, logs[payment.payment_id])
        for merchant_id in merchants:
            report = done(self.use.audit.run(merchant_id))
            assert report.complete
            assert report.holds, [one for one in report.checks if one.faults]


@contextmanager
def rig_at(endpoint: str, merchants: Sequence[str] = BOTH) -> Generator[Rig]:
    """Yield the function over a new table with these merchants, who have sold nothing yet."""
    clock, faulty = ManualClock(pause_share=0), dynamodb_client(endpoint)
    with (
        new_table(endpoint) as table,
        patch("botocore.endpoint.time", NO_TIME),
        patch("payments_sandbox.entrypoints.function_parts._runner", lambda: _process.runner),
    ):
        for merchant_id in merchants:
            begin_with_settings(table, merchant_id)
        apart, injector = Table(faulty, table.name), Injector(faulty)
        store = parts_of(table, NoCourier(), SECRETS, clock).store
        use = use_cases_over(store, NoCourier(), SECRETS, clock, SeededIds())
        settle = Settle(parts_of(apart, NoCourier(), SECRETS, clock))
        yield Rig(table, clock, use, settle, injector)
        injector.heal()
        done(apart.close())
        done(table.close())
        injector.close()
