"""Each call of each use case meets each fault, once and for ever: no effect is lost or doubled."""

import pytest

from payments_sandbox.domain.errors import LedgerUnavailable
from tests.aws.faults import ALWAYS, APPEND, HEADS, RECORDS, UNREADABLE, Trouble
from tests.aws.faults_rig import assert_once, is_sure, result_of, rig_at
from tests.aws.faults_uses import CASES, FIRST_USES, USES

pytestmark = pytest.mark.aws

ATTEMPTS = 3


@pytest.mark.parametrize(("name", "place", "trouble"), CASES)
async def test_a_fault_that_passes(emulator: str, name: str, place: str, trouble: Trouble) -> None:
    """After one fault the call is made again, and the caller notices nothing."""
    use = USES[name]
    async with rig_at(emulator) as rig:
        await use.prepare(rig)
        rig.injector.plan(place, trouble.fault)

        first = await result_of(use.act(rig))

        assert rig.injector.met == 1
        assert is_sure(first)
        await assert_once(rig, use.act, first, use.total)


@pytest.mark.parametrize(("name", "place", "trouble"), CASES)
async def test_a_fault_that_stays(emulator: str, name: str, place: str, trouble: Trouble) -> None:
    """A call is attempted three times; then the ledger is unavailable, and later all is well.

    A write whose answers were lost is whole in the table, one that never arrived left nothing.
    All its attempts bear one token, which the table does once.
    """
    use = USES[name]
    async with rig_at(emulator) as rig:
        await use.prepare(rig)
        before = rig.sound()
        rig.injector.plan(place, trouble.fault, ALWAYS)

        first = await result_of(use.act(rig))

        assert rig.injector.met == ATTEMPTS
        assert LedgerUnavailable is first
        done = trouble.after and place == APPEND
        assert (use.total if done else before) == rig.sound()
        assert len(set(rig.injector.tokens)) <= 1
        await assert_once(rig, use.act, first, use.total)


@pytest.mark.parametrize(
    "trouble",
    UNREADABLE,
    ids=str,
)
@pytest.mark.parametrize("place", [APPEND, HEADS, RECORDS])
async def test_an_answer_that_cannot_be_read(emulator: str, place: str, trouble: Trouble) -> None:
    """What a broken proxy answers is the ledger's trouble, whatever the body looks like."""
    use = USES[FIRST_USES[place]]
    async with rig_at(emulator) as rig:
        await use.prepare(rig)
        rig.injector.plan(place, trouble.fault, ALWAYS)

        first = await result_of(use.act(rig))

        assert LedgerUnavailable is first
        await assert_once(rig, use.act, first, use.total)
