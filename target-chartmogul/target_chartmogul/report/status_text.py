"""The status of a store for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from target_chartmogul.report.lists import words
from target_chartmogul.report.text import table

DAYS_SHOWN: Final = 10


def status_lines(status: Any) -> Iterator[str]:
    """Lines of text.

    Args:
        status: a `checks.status.Status`.
    """
    yield f"Store {status.store_path}, as of {_minute(status.as_of)}"
    if status.data_source_uuid:
        yield f"It belongs to data source {status.data_source_uuid}."
    if status.first_read == "unfinished":
        read = ", ".join(status.streams_read) or "none"
        yield f"The first read is not complete yet, so nothing was decided. Read to their end so far: {read}."
    if status.is_outrun:
        yield "A run broke off, or another copy of this store has written since: the next run lists ChartMogul first."
    yield ""
    rows = [
        (stream, f"{each.records:,}", each.read_up_to or "", _minute(each.read_whole_at))
        for stream, each in status.streams.items()
    ]
    yield from table(("stream", "records", "read up to", "last whole read"), rows, left=(0, 2, 3))
    yield ""
    yield f"In ChartMogul, last listed {_minute(status.listed_at) or 'never'}:"
    yield from table(
        ("", "objects"), [(name.replace("_", " "), f"{number:,}") for name, number in status.chartmogul.items()]
    )
    yield ""
    yield "Outstanding:" if status.outstanding else "Nothing is outstanding."
    for kind, each in status.outstanding.items():
        yield f"  {words(kind).title}: {each.entries}, the oldest since {each.since[:10]}"
    warned = {kind: each for kind, each in status.lists.items() if words(kind).warns}
    if warned:
        yield "To look at (the report has all lists):"
    for kind, each in warned.items():
        yield f"  {words(kind).title}: {each.entries}, the oldest since {each.since[:10]}"
    yield from _due(status)


def _due(status: Any) -> Iterator[str]:
    if not status.due:
        yield "No account is due, now or later."
        return
    yield "Accounts to be decided again:"
    yield from table(("day", "accounts"), [(each.day, f"{each.accounts:,}") for each in status.due[:DAYS_SHOWN]])
    if len(status.due) > DAYS_SHOWN:
        yield f"  … and on {len(status.due) - DAYS_SHOWN} later days"


def _minute(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"
