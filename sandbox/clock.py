"""The clock of both APIs: the machine's, or a fixed instant that a test has set."""

from __future__ import annotations

from datetime import UTC, datetime


class Clock:
    """Hands out aware UTC instants."""

    def __init__(self, fixed: datetime | None = None) -> None:
        self._fixed: datetime | None = None
        self.set(fixed)

    def now(self) -> datetime:
        """Return the current instant, aware, in UTC."""
        return self._fixed if self._fixed is not None else datetime.now(UTC)

    def set(self, instant: datetime | None) -> None:
        """Fix the clock; None lets it run with the machine again.

        Raises:
            ValueError: the instant has no time zone.
        """
        if instant is not None and instant.tzinfo is None:
            raise ValueError("the clock needs an instant with a time zone")
        self._fixed = instant.astimezone(UTC) if instant is not None else None


def parse_instant(text: str) -> datetime:
    """Read an ISO 8601 instant with a zone (``Z`` or an offset).

    Raises:
        ValueError: it is not one, or it has no zone.
    """
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return instant.astimezone(UTC)


def format_instant(instant: datetime) -> str:
    """Write an instant as Keap does: UTC, whole seconds, ``Z``."""
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"
