"""Groups of customers that belong together: rows that move something from one to another tie the two.

Groups are named by `owner_number`s of customers. Should two ids share a number, their customers are one group: nothing
else comes of it, since objects are always named by their ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from target_chartmogul.billing.objects import CANCELLATION_SCHEDULED
from target_chartmogul.sources.native.inbox import ShapedInbox
from target_chartmogul.sources.native.streams import CANCELLATIONS, CUSTOMERS, INVOICES, SCHEDULED_ENDING, TRANSACTIONS

_INVOICE_MOVES: Final = (
    "SELECT r.owner, o.owner FROM row r JOIN ledger.object o ON o.kind = 'invoice' AND o.id = r.key"
    f" WHERE r.stream = '{INVOICES}' AND r.owner <> o.owner"
)
_CANCELLATION_MOVES: Final = (
    "SELECT r.owner, o.owner FROM row r JOIN ledger.object o ON o.kind = 'event'"
    f" AND o.id IN (r.key, r.key || '{SCHEDULED_ENDING}') WHERE r.stream = '{CANCELLATIONS}' AND r.owner <> o.owner"
)
_TRANSACTION_MOVES: Final = (
    "SELECT r.owner, o.owner FROM row r JOIN ledger.part p ON p.kind = 'transaction' AND p.id = r.key"
    " JOIN ledger.object o ON o.kind = 'invoice' AND o.id = p.invoice"
    f" WHERE r.stream = '{TRANSACTIONS}' AND r.owner <> o.owner"
)
_TIES: Final = (_INVOICE_MOVES, _CANCELLATION_MOVES, _TRANSACTION_MOVES)
_OWNER_OF_TRANSACTION: Final = (
    "UPDATE row SET owner = coalesce("
    f"(SELECT i.owner FROM row i WHERE i.stream = '{INVOICES}' AND i.key = row.invoice),"
    " (SELECT o.owner FROM ledger.object o WHERE o.kind = 'invoice' AND o.id = row.invoice))"
    f" WHERE stream = '{TRANSACTIONS}'"
)
_IS_SCHEDULED: Final = f"json_extract(CAST(payload AS TEXT), '$.event_type') = '{CANCELLATION_SCHEDULED}'"
_DUE: Final = f"SELECT owner FROM ledger.object WHERE kind = 'event' AND owner IS NOT NULL AND {_IS_SCHEDULED}"
_GONE: Final = {
    CUSTOMERS: "SELECT owner FROM ledger.object o WHERE kind = 'customer' AND owner IS NOT NULL"
    f" AND NOT EXISTS (SELECT 1 FROM row r WHERE r.stream = '{CUSTOMERS}' AND r.key = o.id)",
    INVOICES: "SELECT owner FROM ledger.object o WHERE kind = 'invoice' AND owner IS NOT NULL"
    f" AND NOT EXISTS (SELECT 1 FROM row r WHERE r.stream = '{INVOICES}' AND r.key = o.id)",
    TRANSACTIONS: "SELECT o.owner FROM ledger.part p JOIN ledger.object o ON o.kind = 'invoice' AND o.id = p.invoice"
    " WHERE p.kind = 'transaction' AND o.owner IS NOT NULL"
    f" AND NOT EXISTS (SELECT 1 FROM row r WHERE r.stream = '{TRANSACTIONS}' AND r.key = p.id)",
    CANCELLATIONS: "SELECT owner FROM ledger.object o WHERE kind = 'event' AND owner IS NOT NULL"
    f" AND NOT EXISTS (SELECT 1 FROM row r WHERE r.stream = '{CANCELLATIONS}' AND r.key ="
    f" CASE WHEN {_IS_SCHEDULED} THEN substr(o.id, 1, length(o.id) - {len(SCHEDULED_ENDING)}) ELSE o.id END)",
}
"""Owners of what a complete read did not bring."""


class ShapedGroups:
    """Which rows belong together; made when all have arrived.

    Args:
        inbox: of the run.
        ledger: file with what ChartMogul holds.
        gone: streams whose missing objects are to be removed.
    """

    def __init__(self, inbox: ShapedInbox, ledger: Path, gone: frozenset[str]) -> None:
        self._database = database = inbox.connection
        self._parent: dict[int, int] = {}
        self._many: dict[int, list[int]] = {}
        database.execute("ATTACH ? AS ledger", (str(ledger),))
        database.execute(_OWNER_OF_TRANSACTION)
        self._tie()
        database.create_function("root", 1, self.root, deterministic=True)
        database.executescript(
            "UPDATE row SET grp = root(owner) WHERE owner IS NOT NULL;"
            "CREATE INDEX row_group ON row(grp);"
            "CREATE TABLE dirty(grp INTEGER PRIMARY KEY);"
            "INSERT OR IGNORE INTO dirty SELECT grp FROM row WHERE grp IS NOT NULL;"
        )
        for query in (_DUE, *(_GONE[stream] for stream in sorted(gone & _GONE.keys()))):
            database.execute(f"INSERT OR IGNORE INTO dirty SELECT root(owner) FROM ({query})")

    def root(self, owner: int) -> int:
        """The group of a customer: the smallest number in it."""
        found = owner
        while (above := self._parent.get(found, found)) != found:
            found = above
        return found

    def owners(self, group: int) -> list[int]:
        """All customers of a group, ascending."""
        return self._many.get(group, [group])

    def __iter__(self) -> Iterator[int]:
        """The groups to decide, ascending."""
        for (group,) in self._database.execute("SELECT grp FROM dirty ORDER BY grp").fetchall():
            yield group

    def _tie(self) -> None:
        for query in _TIES:
            for left, right in self._database.execute(query).fetchall():
                one, other = sorted((self.root(left), self.root(right)))
                if one != other:
                    self._parent[other] = one
        for owner in {*self._parent, *self._parent.values()}:
            self._many.setdefault(self.root(owner), []).append(owner)
        for together in self._many.values():
            together.sort()
