"""Records in order of creation."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from sandbox.chartmogul.shelf import Shelf


@dataclass(eq=False)
class Item:
    seq: int
    alive: bool = True


def filled(count: int) -> tuple[Shelf[Item], list[Item]]:
    shelf: Shelf[Item] = Shelf()
    items = [Item(seq) for seq in range(count)]
    for item in items:
        shelf.add(item)
    return shelf, items


@given(st.integers(0, 3000), st.sets(st.integers(0, 2999)))
def test_what_died_is_gone_and_the_rest_keeps_its_order(count: int, dead: set[int]) -> None:
    shelf, items = filled(count)
    for item in items:
        if item.seq in dead:
            item.alive = False
            shelf.note_dead()
    living = [item for item in items if item.alive]
    assert list(shelf) == living
    assert len(shelf) == len(living)
    assert list(shelf.newest_first(None)) == living[::-1]
    middle = count // 2
    assert list(shelf.oldest_first(middle)) == [item for item in living if item.seq > middle]
    assert list(shelf.newest_first(middle)) == [item for item in living if item.seq < middle][::-1]
    assert [shelf.get(seq) for seq in range(count)] == [item if item.alive else None for item in items]


def test_a_record_that_comes_late_finds_its_place() -> None:
    shelf, items = filled(5)
    shelf.take_out(items[2])
    assert [item.seq for item in shelf] == [0, 1, 3, 4]
    shelf.add(items[2])
    assert [item.seq for item in shelf] == [0, 1, 2, 3, 4]
    assert shelf.get(9) is None
