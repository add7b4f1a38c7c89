"""Values inside Keap's rows: reached by a dotted path, and made comparable."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeAlias

Row: TypeAlias = dict[str, Any]
Comparable: TypeAlias = tuple[int, float | str]

NOTHING: Comparable = (0, 0.0)  # sorts before every value


def values_at(row: Row, path: str) -> Iterator[Any]:
    """Yield what lies at a path such as ``email_addresses.email``; lists on the way are gone through."""
    found: list[Any] = [row]
    for name in path.split("."):
        found = [item.get(name) for item in found if isinstance(item, dict)]
        found = [item for entry in found for item in (entry if isinstance(entry, list) else [entry])]
    yield from found


@lru_cache(maxsize=200_000)
def seconds(text: str) -> float:
    """Return an instant as seconds since 1970; without a zone it is taken as UTC.

    Raises:
        ValueError: it is no ISO 8601 time.
    """
    instant = datetime.fromisoformat(text)
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()


def comparable(value: Any, kind: str) -> Comparable:
    """Return what a value is sorted and compared by; ``kind``: id, number, time or text."""
    if value is None or value == "":
        return NOTHING
    if kind == "time":
        try:
            return 1, seconds(str(value))
        except ValueError:
            return NOTHING
    if kind in {"id", "number"}:
        try:
            return 1, float(value)
        except (TypeError, ValueError):
            return 2, str(value)
    return 2, str(value).casefold()


def id_key(row_id: str) -> tuple[int, str]:
    """Return the order of ids: numbers first, by value."""
    return (int(row_id), "") if row_id.isdigit() else (1 << 62, row_id)
