"""The settlement calendar: when a business day ends, and the next one begins."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payments_sandbox.domain.calendar import Calendar, SettlementDays

SETTINGS = settings(deadline=None, derandomize=True, max_examples=300)
DAY, INSTANT = timedelta(days=1), timedelta(microseconds=1)
AFTERNOON = time(17)
EVERY_DAY, WEEKDAYS = SettlementDays.EVERY_DAY, SettlementDays.WEEKDAYS
# 2026-01-01 is a Thursday; its next two days are a Friday and a Saturday.
NEW_YEAR = date(2026, 1, 1)
LAST_INSTANT = time(23, 59, 59, 999999)

days_of_the_year = st.dates(date(2023, 12, 1), date(2029, 2, 1))
calendars = st.builds(
    Calendar,
    cutoff=st.sampled_from([time(0), time(0, 0, 0, 1), time(9), AFTERNOON, LAST_INSTANT])
    | st.times(),
    days=st.sampled_from(SettlementDays),
    holidays=st.lists(days_of_the_year, max_size=8).map(tuple)
    | days_of_the_year.map(lambda day: tuple(day + n * DAY for n in range(10))),
)
moments = st.datetimes(datetime(2024, 1, 1), datetime(2028, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis adds the timezone


def at(text: str) -> datetime:
    """Return a moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def is_business_day(calendar: Calendar, day: date) -> bool:
    """Tell it a second time, in other words."""
    weekend = calendar.days is WEEKDAYS and day.strftime("%a") in {"Sat", "Sun"}
    return not weekend and day not in calendar.holidays


@pytest.mark.parametrize(
    ("moment", "day", "cutoff"),
    [
        ("2026-03-04T00:00:00", "2026-03-04", "2026-03-05T00:00:00"),
        ("2026-03-04T12:00:00", "2026-03-04", "2026-03-05T00:00:00"),
        ("2026-03-04T23:59:59.999999", "2026-03-04", "2026-03-05T00:00:00"),
        ("2026-03-05T00:00:00", "2026-03-05", "2026-03-06T00:00:00"),
        ("2026-03-31T23:00:00", "2026-03-31", "2026-04-01T00:00:00"),
        ("2026-02-28T23:00:00", "2026-02-28", "2026-03-01T00:00:00"),
        ("2028-02-28T23:00:00", "2028-02-28", "2028-02-29T00:00:00"),
        ("2028-02-29T23:00:00", "2028-02-29", "2028-03-01T00:00:00"),
        ("2026-12-31T23:59:59", "2026-12-31", "2027-01-01T00:00:00"),
    ],
)
def test_a_day_that_ends_at_midnight(moment: str, day: str, cutoff: str) -> None:
    """With a cut-off at midnight the business day is the calendar day, and ends with it."""
    calendar = Calendar()

    assert date.fromisoformat(day) == calendar.business_day(at(moment))
    assert at(cutoff) == calendar.settles_at(at(moment))


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-03-04T00:00:00", "2026-03-04"),
        ("2026-03-04T16:59:59.999999", "2026-03-04"),
        ("2026-03-04T17:00:00", "2026-03-05"),
        ("2026-03-04T23:59:59", "2026-03-05"),
        ("2026-03-31T17:00:00", "2026-04-01"),
        ("2028-02-28T17:00:00", "2028-02-29"),
        ("2026-12-31T16:59:59", "2026-12-31"),
        ("2026-12-31T17:00:00", "2027-01-01"),
    ],
)
def test_a_day_that_ends_in_the_afternoon(moment: str, day: str) -> None:
    """From the cut-off on it is the next business day."""
    calendar = Calendar(AFTERNOON)
    expected = date.fromisoformat(day)

    assert expected == calendar.business_day(at(moment))
    assert datetime.combine(expected, AFTERNOON, UTC) == calendar.settles_at(at(moment))


@pytest.mark.parametrize(
    ("calendar", "moment", "cutoff"),
    [
        (Calendar(days=WEEKDAYS), "2026-01-02T12:00:00", "2026-01-03T00:00:00"),
        (Calendar(days=WEEKDAYS), "2026-01-03T12:00:00", "2026-01-06T00:00:00"),
        (Calendar(days=WEEKDAYS), "2026-01-04T12:00:00", "2026-01-06T00:00:00"),
        (Calendar(days=WEEKDAYS), "2026-01-05T12:00:00", "2026-01-06T00:00:00"),
        (Calendar(AFTERNOON, WEEKDAYS), "2026-01-02T16:00:00", "2026-01-02T17:00:00"),
        (Calendar(AFTERNOON, WEEKDAYS), "2026-01-02T17:00:00", "2026-01-05T17:00:00"),
        (Calendar(AFTERNOON, WEEKDAYS), "2026-01-03T09:00:00", "2026-01-05T17:00:00"),
        (Calendar(holidays=(NEW_YEAR,)), "2026-01-01T12:00:00", "2026-01-03T00:00:00"),
        (Calendar(holidays=(NEW_YEAR,)), "2025-12-31T12:00:00", "2026-01-01T00:00:00"),
        (
            Calendar(AFTERNOON, holidays=(NEW_YEAR,)),
            "2025-12-31T18:00:00",
            "2026-01-02T17:00:00",
        ),
        (
            Calendar(AFTERNOON, WEEKDAYS, (NEW_YEAR, NEW_YEAR + DAY)),
            "2025-12-31T18:00:00",
            "2026-01-05T17:00:00",
        ),
    ],
)
def test_weekends_and_holidays(calendar: Calendar, moment: str, cutoff: str) -> None:
    """What is captured on another day counts to the next business day."""
    assert at(cutoff) == calendar.settles_at(at(moment))


@pytest.mark.parametrize(
    ("calendar", "cutoff", "expected"),
    [
        (Calendar(), "2026-01-02T00:00:00", "2026-01-03"),
        (Calendar(AFTERNOON), "2026-01-01T17:00:00", "2026-01-02"),
        (Calendar(), "2026-02-28T00:00:00", "2026-03-01"),
        (Calendar(), "2027-01-01T00:00:00", "2027-01-02"),
        (Calendar(AFTERNOON, WEEKDAYS), "2026-01-02T17:00:00", "2026-01-05"),
        (Calendar(days=WEEKDAYS), "2026-01-03T00:00:00", "2026-01-05"),
        (Calendar(holidays=(NEW_YEAR,)), "2025-12-31T00:00:00", "2026-01-02"),
    ],
)
def test_the_payout(calendar: Calendar, cutoff: str, expected: str) -> None:
    """A batch is paid out on the first business day after it closed."""
    assert date.fromisoformat(expected) == calendar.payout_date(at(cutoff))


@SETTINGS
@given(calendars, moments)
def test_what_is_captured_is_settled_later(calendar: Calendar, moment: datetime) -> None:
    """A cut-off comes strictly after what it takes, at the chosen time, after a business day."""
    cutoff = calendar.settles_at(moment)

    assert cutoff > moment
    assert cutoff.timetz() == calendar.cutoff.replace(tzinfo=UTC)
    assert is_business_day(calendar, calendar.business_day(moment))


@SETTINGS
@given(calendars, moments)
def test_no_business_day_is_passed_over(calendar: Calendar, moment: datetime) -> None:
    """The cut-off is the first there is after the moment."""
    cutoff = calendar.settles_at(moment)
    ends = [
        calendar.cutoff_of(moment.date() + n * DAY)
        for n in range(-2, 30)
        if is_business_day(calendar, moment.date() + n * DAY)
    ]

    assert cutoff == min(end for end in ends if end > moment)


@SETTINGS
@given(calendars, moments, st.timedeltas(timedelta(0), timedelta(days=20)))
def test_later_is_never_settled_sooner(
    calendar: Calendar, moment: datetime, later: timedelta
) -> None:
    """Of two captures the later is settled no sooner, and paid out no sooner."""
    first, second = calendar.settles_at(moment), calendar.settles_at(moment + later)

    assert first <= second
    assert calendar.payout_date(first) <= calendar.payout_date(second)


@SETTINGS
@given(calendars, moments)
def test_a_day_and_its_cutoff(calendar: Calendar, moment: datetime) -> None:
    """A day leads to its cut-off and back; what came before belongs to it, the cut-off no more."""
    day = calendar.business_day(moment)
    cutoff = calendar.cutoff_of(day)

    assert day == calendar.day_ending_at(cutoff)
    assert day == calendar.business_day(cutoff - INSTANT)
    assert calendar.day_after(day) == calendar.business_day(cutoff)


@SETTINGS
@given(calendars, moments)
def test_paid_out_on_a_business_day_after(calendar: Calendar, moment: datetime) -> None:
    """The payout comes on a business day after the cut-off, and on the first of them."""
    cutoff = calendar.settles_at(moment)
    paid_on = calendar.payout_date(cutoff)
    between = [cutoff.date() + n * DAY for n in range(1, (paid_on - cutoff.date()).days)]

    assert paid_on > cutoff.date()
    assert is_business_day(calendar, paid_on)
    assert not any(is_business_day(calendar, day) for day in between)


@SETTINGS
@given(calendars, calendars, moments)
def test_the_day_of_another_calendars_cutoff(
    then: Calendar, now: Calendar, moment: datetime
) -> None:
    """A cut-off tells its day, whatever the merchant has chosen since."""
    assert then.business_day(moment) == now.day_ending_at(then.settles_at(moment))
