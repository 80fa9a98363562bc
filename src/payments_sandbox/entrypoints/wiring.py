"""What a home of the sandbox is: where its ledger is kept, and the use cases over it."""

import logging
import os
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, NoReturn, Protocol

from payments_sandbox.adapters.clock import RandomIds, SystemClock
from payments_sandbox.services.merchants import Tenancy
from payments_sandbox.services.payments import Payments
from payments_sandbox.services.ports import Ledger, Merchants, Secrets

EXIT_LEDGER_LOST = 70
_log = logging.getLogger(__name__)


class Sandbox(NamedTuple):
    """The use cases, and how to let go of the ledger after them."""

    payments: Payments
    tenancy: Tenancy
    close: Callable[[], Awaitable[None]]


class Home(Protocol):
    """Where a sandbox keeps its ledger."""

    @property
    def name(self) -> str:
        """The ledger, as a reader knows it."""
        ...

    @property
    def option(self) -> str:
        """The option that names it on the command line."""
        ...

    def held(self) -> AbstractContextManager[None]:
        """Hold it as its server; raise LedgerRefused."""
        ...

    def open(self) -> Sandbox:
        """Open it; raise LedgerRefused."""
        ...

    def chores(self) -> Sequence[Coroutine[None, None, None]]:
        """Return what its server does beside serving, once it is open."""
        ...


def sandbox_over(
    ledger: Ledger,
    merchants: Merchants,
    secrets: Secrets,
    clock: SystemClock,
    close: Callable[[], Awaitable[None]],
) -> Sandbox:
    """Return the use cases over these adapters."""
    ids = RandomIds()
    payments = Payments(ledger, merchants, clock, ids, secrets)
    return Sandbox(payments, Tenancy(merchants, clock, ids), close)


def end_process(why: str) -> NoReturn:
    """End at once, without another word to anybody; the next start recovers."""
    _log.critical(why)
    logging.shutdown()
    os._exit(EXIT_LEDGER_LOST)
