"""Versioned reads of whole streams, and what a complete one lacked (rule 1.8)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from target_chartmogul.billing.nodes import node
from target_chartmogul.store.file import StoreFile
from target_chartmogul.store.meta import Meta
from target_chartmogul.store.scratch import NodeSet

_ACTIVATED: Final = "activated {}"


class Reads:
    """Which rows each stream's read of this run, resumed or begun, has brought."""

    def __init__(self, file: StoreFile, meta: Meta) -> None:
        self._file = file
        self._meta = meta
        self._versions: dict[int, int] = {}
        self._mixed: set[int] = set()
        """Streams of which some row carried another version, or none."""
        self._activated: dict[int, int] = {}
        kept = file.rows("SELECT stream, version, began FROM read")
        self._resumable: dict[int, int] = {stream: int(version) for stream, version, _ in kept}
        self._kept_since: dict[int, str | None] = {stream: began for stream, _, began in kept}
        self._began: dict[int, str | None] = {}
        self._seen = NodeSet()

    def unversioned(self, stream: int) -> None:
        """A row without a version came."""
        self._mixed.add(stream)

    def saw(self, stream: int, version: int, number: int) -> None:
        """A row that carries a version came, of any content."""
        if self._versions.get(stream) != version:
            self._begin(stream, version)
        self._seen.add(node(stream, number))

    def activate(self, stream: int, version: int) -> Iterator[int]:
        """A read ended: the nodes of records not gone that it lacked, if it was a whole one.

        Of a read without any row, all of them.
        """
        if stream not in self._versions:
            self._begin(stream, version)
        last = self._activated.get(stream) or self._meta.get(_ACTIVATED.format(stream))
        self._activated[stream] = version
        if str(last) == str(version) or stream in self._mixed or self._versions[stream] != version:
            return
        low, high = node(stream, 0), node(stream + 1, 0)
        seen = self._seen.ascending(low, high)
        next_seen = next(seen, high)
        last_looked = low - 1
        while batch := self._file.rows(
            "SELECT node FROM record WHERE node > ? AND node < ? AND gone = 0 ORDER BY node LIMIT 10000",
            (last_looked, high),
        ):
            for (each,) in batch:
                while next_seen < each:
                    next_seen = next(seen, high)
                if next_seen != each:
                    yield each
            last_looked = batch[-1][0]
        self._forget(stream)

    def began(self, stream: int) -> str | None:
        """The clock of the run in which a read began that this one resumed; None if it began in this run."""
        return self._began.get(stream)

    def keep(self, unfinished: Collection[int], now: str | None) -> None:
        """A STATE goes out that names these versions: a later run may continue the reads that carry them.

        Versions activated are kept along with anything else that changed only, so that a run with nothing new writes
        nothing: a tap that could send the same version again would have it in its STATE.
        """
        for stream, version in self._versions.items():
            if version in unfinished and stream not in self._mixed and self._activated.get(stream) != version:
                self._file.begin_loading()
                self._file.database.execute(
                    "INSERT OR REPLACE INTO read VALUES (?, ?, ?)", (stream, str(version), self.began(stream) or now)
                )
                self._file.database.executemany(
                    "INSERT OR IGNORE INTO seen VALUES (?)",
                    ((each,) for each in self._seen.ascending(node(stream, 0), node(stream + 1, 0))),
                )
        if self._file.changed:
            for stream, version in self._activated.items():
                self._meta.put(_ACTIVATED.format(stream), str(version))
            self._activated.clear()

    def close(self) -> None:
        """Forget what was not kept."""
        self._seen.close()

    def _begin(self, stream: int, version: int) -> None:
        if stream in self._versions:
            self._mixed.add(stream)
            return
        self._versions[stream] = version
        kept = self._resumable.pop(stream, None)
        if kept == version:
            rows = self._file.rows(
                "SELECT node FROM seen WHERE node >= ? AND node < ?", (node(stream, 0), node(stream + 1, 0))
            )
            self._seen.update(each for (each,) in rows)
            self._began[stream] = self._kept_since.get(stream)
        elif kept is not None:
            self._forget(stream)

    def _forget(self, stream: int) -> None:
        """A read ended or another one began."""
        low, high = node(stream, 0), node(stream + 1, 0)
        self._seen.discard_range(low, high)
        if self._file.row("SELECT 1 FROM read WHERE stream = ?", (stream,)):
            self._file.begin_loading()
            self._file.database.execute("DELETE FROM read WHERE stream = ?", (stream,))
            self._file.database.execute("DELETE FROM seen WHERE node >= ? AND node < ?", (low, high))
