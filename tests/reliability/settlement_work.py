"""A shop with much to settle: captures and refunds of many days, and not one run in between."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from payments_sandbox.domain.operations import Authorize, Capture, Refund
from payments_sandbox.services.merchants import LOCAL_MERCHANT
from tests.reliability.settlement_checker import Finding, Rules, findings
from tests.reliability.settlement_month import CARD, HOLIDAY, SETTINGS, Shop, opened
from tests.unit.stand_ins import ManualClock

MONDAY = datetime(2026, 2, 2, 10, tzinfo=UTC)
DAY = timedelta(days=1)
EXPIRY = timedelta(days=7)


class Work(NamedTuple):
    """How many payments, over how many days."""

    payments: int
    days: int
    begins_at: datetime = MONDAY

    @property
    def over_at(self) -> datetime:
        """When the last authorization has expired and the last batch is paid out."""
        return self.begins_at + self.days * DAY + 2 * EXPIRY


async def prepare(data: Path, work: Work) -> None:
    """Write it into a new file; some are captured in part, every seventh is refunded."""
    clock = ManualClock(work.begins_at)
    shop = opened(data, clock)
    try:
        await shop.tenancy.ensure_local_key()
        await shop.tenancy.change_settings(LOCAL_MERCHANT, lambda _: SETTINGS)
        for day in range(work.days):
            clock.at = work.begins_at + day * DAY
            some = range(day, work.payments, work.days)
            await asyncio.gather(*[_buy(shop, number) for number in some])
    finally:
        await shop.close()


async def _buy(shop: Shop, number: int) -> None:
    currency = "EUR" if number % 11 == 10 else "USD"
    bought = await shop.do(Authorize(CARD, 1_000 + number, currency), f"buy {number}")
    auth_id = bought.transaction.payment_id
    await shop.do(Capture(auth_id, 500 if number % 30 == 4 else None), f"take {number}")
    if number % 7 == 6:
        await shop.do(Refund(auth_id, None, 300), f"give {number}")


def rules_at(now: datetime) -> Rules:
    """Return the rules of the shop, asked for at a moment."""
    shown = now.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.") + f"{now.microsecond // 1000:03}"
    return Rules("18:00", [HOLIDAY.isoformat()], 290, 30, shown)


async def wrong_with(data: Path, now: datetime) -> list[Finding | str]:
    """Ask SQL, then the product's own audit, what is wrong with the file."""
    shop = opened(data, ManualClock(now))
    try:
        report = await shop.audit.run(LOCAL_MERCHANT, within=None)
    finally:
        await shop.close()
    found = [f"audit: {one.name} {one.examples}" for one in report.checks if one.faults]
    return [*findings(data, rules_at(now)), *found]
