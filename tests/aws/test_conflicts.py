"""Races in which the table cancels transactions by chance, as the real one does and none here."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from random import Random

import pytest

from payments_sandbox.adapters.dynamodb import DynamoLedger
from payments_sandbox.domain.errors import Conflict, LedgerUnavailable
from payments_sandbox.domain.operations import Capture, Refund
from payments_sandbox.domain.payment import Payment
from payments_sandbox.domain.transaction import Transaction, TransactionStatus
from payments_sandbox.services.payments import Outcome, Payments
from payments_sandbox.services.ports import IdempotencyKey, LostRace
from tests.aws.faults import (
    ALWAYS,
    APPEND,
    TROUBLES,
    Fault,
    answer_lost,
    by_chance,
    cancelling,
    error_after,
    no_answer,
)
from tests.aws.faults_rig import ForgetsKeys, Rig, result_of, rig_at
from tests.aws.faults_uses import FIRST_ID, opened
from tests.unit.examples import AUTHORIZE
from tests.unit.requests import request
from tests.unit.stand_ins import SECRETS, SeededIds

pytestmark = pytest.mark.aws

RIVALS = 50
TWINS = 64
PROCESSES = 5
FITTING = 1000 // 30
SEEDS = pytest.mark.parametrize("seed", [7])
UNSURE = (Conflict, LedgerUnavailable)


CONFLICTS = [cancelling("TransactionConflict", position) for position in range(3)]
LOST = [*CONFLICTS, answer_lost, no_answer, error_after]


def processes_on(rig: Rig) -> list[Payments]:
    """Return the services of several processes that share the table and nothing else."""
    return [
        Payments(rig.ledger, rig.merchants, rig.clock, SeededIds(seed), SECRETS)
        for seed in range(1, PROCESSES + 1)
    ]


async def captures(processes: list[Payments]) -> list[Outcome]:
    """Let rivals capture 30 each, sending again whatever was not answered for sure."""

    async def capture(rival: int) -> Outcome:
        for _ in range(RIVALS):
            process = processes[rival % len(processes)]
            asked = request("capture", f"rival {rival}")
            outcome = await result_of(process.execute(Capture(FIRST_ID, 30), asked))
            if isinstance(outcome, Outcome):
                return outcome
            assert outcome in UNSURE
        raise AssertionError("no answer in the end")

    return await asyncio.gather(*(capture(rival) for rival in range(RIVALS)))


def assert_fitting(rig: Rig, outcomes: list[Outcome]) -> None:
    """Check that exactly the captures that fit are completed, and each rival has its own."""
    statuses = Counter(one.transaction.status for one in outcomes)
    assert statuses == {
        TransactionStatus.COMPLETED: FITTING,
        TransactionStatus.FAILED: RIVALS - FITTING,
    }
    assert rig.sound() == RIVALS + 1
    ((payment, transactions),) = rig.kept()
    assert payment.amounts.captured == FITTING * 30
    told = sorted((one.transaction for one in outcomes), key=lambda one: one.seq)
    assert transactions[1:] == told


@SEEDS
@pytest.mark.parametrize("faults", [CONFLICTS, LOST], ids=["conflicts", "lost answers too"])
async def test_rival_captures(emulator: str, seed: int, faults: list[Fault]) -> None:
    """Fifty captures of 30 on 1,000 make thirty-three, whatever transactions are cancelled."""
    async with rig_at(emulator) as rig:
        await opened(rig)
        rig.injector.plan(APPEND, by_chance(seed, *faults), ALWAYS)

        outcomes = await captures([rig.payments])

        assert rig.injector.met > RIVALS
        assert_fitting(rig, outcomes)


@SEEDS
@pytest.mark.parametrize("faults", [CONFLICTS, LOST], ids=["conflicts", "lost answers too"])
async def test_rival_processes(emulator: str, seed: int, faults: list[Fault]) -> None:
    """The same holds for processes that share nothing but the table."""
    async with rig_at(emulator, pause_share=0) as rig:
        await opened(rig)
        rig.injector.plan(APPEND, by_chance(seed, *faults), ALWAYS)

        outcomes = await captures(processes_on(rig))

        assert rig.injector.met > RIVALS
        assert_fitting(rig, outcomes)


async def twins(processes: list[Payments]) -> list[object]:
    """Send one request many times at once, each through the next process."""
    asked = request("capture", "twin")
    return await asyncio.gather(
        *(
            result_of(processes[twin % len(processes)].execute(Capture(FIRST_ID, 30), asked))
            for twin in range(TWINS)
        )
    )


@SEEDS
@pytest.mark.parametrize("processes", [1, PROCESSES])
async def test_twins(emulator: str, seed: int, processes: int) -> None:
    """Of sixty-four equal requests one is done, and all are answered with its transaction."""
    async with rig_at(emulator, pause_share=0) as rig:
        await opened(rig)
        rig.injector.plan(APPEND, by_chance(seed, *CONFLICTS), ALWAYS)

        outcomes = await twins(processes_on(rig)[:processes])

        answers = [one for one in outcomes if isinstance(one, Outcome)]
        assert len(answers) == TWINS
        assert Counter({True: TWINS - 1, False: 1}) == Counter(one.replayed for one in answers)
        assert len({one.transaction.transaction_id for one in answers}) == 1
        assert all(one.transaction == answers[0].transaction for one in answers)
        assert rig.sound() == 2


@SEEDS
async def test_twin_authorizations(emulator: str, seed: int) -> None:
    """Equal authorizations through several processes make one payment."""
    async with rig_at(emulator, pause_share=0) as rig:
        rig.injector.plan(APPEND, by_chance(seed, *CONFLICTS), ALWAYS)
        processes = processes_on(rig)
        asked = request("authorize", "twin")

        outcomes = await asyncio.gather(
            *(processes[twin % PROCESSES].authorize(AUTHORIZE, asked) for twin in range(TWINS))
        )

        assert len({one.transaction.transaction_id for one in outcomes}) == 1
        assert sum(one.replayed for one in outcomes) == TWINS - 1
        assert rig.sound() == 1


def storm(seed: int) -> Iterator[tuple[str, Capture | Refund]]:
    """Yield small captures and refunds in an order that a seed decides, each with a key."""
    chance = Random(seed)  # noqa: S311 - a seed is the point
    for number in range(RIVALS):
        if chance.random() < 0.6:
            yield f"{number}", Capture(FIRST_ID, chance.randint(1, 40))
        else:
            yield f"{number}", Refund(FIRST_ID, amount=chance.randint(1, 20))


@SEEDS
async def test_a_storm(emulator: str, seed: int) -> None:
    """While any call may meet any fault, requests sent until they are answered are done once."""
    faults = [one.fault for one in TROUBLES]
    async with rig_at(emulator, pause_share=0) as rig:
        await opened(rig)
        rig.injector.plan("any", by_chance(seed, *faults), ALWAYS)
        processes = processes_on(rig)

        async def send(key: str, operation: Capture | Refund) -> Outcome:
            asked = request(type(operation).__name__.lower(), key)
            for attempt in range(RIVALS):
                outcome = await result_of(processes[attempt % PROCESSES].execute(operation, asked))
                if isinstance(outcome, Outcome):
                    return outcome
                assert outcome in UNSURE
            raise AssertionError("no answer in the end")

        outcomes = await asyncio.gather(*(send(*one) for one in storm(seed)))

        rig.injector.heal()
        assert rig.sound() == RIVALS + 1
        ((_, transactions),) = rig.kept()
        told = sorted((one.transaction for one in outcomes), key=lambda one: one.seq)
        assert transactions[1:] == told


class IgnoresConflicts(DynamoLedger):
    """It takes a cancelled transaction for done."""

    async def append(
        self, payment: Payment, transactions: Sequence[Transaction], key: IdempotencyKey | None
    ) -> None:
        """Append, and say nothing if the race was lost."""
        with suppress(LostRace):
            await super().append(payment, transactions, key)


@pytest.mark.parametrize(("kind", "faults"), [(ForgetsKeys, LOST), (IgnoresConflicts, CONFLICTS)])
async def test_a_ledger_that_races_badly_is_caught(
    emulator: str, kind: type[DynamoLedger], faults: list[Fault]
) -> None:
    """The check of the rivals sees captures doubled, and those only said to be done."""
    async with rig_at(emulator, kind) as rig:
        await opened(rig)
        rig.injector.plan(APPEND, by_chance(1, *faults), ALWAYS)

        outcomes = await captures([rig.payments])

        with pytest.raises(AssertionError):
            assert_fitting(rig, outcomes)
