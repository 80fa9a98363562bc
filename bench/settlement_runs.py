"""Tasks on a ledger's file, measured in a process of their own."""

import gc
import json
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import NoReturn

import uvloop

from bench.servers import REPOSITORY
from payments_sandbox.adapters.clock import SystemClock
from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.adapters.sqlite_file import connect, open_ledger_file
from payments_sandbox.adapters.sqlite_merchants import SqliteMerchants
from payments_sandbox.adapters.sqlite_settlements import SqliteSettlements
from payments_sandbox.entrypoints.cli_verify import reports_of
from payments_sandbox.services.merchants import LOCAL_MERCHANT
from payments_sandbox.services.sweep import PART, Sweep

FOREVER = timedelta(hours=1)
CACHE_KIB = 16_000
_TABLES = {
    "payments": "SELECT * FROM payments ORDER BY position LIMIT ? OFFSET ?",
    "transactions": "SELECT * FROM transactions WHERE seq = 3 ORDER BY position LIMIT ? OFFSET ?",
    "settlement_lines": "SELECT * FROM settlement_lines LIMIT ? OFFSET ?",
}


@dataclass(frozen=True)
class Measured:
    """How much was done, in which time, with how much memory at the most."""

    count: int
    took_s: float
    rss_mb: float

    @property
    def per_s(self) -> float:
        """How many a second."""
        return self.count / self.took_s


def measured(task: str, *files: Path) -> Measured:
    """Run a task in a process of its own."""
    command = [sys.executable, "-m", "bench.settlement_runs", task, *map(str, files)]
    done = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    return Measured(**json.loads(done.stdout))


def settle(data: Path) -> tuple[int, float]:
    """Settle what is due; return how many payments, and how long it took."""

    async def work() -> tuple[int, float]:
        clock = SystemClock()
        open_ledger_file(data)
        ledger = SqliteLedger(data, clock, _failed)
        merchants = SqliteMerchants(ledger)
        sweep = Sweep(ledger, merchants, SqliteSettlements(ledger, clock), clock)
        gc.freeze()  # as the server has it
        gc.set_threshold(50_000, 50, 50)
        began_s = perf_counter()
        progress = await sweep.run(LOCAL_MERCHANT, clock.now(), FOREVER)
        took_s = perf_counter() - began_s
        await ledger.close()
        return progress.counts["transaction_settled"], took_s  # pyright: ignore[reportArgumentType]

    return uvloop.run(work())


def bare(settled: Path, data: Path) -> tuple[int, float]:
    """Put what a settlement wrote into an empty ledger, as many in a commit as a page has."""
    open_ledger_file(data)
    with sqlite3.connect(settled) as source:
        (count,) = source.execute("SELECT count(*) FROM settlement_lines").fetchone()
        pages = [
            [source.execute(query, (PART, start)).fetchall() for query in _TABLES.values()]
            for start in range(0, count, PART)
        ]
    target = connect(data, cache_kib=CACHE_KIB)
    inserts = [
        f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})"  # noqa: S608 - ours
        for table, rows in zip(_TABLES, pages[0], strict=True)
    ]
    began_s = perf_counter()
    for page in pages:
        target.execute("BEGIN IMMEDIATE")
        for insert, rows in zip(inserts, page, strict=True):
            target.executemany(insert, rows)
        target.execute("COMMIT")
    took_s = perf_counter() - began_s
    target.close()
    return count, took_s


def verify(data: Path) -> tuple[int, float]:
    """Run all checks; return how many transactions were looked at, and how long it took."""
    began_s = perf_counter()
    report = uvloop.run(reports_of(data, lambda _: None))[LOCAL_MERCHANT]
    took_s = perf_counter() - began_s
    if not report.holds:
        raise AssertionError(report)
    return report.transactions, took_s


def read(data: Path) -> tuple[int, float]:
    """Read and decode the rows that `verify` looks at, and nothing else."""
    connection = sqlite3.connect(data)
    began_s = perf_counter()
    count = 0
    for (body,) in connection.execute("SELECT body FROM transactions ORDER BY payment_id, seq"):
        json.loads(body)
        count += 1
    for (body,) in connection.execute("SELECT body FROM payments ORDER BY payment_id"):
        json.loads(body)
    for (body,) in connection.execute("SELECT body FROM settlement_lines"):
        json.loads(body)
    return count, perf_counter() - began_s


def _failed(error: sqlite3.Error) -> NoReturn:
    raise error


_TASKS: dict[str, Callable[..., tuple[int, float]]] = {
    "settle": settle,
    "bare": bare,
    "verify": verify,
    "read": read,
}

if __name__ == "__main__":
    done, took = _TASKS[sys.argv[1]](*map(Path, sys.argv[2:]))
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps(asdict(Measured(done, took, rss))))
