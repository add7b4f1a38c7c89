"""The rows of one stream: by id, in any order, and found by the values that are filtered by."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, MutableMapping
from typing import TypeAlias

from sandbox.keap.packed import PackedRows
from sandbox.keap.values import Comparable, Row, comparable, id_key, values_at

Place: TypeAlias = tuple[Comparable, tuple[int, str]]


class Table:
    """Rows by id.

    Sorted indexes are made when an order is first asked for, and kept from then on. Rows without an id of their
    own (``id_field`` None) are numbered as they come.
    """

    def __init__(self, id_field: str | None = "id", rows: Iterable[Row] | PackedRows = ()) -> None:
        self.id_field = id_field
        self.rows: MutableMapping[str, Row] = {}
        self._sorted: dict[tuple[str, str], list[Place]] = {}
        self._by_value: dict[str, dict[str, set[str]]] = {}
        if isinstance(rows, PackedRows):
            self.rows = rows.copy()
            rows = ()
        self._next = len(self.rows) + 1
        self.put_all(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def put_all(self, rows: Iterable[Row]) -> list[str]:
        """Insert or replace rows; return their ids. Many at once drop the indexes, to be made anew."""
        batch = list(rows)
        if len(batch) * 20 > len(self.rows):
            self._sorted.clear()
            self._by_value.clear()
        return [self.put(row) for row in batch]

    def put(self, row: Row) -> str:
        """Insert or replace a row; return its id.

        Raises:
            ValueError: the row lacks its id.
        """
        if self.id_field is None:
            row_id = str(self._next)
            self._next += 1
        else:
            if row.get(self.id_field) in {None, ""}:
                raise ValueError(f"a row without {self.id_field}")
            row_id = str(row[self.id_field])
            if row_id in self.rows:
                self._unindex(row_id)
        self.rows[row_id] = row
        for (path, kind), places in self._sorted.items():
            insort(places, self._place(row_id, path, kind))
        for path, by_value in self._by_value.items():
            for value in values_at(row, path):
                by_value.setdefault(str(value), set()).add(row_id)
        return row_id

    def packed(self, row_id: str) -> bytes | None:
        """Return a row as JSON if it is kept so."""
        return self.rows.raw[row_id] if isinstance(self.rows, PackedRows) else None

    def delete(self, row_id: str) -> bool:
        """Remove a row; say whether there was one."""
        if row_id not in self.rows:
            return False
        self._unindex(row_id)
        del self.rows[row_id]
        return True

    def _unindex(self, row_id: str) -> None:
        for (path, kind), places in self._sorted.items():
            del places[bisect_left(places, self._place(row_id, path, kind))]
        for path, by_value in self._by_value.items():
            for value in values_at(self.rows[row_id], path):
                by_value.get(str(value), set()).discard(row_id)

    def _place(self, row_id: str, path: str, kind: str) -> Place:
        if path == self.id_field or not path:
            return (0, 0.0), id_key(row_id)
        return self._place_of(row_id, self.rows[row_id], path, kind)

    @staticmethod
    def _place_of(row_id: str, row: Row, path: str, kind: str) -> Place:
        return comparable(next(values_at(row, path), None), kind), id_key(row_id)

    def walk(self, path: str, kind: str, after: Place | None, *, descending: bool) -> Iterator[tuple[Place, str]]:
        """Yield the places and ids in the order of a path, then of the id, from behind ``after`` on."""
        places = self._index(path, kind)
        if descending:
            start = (len(places) if after is None else bisect_left(places, after)) - 1
            steps = range(start, -1, -1)
        else:
            steps = range(0 if after is None else bisect_right(places, after), len(places))
        for step in steps:
            yield places[step], _row_id(places[step])

    def walk_some(
        self, some: Iterable[str], path: str, kind: str, after: Place | None, *, descending: bool
    ) -> Iterator[tuple[Place, str]]:
        """Do as ``walk``, but only through these ids."""
        places = sorted((self._place(row_id, path, kind) for row_id in some), reverse=descending)
        for place in places:
            if after is None or (place < after if descending else place > after):
                yield place, _row_id(place)

    def having(self, path: str, values: Iterable[str]) -> set[str]:
        """Return the ids of the rows that have one of the values at a path."""
        if path == self.id_field:
            return {value for value in values if value in self.rows}
        by_value = self._by_value.get(path)
        if by_value is None:
            by_value = {}
            for row_id, row in self._rows_with(path):
                for value in values_at(row, path):
                    by_value.setdefault(str(value), set()).add(row_id)
            self._by_value[path] = by_value
        return {row_id for value in values for row_id in by_value.get(value, ())}

    def prepare(self, path: str, kind: str) -> None:
        """Sort by a path now, not when it is first asked for."""
        self._index(path, kind)

    def _rows_with(self, path: str) -> Iterable[tuple[str, Row]]:
        """Return the rows, perhaps only with the field that a path begins with."""
        if isinstance(self.rows, PackedRows):
            return self.rows.column(path.partition(".")[0])
        return self.rows.items()

    def _index(self, path: str, kind: str) -> list[Place]:
        places = self._sorted.get((path, kind))
        if places is None:
            if path == self.id_field or not path:
                places = sorted(self._place(row_id, path, kind) for row_id in self.rows)
            else:
                places = sorted(self._place_of(row_id, row, path, kind) for row_id, row in self._rows_with(path))
            self._sorted[path, kind] = places
        return places


def _row_id(place: Place) -> str:
    number, other = place[1]
    return other or str(number)
