"""Accounts: the records that belong together, with what ChartMogul has of them.

An account is a connected part of the graph of records, which name one another, and of holdings, which tie a customer to
an order or a subscription. Nothing that is decided crosses its border (rule 1.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

import msgspec

from target_chartmogul.billing.nodes import END_NODE, FIRST_NODE, as_json, stream_of
from target_chartmogul.store.components import component
from target_chartmogul.store.file import StoreFile
from target_chartmogul.store.held import Holdings
from target_chartmogul.store.instants import instant
from target_chartmogul.store.marks import ARRIVED
from target_chartmogul.store.nodes import SourceNodes
from target_chartmogul.store.outcomes import Memory
from target_chartmogul.store.records import Record, Records, as_record
from target_chartmogul.store.scratch import NodeSet

_OF: Final = "FROM json_each(?) AS wanted CROSS JOIN {} ON {} = wanted.value"
_RECORDS: Final = "SELECT node, payload, previous, invalid, gone, id_text " + _OF.format("record", "node")
_HOLDINGS: Final = "SELECT kind, holding.id, marks, sent, listed " + _OF.format("holding", "owner")
_MEMORIES: Final = "SELECT node, memory.kind, memory.key, memory.value " + _OF.format("memory", "node")
_ROOTS: Final = (
    # Of every account the lowest node has no lower neighbour; some have several such nodes.
    "SELECT node FROM record WHERE node >= :first AND node < :end"
    " AND NOT EXISTS (SELECT 1 FROM link WHERE a = node AND b < node AND b >= :first)"
    " UNION SELECT DISTINCT a FROM link AS l WHERE back = 1 AND a >= :first"
    " AND NOT EXISTS (SELECT 1 FROM record WHERE node = l.a)"
    " UNION SELECT DISTINCT owner FROM holding WHERE owner IS NOT NULL"
)
_MARK_ALL: Final = f"INSERT OR IGNORE INTO mark SELECT node, :at, :why FROM ({_ROOTS})"  # noqa: S608  both are fixed
_TOUCHED: Final = f"SELECT 1 {_OF.format('mark', 'node')} WHERE why = ?"
_REASONS: Final = f"SELECT DISTINCT why {_OF.format('mark', 'node')} WHERE at <= ?"


class Account(msgspec.Struct, kw_only=True):
    """All that is known of contacts that belong together."""

    home: int
    """Its lowest contact, or its lowest node if it has none: the name of the account while it stays as it is."""
    nodes: list[int]
    """Ascending; those that no record has come for too."""
    records: list[Record]
    """By node."""
    holdings: Holdings
    """As last sent, or as listed where this store has not sent it."""
    listed: Holdings
    """As last listed, where that differs from what was sent."""
    missing: frozenset[tuple[str, str]]
    """Kind and id of what was sent, and that ChartMogul did not list."""
    person_marks: dict[tuple[str, str], frozenset[str]]
    """What people did to objects in ChartMogul (rule 6.8), by kind and id."""
    memories: list[Memory]


class Accounts:
    """Finds accounts without looking at others."""

    def __init__(self, file: StoreFile, records: Records, source: SourceNodes) -> None:
        self._file = file
        self._records = records
        self._source = source

    def account(self, node: int) -> Account:
        """The account of a node; of one that nothing is known of, an empty one."""
        self._records.flush()
        return self._account(component(self._file, node))

    def due(self, now: datetime, *, cut: bool = False) -> Iterator[Account]:
        """The accounts that are marked for now or an earlier time, each once.

        Args:
            now: aware.
            cut: the input was cut off: those that it touched are left for the next one (rule 1.8).
        """
        self._records.flush()
        marked = self._each("SELECT node FROM mark WHERE at <= ? GROUP BY node", (instant(now),))
        for nodes in self._components(marked):
            if not cut or self._file.row(_TOUCHED, (as_json(nodes), ARRIVED)) is None:
                yield self._account(nodes)

    def count_due(self, now: datetime) -> int:
        """How many nodes are marked for now: as many accounts at most."""
        self._records.flush()
        found: int = self._file.row("SELECT count(DISTINCT node) FROM mark WHERE at <= ?", (instant(now),))[0]
        return found

    def all(self) -> Iterator[Account]:
        """Every account, once."""
        self._records.flush()
        return map(self._account, self._components(self._each(_ROOTS, {"first": FIRST_NODE, "end": END_NODE})))

    def only(self, wanted: Iterable[int], *, cut: bool = False) -> Iterator[Account]:
        """The accounts of these nodes, each once, due or not; `cut` as for `due`."""
        self._records.flush()
        for nodes in self._components(wanted):
            if not cut or self._file.row(_TOUCHED, (as_json(nodes), ARRIVED)) is None:
                yield self._account(nodes)

    def mark_all(self, why: str, *, at: str = "") -> None:
        """Every account is to be decided.

        Args:
            why: the reason.
            at: since when, in UTC; empty for now. Of two marks of one instant the earlier stays.
        """
        self._records.flush()
        with self._file.transaction():
            self._file.database.execute(_MARK_ALL, {"first": FIRST_NODE, "end": END_NODE, "why": why, "at": at})

    def reasons(self, nodes: Iterable[int], now: datetime) -> frozenset[str]:
        """Why the account of these is marked for now or an earlier time."""
        return frozenset(why for (why,) in self._file.rows(_REASONS, (as_json(nodes), instant(now))))

    def has_marks(self, *reasons: str, now: datetime | None = None) -> bool:
        """Whether any account is marked for one of these reasons; for `now` or an earlier time, if that is given."""
        until = "9" if now is None else instant(now)
        return any(
            self._file.row("SELECT 1 FROM mark WHERE why = ? AND at <= ? LIMIT 1", (why, until)) is not None
            for why in reasons
        )

    def _components(self, wanted: Iterable[int]) -> Iterator[list[int]]:
        todo = NodeSet()
        try:
            todo.update(wanted)
            while (node := todo.pop_lowest()) is not None:
                nodes = component(self._file, node)
                if len(nodes) > 1:
                    todo.discard(nodes)
                yield nodes
        finally:
            todo.close()

    def _account(self, nodes: list[int]) -> Account:
        wanted = (as_json(nodes),)
        with self._file.lock:
            database = self._file.database
            records = [as_record(row) for row in database.execute(_RECORDS, wanted)]
            held = database.execute(_HOLDINGS, wanted).fetchall()
            memories = [Memory(*row) for row in database.execute(_MEMORIES, wanted)]
        contact = self._source.contact_stream
        found = Account(
            home=next((each for each in nodes if stream_of(each) == contact), nodes[0]),
            nodes=nodes,
            records=records,
            holdings=Holdings(),
            listed=Holdings(),
            missing=frozenset(),
            person_marks={},
            memories=memories,
        )
        missing = []
        for kind, external_id, marks, sent, listed in held:
            if sent is None and not listed:
                continue
            found.holdings.add(kind, external_id, listed if sent is None else sent)
            if sent is not None and listed is not None:
                if listed:
                    found.listed.add(kind, external_id, listed)
                else:
                    missing.append((kind, external_id))
            if marks:
                found.person_marks[kind, external_id] = frozenset(marks.split())
        if missing:
            found.missing = frozenset(missing)
        return found

    def _each(self, query: str, values: Any) -> Iterator[int]:
        """The nodes of a query, while nothing is written."""
        with self._file.lock:
            for (node,) in self._file.database.execute(query, values):
                yield node
