"""Keap's points in time: read from its several spellings, written in one."""

from __future__ import annotations

from datetime import UTC, datetime


def parse_instant(text: str) -> datetime:
    """Read an ISO-8601 instant as Keap, Singer or a person writes it.

    Accepts `Z`, `+00:00` and `+0000`; a value without offset, and a date alone, are taken as UTC.

    Raises:
        ValueError: if the text is no ISO-8601 instant.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)


def format_instant(moment: datetime) -> str:
    """`2025-04-16T20:33:02.321Z`: milliseconds and Z, the only spelling that all of Keap's filters accept.

    Microseconds are cut off, so the result is never later than the moment.
    """
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
