"""What settlement costs in AWS: payments settled, a batch closed, a look when nothing is due."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from time import process_time
from typing import Any

from bench.aws_counts import PLAN, SETTLE_MANY, SETTLE_ONE, SETTLED_AT_ONCE, SWEEP
from bench.aws_meter import Bill, Meter, stored_bytes
from payments_sandbox.adapters.dynamodb_merchants import DynamoMerchants
from payments_sandbox.adapters.dynamodb_table import Table
from payments_sandbox.domain.merchant import ApiKey
from payments_sandbox.domain.operations import Capture
from payments_sandbox.entrypoints.function_parts import parts_of, run
from payments_sandbox.entrypoints.settle_function import Settle
from payments_sandbox.entrypoints.sweep_function import Sweep
from payments_sandbox.entrypoints.wiring import NoCourier
from payments_sandbox.services.merchants import hash_of
from payments_sandbox.services.payments import Payments
from payments_sandbox.services.ports import Ids, Secrets
from tests.aws.delivery_rig import TimedContext
from tests.unit.examples import AUTHORIZE
from tests.unit.requests import request
from tests.unit.stand_ins import ManualClock

MERCHANT_ID, BEFORE = "settled", "settle"
DAY = timedelta(days=1)
WRITE = "TransactWriteItems"
ADDED = ("txn#", "line#")


class Settler:
    """The functions over a table, and a merchant of its own that sells."""

    def __init__(
        self, table: Table, secrets: Secrets, clock: ManualClock, ids: Ids, meter: Meter
    ) -> None:
        parts = parts_of(table, NoCourier(), secrets, clock)
        store = parts.store
        self._payments = Payments(store.ledger, store.merchants, clock, ids, secrets)
        self._settle, self._sweep = Settle(parts), Sweep(parts)
        self._clock, self._meter = clock, meter
        self.cpu_ms = 0.0
        """CPU time of this process for each payment of many."""
        self.stored_bytes = 0
        """What each of them leaves: a transaction, a line and index entries."""
        self._written: list[Mapping[str, Any]] = []
        key = ApiKey("settled", MERCHANT_ID, clock.now())
        run(DynamoMerchants(table).add_key(key, hash_of("settled")))

    def bills(self) -> dict[str, Bill]:
        """Return what each task of settlement took; the clock is two days later after it."""
        idle = self._taken(lambda: self._sweep.handle({}, TimedContext()))
        self._sell(1)
        first = self._task("settle")
        closing = self._task("close")
        self._sell(SETTLED_AT_ONCE)
        started_s = process_time()
        many = self._task("settle")
        self.cpu_ms = (process_time() - started_s) * 1_000 / SETTLED_AT_ONCE
        added = [one for one in self._written if one["record"]["S"].startswith(ADDED)]
        self.stored_bytes = sum(map(stored_bytes, added)) // SETTLED_AT_ONCE
        while self._do({"task": "close"})["task"] != "done" or self._do({"task": "settle"})["done"]:
            pass
        planning = self._taken(self._plan)
        *_, write = (one for one in first.calls if one.name == WRITE)
        return {
            SETTLE_ONE: Bill((write,)),
            SETTLE_MANY: many,
            "close: a batch of one": closing,
            PLAN: planning,
            SWEEP: idle,
        }

    def _sell(self, payments: int) -> None:
        """Capture so many payments, and wait until they are due."""
        for number in range(payments):
            run(self._capture(f"{self._clock.at} {number}"))
        self._clock.pass_by(DAY)

    async def _capture(self, name: str) -> None:
        asked = request("authorize", name, merchant_id=MERCHANT_ID)
        made = await self._payments.authorize(AUTHORIZE, asked)
        asked = request("capture", name, merchant_id=MERCHANT_ID)
        await self._payments.execute(Capture(made.transaction.payment_id), asked)

    def _task(self, task: str) -> Bill:
        return self._taken(lambda: self._do({"task": task}))

    def _do(self, event: dict[str, Any]) -> dict[str, Any]:
        return self._settle.handle(event | {"merchant_id": MERCHANT_ID}, TimedContext())

    def _plan(self) -> None:
        event = {"task": "plan", "after": BEFORE, "failed": 0}
        planned = self._settle.handle(event, TimedContext())
        if planned["merchants"]:
            raise AssertionError(f"something is due still: {planned}")

    def _taken(self, do: Callable[[], object]) -> Bill:
        self._meter.take()
        do()
        self._written = self._meter.written
        return self._meter.take()
