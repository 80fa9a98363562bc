"""Which adapters serve which ports."""

import logging
import os
import sqlite3
from pathlib import Path
from typing import NamedTuple

from payments_sandbox.adapters.clock import RandomIds, SystemClock
from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.adapters.sqlite_file import open_ledger_file
from payments_sandbox.adapters.sqlite_merchants import SqliteMerchants
from payments_sandbox.services.merchants import Tenancy
from payments_sandbox.services.payments import Payments

EXIT_FLUSH_FAILED = 70
_log = logging.getLogger(__name__)


class Sandbox(NamedTuple):
    """The use cases, and the ledger to close after them."""

    payments: Payments
    tenancy: Tenancy
    ledger: SqliteLedger


def open_sandbox(path: Path) -> Sandbox:
    """Open the ledger at `path`, made new if need be; raise LedgerFileRefused."""
    secrets = open_ledger_file(path)
    clock, ids = SystemClock(), RandomIds()
    ledger = SqliteLedger(path, clock, _end_process)
    tenancy = Tenancy(SqliteMerchants(ledger), clock, ids)
    return Sandbox(Payments(ledger, clock, ids, secrets), tenancy, ledger)


def _end_process(error: sqlite3.Error) -> None:
    """End at once: after a failed flush only a restart can tell what is on disk."""
    _log.critical("flushing to disk failed (%s); ending to recover at the next start", error)
    logging.shutdown()
    os._exit(EXIT_FLUSH_FAILED)
