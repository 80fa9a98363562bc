"""Histories that come in pieces, or with half of a write."""

from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from payments_sandbox.domain.errors import LedgerUnavailable
from payments_sandbox.domain.merchant import Settings
from payments_sandbox.domain.operations import Capture
from tests.aws.faults import ALWAYS, RECORDS, Call, edited
from tests.aws.faults_answers import cut, empty, put
from tests.aws.faults_rig import result_of, rig_at
from tests.aws.faults_uses import FIRST_ID, executing, opened, read_history, refunded
from tests.unit.examples import MERCHANT_ID

pytestmark = pytest.mark.aws


@pytest.mark.parametrize("keep_first", [1, 2, 3])
@pytest.mark.parametrize("times", [1, ALWAYS])
async def test_a_history_page_cut_short(emulator: str, keep_first: int, times: int) -> None:
    """A history that comes in pieces is the same history."""
    async with rig_at(emulator) as rig:
        await refunded(rig)
        expected = await read_history(rig)
        rig.injector.plan(RECORDS, cut(keep_first), times)

        assert expected == await read_history(rig)


async def test_an_empty_history_page(emulator: str) -> None:
    """A page with nothing on it is not taken for a payment that is not there."""

    def start(asked: Any) -> Any:
        name = asked["ExpressionAttributeValues"][":id"]
        return {"transaction_id": name, "record": {"S": "!"}}

    async with rig_at(emulator) as rig:
        await refunded(rig)
        expected = await read_history(rig)
        rig.injector.plan(RECORDS, empty(start))

        assert expected == await read_history(rig)


@pytest.mark.parametrize("keep_first", [1, 2, 3])
async def test_a_write_between_two_pages(emulator: str, keep_first: int) -> None:
    """What is written after the head was read is left out of the history that began with it."""
    shorten = cut(keep_first)
    late = Capture(FIRST_ID, 1)
    async with rig_at(emulator) as rig:
        await refunded(rig)
        expected = await read_history(rig)
        capture, transactions = await rig.ledger.history(MERCHANT_ID, FIRST_ID)
        after = late.apply(capture, Settings(), rig.clock.at)

        def write(call: Call) -> AWSResponse | None:
            answer = shorten(call)
            put(rig, after)
            return answer

        rig.injector.plan(RECORDS, write)

        assert expected == await read_history(rig)
        assert (after.payment, [*transactions, *after.transactions]) == await read_history(rig)


@pytest.mark.parametrize(("times", "reads"), [(1, 2), (15, 16), (ALWAYS, 16)])
async def test_half_of_a_write(emulator: str, times: int, reads: int) -> None:
    """A history whose last transaction is not there yet is read again, not shown."""

    def drop(_: Any, facts: Any) -> None:
        facts["Items"].pop()

    async with rig_at(emulator) as rig:
        await refunded(rig)
        expected = await read_history(rig)
        rig.injector.plan(RECORDS, edited(drop), times)

        found = await result_of(read_history(rig))

        assert reads == rig.injector.calls.count(RECORDS)
        assert (LedgerUnavailable if times == ALWAYS else expected) == found


async def test_a_capture_reads_no_index(emulator: str) -> None:
    """What decides about money never asks an index: those may answer anything."""
    async with rig_at(emulator) as rig:
        await opened(rig)
        rig.injector.plan("any", lambda _: None, ALWAYS)

        await executing(Capture(FIRST_ID))(rig)

        assert rig.injector.calls == ["BatchGetItem", "TransactWriteItems"]
