"""Which adapters serve which ports."""

import logging
import os
import sqlite3
from pathlib import Path
from typing import NamedTuple, NoReturn

from payments_sandbox.adapters.clock import RandomIds, SystemClock
from payments_sandbox.adapters.sqlite import SqliteLedger
from payments_sandbox.adapters.sqlite_file import open_ledger_file
from payments_sandbox.adapters.sqlite_merchants import SqliteMerchants
from payments_sandbox.services.merchants import Tenancy
from payments_sandbox.services.payments import Payments

EXIT_LEDGER_LOST = 70
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
    ledger = SqliteLedger(path, clock, _flush_failed)
    merchants = SqliteMerchants(ledger)
    payments = Payments(ledger, merchants, clock, ids, secrets)
    return Sandbox(payments, Tenancy(merchants, clock, ids), ledger)


def end_process(why: str) -> NoReturn:
    """End at once, without another word to anybody; the next start recovers."""
    _log.critical(why)
    logging.shutdown()
    os._exit(EXIT_LEDGER_LOST)


def _flush_failed(error: sqlite3.Error) -> None:
    """After a failed flush only a restart can tell what is on disk."""
    end_process(f"flushing to disk failed ({error}); ending to recover at the next start")
