"""Group commit: many writes, one COMMIT, and none hurt by its neighbours."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
import pytest_asyncio

from payments_sandbox.adapters.group_commit import BATCH_MAX, GroupCommit
from payments_sandbox.domain.errors import LedgerUnavailable, NotFound

ANSWER_DEADLINE_S = 1.0


class Disk(sqlite3.Connection):
    """A database in memory that counts its COMMITs, and fails the next one when told to."""

    commits = 0
    failure: sqlite3.OperationalError | None = None

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Run the statement."""
        if sql == "COMMIT":
            self.commits += 1
            failure, self.failure = self.failure, None
            if failure is not None:
                raise failure
        return super().execute(sql, parameters)

    def numbers(self) -> list[int]:
        """Return what is stored."""
        return [number for (number,) in self.execute("SELECT n FROM numbers ORDER BY n")]


def failure_of(code: int) -> sqlite3.OperationalError:
    """Return an error as SQLite raises it, with its extended code."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    return error


def put(number: int) -> Callable[[sqlite3.Connection], int]:
    """Return a write that stores the number and returns it."""

    def write(connection: sqlite3.Connection) -> int:
        connection.execute("INSERT INTO numbers VALUES (?)", (number,))
        return number

    return write


def refused(number: int, error: Exception) -> Callable[[sqlite3.Connection], None]:
    """Return a write that stores the number and then raises."""

    def write(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO numbers VALUES (?)", (number,))
        raise error

    return write


@pytest.fixture
def flush_failures() -> list[sqlite3.Error]:
    """Return where failures of a flush are noted; the real process would end."""
    return []


@pytest.fixture
def disk() -> Disk:
    """Return an empty database."""
    disk = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False, factory=Disk)
    disk.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY) STRICT")
    return disk


@pytest_asyncio.fixture
async def writer(disk: Disk, flush_failures: list[sqlite3.Error]) -> AsyncGenerator[GroupCommit]:
    """Yield the writer of the database."""
    writer = GroupCommit(disk, flush_failures.append)
    yield writer
    await writer.close()


async def test_one_commit_for_many(writer: GroupCommit, disk: Disk) -> None:
    """Writes that wait together are committed together, each answered with its own result."""
    expected = list(range(50))

    results = await asyncio.gather(*(writer.run(put(number)) for number in expected))

    assert expected == results == disk.numbers()
    assert disk.commits == 1


async def test_a_batch_has_a_limit(writer: GroupCommit, disk: Disk) -> None:
    """More writes than a batch may hold are committed in several."""
    await asyncio.gather(*(writer.run(put(number)) for number in range(BATCH_MAX + 1)))

    assert disk.commits == len(["full", "rest"])
    assert len(disk.numbers()) == BATCH_MAX + 1


async def test_writes_one_after_the_other(writer: GroupCommit, disk: Disk) -> None:
    """A write that comes alone does not wait for company."""
    for number in range(3):
        await writer.run(put(number))

    assert disk.commits == len(disk.numbers())


@pytest.mark.parametrize("error", [NotFound(), ValueError("no"), sqlite3.IntegrityError("no")])
async def test_a_refused_write_hurts_only_itself(
    writer: GroupCommit, disk: Disk, error: Exception
) -> None:
    """What one write raises is its caller's; all it wrote is undone, its neighbours stay."""
    expected = [1, 3]

    outcomes = await asyncio.gather(
        writer.run(put(1)),
        writer.run(refused(2, error)),
        writer.run(put(3)),
        return_exceptions=True,
    )

    assert [1, error, 3] == outcomes
    assert expected == disk.numbers()


async def test_a_clash_hurts_only_itself(writer: GroupCommit, disk: Disk) -> None:
    """A write sees those before it in its batch, and a clash with them is its own."""
    first, second = await asyncio.gather(
        writer.run(put(1)), writer.run(put(1)), return_exceptions=True
    )

    assert isinstance(second, sqlite3.IntegrityError)
    assert [first] == disk.numbers()


async def test_refusals_wait_for_the_commit(writer: GroupCommit, disk: Disk) -> None:
    """A refusal may rest on a row of its batch, so it fails with the batch."""
    disk.failure = failure_of(sqlite3.SQLITE_FULL)

    outcomes = await asyncio.gather(
        writer.run(put(1)), writer.run(refused(2, NotFound())), return_exceptions=True
    )

    assert [LedgerUnavailable, LedgerUnavailable] == [type(one) for one in outcomes]


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_IOERR])
async def test_a_failed_commit(
    writer: GroupCommit, disk: Disk, flush_failures: list[sqlite3.Error], code: int
) -> None:
    """A batch that cannot be stored leaves nothing, and the next one is written."""
    disk.failure = failure_of(code)

    with pytest.raises(LedgerUnavailable):
        await writer.run(put(1))
    stored = await writer.run(put(2))

    assert [stored] == disk.numbers()
    assert not flush_failures


async def test_an_outage_is_logged_once(
    writer: GroupCommit, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    """However many writes an outage fails, its beginning and its end are logged, once each."""
    for number in range(3):
        disk.failure = failure_of(sqlite3.SQLITE_FULL)
        with pytest.raises(LedgerUnavailable):
            await writer.run(put(number))
    await writer.run(put(8))
    await writer.run(put(9))
    expected = ["the ledger cannot be written", "the ledger can be written"]

    assert expected == [
        message[: len(begin)] for message, begin in zip(caplog.messages, expected, strict=True)
    ]


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC])
async def test_a_failed_flush_is_reported(
    writer: GroupCommit, disk: Disk, flush_failures: list[sqlite3.Error], code: int
) -> None:
    """After a failed flush nobody knows what is on disk: the process is told to end."""
    failure = disk.failure = failure_of(code)

    with pytest.raises(LedgerUnavailable) as caught:
        await writer.run(put(1))

    assert [failure] == flush_failures
    assert failure is caught.value.__cause__


async def test_a_fault_of_the_storage_fails_the_batch(writer: GroupCommit, disk: Disk) -> None:
    """When SQLite itself fails within a batch, none of the batch is stored."""
    outcomes = await asyncio.gather(
        writer.run(put(1)),
        writer.run(refused(2, failure_of(sqlite3.SQLITE_FULL))),
        writer.run(put(3)),
        return_exceptions=True,
    )

    assert [LedgerUnavailable] * 3 == [type(one) for one in outcomes]
    assert disk.numbers() == []


async def test_a_caller_who_left_before(writer: GroupCommit, disk: Disk) -> None:
    """A write whose caller left before its batch is skipped; its neighbours are not."""
    tasks = [asyncio.create_task(writer.run(put(number))) for number in range(3)]
    asyncio.get_running_loop().call_soon(tasks[1].cancel)

    outcomes = await asyncio.gather(*tasks, return_exceptions=True)

    assert outcomes[::2] == disk.numbers()
    assert isinstance(outcomes[1], asyncio.CancelledError)


async def test_a_caller_who_leaves_during_the_commit(writer: GroupCommit, disk: Disk) -> None:
    """A caller who leaves while the batch commits takes nothing back and breaks nobody."""
    tasks = [asyncio.create_task(writer.run(put(number))) for number in range(3)]

    def put_as_one_leaves(connection: sqlite3.Connection) -> int:
        asyncio.get_running_loop().call_soon(tasks[1].cancel)
        return put(3)(connection)

    expected = [0, 1, 2, 3]

    outcomes = await asyncio.gather(*tasks, writer.run(put_as_one_leaves), return_exceptions=True)

    assert expected == disk.numbers()
    assert outcomes[::2] == [0, 2]
    assert isinstance(outcomes[1], asyncio.CancelledError)


async def test_close_finishes_what_waits(disk: Disk, flush_failures: list[sqlite3.Error]) -> None:
    """Closing waits for the writes that were asked for before."""
    writer = GroupCommit(disk, flush_failures.append)
    writes = [asyncio.create_task(writer.run(put(number))) for number in range(3)]
    await asyncio.sleep(0)

    await writer.close()

    assert await asyncio.gather(*writes) == [0, 1, 2]


async def test_a_write_after_the_close(disk: Disk, flush_failures: list[sqlite3.Error]) -> None:
    """A write that comes too late is refused rather than left waiting."""
    writer = GroupCommit(disk, flush_failures.append)
    await writer.run(put(1))
    await writer.close()

    with pytest.raises(LedgerUnavailable):
        await asyncio.wait_for(writer.run(put(2)), ANSWER_DEADLINE_S)
