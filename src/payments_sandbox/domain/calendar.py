"""The settlement calendar: the business day of a moment, its cut-off, and when it is paid out."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

_DAY = timedelta(days=1)
_MIDNIGHT = time(0)
_SATURDAY = 5


class SettlementDays(StrEnum):
    """Which days of the week are business days."""

    EVERY_DAY = "every_day"
    WEEKDAYS = "weekdays"


@dataclass(frozen=True, slots=True)
class Calendar:
    """A merchant's business days; each ends at its cut-off, in UTC."""

    cutoff: time = _MIDNIGHT
    days: SettlementDays = SettlementDays.EVERY_DAY
    holidays: Collection[date] = ()

    def business_day(self, at: datetime) -> date:
        """Return the business day whose batch takes what is captured at that moment."""
        is_late = self.cutoff > _MIDNIGHT and at.time() >= self.cutoff
        return self._from(at.date() + _DAY if is_late else at.date())

    def settles_at(self, at: datetime) -> datetime:
        """Return the cut-off at which that is settled: the first of a business day after it."""
        return self.cutoff_of(self.business_day(at))

    def cutoff_of(self, day: date) -> datetime:
        """Return when the business day ends; with a cut-off at midnight, with the day itself."""
        ends_on = day if self.cutoff > _MIDNIGHT else day + _DAY
        return datetime.combine(ends_on, self.cutoff, UTC)

    def day_ending_at(self, cutoff: datetime) -> date:
        """Return the business day that a cut-off of any calendar ended."""
        return (cutoff - timedelta.resolution).date()

    def day_after(self, day: date) -> date:
        """Return the next business day."""
        return self._from(day + _DAY)

    def payout_date(self, cutoff: datetime) -> date:
        """Return the first business day after a batch closed at its cut-off."""
        return self._from(cutoff.date() + _DAY)

    def _from(self, day: date) -> date:
        while not self._is_business_day(day):
            day += _DAY
        return day

    def _is_business_day(self, day: date) -> bool:
        is_weekend = self.days is SettlementDays.WEEKDAYS and day.weekday() >= _SATURDAY
        return not is_weekend and day not in self.holidays
