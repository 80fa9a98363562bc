"""The machine is no better than what it catches: each planted fault must make it fail."""

from collections.abc import Callable
from datetime import date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import Flaky
from hypothesis.stateful import run_state_machine_as_test  # pyright: ignore[reportUnknownVariableType]

from payments_sandbox.adapters.dynamodb import DynamoLedger
from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.adapters.sqlite_settlements import SqliteSettlements
from payments_sandbox.domain.calendar import Calendar
from payments_sandbox.domain.errors import SandboxError
from payments_sandbox.domain.payment import Change, Payment, Status
from payments_sandbox.domain.settlement import Settlement
from payments_sandbox.services.payments import Outcome
from payments_sandbox.services.ports import IdempotencyKey, Spent
from tests.property.faulty_ledgers import (
    ForgetsFees,
    ForgetsKeys,
    KeepsKeysTooLong,
    LastWriteWins,
    ListsWhatIsStored,
    LosesHistory,
    LosesLines,
    MisreadsHeads,
    SeesLateness,
    ShowsEveryone,
    SkipsOnPages,
)
from tests.property.homes import on_dynamodb, on_sqlite
from tests.property.machine import AT_THE_EMULATOR, machine_on

# No shrinking: that it fails is enough. A seed of its own would only make the suite moody.
SETTINGS = settings(
    max_examples=300,
    stateful_step_count=40,
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
WRONG = (AssertionError, SandboxError)
DOMAIN = "payments_sandbox.domain"
OPERATIONS = "payments_sandbox.domain.operations"
SERVICES = "payments_sandbox.services.payments"


def nothing_due(payment: Payment, at: datetime) -> Change:
    """Let nothing fall due."""
    del at
    return Change(payment, ())


def always_replay(spent: Spent, key: IdempotencyKey) -> Outcome:
    """Replay whatever the body is."""
    del key
    return Outcome(spent.transaction, replayed=True)


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
    "pays on the day of closing": (
        f"{DOMAIN}.calendar.Calendar.payout_date",
        day_of,
    ),
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


SETTLEMENTS = [LosesLines, ForgetsFees, SeesLateness]


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


@pytest.mark.parametrize("kind", SETTLEMENTS, ids=lambda kind: kind.__name__)
def test_broken_settlements_are_caught(kind: type[SqliteSettlements]) -> None:
    """The machine fails where batches are not kept as they should be."""
    with pytest.raises(WRONG):
        run_state_machine_as_test(machine_on(on_sqlite(settling=kind)), settings=SETTINGS)


@pytest.mark.aws
@pytest.mark.parametrize("kind", [LastWriteWins], ids=lambda kind: kind.__name__)
def test_a_broken_ledger_in_dynamodb_is_caught(kind: type[DynamoLedger], emulator: str) -> None:
    """The machine fails there too, within as few examples as the run that has to be green."""
    with pytest.raises((*WRONG, Flaky)):  # a lost race is not lost each time
        run_state_machine_as_test(machine_on(on_dynamodb(emulator, kind)), settings=FEW)
