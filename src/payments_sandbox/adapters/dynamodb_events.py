"""Events: what stands in a merchant's log, along the list of when it was written.

The newest are held back: the list lags by moments, and who follows it must not pass over one that
it does not name yet.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from payments_sandbox.adapters.dynamodb_items import (
    is_kept,
    listed_in,
    logged_of,
    record_of,
)
from payments_sandbox.adapters.dynamodb_listing import Line, page
from payments_sandbox.adapters.dynamodb_table import Item, Table
from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.event import Logged
from payments_sandbox.domain.identifiers import event_place_of
from payments_sandbox.domain.times import iso_of
from payments_sandbox.services.ports import EventPage

HELD_BACK = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Events:
    """One merchant's events as of `now`, real time; lists have none younger than `held_back`."""

    table: Table
    merchant_id: str
    now: datetime
    held_back: timedelta

    async def one(self, event_id: str) -> Logged:
        """Return the transaction that the event is; raise NotFound."""
        return logged_of(await self._item(event_id))

    async def newest_first(self, before: str | None, limit: int) -> EventPage:
        """Return events below `before`; raise NotFound if that one is gone."""
        start = self._newest
        if before is not None:
            start = min(start, await self._place(before))
        return await self._page(Line(self._list, is_exact=True), start, limit)

    async def oldest_first(self, after: str, limit: int) -> EventPage:
        """Return events above `after`, or from the first; raise NotFound if that one is gone."""
        line = Line(self._list, until=self._newest, is_exact=True)
        return await self._page(line, await self._place(after) if after else None, limit)

    @property
    def _list(self) -> dict[str, str]:
        return listed_in(self.merchant_id, "events")

    @property
    def _newest(self) -> str:
        """The place below which events are shown."""
        return iso_of(self.now - self.held_back)

    async def _page(self, line: Line, start: str | None, limit: int) -> EventPage:
        """Return a page that is empty only at the end: from an empty one nobody could go on."""
        while True:
            found, start = await page(self.table, line, self._kept, start=start, limit=limit)
            if found or start is None:
                return EventPage(found, start is not None)

    def _kept(self, item: Item) -> Logged | None:
        return logged_of(item) if is_kept(item, self.now) else None

    async def _place(self, event_id: str) -> str:
        return (await self._item(event_id))["listed_at"]["S"]

    async def _item(self, event_id: str) -> Item:
        subject_id, seq = event_place_of(event_id)
        item = await self.table.get(subject_id, record_of(seq))
        if item is None or item["listed_in"] != self._list or not is_kept(item, self.now):
            raise NotFound
        return item
