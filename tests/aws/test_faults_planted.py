"""The checks of the faults are no better than what they catch: each planted fault must fail."""

from collections.abc import Sequence

import pytest

from payments_sandbox.adapters.dynamodb import DynamoLedger
from payments_sandbox.domain.errors import LedgerUnavailable
from payments_sandbox.domain.payment import Payment
from payments_sandbox.domain.transaction import Transaction
from payments_sandbox.services.ports import IdempotencyKey
from tests.aws.faults import ALWAYS, APPEND, Fault, answer_lost, no_answer
from tests.aws.faults_rig import ForgetsKeys, assert_once, result_of, rig_at
from tests.aws.faults_uses import USES

pytestmark = pytest.mark.aws

ATTEMPTS = 3


class SendsAgain(DynamoLedger):
    """It sends a write whose outcome it does not know again, with a new token and no key."""

    async def append(
        self, payment: Payment, transactions: Sequence[Transaction], key: IdempotencyKey | None
    ) -> None:
        """Append without the key, and once more if that failed."""
        del key
        try:
            await super().append(payment, transactions, None)
        except LedgerUnavailable:
            await super().append(payment, transactions, None)


class Hopes(DynamoLedger):
    """It takes a write whose outcome it does not know for done."""

    async def append(
        self, payment: Payment, transactions: Sequence[Transaction], key: IdempotencyKey | None
    ) -> None:
        """Append, and say nothing if that failed."""
        try:
            await super().append(payment, transactions, key)
        except LedgerUnavailable:
            return


async def met(
    endpoint: str, kind: type[DynamoLedger], name: str, fault: Fault, times: int
) -> object:
    """Let the use case meet a fault of its append, check it, and return its first answer."""
    use = USES[name]
    async with rig_at(endpoint, kind) as rig:
        await use.prepare(rig)
        rig.injector.plan(APPEND, fault, times)
        first = await result_of(use.act(rig))
        await assert_once(rig, use.act, first, use.total)
        return first


NAMES = pytest.mark.parametrize("name", ["authorize", "capture", "refund"])


@NAMES
async def test_a_ledger_that_forgets_keys_is_caught(emulator: str, name: str) -> None:
    """A write whose answers were lost is seen to be doubled by the same request."""
    with pytest.raises(AssertionError):
        await met(emulator, ForgetsKeys, name, answer_lost, ALWAYS)


@NAMES
async def test_a_ledger_that_sends_again_is_caught(emulator: str, name: str) -> None:
    """A write sent again, blindly, is seen to be doubled within one request."""
    with pytest.raises(AssertionError):
        await met(emulator, SendsAgain, name, answer_lost, ATTEMPTS)


@NAMES
async def test_a_ledger_that_hopes_is_caught(emulator: str, name: str) -> None:
    """A write that never arrived and was taken for done is seen to be lost."""
    with pytest.raises(AssertionError):
        await met(emulator, Hopes, name, no_answer, ALWAYS)


@NAMES
@pytest.mark.parametrize(("fault", "times"), [(answer_lost, ALWAYS), (no_answer, ATTEMPTS)])
async def test_the_ledger_passes(emulator: str, name: str, fault: Fault, times: int) -> None:
    """The ledger as it is passes what the planted ones do not."""
    assert LedgerUnavailable is await met(emulator, DynamoLedger, name, fault, times)
