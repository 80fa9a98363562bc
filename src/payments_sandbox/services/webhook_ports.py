"""What the services of webhooks need from the outside; their ledger is in `ports`.

Every method of a store may raise LedgerUnavailable; other errors are named where they occur.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple, Protocol

from payments_sandbox.domain.delivery import Delivery, Outcome, State
from payments_sandbox.domain.endpoint import Endpoint
from payments_sandbox.domain.times import iso_of


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries to list; None does not narrow."""

    endpoint_id: str | None = None
    event_id: str | None = None
    state: State | None = None


class DeliveryPage(NamedTuple):
    """Some deliveries, newest first, and where the next page starts: below that place."""

    deliveries: Sequence[Delivery]
    next_before: str | None


class Endpoints(Protocol):
    """Where a merchant's webhook endpoints are kept: few, so always all of them together."""

    async def endpoints(self, merchant_id: str) -> tuple[Endpoint, ...]:
        """Return the merchant's endpoints, oldest first."""
        ...

    async def change_endpoints(
        self,
        merchant_id: str,
        change: Callable[[tuple[Endpoint, ...]], tuple[Endpoint, ...]],
    ) -> None:
        """Replace them by what `change` makes of those that are there.

        Read and written at once, so that of two changes at a time neither undoes the other;
        `change` may be asked more than once, and what it raises is raised. Raise Conflict.
        """
        ...


class Deliveries(Protocol):
    """Where deliveries are kept. Those of an expired payment are never shown."""

    async def add(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Keep those that are new, durably; return each as it is there now."""
        ...

    async def replace(self, delivery: Delivery) -> None:
        """Write the version that follows the one that is there; raise LostRace if it is not."""
        ...

    async def delivery(self, merchant_id: str, delivery_id: str) -> Delivery:
        """Return one as it is now; raise NotFound."""
        ...

    async def deliveries(
        self, merchant_id: str, wanted: DeliveryFilter, *, before: str | None, limit: int
    ) -> DeliveryPage:
        """Return deliveries below the place `before`, newest first (see `listed_at`).

        A page may be short, even empty, and still have a next one.
        """
        ...


def listed_at(delivery: Delivery) -> str:
    """Return a delivery's place in the list: by when it was made, then by id."""
    return f"{iso_of(delivery.created_at)}#{delivery.delivery_id}"


class Sender(Protocol):
    """Requests to the outside."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Send one request and return what came of it; never raise for what the network does."""
        ...


class Courier(Protocol):
    """Who takes deliveries to their sender."""

    @property
    def lease(self) -> timedelta:
        """How long a delivery that was handed over is in the sender's hands."""
        ...

    async def hand_over(self, deliveries: Sequence[Delivery]) -> None:
        """Have these attempted soon; never raise: what is not handed over falls due again."""
        ...
