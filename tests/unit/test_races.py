"""Lost races: how long and how often they are run again, and that nobody is charged twice."""

import asyncio
from datetime import timedelta

import pytest

from payments_sandbox.adapters.sqlite_merchants import SqliteMerchants
from payments_sandbox.domain.errors import Conflict
from payments_sandbox.domain.operations import Capture
from payments_sandbox.services.payments import Outcome, Patience, Payments
from tests.unit.examples import AUTHORIZE, MERCHANT_ID
from tests.unit.ledgers import ContendedLedger
from tests.unit.requests import request
from tests.unit.stand_ins import SECRETS, ManualClock, SeededIds


@pytest.mark.parametrize(
    ("tries", "expected"),
    [(1, 0.025), (2, 0.05), (3, 0.1), (4, 0.2), (5, 0.4), (6, 0.8), (7, 0.8), (16, 0.8)],
)
def test_pauses_double(tries: int, expected: float) -> None:
    """The longest pause doubles from 25 ms to 0.8 s."""
    assert expected == pytest.approx(Patience().pause_s(tries))


async def authorized(payments: Payments) -> str:
    """Authorize a payment under a key of its own and return its id."""
    outcome = await payments.authorize(AUTHORIZE, request("authorize", "first"))
    return outcome.transaction.payment_id


def processes_on(ledger: ContendedLedger, clock: ManualClock) -> list[Payments]:
    """Return the services of ten processes that share the ledger and nothing else."""
    return [
        Payments(ledger, SqliteMerchants(ledger), clock, SeededIds(seed), SECRETS)
        for seed in range(10)
    ]


@pytest.mark.parametrize("losses", [0, 1, 2, 5])
async def test_a_lost_race_is_run_again(
    payments: Payments, ledger: ContendedLedger, clock: ManualClock, losses: int
) -> None:
    """After each lost race comes a pause and another try, until one wins."""
    auth_id = await authorized(payments)
    ledger.losses = losses

    outcome = await payments.execute(Capture(auth_id), request("capture"))

    assert losses == len(clock.pauses)
    assert outcome.transaction.error_code is None
    assert outcome.transaction.created_at == clock.at


async def test_a_new_payment_that_loses_takes_another_id(
    payments: Payments, ledger: ContendedLedger
) -> None:
    """An authorization whose id is taken is made again under a new one."""
    ledger.losses = 1

    outcome = await payments.authorize(AUTHORIZE, request("authorize"))

    page = await payments.history(MERCHANT_ID, outcome.transaction.payment_id)
    assert [outcome.transaction] == page[1]


@pytest.mark.parametrize(("pause_share", "expected"), [(0.0, 16), (0.75, 13), (1.0, 11)])
async def test_patience_ends(
    ledger: ContendedLedger, merchants: SqliteMerchants, pause_share: float, expected: int
) -> None:
    """After 16 tries, or 5 seconds if that is sooner, the race is a conflict."""
    clock = ManualClock(pause_share=pause_share)
    payments = Payments(ledger, merchants, clock, SeededIds(), SECRETS)
    auth_id = await authorized(payments)
    ledger.losses, ledger.appends = 1000, 0

    with pytest.raises(Conflict):
        await payments.execute(Capture(auth_id), request("capture"))

    assert expected == ledger.appends


async def test_patience_is_a_setting(
    ledger: ContendedLedger, merchants: SqliteMerchants, clock: ManualClock
) -> None:
    """Deadline, tries and pauses can be chosen."""
    patience = Patience(timedelta(seconds=60), 3, pause_first_s=1, pause_longest_s=1.5)
    payments = Payments(ledger, merchants, clock, SeededIds(), SECRETS, patience=patience)
    ledger.losses = 1000
    expected = [1, 1.5]

    with pytest.raises(Conflict):
        await payments.authorize(AUTHORIZE, request("authorize"))

    assert expected == clock.pauses[:2]
    assert ledger.appends == patience.tries_max


async def test_a_try_on_the_deadline_is_made(
    ledger: ContendedLedger, merchants: SqliteMerchants, clock: ManualClock
) -> None:
    """A try that starts exactly on the deadline is still made."""
    patience = Patience(timedelta(seconds=2), pause_first_s=1, pause_longest_s=1)
    payments = Payments(ledger, merchants, clock, SeededIds(), SECRETS, patience=patience)
    ledger.losses = 2

    outcome = await payments.authorize(AUTHORIZE, request("authorize"))

    assert outcome.transaction.seq == len([outcome])


async def test_after_a_conflict_the_same_request_may_be_sent(
    payments: Payments, ledger: ContendedLedger
) -> None:
    """A conflict leaves nothing and no key spent: the same request then does its work."""
    auth_id = await authorized(payments)
    ledger.losses = 16
    with pytest.raises(Conflict):
        await payments.execute(Capture(auth_id), request("capture"))
    ledger.losses = 0

    outcome = await payments.execute(Capture(auth_id), request("capture"))

    assert not outcome.replayed
    assert outcome.transaction.error_code is None


async def test_no_races_within_a_process(payments: Payments, ledger: ContendedLedger) -> None:
    """Fifty captures of one payment in one process wait for each other: one write each."""
    auth_id = await authorized(payments)
    ledger.appends = 0
    rivals = 50

    outcomes = await asyncio.gather(
        *(
            payments.execute(Capture(auth_id, 30), request("capture", f"key {rival}"))
            for rival in range(rivals)
        )
    )

    assert rivals == ledger.appends
    captured = sum(one.transaction.amount for one in outcomes if not one.transaction.error_code)
    assert captured == AUTHORIZE.amount // 30 * 30


@pytest.mark.usefixtures("merchants")
async def test_races_between_processes(ledger: ContendedLedger) -> None:
    """Services that share only the ledger never capture more than was authorized."""
    clock = ManualClock(pause_share=0)
    rivals = processes_on(ledger, clock)
    auth_id = await authorized(rivals[0])

    outcomes = await asyncio.gather(
        *(
            rival.execute(Capture(auth_id, 300), request("capture", f"key {number}"))
            for number, rival in enumerate(rivals)
        )
    )

    payment, transactions = await rivals[0].history(MERCHANT_ID, auth_id)
    assert payment.amounts.captured == AUTHORIZE.amount // 300 * 300
    assert {one.transaction.seq for one in outcomes} == {one.seq for one in transactions[1:]}
    assert payment.version == len(transactions) == 1 + len(rivals)


@pytest.mark.usefixtures("merchants")
async def test_twins(ledger: ContendedLedger, clock: ManualClock) -> None:
    """Of ten copies of one request at once, one does the work and nine replay it."""
    rivals = processes_on(ledger, clock)
    auth_id = await authorized(rivals[0])

    outcomes = await asyncio.gather(
        *(rival.execute(Capture(auth_id), request("capture")) for rival in rivals)
    )

    (done,) = (one for one in outcomes if not one.replayed)
    assert [Outcome(done.transaction, replayed=True)] * 9 == [
        one for one in outcomes if one.replayed
    ]
