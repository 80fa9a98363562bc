"""What only a transaction meets: reasons at each position, tokens, and callers who leave."""

import asyncio
import json
from threading import Event

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, ReadTimeoutError

from payments_sandbox.domain.errors import Conflict, LedgerUnavailable
from payments_sandbox.domain.operations import Capture
from payments_sandbox.services.payments import Outcome
from tests.aws.faults import (
    ALWAYS,
    APPEND,
    Call,
    Fault,
    answer_lost,
    cancelled,
    cancelling,
    in_turn,
    refusing,
)
from tests.aws.faults_rig import Act, Rig, assert_once, fact_of, is_sure, result_of, rig_at
from tests.aws.faults_uses import CAPTURE, FIRST_ID, USES, executing, opened

pytestmark = pytest.mark.aws

# The key, the head, then the transactions; without a key the head is first.
POSITIONS = [
    (name, position)
    for name, actions in {
        "authorize": 3,
        "capture": 3,
        "capture too late": 4,
        "history too late": 2,
    }.items()
    for position in range(actions)
]
PASSING = [
    *((name, position, "TransactionConflict") for name, position in POSITIONS),
    *(("capture", position, "ThrottlingError") for position in range(3)),
    *(("capture", position, "ProvisionedThroughputExceeded") for position in range(3)),
]
TRIES_MAX = 11
"""Tries within five seconds, if each pause lasts as long as it may."""
BROKEN = ["ValidationError", "ItemCollectionSizeLimitExceeded", "AccessDenied"]


@pytest.mark.parametrize(("name", "position", "code"), PASSING)
async def test_a_reason_that_passes(emulator: str, name: str, position: int, code: str) -> None:
    """A transaction cancelled for a passing reason is run again after a pause, with a new token."""
    use = USES[name]
    async with rig_at(emulator) as rig:
        await use.prepare(rig)
        rig.injector.plan(APPEND, cancelling(code, position))

        first = await result_of(use.act(rig))

        assert is_sure(first)
        tokens = [*rig.injector.tokens]
        assert (len(tokens), len(set(tokens))) == (2, 2)
        assert rig.clock.pauses == [0.025]
        await assert_once(rig, use.act, first, use.total)


@pytest.mark.parametrize(
    ("name", "code", "position"),
    [
        ("authorize", "TransactionConflict", 0),
        ("capture", "TransactionConflict", 1),
        ("capture too late", "ThrottlingError", 3),
        ("history too late", "TransactionConflict", 0),
        ("void", "ProvisionedThroughputExceeded", 2),
    ],
)
async def test_a_reason_that_stays(emulator: str, name: str, position: int, code: str) -> None:
    """A transaction that is always cancelled is a conflict in the end, and left nothing."""
    use = USES[name]
    async with rig_at(emulator) as rig:
        await use.prepare(rig)
        before = rig.sound()
        rig.injector.plan(APPEND, cancelling(code, position), ALWAYS)

        first = await result_of(use.act(rig))

        assert (Conflict, TRIES_MAX) == (first, rig.injector.met)
        assert before == rig.sound()
        await assert_once(rig, use.act, first, use.total)


@pytest.mark.parametrize("position", range(3))
@pytest.mark.parametrize("code", BROKEN)
async def test_a_reason_that_is_our_fault(emulator: str, position: int, code: str) -> None:
    """What no retry can mend is raised at once, not run again as a race."""
    use = USES["capture"]
    async with rig_at(emulator) as rig:
        await use.prepare(rig)
        rig.injector.plan(APPEND, cancelling(code, position), ALWAYS)

        with pytest.raises(ClientError):
            await use.act(rig)

        assert [one for one in rig.injector.calls if one == APPEND] == [APPEND]
        assert rig.sound() == 1
        await assert_once(rig, use.act, LedgerUnavailable, use.total)


async def test_our_fault_beside_a_race(emulator: str) -> None:
    """A reason that is our fault is raised though another one is a race."""
    async with rig_at(emulator) as rig:
        await opened(rig)
        rig.injector.plan(APPEND, cancelled("TransactionConflict", "ValidationError"), ALWAYS)

        with pytest.raises(ClientError):
            await CAPTURE(rig)

        assert rig.injector.met == 1


@pytest.mark.parametrize("name", ["authorize", "history too late"])
@pytest.mark.parametrize(
    ("fault", "attempts"),
    [
        (refusing("TransactionInProgressException"), 3),
        (refusing("IdempotentParameterMismatchException"), 1),
        (refusing("RequestLimitExceeded"), 3),
        (refusing("ResourceNotFoundException"), 1),
        (refusing("ExpiredTokenException"), 1),
    ],
)
async def test_a_refused_token(emulator: str, name: str, fault: Fault, attempts: int) -> None:
    """A transaction refused as a whole makes the ledger unavailable, and leaves nothing."""
    use = USES[name]
    async with rig_at(emulator) as rig:
        await use.prepare(rig)
        before = rig.sound()
        rig.injector.plan(APPEND, fault, ALWAYS)

        first = await result_of(use.act(rig))

        assert (LedgerUnavailable, attempts) == (first, rig.injector.met)
        assert before == rig.sound()
        await assert_once(rig, use.act, first, use.total)


@pytest.mark.parametrize("name", ["authorize", "capture too late", "history too late"])
@pytest.mark.parametrize(
    "then",
    [
        refusing("TransactionInProgressException"),
        refusing("IdempotentParameterMismatchException"),
        cancelling("TransactionConflict", 0),
        cancelling("ConditionalCheckFailed", 1),
        refusing("ThrottlingException"),
    ],
)
async def test_a_lost_answer_and_then(emulator: str, name: str, then: Fault) -> None:
    """Whatever the later attempts of a write meet whose answer was lost, it is done once."""
    use = USES[name]
    async with rig_at(emulator) as rig:
        await use.prepare(rig)
        rig.injector.plan(APPEND, in_turn(answer_lost, then), 2)

        first = await result_of(use.act(rig))

        assert rig.injector.met == 2
        assert is_sure(first) or first is LedgerUnavailable
        await assert_once(rig, use.act, first, use.total)


@pytest.mark.parametrize("name", ["authorize", "capture", "capture too late", "history too late"])
async def test_a_new_token_for_each_attempt(emulator: str, name: str) -> None:
    """Even if the table has forgotten the token, a write whose answer was lost is done once."""

    def forgotten(call: Call) -> AWSResponse | None:
        body = call.body | {"ClientRequestToken": call.body["ClientRequestToken"][::-1]}
        call.request.body = json.dumps(body).encode()
        call.answer()
        raise ReadTimeoutError(endpoint_url=call.url)

    use = USES[name]
    async with rig_at(emulator) as rig:
        await use.prepare(rig)
        rig.injector.plan(APPEND, forgotten)

        first = await result_of(use.act(rig))

        assert is_sure(first)
        assert use.total == rig.sound()
        await assert_once(rig, use.act, first, use.total)


async def test_a_change_of_settings_in_conflict(emulator: str) -> None:
    """A change of settings that loses every race is a conflict, not a fault."""
    use = USES["change settings"]
    async with rig_at(emulator) as rig:
        rig.injector.plan(APPEND, cancelling("TransactionConflict", 0), ALWAYS)

        first = await result_of(use.act(rig))

        assert Conflict is first
        await assert_once(rig, use.act, first, use.total)


def held(before: Event, after: Event, *, sent: bool) -> Fault:
    """Return the fault that says when it is reached and waits, before or after it is sent."""

    def hold(call: Call) -> AWSResponse | None:
        answer = call.answer() if sent else None
        before.set()
        assert after.wait(5)
        return answer

    return hold


async def left(rig: Rig, act: Act, *, sent: bool) -> Event:
    """Start the act and leave it in the middle of its append; return what lets that go on."""
    reached, go_on = Event(), Event()
    rig.injector.plan(APPEND, held(reached, go_on, sent=sent))
    task = asyncio.create_task(result_of(act(rig)))
    assert await asyncio.to_thread(reached.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return go_on


@pytest.mark.parametrize("sent", [False, True])
@pytest.mark.parametrize("name", ["authorize", "capture", "capture too late", "history too late"])
async def test_a_caller_who_leaves(emulator: str, name: str, *, sent: bool) -> None:
    """A write goes on when its caller has left; the same request finds it, or does it once."""
    use = USES[name]
    async with rig_at(emulator) as rig:
        await use.prepare(rig)
        go_on = await left(rig, use.act, sent=sent)

        meanwhile = await result_of(use.act(rig))
        go_on.set()

        assert is_sure(meanwhile)
        await asyncio.sleep(0.05)
        await assert_once(rig, use.act, meanwhile, use.total)


@pytest.mark.parametrize("sent", [False, True])
async def test_another_after_one_who_left(emulator: str, *, sent: bool) -> None:
    """Whoever comes after a caller who left waits for nobody, and both captures are done once."""
    other = executing(Capture(FIRST_ID, 200), "other")
    async with rig_at(emulator) as rig:
        await opened(rig)
        go_on = await left(rig, CAPTURE, sent=sent)

        came = await result_of(other(rig))
        go_on.set()
        again = await result_of(CAPTURE(rig))

        assert isinstance(again, Outcome)
        assert {200, 300} == {rig_amount(came), rig_amount(again)}
        assert rig.sound() == 3
        assert fact_of(again) == fact_of(await result_of(CAPTURE(rig)))


def rig_amount(result: object) -> int:
    """Return the amount of an outcome."""
    assert isinstance(result, Outcome)
    return result.transaction.amount
