"""The plan on disk: a million changes can be counted and guarded before the first write, in little memory.

A *lane* is what must be carried out in order: the plans (lane 0), and then one lane per account.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import msgspec

from target_chartmogul.billing.changes import Change
from target_chartmogul.billing.objects import Customer, Invoice, LineItem, Plan, SubscriptionEvent, Transaction

PLANS_LANE: Final = 0
_PLACES: Final = 31
"""Bits for the place of a change in its lane; those above are the lane, so that one key has both."""
_BATCH: Final = 1000

_ENCODE: Final = msgspec.json.Encoder().encode
_DECODERS: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    "customer": msgspec.json.Decoder(Customer),
    "plan": msgspec.json.Decoder(Plan),
    "invoice": msgspec.json.Decoder(Invoice),
    "event": msgspec.json.Decoder(SubscriptionEvent),
    "line_item": msgspec.json.Decoder(LineItem),
    "transaction": msgspec.json.Decoder(Transaction),
}


class Outcome(NamedTuple):
    """What is to be remembered of an account once its changes are made; plain tuples, as the store takes them."""

    nodes: list[int]
    due: list[tuple[int, str, str]]
    """Node, instant and reason of the next decisions."""
    notes: list[tuple[int, str, str, str, bytes]]
    """Node, kind, id, rule and detail (JSON)."""
    figures: list[tuple[int, list[tuple[str, str, str, int]]]]
    """By the node of a customer: instant, currency, name and delta."""
    memories: list[tuple[int, str, str, bytes]]
    """Node, kind, key and value."""
    accepted: list[int]
    """Records of which the decision took the present version."""
    retry: str
    """Why it is decided again if something is refused."""


_OUTCOME: Final = msgspec.msgpack.Decoder(Outcome)
_PACK: Final = msgspec.msgpack.Encoder().encode


class ChangeFile:
    """The changes of one run, by lane, and what follows once they are made.

    Args:
        path: SQLite file to create; a scratch file.
    """

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
            "CREATE TABLE change(place INTEGER PRIMARY KEY, action TEXT, kind TEXT, id TEXT, parent TEXT,"
            " moved INTEGER, rule TEXT, desired BLOB, held BLOB);"
            "CREATE TABLE outcome(lane INTEGER PRIMARY KEY, content BLOB); BEGIN"
        )
        self._waiting: list[tuple[Any, ...]] = []
        self.counts: Counter[tuple[str, str, bool]] = Counter()
        """How many changes by action, kind and `moved`."""
        self.payments_as_evidence = 0
        """Cancellations that go because the open order was paid (rule 6.4): no loss (rule 1.7)."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add(self, lane: int, changes: Iterable[Change]) -> int:
        """Take the changes of a lane, in order; how many they are."""
        before = len(self._waiting)
        for place, change in enumerate(changes, _first_place(lane)):
            self.counts[change.action, change.kind, change.moved] += 1
            if change.action == "delete" and change.kind == "event" and change.rule == "6.4" and not change.moved:
                self.payments_as_evidence += 1
            self._waiting.append(
                (
                    place,
                    change.action,
                    change.kind,
                    change.external_id,
                    change.parent,
                    change.moved,
                    change.rule,
                    None if change.desired is None else _ENCODE(change.desired),
                    None if change.held is None else _ENCODE(change.held),
                )
            )
        number = len(self._waiting) - before
        if len(self._waiting) >= _BATCH:
            self._written()
        return number

    def add_outcome(self, lane: int, outcome: Outcome) -> None:
        """Take what follows once the changes of a lane are made."""
        self._database.execute("INSERT INTO outcome VALUES (?, ?)", (lane, _PACK(outcome)))

    def outcomes(self) -> Iterator[tuple[int, Outcome]]:
        """Lanes with what follows, by number."""
        for lane, content in self._database.execute("SELECT lane, content FROM outcome ORDER BY lane"):
            yield lane, _OUTCOME.decode(content)

    def __len__(self) -> int:
        return sum(self.counts.values())

    def created_customers(self, most: int) -> list[str]:
        """External ids of some customers that the plan creates."""
        if not self.counts["create", "customer", False]:
            return []
        found = self._written().execute(
            "SELECT id FROM change WHERE action = 'create' AND kind = 'customer' LIMIT ?", (most,)
        )
        return [external_id for (external_id,) in found]

    def lane(self, lane: int) -> list[Change]:
        """The changes of one lane."""
        found = self._written().execute(
            "SELECT * FROM change WHERE place >= ? AND place < ? ORDER BY place",
            (_first_place(lane), _first_place(lane + 1)),
        )
        return [_change(row) for row in found]

    def lanes(self, *, after: int = -1) -> Iterator[tuple[int, list[Change]]]:
        """Lanes with their changes, by number; those behind a lane."""
        cursor = self._written().execute(
            "SELECT * FROM change WHERE place >= ? ORDER BY place", (_first_place(after + 1),)
        )
        current: int | None = None
        gathered: list[Change] = []
        for row in cursor:
            lane = row[0] >> _PLACES
            if current is not None and lane != current:
                yield current, gathered
                gathered = []
            current = lane
            gathered.append(_change(row))
        if current is not None:
            yield current, gathered

    def _written(self) -> sqlite3.Connection:
        """The database with all changes in it."""
        if self._waiting:
            self._database.executemany("INSERT INTO change VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", self._waiting)
            self._waiting.clear()
        return self._database


def _first_place(lane: int) -> int:
    return lane << _PLACES


def _change(row: tuple[Any, ...]) -> Change:
    _, action, kind, external_id, parent, moved, rule, desired, held = row
    decode = _DECODERS[kind].decode
    return Change(
        action=action,
        kind=kind,
        external_id=external_id,
        parent=parent,
        moved=bool(moved),
        rule=rule,
        desired=None if desired is None else decode(desired),
        held=None if held is None else decode(held),
    )
