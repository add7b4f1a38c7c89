"""The header `Retry-After`, in both of its forms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime


def seconds_of(retry_after: str | None, date: str | None, now: datetime) -> float | None:
    """Retry-After in seconds, of either form; None if it is absent or says nothing."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    until = _http_date(text)
    return None if until is None else (until - (_http_date(date or "") or now)).total_seconds()


def _http_date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError, TypeError):
        return None


def instant_after(now: datetime, seconds: float) -> str:
    """When that is, for a message."""
    try:
        return f"{now + timedelta(seconds=seconds):%Y-%m-%d %H:%M} UTC"
    except OverflowError:
        return "further notice"
