"""Which record names which: what ties records to accounts, read both ways."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from target_chartmogul.billing.nodes import FIRST_NODE, stream_of
from target_chartmogul.store.file import StoreFile
from target_chartmogul.store.nodes import SourceNodes

Row = tuple[int, int, int]

_INSERT: Final = "INSERT OR IGNORE INTO link VALUES (?, ?, ?)"


class Links:
    """The links of the last and the previous version of each record."""

    def __init__(self, file: StoreFile, source: SourceNodes) -> None:
        self._file = file
        self._source = source

    def named(self, node: int, *payloads: bytes | None) -> set[int]:
        """What versions of a record name, together."""
        stream = stream_of(node)
        return {each for payload in payloads if payload is not None for each in self._source.links_of(stream, payload)}

    def add(self, rows: list[Row]) -> None:
        """Those of new records, as `rows_of` makes them."""
        rows.sort()
        self._file.database.executemany(_INSERT, rows)

    def change(self, node: int, before: set[int], after: set[int]) -> set[int]:
        """A record names other nodes; those that it does not name any more, but for the catalogue's."""
        dropped = before - after
        if dropped:
            self._file.database.executemany(
                "DELETE FROM link WHERE a = ? AND back = ? AND b = ?", rows_of(node, dropped)
            )
        if added := after - before:
            self._file.database.executemany(_INSERT, rows_of(node, added))
        return {each for each in dropped if each >= FIRST_NODE}

    def erase(self, node: int) -> None:
        """Forget whatever names a node."""
        self._file.database.execute("DELETE FROM link WHERE a = ?", (node,))


def rows_of(node: int, named: Iterable[int]) -> list[Row]:
    """Both ways what a record names; nothing is reached through the catalogue, so nothing leads to it."""
    found = []
    for each in named:
        if each != node:
            found.append((each, 1, node))
            if each >= FIRST_NODE:
                found.append((node, 0, each))
    return found
