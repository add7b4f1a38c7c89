"""What the decisions of accounts left: when to decide again, notes, memories, figures (rules 1.5, 7.2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from target_chartmogul.billing.nodes import as_json, stream_of
from target_chartmogul.store.components import component
from target_chartmogul.store.file import StoreFile
from target_chartmogul.store.instants import instant
from target_chartmogul.store.records import Records

_OF: Final = "FROM json_each(?) AS wanted CROSS JOIN {0} ON {0}.node = wanted.value"


class Memory(NamedTuple):
    """A fact that neither a record nor ChartMogul tells: lost with the store (rule 1.2)."""

    node: int
    """What it is about."""
    kind: str
    key: str
    value: bytes


class Note(NamedTuple):
    """What a decision found: an entry of a report's list."""

    node: int
    """The record or contact that it is about: a note stays with it when accounts part."""
    kind: str
    id: str
    rule: str
    detail: bytes
    """JSON."""
    since: str = ""
    """When it was first found, in UTC; the store fills it in."""


class Figure(NamedTuple):
    """From `at` on there is so much more of something."""

    at: str
    """An instant in UTC (`2026-11-01T05:00:00Z`) or a month (`2026-11`): whatever sorts by time."""
    currency: str
    name: str
    delta: int


class Outcomes:
    """Writes what differs from what the last decision left."""

    def __init__(self, file: StoreFile, records: Records, contact_stream: int) -> None:
        self._file = file
        self._records = records
        self._contact_stream = contact_stream
        self._moved: Counter[tuple[str, str, str]] | None = None

    @contextmanager
    def together(self) -> Iterator[None]:
        """Many accounts are finished as one, which is faster."""
        with self._file.transaction():
            if self._moved is not None:
                yield
                return
            self._moved = Counter()
            try:
                yield
                self._add_up()
            finally:
                self._moved = None

    def finish(
        self,
        nodes: Sequence[int],
        *,
        now: datetime,
        due: Iterable[tuple[int, str, str]] = (),
        notes: Iterable[Note] = (),
        figures: Mapping[int, Sequence[Figure]] | None = None,
        memories: Iterable[Memory] = (),
        accepted: Iterable[int] = (),
    ) -> None:
        """An account was decided, and ChartMogul has taken what that asked for.

        Args:
            nodes: of the account; what was left of them before is replaced.
            now: the clock of the run, aware.
            due: node, instant and reason of the next decisions.
            notes: all that the decision found.
            figures: by the node of the customer that they are of.
            memories: all that must be remembered.
            accepted: records of which the decision took the present version.
        """
        wanted = as_json(nodes)
        with self.together():
            self._replace_marks(wanted, {(node, at): why for node, at, why in due})
            self._replace_notes(wanted, notes, instant(now))
            self._replace_figures(wanted, figures or {})
            self._replace_memories(wanted, memories)
            parts = self._records.accept(accepted)
            if parts or sum(stream_of(each) == self._contact_stream for each in nodes) > 1:
                self._mark_parts(nodes)

    def clear(self, nodes: Sequence[int]) -> None:
        """Nothing is left of these."""
        self.finish(nodes, now=datetime.min.replace(tzinfo=UTC))

    def remember(self, memories: Iterable[Memory]) -> None:
        """Before the first change, or as it is learned: a run may end between any two of its changes."""
        with self._file.transaction():
            self._file.database.executemany(
                "INSERT INTO memory VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
                " WHERE value <> excluded.value",
                memories,
            )

    def mark(self, marks: Iterable[tuple[int, str, str]]) -> None:
        """Decide the accounts of these again: node, instant (empty for now) and reason."""
        with self._file.transaction():
            self._file.database.executemany("INSERT OR IGNORE INTO mark VALUES (?, ?, ?)", marks)

    def marks(self) -> Iterator[tuple[int, str, str]]:
        """Node, instant and reason of all marks."""
        return iter(self._file.rows("SELECT node, at, why FROM mark ORDER BY node, at"))

    def notes(self, *kinds: str, nodes: Sequence[int] | None = None) -> Iterator[Note]:
        """Notes of some kinds, or of all; of the whole store, or of some nodes; by kind, then id."""
        condition = ""
        values: list[Any] = []
        if kinds:
            condition = f" AND kind IN ({','.join('?' * len(kinds))})"
            values += kinds
        if nodes is not None:
            condition += " AND node IN (SELECT value FROM json_each(?))"
            values.append(as_json(nodes))
        rows = self._file.rows(
            f"SELECT node, kind, id, rule, detail, since FROM note WHERE 1{condition} ORDER BY kind, id, node",  # noqa: S608
            values,
        )
        return (Note(*row) for row in rows)

    def note_counts(self) -> dict[str, int]:
        """How many notes of each kind there are."""
        return dict(self._file.rows("SELECT kind, count(*) FROM note GROUP BY kind"))

    def lists(self) -> dict[str, tuple[int, str]]:
        """Of each kind of notes: how many there are, and when the oldest was first found."""
        rows = self._file.rows("SELECT kind, count(DISTINCT id), min(since) FROM note GROUP BY kind")
        return {kind: (number, since) for kind, number, since in rows}

    def memories(self, kind: str) -> Iterator[Memory]:
        """All of a kind."""
        rows = self._file.rows("SELECT node, kind, key, value FROM memory WHERE kind = ? ORDER BY node, key", (kind,))
        return (Memory(*row) for row in rows)

    def totals(self, until: datetime | None = None) -> dict[tuple[str, str, str], int]:
        """The figures of all accounts added up: by month, currency and name, what came in that month.

        Args:
            until: aware; what comes later is left out. Months as such come at their beginning.
        """
        condition, values = ("", []) if until is None else (" WHERE at <= ?", [instant(until)])
        return {
            (month, currency, name): value
            for month, currency, name, value in self._file.rows(
                "SELECT substr(at, 1, 7), currency, name, sum(value) FROM total"  # noqa: S608
                f"{condition} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
                values,
            )
        }

    def by_day(self, name: str) -> dict[tuple[str, str], int]:
        """A figure of all accounts added up: by day and currency, what came on that day."""
        return {
            (day, currency): value
            for day, currency, value in self._file.rows(
                "SELECT substr(at, 1, 10), currency, sum(value) FROM total WHERE name = ? GROUP BY 1, 2", (name,)
            )
        }

    def figures(self, node: int) -> list[Figure]:
        """Those of one customer."""
        found = self._file.row("SELECT steps FROM figure WHERE node = ?", (node,))
        return [] if found is None else _steps(found[0])

    def _replace_marks(self, wanted: str, due: dict[tuple[int, str], str]) -> None:
        database = self._file.database
        before = {
            (node, at): why
            for node, at, why in database.execute(f"SELECT node, at, why {_OF.format('mark')}", (wanted,))
        }
        database.executemany("DELETE FROM mark WHERE node = ? AND at = ?", [each for each in before if each not in due])
        database.executemany(
            "INSERT OR REPLACE INTO mark VALUES (?, ?, ?)",
            [(*key, why) for key, why in due.items() if before.get(key) != why],
        )

    def _mark_parts(self, nodes: Sequence[int]) -> None:
        """Where accounts have parted, each is decided by itself once: what is due was known of both together only."""
        left, lowest = set(nodes), []
        while left:
            lowest.append(min(left))
            left.difference_update(component(self._file, lowest[-1]))
        if len(lowest) > 1:
            self.mark((each, "", "parted") for each in lowest)

    def _replace_notes(self, wanted: str, notes: Iterable[Note], now: str) -> None:
        database = self._file.database
        before = {
            row[:3]: row[3:]
            for row in database.execute(
                f"SELECT node, note.kind, note.id, rule, detail, since {_OF.format('note')}", (wanted,)
            )
        }
        new = []
        for note in notes:
            rule, detail, since = before.pop(note[:3], (None, None, now))
            if (rule, detail) != (note.rule, note.detail):
                new.append((*note[:5], since))
        database.executemany("DELETE FROM note WHERE node = ? AND kind = ? AND id = ?", list(before))
        database.executemany("INSERT OR REPLACE INTO note VALUES (?, ?, ?, ?, ?, ?)", new)

    def _replace_figures(self, wanted: str, figures: Mapping[int, Sequence[Figure]]) -> None:
        database = self._file.database
        before = dict(database.execute(f"SELECT node, steps {_OF.format('figure')}", (wanted,)).fetchall())
        for node, figure in figures.items():
            steps = msgspec.json.encode(figure)
            if not figure or before.get(node) == steps:
                if figure:
                    del before[node]
                continue
            self._count(figure, 1)
            database.execute("INSERT OR REPLACE INTO figure VALUES (?, ?)", (node, steps))
            if node in before:
                self._count(_steps(before.pop(node)), -1)
        for node, steps in before.items():
            self._count(_steps(steps), -1)
            database.execute("DELETE FROM figure WHERE node = ?", (node,))

    def _replace_memories(self, wanted: str, memories: Iterable[Memory]) -> None:
        database = self._file.database
        before = {
            row[:3]: row[3]
            for row in database.execute(
                f"SELECT node, memory.kind, memory.key, memory.value {_OF.format('memory')}", (wanted,)
            )
        }
        new = [memory for memory in memories if before.pop(memory[:3], None) != memory.value]
        database.executemany("DELETE FROM memory WHERE node = ? AND kind = ? AND key = ?", list(before))
        database.executemany("INSERT OR REPLACE INTO memory VALUES (?, ?, ?, ?)", new)

    def _count(self, figures: Iterable[Figure], sign: int) -> None:
        moved = self._moved
        if moved is not None:
            for at, currency, name, delta in figures:
                moved[at, currency, name] += sign * delta

    def _add_up(self) -> None:
        moved = [(*key, value) for key, value in sorted((self._moved or {}).items()) if value]
        database = self._file.database
        database.executemany(
            "INSERT INTO total VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value", moved
        )
        database.executemany(
            "DELETE FROM total WHERE at = ? AND currency = ? AND name = ? AND value = 0", [row[:3] for row in moved]
        )


def _steps(steps: bytes) -> Any:
    return msgspec.json.decode(steps, type=list[Figure])
