"""Calendar arithmetic: billing intervals, service periods, days and midnights of a zone (rules 3.6, 4.7, 6.2)."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec

DAY = "day"
MONTH = "month"
YEAR = "year"

_CYCLES = {
    "YEAR": (1, YEAR),
    "YEARLY": (1, YEAR),
    "MONTH": (1, MONTH),
    "MONTHLY": (1, MONTH),
    "WEEK": (7, DAY),
    "WEEKLY": (7, DAY),
    "DAY": (1, DAY),
    "DAILY": (1, DAY),
}
_ADVERBS = {DAY: "daily", MONTH: "monthly", YEAR: "yearly"}

_Moment = TypeVar("_Moment", date, datetime)


class Interval(msgspec.Struct, frozen=True):
    """A billing interval in ChartMogul's terms: `unit` is `day`, `month` or `year`."""

    count: int
    unit: str

    @property
    def name(self) -> str:
        """The words in a plan's name (rule 3.7): multiples of 7 days are weeks, whatever Keap calls them."""
        count, unit = self.count, self.unit
        if unit == DAY and count % 7 == 0:
            return "weekly" if count == 7 else f"every {count // 7} weeks"
        return _ADVERBS[unit] if count == 1 else f"every {count} {unit}s"

    @property
    def length(self) -> tuple[int, str]:
        """The same for intervals that are equally long: 12 months are a year."""
        return (12 * self.count, MONTH) if self.unit == YEAR else (self.count, self.unit)


@lru_cache(maxsize=1024)
def interval_of(cycle: str | None, frequency: int | None) -> Interval | None:
    """Keap's cycle times its frequency (rule 3.6); None for a cycle that is missing or not one of Keap's.

    The frequency multiplies; missing, 0 or less counts as 1.
    """
    found = _CYCLES.get((cycle or "").strip().upper())
    if found is None:
        return None
    count, unit = found
    return Interval(count * frequency if frequency is not None and frequency > 0 else count, unit)


def plus(moment: _Moment, interval: Interval) -> _Moment:
    """One interval later by the calendar: the same day and time of day, or the month's last day (rule 4.7).

    Raises:
        OverflowError: beyond the year 9999.
    """
    count, unit = interval.count, interval.unit
    if unit == DAY:
        return moment + timedelta(days=count)
    months = moment.month - 1 + (12 * count if unit == YEAR else count)
    year, month = moment.year + months // 12, months % 12 + 1
    if year > 9999:
        raise OverflowError("beyond the calendar")
    day = moment.day
    if day > 28:
        day = min(day, monthrange(year, month)[1])
    return moment.replace(year=year, month=month, day=day)


def day_of(moment: datetime, zone: ZoneInfo) -> date:
    """The calendar day of an instant in a zone (rules 2.3, 9.7, 9.10)."""
    return moment.date() if zone.key == "UTC" else moment.astimezone(zone).date()


@lru_cache(maxsize=4096)
def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant, in UTC, at which a day begins in a zone (§0 d, rule 6.2)."""
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)
