"""The machine is no better than what it catches: each planted fault must make it fail."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import Flaky
from hypothesis.stateful import run_state_machine_as_test  # pyright: ignore[reportUnknownVariableType]

from payments_sandbox.adapters.dynamodb import DynamoLedger
from payments_sandbox.adapters.dynamodb_items import head_item, spent_item, transaction_item
from payments_sandbox.adapters.dynamodb_table import NEW, put_of
from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.adapters.sqlite_settlements import SqliteSettlements
from payments_sandbox.domain.calendar import Calendar
from payments_sandbox.domain.errors import SandboxError
from payments_sandbox.domain.payment import Change, Payment, Status
from payments_sandbox.domain.settlement import Settlement, Totals
from payments_sandbox.domain.transaction import Transaction
from payments_sandbox.services.payments import Outcome
from payments_sandbox.services.ports import IdempotencyKey, Page, PaymentFilter, Spent
from payments_sandbox.services.settlement_ports import Settled
from tests.property.homes import on_dynamodb, on_sqlite
from tests.property.machine import AT_THE_EMULATOR, machine_on

if TYPE_CHECKING:
    from types_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

# No shrinking: that it fails is enough. A seed of its own would only make the suite moody.
SETTINGS = settings(
    max_examples=300,
    stateful_step_count=30,
    phases=[Phase.generate],
    deadline=None,
    derandomize=True,
    database=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
# As many tries as the run that has to be green.
FEW = settings(
    SETTINGS,
    max_examples=AT_THE_EMULATOR.max_examples,
    stateful_step_count=AT_THE_EMULATOR.stateful_step_count,
)
FAULT_WINDOW_S = 0.05
WRONG = (AssertionError, SandboxError)
DOMAIN = "payments_sandbox.domain"
OPERATIONS = "payments_sandbox.domain.operations"
SERVICES = "payments_sandbox.services.payments"


class LosesHistory(SqliteLedger):
    """Of several transactions in one write it forgets the first."""

    async def append(
        self, payment: Payment, transactions: Sequence[Transaction], key: IdempotencyKey | None
    ) -> None:
        """Append, then delete what came first."""
        await super().append(payment, transactions, key)
        if len(transactions) > 1:
            first = (transactions[0].payment_id, transactions[0].seq)
            await self.writer.run(
                lambda connection: connection.execute(
                    "DELETE FROM transactions WHERE payment_id = ? AND seq = ?", first
                ).close()
            )


class ForgetsKeys(SqliteLedger):
    """It never spends a key."""

    async def append(
        self, payment: Payment, transactions: Sequence[Transaction], key: IdempotencyKey | None
    ) -> None:
        """Append without the key."""
        del key
        await super().append(payment, transactions, None)


class KeepsKeysTooLong(SqliteLedger):
    """Its keys live a millisecond too long."""

    async def append(
        self, payment: Payment, transactions: Sequence[Transaction], key: IdempotencyKey | None
    ) -> None:
        """Append under a key that ends late."""
        late = timedelta(milliseconds=1)
        await super().append(payment, transactions, key and _longer(key, late))


class MisreadsHeads(SqliteLedger):
    """It reads a head with one unit less captured than there is."""

    async def payment(self, merchant_id: str, payment_id: str) -> Payment:
        """Return the head, a little wrong."""
        payment = await super().payment(merchant_id, payment_id)
        if not payment.captures:
            return payment
        amounts = replace(payment.amounts, captured=payment.amounts.captured - 1)
        return replace(payment, amounts=amounts)


class ListsWhatIsStored(SqliteLedger):
    """Its lists take the stored status for today's."""

    async def payments(
        self,
        merchant_id: str,
        wanted: PaymentFilter,
        at: datetime,
        *,
        before: str | None,
        limit: int,
    ) -> Page:
        """List as of long ago."""
        long_ago = datetime(2000, 1, 1, tzinfo=UTC)
        return await super().payments(
            merchant_id, wanted, min(at, long_ago), before=before, limit=limit
        )


class SkipsOnPages(SqliteLedger):
    """Its pages start one payment too low."""

    async def payments(
        self,
        merchant_id: str,
        wanted: PaymentFilter,
        at: datetime,
        *,
        before: str | None,
        limit: int,
    ) -> Page:
        """List, and skip what begins the next page."""
        page = await super().payments(merchant_id, wanted, at, before=before, limit=limit)
        if page.next_before is None:
            return page
        below = await super().payments(merchant_id, wanted, at, before=page.next_before, limit=1)
        return Page(page.payments, below.payments[0].payment_id)


class ShowsEveryone(SqliteLedger):
    """It shows strangers what is not theirs."""

    async def payments(
        self,
        merchant_id: str,
        wanted: PaymentFilter,
        at: datetime,
        *,
        before: str | None,
        limit: int,
    ) -> Page:
        """List the one merchant's payments to all."""
        del merchant_id
        return await super().payments("acme", wanted, at, before=before, limit=limit)


class LastWriteWins(DynamoLedger):
    """It writes heads and transactions over whatever is there; its rivals all read first."""

    async def append(
        self, payment: Payment, transactions: Sequence[Transaction], key: IdempotencyKey | None
    ) -> None:
        """Wait until rivals have read, then put everything where it belongs."""
        await asyncio.sleep(FAULT_WINDOW_S)
        now = self._clock.now()
        items = [transaction_item(payment, one, now) for one in transactions]
        actions: list[TransactWriteItemTypeDef] = [
            {"Put": {"TableName": self._table.name, "Item": item}}
            for item in [head_item(payment), *items]
        ]
        if key is not None:
            actions.insert(0, put_of(self._table, spent_item(key, payment), NEW))
        try:
            await self._table.run(self._table.client.transact_write_items, TransactItems=actions)
        except ClientError as error:
            raise await self._refusal(error, key) from error


class KeysNeverDie(DynamoLedger):
    """It takes a spent key for spent until the table has deleted it."""

    async def append(
        self, payment: Payment, transactions: Sequence[Transaction], key: IdempotencyKey | None
    ) -> None:
        """Append under a key that lives on."""
        await super().append(payment, transactions, key and _longer(key, timedelta(days=1_000)))


def _longer(key: IdempotencyKey, by: timedelta) -> IdempotencyKey:
    """Return the key with a longer life, on both clocks."""
    return replace(key, expires_at=key.expires_at + by, forgotten_at=key.forgotten_at + by)


def nothing_due(payment: Payment, at: datetime) -> Change:
    """Let nothing fall due."""
    del at
    return Change(payment, ())


def always_replay(spent: Spent, key: IdempotencyKey) -> Outcome:
    """Replay whatever the body is."""
    del key
    return Outcome(spent.transaction, replayed=True)


class LosesLines(SqliteSettlements):
    """Of several lines it writes the last alone."""

    async def settle(self, settlement: Settlement, some: Sequence[Settled]) -> list[Settled]:
        """Settle, then delete the line that came first."""
        written = await super().settle(settlement, some)
        if len(written) > 1:
            where = (settlement.settlement_id, written[0].payment.payment_id)
            await self._ledger.writer.run(
                lambda connection: connection.execute(
                    "DELETE FROM settlement_lines WHERE settlement_id = ? AND payment_id = ?", where
                ).close()
            )
        return written


class ForgetsFees(SqliteSettlements):
    """It sums up without fees."""

    async def totals(self, settlement: Settlement) -> Totals:
        """Return totals without fees."""
        return replace(await super().totals(settlement), fees=0)


class SeesLateness(SqliteSettlements):
    """It finds what is due a millisecond late."""

    async def due(self, merchant_id: str, up_to: datetime, limit: int) -> list[Payment]:
        """Return what was due a little before."""
        return await super().due(merchant_id, up_to - timedelta(milliseconds=1), limit)


def voidable_for_ever(_: object, __: datetime) -> None:
    """Let any capture be reversed."""


def no_carry(_: Settlement) -> int:
    """Forgive what is below zero."""
    return 0


def truncated(numerator: int, denominator: int) -> int:
    """Round down."""
    return numerator // denominator


def every_day(_: Calendar, __: date) -> bool:
    """Work on Sundays too."""
    return True


def first_of(first: datetime, _: datetime) -> datetime:
    """Take the first for the greater one."""
    return first


def day_of(_: Calendar, cutoff: datetime) -> date:
    """Return the day of the cut-off itself."""
    return cutoff.date()


def status_without_refunds(payment: Payment) -> Status:
    """Say captured of what is refunded."""
    return Status.CAPTURED if payment.amounts.refunded else PLAIN_STATUS(payment)


PLAIN_STATUS: Callable[[Payment], Status] = Payment.status.fget  # type: ignore[assignment]
RULES: dict[str, tuple[str, object]] = {
    "captures too much": (f"{OPERATIONS}.AmountExceedsCapturable", None),
    "refunds too much": (f"{OPERATIONS}.AmountExceedsRefundable", None),
    "takes any currency": (f"{OPERATIONS}.CurrencyMismatch", None),
    "captures what is voided": (f"{OPERATIONS}.AuthorizationVoided", None),
    "refunds what is not captured": (f"{OPERATIONS}.NotCaptured", None),
    "authorizes for too long": (
        f"{OPERATIONS}.AUTHORIZATION_LIFE",
        timedelta(days=7, milliseconds=1),
    ),
    "lets nothing expire": (f"{SERVICES}.advance", nothing_due),
    "replays another body": (f"{SERVICES}._replay", always_replay),
    "keys die early": (f"{SERVICES}.KEY_LIFE", timedelta(hours=24, milliseconds=-1)),
    "voids what is settled": (f"{DOMAIN}.void_capture._not_voidable", voidable_for_ever),
    "forgives refunds": (
        f"{DOMAIN}.settlement.Settlement.carried_forward",
        property(no_carry),
    ),
    "rounds fees down": (f"{DOMAIN}.fees._half_up", truncated),
    "never rests": (f"{DOMAIN}.calendar.Calendar._is_business_day", every_day),
    "settles refunds before their captures": (f"{DOMAIN}.operations.max", first_of),
    "pays on the day of closing": (
        f"{DOMAIN}.calendar.Calendar.payout_date",
        day_of,
    ),
    "miscalls refunds": (
        "payments_sandbox.domain.payment.Payment.status",
        property(status_without_refunds),
    ),
}
ADDED = {"settles refunds before their captures"}
"""Those that stand in the way of a built-in."""
LEDGERS = [
    LosesHistory,
    ForgetsKeys,
    KeepsKeysTooLong,
    MisreadsHeads,
    ListsWhatIsStored,
    SkipsOnPages,
    ShowsEveryone,
]


SETTLEMENTS = [LosesLines, ForgetsFees, SeesLateness]


@pytest.mark.parametrize("rule", RULES)
def test_a_broken_rule_is_caught(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine fails on the real services once a rule is broken."""
    monkeypatch.setattr(*RULES[rule], raising=rule not in ADDED)

    with pytest.raises(WRONG):
        run_state_machine_as_test(machine_on(on_sqlite()), settings=SETTINGS)


@pytest.mark.parametrize("kind", LEDGERS, ids=lambda kind: kind.__name__)
def test_a_broken_ledger_is_caught(kind: type[SqliteLedger]) -> None:
    """The machine fails on a ledger that does not keep its promises."""
    with pytest.raises(WRONG):
        run_state_machine_as_test(machine_on(on_sqlite(kind)), settings=SETTINGS)


@pytest.mark.parametrize("kind", SETTLEMENTS, ids=lambda kind: kind.__name__)
def test_broken_settlements_are_caught(kind: type[SqliteSettlements]) -> None:
    """The machine fails where batches are not kept as they should be."""
    with pytest.raises(WRONG):
        run_state_machine_as_test(machine_on(on_sqlite(settling=kind)), settings=SETTINGS)


@pytest.mark.aws
@pytest.mark.parametrize("kind", [LastWriteWins, KeysNeverDie], ids=lambda kind: kind.__name__)
def test_a_broken_ledger_in_dynamodb_is_caught(kind: type[DynamoLedger], emulator: str) -> None:
    """The machine fails there too, within as few examples as the run that has to be green."""
    with pytest.raises((*WRONG, Flaky)):  # a lost race is not lost each time
        run_state_machine_as_test(machine_on(on_dynamodb(emulator, kind)), settings=FEW)
