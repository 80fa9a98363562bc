"""The machine is no better than what it catches: each planted fault must make it fail."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test  # pyright: ignore[reportUnknownVariableType]

from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.domain.errors import SandboxError
from payments_sandbox.domain.payment import Change, Payment, Status
from payments_sandbox.domain.transaction import Transaction
from payments_sandbox.services.payments import Outcome
from payments_sandbox.services.ports import IdempotencyKey, Page, PaymentFilter, Spent
from tests.property.homes import on_sqlite
from tests.property.machine import machine_on

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
