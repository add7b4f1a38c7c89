"""Records in the order of their creation, found and paged by their sequence number without a second index."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Generic, Protocol, TypeVar

_sequence: Callable[[Shelved], int] = attrgetter("seq")
_KEEP_DEAD = 1000


class Shelved(Protocol):
    seq: int
    alive: bool


T = TypeVar("T", bound=Shelved)


class Shelf(Generic[T]):
    """Append-only; dead records are skipped, and cleared away when they are the majority."""

    __slots__ = ("_dead", "_items")

    def __init__(self) -> None:
        self._items: list[T] = []
        self._dead = 0

    def __len__(self) -> int:
        return len(self._items) - self._dead

    def __iter__(self) -> Iterator[T]:
        return (item for item in self._items if item.alive)

    def add(self, item: T) -> None:
        items = self._items
        if items and items[-1].seq > item.seq:
            items.insert(bisect_left(items, item.seq, key=_sequence), item)
        else:
            items.append(item)

    def get(self, seq: int) -> T | None:
        at = bisect_left(self._items, seq, key=_sequence)
        if at < len(self._items) and self._items[at].seq == seq and self._items[at].alive:
            return self._items[at]
        return None

    def take_out(self, item: T) -> None:
        """Remove a record that goes on living elsewhere."""
        at = bisect_left(self._items, item.seq, key=_sequence)
        if at < len(self._items) and self._items[at] is item:
            del self._items[at]

    def note_dead(self) -> None:
        """To be called once for each record on this shelf whose `alive` became false."""
        self._dead += 1
        if self._dead > _KEEP_DEAD and self._dead * 2 > len(self._items):
            self._items = [item for item in self._items if item.alive]
            self._dead = 0

    def oldest_first(self, after: int | None) -> Iterator[T]:
        """Live records created after the one with sequence number `after`."""
        items = self._items
        start = 0 if after is None else bisect_left(items, after + 1, key=_sequence)
        return (items[at] for at in range(start, len(items)) if items[at].alive)

    def newest_first(self, before: int | None) -> Iterator[T]:
        """Live records created before the one with sequence number `before`, latest first."""
        items = self._items
        stop = len(items) if before is None else bisect_left(items, before, key=_sequence)
        return (items[at] for at in range(stop - 1, -1, -1) if items[at].alive)
