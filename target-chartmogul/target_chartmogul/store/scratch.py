"""What a run must remember while it lasts, out of memory: a database that SQLite deletes with its connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final

_BATCH: Final = 5000


class NodeSet:
    """A set of nodes of any size."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-8000;"
            "CREATE TABLE node(node INTEGER PRIMARY KEY); BEGIN"
        )
        self._waiting: list[int] = []

    def add(self, node: int) -> None:
        """Add one."""
        self._waiting.append(node)
        if len(self._waiting) >= _BATCH:
            self._settle()

    def update(self, nodes: Iterable[int]) -> None:
        """Add many."""
        self._database.executemany("INSERT OR IGNORE INTO node VALUES (?)", ((node,) for node in nodes))

    def ascending(self, low: int, high: int) -> Iterator[int]:
        """Those from `low` to below `high`."""
        self._settle()
        cursor = self._database.execute("SELECT node FROM node WHERE node >= ? AND node < ? ORDER BY node", (low, high))
        return (node for (node,) in cursor)

    def discard_range(self, low: int, high: int) -> None:
        """Remove those from `low` to below `high`."""
        self._settle()
        self._database.execute("DELETE FROM node WHERE node >= ? AND node < ?", (low, high))

    def pop_lowest(self) -> int | None:
        """Take the lowest out of it, None if it is empty."""
        self._settle()
        found = self._database.execute("SELECT node FROM node ORDER BY node LIMIT 1").fetchone()
        if found is None:
            return None
        self._database.execute("DELETE FROM node WHERE node = ?", found)
        return int(found[0])

    def discard(self, nodes: Iterable[int]) -> None:
        """Remove these."""
        self._settle()
        self._database.executemany("DELETE FROM node WHERE node = ?", ((node,) for node in nodes))

    def close(self) -> None:
        """Give its disk space back."""
        self._database.close()

    def _settle(self) -> None:
        if self._waiting:
            waiting, self._waiting = sorted(self._waiting), []
            self.update(waiting)
