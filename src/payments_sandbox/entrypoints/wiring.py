"""What a home of the sandbox is: where its ledger is kept, and the use cases over it."""

import logging
import os
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from ipaddress import ip_address
from typing import NamedTuple, NoReturn, Protocol

from payments_sandbox.api.answers import event_bytes
from payments_sandbox.api.app import UseCases
from payments_sandbox.api.deliveries import ping_bytes
from payments_sandbox.domain.delivery import Delivery
from payments_sandbox.domain.destination import DestinationPolicy
from payments_sandbox.services.audit import Audit, Trail
from payments_sandbox.services.clocks import Clocks
from payments_sandbox.services.deliveries import DeliveryDesk
from payments_sandbox.services.dispatch import Dispatch
from payments_sandbox.services.endpoints import EndpointBook
from payments_sandbox.services.events import Events
from payments_sandbox.services.merchants import MerchantTime, Tenancy
from payments_sandbox.services.payments import Payments
from payments_sandbox.services.ports import Clock, Ids, Ledger, Merchants, Secrets
from payments_sandbox.services.reset import Reset
from payments_sandbox.services.settlement import SettlementDesk
from payments_sandbox.services.settlement_ports import Settlements
from payments_sandbox.services.sweep import Pace, Sweep
from payments_sandbox.services.webhook_ports import Courier, Deliveries, Endpoints, Sender

EXIT_LEDGER_LOST = 70
_log = logging.getLogger(__name__)


class Sandbox(NamedTuple):
    """The use cases, and how to let go of the ledger after them."""

    use: UseCases
    close: Callable[[], Awaitable[None]]


class Store(NamedTuple):
    """The adapters of one home's ledger."""

    ledger: Ledger
    merchants: Merchants
    endpoints: Endpoints
    deliveries: Deliveries
    settlements: Settlements
    trail: Trail


class NoCourier:
    """Hands nothing over: what is due is found by the sweep, within a minute."""

    lease = timedelta()

    async def hand_over(self, deliveries: Sequence[Delivery]) -> None:
        """Leave it to the sweep."""


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

    @property
    def webhooks(self) -> str:
        """Who sends its webhooks, and where to."""
        ...

    @property
    def policy(self) -> DestinationPolicy:
        """Where its webhooks may go."""
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


def use_cases_over(  # noqa: PLR0913, PLR0917 - the parts of a home
    store: Store,
    courier: Courier,
    secrets: Secrets,
    clock: Clock,
    ids: Ids,
    pace: Pace | None = None,
) -> UseCases:
    """Return the use cases over these adapters."""
    time = MerchantTime(store.merchants, clock)
    sweep = sweep_over(store, clock, pace)
    return UseCases(
        Payments(store.ledger, store.merchants, clock, ids, secrets),
        Events(store.ledger),
        EndpointBook(store.endpoints, secrets, time, ids),
        DeliveryDesk(store.endpoints, store.deliveries, courier, time, ids),
        SettlementDesk(store.settlements, sweep, time),
        Clocks(store.merchants, sweep, clock),
        Audit(store.merchants, store.settlements, store.trail, clock),
        Reset(store.ledger, store.merchants, clock),
        Tenancy(store.merchants, clock, ids),
    )


def sweep_over(store: Store, clock: Clock, pace: Pace | None = None) -> Sweep:
    """Return what does the things that fall due by themselves, over these adapters."""
    return Sweep(store.ledger, store.merchants, store.settlements, clock, pace)


def dispatch_over(store: Store, sender: Sender, secrets: Secrets, clock: Clock) -> Dispatch:
    """Return what makes the attempts of deliveries, over these adapters."""
    return Dispatch(
        ledger=store.ledger,
        merchants=store.merchants,
        endpoints=store.endpoints,
        deliveries=store.deliveries,
        sender=sender,
        secrets=secrets,
        clock=clock,
        render=event_bytes,
        render_ping=ping_bytes,
    )


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def end_process(why: str) -> NoReturn:
    """End at once, without another word to anybody; the next start recovers."""
    _log.critical(why)
    logging.shutdown()
    os._exit(EXIT_LEDGER_LOST)
