"""Tables: orders, keyset places and look-ups stay right whatever is put, changed and deleted."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sandbox.keap.packed import PackedRows
from sandbox.keap.tables import Place, Table

IDS = st.integers(1, 30).map(str)
TIMES = st.one_of(st.none(), st.integers(1, 28).map(lambda day: f"2026-02-{day:02d}T00:00:00Z"))
OWNERS = st.lists(st.sampled_from(["7", "8", "9"]), unique=True, max_size=3)
CHANGES = st.lists(st.tuples(st.sampled_from(["put", "delete"]), IDS, TIMES, OWNERS), max_size=40)


def row(row_id: str, time: str | None, owners: list[str]) -> dict[str, Any]:
    return {"id": row_id, "time": time, "owners": owners}


def ids(table: Table, *, descending: bool = False) -> list[str]:
    return [row_id for _, row_id in table.walk("time", "time", None, descending=descending)]


def expected(rows: dict[str, dict[str, Any]]) -> list[str]:
    return sorted(rows, key=lambda row_id: (rows[row_id]["time"] or "", int(row_id)))


@given(CHANGES, st.booleans())
def test_indexes_follow_every_change(changes: list[tuple[str, str, str | None, list[str]]], packed: bool) -> None:
    table = Table("id", PackedRows() if packed else ())
    model: dict[str, dict[str, Any]] = {}
    ids(table)
    table.having("owners", ["7"])
    for verb, row_id, time, owners in changes:
        if verb == "put":
            model[row_id] = row(row_id, time, owners)
            table.put(row(row_id, time, owners))
        else:
            assert table.delete(row_id) == (model.pop(row_id, None) is not None)
        assert ids(table) == expected(model)
        assert ids(table, descending=True) == expected(model)[::-1]
        assert table.having("owners", ["7", "9"]) == {
            key for key, value in model.items() if {"7", "9"} & set(value["owners"])
        }


@given(CHANGES, CHANGES, st.integers(1, 5), st.booleans())
def test_pages_lose_nothing_that_stands_still(
    before: list[tuple[str, str, str | None, list[str]]],
    between: list[tuple[str, str, str | None, list[str]]],
    size: int,
    descending: bool,
) -> None:
    table = Table("id", [row(row_id, time, owners) for verb, row_id, time, owners in before if verb == "put"])
    still = dict(table.rows)
    changes = iter(between)
    seen: list[str] = []
    after: Place | None = None
    for _ in range(100):
        walk = table.walk("time", "time", after, descending=descending)
        page = [found for _, found in zip(range(size), walk, strict=False)]
        if not page:
            break
        seen += [row_id for _, row_id in page]
        after = page[-1][0]
        change = next(changes, None)
        if change is not None:
            verb, row_id, time, owners = change
            still.pop(row_id, None)
            if verb == "put":
                table.put(row(row_id, time, owners))
            else:
                table.delete(row_id)
    else:
        raise AssertionError("the pages never end")
    assert set(still) <= set(seen)
    assert all(seen.count(row_id) == 1 for row_id in still)


@given(CHANGES)
def test_some_rows_walk_as_all_do(changes: list[tuple[str, str, str | None, list[str]]]) -> None:
    table = Table("id", [row(row_id, time, owners) for _, row_id, time, owners in changes])
    some = table.having("owners", ["8"])
    walked = [row_id for _, row_id in table.walk_some(some, "time", "time", None, descending=False)]
    assert walked == [row_id for row_id in ids(table) if row_id in some]
