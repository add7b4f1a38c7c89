"""Billing days: an interval added n times to a start, by calendar."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)  # the sample is told as of then
_MONTHS = {"MONTH": 1, "MONTHLY": 1, "YEAR": 12, "YEARLY": 12}
_DAYS = {"DAY": 1, "DAILY": 1, "WEEK": 7, "WEEKLY": 7}


def step(start: date, cycle: str, frequency: int, times: int) -> date:
    """Return the day ``times`` intervals after ``start``; a day that a month lacks is its last one."""
    if cycle in _DAYS:
        return start + timedelta(days=_DAYS[cycle] * frequency * times)
    months = start.year * 12 + start.month - 1 + _MONTHS[cycle] * frequency * times
    year, month = divmod(months, 12)
    return date(year, month + 1, min(start.day, calendar.monthrange(year, month + 1)[1]))


def billing_days(start: date, cycle: str, frequency: int, until: date) -> Iterator[date]:
    """Yield the billing days from ``start`` on, ``until`` included."""
    times = 0
    while (day := step(start, cycle, frequency, times)) <= until:
        yield day
        times += 1


def next_billing_day(start: date, cycle: str, frequency: int, day: date) -> date:
    """Return the first billing day after ``day``."""
    if cycle in _DAYS:
        passed = (day - start).days // (_DAYS[cycle] * frequency)
    else:
        months = (day.year - start.year) * 12 + day.month - start.month
        passed = months // (_MONTHS[cycle] * frequency)
    times = max(0, passed)
    while step(start, cycle, frequency, times) <= day:
        times += 1
    return step(start, cycle, frequency, times)


def as_of(clock: datetime) -> datetime:
    """Return the latest instant at or before ``clock`` with the day of the month and the time of ``NOW``."""
    this_month = clock.replace(day=NOW.day, hour=NOW.hour, minute=0, second=0, microsecond=0)
    if this_month <= clock:
        return this_month
    return datetime.combine(step(this_month.date(), "MONTH", 1, -1), this_month.timetz())


def at(day: date, hour: int = 12, minute: int = 0, second: int = 0) -> datetime:
    """Return an instant of a day in UTC."""
    return datetime.combine(day, time(hour, minute, second), UTC)
