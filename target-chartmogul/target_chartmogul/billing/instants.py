"""Instants as ChartMogul writes and keeps them: UTC, to the millisecond (events: to the second)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


def text_of(instant: datetime) -> str:
    """`2016-01-01T12:00:00Z`, with milliseconds where there are any."""
    utc = instant.astimezone(UTC)
    milliseconds = utc.microsecond // 1000
    fraction = f".{milliseconds:03d}" if milliseconds else ""
    return f"{utc.isoformat(timespec='seconds')[:19]}{fraction}Z"


def instant_of(text: Any) -> datetime | None:
    """Any of the forms in which ChartMogul answers; None for null, an empty text, or what is no date.

    A date without a zone is UTC, as ChartMogul reads it.
    """
    if not isinstance(text, str) or not text:
        return None
    try:
        instant = datetime.fromisoformat(text.removesuffix(" UTC"))
    except ValueError:
        return None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def to_milliseconds(instant: datetime | None) -> datetime | None:
    """Cut to what ChartMogul keeps of an invoice's or customer's dates."""
    return instant and instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def to_seconds(instant: datetime) -> datetime:
    """Cut to what ChartMogul answers of an event's dates."""
    return instant.replace(microsecond=0)
