"""The intervals of metrics series: their last days, and the instants at which these end, in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from sandbox.chartmogul import errors, timestamps

INTERVALS = ("day", "week", "month", "quarter", "year")
_DAY = timedelta(days=1)


def days(query: Mapping[str, str]) -> tuple[date, date]:
    """`start-date` and `end-date`, both of which are required."""
    found: list[date] = []
    for name in ("start-date", "end-date"):
        text = query.get(name)
        if not text:
            raise errors.missing_parameter(name)
        try:
            found.append(date.fromisoformat(text))
        except ValueError:
            raise errors.coded(400, f'Parameter "{name}" is invalid', name) from None
    return found[0], found[1]


def last_days(query: Mapping[str, str], week_start: str) -> tuple[date, list[date]]:
    """The first interval's first day, and the last day of each interval, cut at `end-date`."""
    first, last = days(query)
    interval = query.get("interval", "month")
    if interval not in INTERVALS:
        raise errors.coded(400, 'Parameter "interval" is invalid', "interval")
    found: list[date] = []
    day = first
    while day <= last:
        end = min(_last_day(day, interval, week_start), last)
        found.append(end)
        day = end + _DAY
    return first, found


def _last_day(day: date, interval: str, week_start: str) -> date:
    if interval == "day":
        return day
    if interval == "week":
        into_week = (day.weekday() + (1 if week_start == "sunday" else 0)) % 7
        return day + timedelta(days=6 - into_week)
    months = {"month": 1, "quarter": 3, "year": 12}[interval]
    following = (day.month - 1) // months * months + months
    return date(day.year + following // 12, following % 12 + 1, 1) - _DAY


def end_of(day: date) -> int:
    """The day's last millisecond."""
    following = datetime.combine(day + _DAY, time(), UTC)
    return timestamps.from_datetime(following) - 1
