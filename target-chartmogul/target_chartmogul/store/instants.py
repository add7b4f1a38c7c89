"""Instants as texts that sort by time."""

from __future__ import annotations

from datetime import UTC, datetime


def instant(moment: datetime) -> str:
    """An aware moment in UTC, such as `2026-11-27T09:00:00Z`; what is below a second is left out."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
