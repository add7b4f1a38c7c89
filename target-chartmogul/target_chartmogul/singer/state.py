"""STATE: what the tap began with, how far its reading came, and what is passed on (rules 1.6, 1.8)."""

from __future__ import annotations

import copy
import errno
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final, TextIO

import msgspec

from target_chartmogul.machine import OutputError

MARKER: Final = "keap_read"
"""Key of STATE under which `tap-keap` says what it read: `selected`, `complete` and `start_date`."""
HEALING: Final[dict[str, Any]] = {"bookmarks": {}}
"""The STATE with which the next run reads everything from the beginning."""
_ABOUT_NOTHING_READ: Final = frozenset({"version", "replication_key", "last_replication_method"})
_NO_STREAMS: Final = frozenset({MARKER, "currently_syncing"})
_NOTHING: Final[tuple[Any, ...]] = (None, {}, [], "")
_ENCODE: Final = msgspec.json.Encoder(order="sorted").encode


class TapRead(msgspec.Struct, frozen=True, kw_only=True):
    """What a tap says about its reading of this run: streams by the names that STATE uses."""

    selected: tuple[str, ...] = ()
    complete: tuple[str, ...] = ()
    start_date: str | None = None

    @property
    def is_whole(self) -> bool:
        """Every stream that was selected was read to its end."""
        return bool(self.selected) and set(self.selected) <= set(self.complete)


class StateKeeper:
    """The tap's STATE messages of one run."""

    def __init__(self) -> None:
        self._first: dict[str, Any] | None = None
        self._latest: dict[str, Any] | None = None
        self._emitted: bytes | None = None
        self.records_seen = False
        self.has_marker = False
        """Some STATE had a `keap_read`, be it null: without one at the end, the input was cut off."""

    def saw_record(self) -> None:
        """A RECORD arrived: from now on a STATE is no longer the one that the tap began with."""
        self.records_seen = True

    def take(self, value: dict[str, Any]) -> None:
        """A STATE message's value."""
        if self._first is None and not self.records_seen:
            self._first = copy.deepcopy(value)
        self.has_marker = self.has_marker or MARKER in value
        self._latest = value

    def began_with(self) -> dict[str, bytes]:
        """Stream -> entry (JSON, sorted) of the state that the tap began with, where it spares some reading."""
        return dict(_entries(self._first or {}))

    def forget(self, stream: str) -> None:
        """Have the next run read this stream from the beginning."""
        bookmarks = _bookmarks(self._latest or {})
        if stream in bookmarks:
            bookmarks[stream] = None

    def entries(self) -> dict[str, bytes]:
        """The same of the STATE to pass on."""
        return dict(_entries(self._latest or {}))

    def versions(self) -> frozenset[int]:
        """Versions that the STATE to pass on names: of reads that a later run may resume, by whatever stream's name."""
        return frozenset(_versions(_bookmarks(self._latest or {})))

    @property
    def tap_read(self) -> TapRead | None:
        """The marker of the latest STATE; None if it has none (yet)."""
        found = (self._latest or {}).get(MARKER)
        if not isinstance(found, dict):
            return None
        start = found.get("start_date")
        return TapRead(
            selected=_texts(found.get("selected")),
            complete=_texts(found.get("complete")),
            start_date=None if start is None else str(start),
        )

    def emit(self, value: Mapping[str, Any] | None = None, output: TextIO | None = None) -> None:
        """Write a STATE as one line: the latest, or another one; the same one twice in a row is written once.

        Raises:
            OutputError: nobody takes it.
        """
        chosen = self._latest if value is None else value
        if chosen is None:
            return
        line = msgspec.json.encode(chosen)
        if line == self._emitted:
            return
        stream = output or sys.stdout
        try:
            stream.write(line.decode() + "\n")
            stream.flush()
        except BrokenPipeError:
            raise OutputError("the reader of this target's STATE is gone; its own messages say why") from None
        except (OSError, ValueError) as error:
            full = isinstance(error, OSError) and error.errno == errno.ENOSPC
            why = "the disk is full" if full else type(error).__name__
            raise OutputError(f"the STATE cannot be written to this target's output: {why}") from None
        self._emitted = line


def _entries(value: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    for stream, entry in _bookmarks(value).items():
        if not isinstance(entry, dict):
            if entry not in _NOTHING:
                yield stream, _ENCODE(entry)
        elif any(found not in _NOTHING and key not in _ABOUT_NOTHING_READ for key, found in entry.items()):
            kept = {key: found for key, found in entry.items() if found is not None}
            yield stream, _ENCODE(kept)


def _versions(entry: Any) -> Iterator[int]:
    if isinstance(entry, dict):
        for key, found in entry.items():
            if key.endswith("version") and isinstance(found, int):
                yield found
            else:
                yield from _versions(found)


def _bookmarks(value: Mapping[str, Any]) -> dict[str, Any]:
    """By stream; of a tap that writes no `bookmarks`, all that its STATE has."""
    if "bookmarks" not in value:
        return {key: entry for key, entry in value.items() if key not in _NO_STREAMS}
    found = value["bookmarks"]
    return found if isinstance(found, dict) else {}


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(each) for each in value) if isinstance(value, list) else ()
