"""Singer STATE: what the tap need not read again.

It never runs ahead of what ChartMogul acknowledged or the ledger keeps (rules 1.5, 1.9). Nothing is mapped before the
whole input is there, so one STATE at the end of a run says all.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec


class StateKeeper:
    """The tap's STATE messages, and what of the last one may be told."""

    def __init__(self) -> None:
        self._first_bookmarks: dict[str, Any] = {}
        self._latest: dict[str, Any] | None = None
        self._records_seen = False
        self._lowest: dict[str, str | None] = {}

    def saw_record(self) -> None:
        """A RECORD arrived: from now on a STATE is no longer the one that the tap began with."""
        self._records_seen = True

    def take(self, value: dict[str, Any]) -> None:
        """A STATE message's value."""
        if not self._records_seen and not self._first_bookmarks:
            self._first_bookmarks = copy.deepcopy(_bookmarks(value))
        self._latest = value

    @property
    def incremental(self) -> bool:
        """Whether a STATE with a bookmark came before the first record (rule 1.7)."""
        return any(
            isinstance(bookmark, dict) and (_value(bookmark) is not None or "full_read" in bookmark)
            for bookmark in self._first_bookmarks.values()
        )

    def began_after(self, told: Mapping[str, str]) -> bool:
        """Whether the tap began from a bookmark that is later than those told by an earlier run."""
        return any(
            (began := _value(bookmark)) is not None and (stream not in told or _moment(told[stream]) < _moment(began))
            for stream, bookmark in self._first_bookmarks.items()
        )

    def bookmarks(self) -> dict[str, str]:
        """Stream and bookmark of the STATE to emit."""
        found = {stream: _value(each) for stream, each in _bookmarks(self.value() or {}).items()}
        return {stream: value for stream, value in found.items() if value is not None}

    def hold(self, stream: str, replication: str | None) -> None:
        """Do not let the stream's bookmark pass this replication value: its record is not dealt with.

        A record below the bookmark that the run began with came along with a changed one; then the bookmark stays.
        """
        began = _value(self._first_bookmarks.get(stream))
        if replication is None or (began is not None and _moment(replication) < _moment(began)):
            replication = began
        if stream in self._lowest:
            known = self._lowest[stream]
            replication = None if replication is None or known is None else min(known, replication, key=_moment)
        self._lowest[stream] = replication

    def value(self) -> dict[str, Any] | None:
        """The STATE to emit, None if the tap sent none."""
        if self._latest is None:
            return None
        state = copy.deepcopy(self._latest)
        bookmarks = _bookmarks(state)
        for stream, lowest in self._lowest.items():
            bookmark = bookmarks.get(stream)
            if isinstance(bookmark, dict):
                _lower(bookmark, lowest)
        return state

    def emit(self, output: TextIO | None = None) -> bool:
        """Write the STATE as one line; whether there was one."""
        value = self.value()
        if value is None:
            return False
        stream = output or sys.stdout
        stream.write(msgspec.json.encode(value).decode() + "\n")
        stream.flush()
        return True


def _lower(bookmark: dict[str, Any], lowest: str | None) -> None:
    """Set a bookmark back to a replication value, or to the beginning.

    A whole read that was interrupted would go on behind the held record, so it begins anew.
    """
    bookmark.pop("full_read", None)
    reached = _value(bookmark)
    if lowest is None:
        for key in ("replication_key_value", "last_full_read"):
            bookmark.pop(key, None)
    elif reached is not None and _moment(lowest) < _moment(reached):
        bookmark["replication_key_value"] = lowest


def _bookmarks(value: dict[str, Any]) -> dict[str, Any]:
    found = value.get("bookmarks")
    return found if isinstance(found, dict) else {}


def _value(bookmark: Any) -> str | None:
    found = bookmark.get("replication_key_value") if isinstance(bookmark, dict) else None
    return None if found is None else str(found)


def _moment(value: str) -> tuple[int, float, str]:
    """Replication values in order: instants as such, in whatever form they are written, other texts as texts."""
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return (1, 0.0, value)
    return (0, (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp(), "")
