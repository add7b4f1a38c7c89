"""Instants as integer milliseconds since 1970 (UTC), read and written in ChartMogul's formats.

ChartMogul accepts several ISO 8601 variants, with UTC as the default zone and midnight as the default time,
and answers in three formats: milliseconds and `Z`, seconds and `Z` (events, imports), seconds and `+00:00`
(metrics).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_ACCEPTED = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})"
    r"(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?"
    r"(?: ?(?:(Z|UTC)|([+-])(\d{2}):?(\d{2})))?)?",
)


@lru_cache(maxsize=65536)
def parse(text: str) -> int:
    """Milliseconds since 1970; raises ValueError when the text is no accepted date."""
    found = _ACCEPTED.fullmatch(text.strip())
    if not found:
        raise ValueError(text)
    year, month, day, hour, minute, second, fraction, _, sign, zone_hours, zone_minutes = found.groups()
    zone = UTC
    if sign:
        offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
        zone = timezone(-offset if sign == "-" else offset)
    moment = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=zone)
    milliseconds = int((fraction or "0")[:3].ljust(3, "0"))
    return from_datetime(moment) + milliseconds


def from_datetime(moment: datetime) -> int:
    return (moment - EPOCH) // _MILLISECOND


def to_datetime(milliseconds: int) -> datetime:
    return EPOCH + timedelta(milliseconds=milliseconds)


@lru_cache(maxsize=65536)
def with_milliseconds(milliseconds: int) -> str:
    """`2016-01-01T12:00:00.000Z`."""
    return f"{to_datetime(milliseconds).isoformat()[:19]}.{milliseconds % 1000:03d}Z"


def with_seconds(milliseconds: int) -> str:
    """`2022-05-18T09:48:34Z`."""
    return to_datetime(milliseconds).isoformat()[:19] + "Z"


def with_offset(milliseconds: int) -> str:
    """`2016-01-01T12:00:00+00:00`."""
    return to_datetime(milliseconds).isoformat()[:19] + "+00:00"


def shortest(milliseconds: int) -> str:
    """Seconds and `Z`; milliseconds only where there are any."""
    return with_milliseconds(milliseconds) if milliseconds % 1000 else with_seconds(milliseconds)
