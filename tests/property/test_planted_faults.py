"""The machine is no better than what it catches: each planted fault must make it fail."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import Flaky
from hypothesis.stateful import run_state_machine_as_test  # pyright: ignore[reportUnknownVariableType]

from payments_sandbox.adapters.dynamodb import DynamoLedger
from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.domain.errors import SandboxError
from payments_sandbox.domain.payment import Change, Payment, Status
from payments_sandbox.domain.transaction import Transaction
from payments_sandbox.services.payments import Outcome
from payments_sandbox.services.ports import IdempotencyKey, Page, PaymentFilter, Spent
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
        longer = key and replace(key, expires_at=key.expires_at + late)
        await super().append(payment, transactions, longer)


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
        """Wait until rivals have read, then append."""
        await asyncio.sleep(FAULT_WINDOW_S)
        await super().append(payment, transactions, key)

    def _put(
        self, item: dict[str, Any], condition: str, values: dict[str, Any]
    ) -> "TransactWriteItemTypeDef":
        put = super()._put(item, condition, values)
        if item["record"] != {"S": "key"}:
            put = put | {"Put": {"TableName": self._table.name, "Item": item}}
        return put


class KeysNeverDie(DynamoLedger):
    """It takes a spent key for spent until the table has deleted it."""

    def _put(
        self, item: dict[str, Any], condition: str, values: dict[str, Any]
    ) -> "TransactWriteItemTypeDef":
        if item["record"] == {"S": "key"}:
            return super()._put(item, "attribute_not_exists(transaction_id)", {})
        return super()._put(item, condition, values)


def nothing_due(payment: Payment, at: datetime) -> Change:
    """Let nothing fall due."""
    del at
    return Change(payment, ())


def always_replay(spent: Spent, key: IdempotencyKey) -> Outcome:
    """Replay whatever the body is."""
    del key
    return Outcome(spent.transaction, replayed=True)


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
    "miscalls refunds": (
        "payments_sandbox.domain.payment.Payment.status",
        property(status_without_refunds),
    ),
}
LEDGERS = [
    LosesHistory,
    ForgetsKeys,
    KeepsKeysTooLong,
    MisreadsHeads,
    ListsWhatIsStored,
    SkipsOnPages,
    ShowsEveryone,
]


@pytest.mark.parametrize("rule", RULES)
def test_a_broken_rule_is_caught(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine fails on the real services once a rule is broken."""
    monkeypatch.setattr(*RULES[rule])

    with pytest.raises(WRONG):
        run_state_machine_as_test(machine_on(on_sqlite()), settings=SETTINGS)


@pytest.mark.parametrize("kind", LEDGERS, ids=lambda kind: kind.__name__)
def test_a_broken_ledger_is_caught(kind: type[SqliteLedger]) -> None:
    """The machine fails on a ledger that does not keep its promises."""
    with pytest.raises(WRONG):
        run_state_machine_as_test(machine_on(on_sqlite(kind)), settings=SETTINGS)


@pytest.mark.aws
@pytest.mark.parametrize("kind", [LastWriteWins, KeysNeverDie], ids=lambda kind: kind.__name__)
def test_a_broken_ledger_in_dynamodb_is_caught(kind: type[DynamoLedger], emulator: str) -> None:
    """The machine fails there too, within as few examples as the run that has to be green."""
    with pytest.raises((*WRONG, Flaky)):  # a lost race is not lost each time
        run_state_machine_as_test(machine_on(on_dynamodb(emulator, kind)), settings=FEW)
