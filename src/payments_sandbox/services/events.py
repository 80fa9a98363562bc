"""Events: what happened to a merchant's payments, read back whether or not anybody listens."""

from payments_sandbox.domain.event import Logged
from payments_sandbox.services.ports import EventPage, Ledger


class Events:
    """The use cases around events."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def event(self, merchant_id: str, event_id: str) -> Logged:
        """Return the transaction that the event is; raise NotFound."""
        return await self._ledger.event(merchant_id, event_id)

    async def newest_first(self, merchant_id: str, *, before: str | None, limit: int) -> EventPage:
        """Return the newest events, or those before one; raise NotFound if that one is gone."""
        return await self._ledger.events(merchant_id, before=before, after=None, limit=limit)

    async def oldest_first(self, merchant_id: str, *, after: str, limit: int) -> EventPage:
        """Return the events after one, or from the first if `after` is empty; raise NotFound."""
        return await self._ledger.events(merchant_id, before=None, after=after, limit=limit)
