"""What is known of the store as a whole, and the STATE entries that went out on its strength (rule 1.6)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final

import msgspec

from target_chartmogul.store.file import StoreFile

_HISTORY: Final = 1000
"""Entries told that are known again, per stream."""
_TOLD: Final = "told "
_STREAMS_READ: Final = "streams read"
STALE: Final = "stale"
"""Fact of a store that another copy of it has outrun: what ChartMogul has is to be listed, and believed."""
WRITER: Final = "writer"
"""Fact of a store: the run that wrote to ChartMogul last."""


class Meta:
    """Facts by key; an equal one writes nothing."""

    def __init__(self, file: StoreFile) -> None:
        self._file = file

    def get(self, key: str) -> str | None:
        """A fact, None if it is not known."""
        found = self._file.row("SELECT value FROM meta WHERE key = ?", (key,))
        return found[0] if found else None

    def put(self, key: str, value: str | None) -> None:
        """Set a fact or, with None, forget it."""
        with self._file.lock:
            if self.get(key) == value:
                return
            if value is None:
                self._file.database.execute("DELETE FROM meta WHERE key = ?", (key,))
            else:
                self._file.database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def streams_read(self) -> frozenset[str]:
        """Streams that were read to their end once (rule 1.8)."""
        return frozenset(msgspec.json.decode(self.get(_STREAMS_READ) or "[]"))

    def add_streams_read(self, names: Iterable[str]) -> None:
        """These were read to their end."""
        self.put(_STREAMS_READ, msgspec.json.encode(sorted({*self.streams_read(), *names})).decode())

    def forget_streams_read(self) -> None:
        """None was."""
        self.put(_STREAMS_READ, None)

    def told(self, stream: str, entry: bytes) -> None:
        """A STATE with this entry goes out, once the store is committed."""
        if self.get(_TOLD + stream) == (text := entry.decode()):
            return
        with self._file.lock:
            self._file.begin_loading()
            last = self._file.row("SELECT max(number) FROM told WHERE stream = ?", (stream,))[0] or 0
            self._file.database.execute("INSERT INTO told VALUES (?, ?, ?)", (stream, last + 1, _hash(entry)))
            self._file.database.execute(
                "DELETE FROM told WHERE stream = ? AND number <= ?", (stream, last + 1 - _HISTORY)
            )
            self.put(_TOLD + stream, text)

    def last_told(self, stream: str) -> bytes | None:
        """The entry last told of a stream, whole."""
        found = self.get(_TOLD + stream)
        return None if found is None else found.encode()

    def knows(self, stream: str, entry: bytes) -> bool:
        """Whether the store holds all records that a STATE entry says need not be read again (rule 1.6).

        It does if the entry went out on its strength (or on that of a copy that it comes from), or if it is a plain
        replication value that is not later than the one told last.

        Args:
            stream: its name in STATE.
            entry: as JSON, written as it was for `told`.
        """
        told = self._file.row("SELECT 1 FROM told WHERE stream = ? AND hash = ?", (stream, _hash(entry)))
        if told is not None:
            return True
        last = self.last_told(stream)
        if last is None:
            return False
        came, known = _plain_value(entry), _value(last)
        return came is not None and known is not None and _moment(came) <= _moment(known)


def _hash(entry: bytes) -> int:
    return int.from_bytes(blake2b(entry, digest_size=8).digest(), "big", signed=True)


def _value(entry: bytes) -> Any:
    found = msgspec.json.decode(entry)
    return found.get("replication_key_value") if isinstance(found, dict) else None


def _plain_value(entry: bytes) -> Any:
    """The replication value of an entry that says nothing else."""
    found = msgspec.json.decode(entry)
    if not isinstance(found, dict) or not found.keys() <= {"replication_key", "replication_key_value"}:
        return None
    return found.get("replication_key_value")


def _moment(value: Any) -> tuple[int, float, str]:
    """Replication values in order: numbers and instants as such, in whatever form, other texts as texts."""
    if isinstance(value, int | float):
        return (0, float(value), "")
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return (2, 0.0, str(value))
    return (1, (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp(), "")
