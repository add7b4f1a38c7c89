"""Groups of contacts that belong together: by subscriptions, orders, payments, or by what ChartMogul holds of them.

Nothing that the rules decide crosses a group's border (rule 1.1). Almost every group is one contact. The database finds
the few pairs that tie two contacts together, so that memory is needed for those alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from target_chartmogul.ledger.inbox import ACCOUNT_STREAMS, STREAM_NUMBER, Inbox

_TIES: Final = (
    # an order and the subscriptions of its items
    (
        "SELECT o.contact, s.contact FROM orders o, json_each(o.more) j"
        " JOIN contact_of_subscription s ON s.id = j.value WHERE o.more IS NOT NULL AND o.contact <> s.contact"
    ),
    # one subscription, several contacts: it moved, or its invoices are still the earlier contact's
    (
        "SELECT a.contact, b.contact FROM contact_of_subscription a JOIN contact_of_subscription b USING (id)"
        " WHERE a.contact < b.contact"
    ),
    # one order, several contacts: it moved, or it has an invoice per owner (rule 4.8)
    (
        "SELECT a.contact, b.contact FROM contact_of_order a JOIN contact_of_order b USING (id)"
        " WHERE a.contact < b.contact"
    ),
    # a payment over several orders
    (
        "SELECT a.contact, b.contact FROM payments p, json_each(p.more) i, json_each(p.more) j"
        " JOIN contact_of_order a ON a.id = i.value JOIN contact_of_order b ON b.id = j.value"
        " WHERE p.more LIKE '%,%' AND a.contact < b.contact"
    ),
    # a refund and its payment
    (
        "SELECT a.contact, b.contact FROM payments p JOIN payments q ON q.id = p.ref, json_each(p.more) i,"
        " json_each(q.more) j JOIN contact_of_order a ON a.id = i.value JOIN contact_of_order b ON b.id = j.value"
        " WHERE p.ref IS NOT NULL AND a.contact <> b.contact"
    ),
)
_CONTACT: Final = {
    "contacts": "id",
    "subscriptions": "coalesce(contact, -id)",
    "orders": "coalesce(contact, (SELECT min(s.contact) FROM json_each(orders.more) j"
    " JOIN contact_of_subscription s ON s.id = j.value), -id)",
    "payments": "coalesce({any_order}, {by_payment}, contact, -id)",
    "transactions": "coalesce({any_order}, {by_payment}, contact, -id)",
    "order_payments": "coalesce({any_order}, {by_payment}, -id)",
}
"""Whose a record is; what names nobody is a group of its own, below 0."""
_ANY_ORDER: Final = "(SELECT min(o.contact) FROM json_each({stream}.more) j JOIN contact_of_order o ON o.id = j.value)"
_BY_PAYMENT: Final = (
    "(SELECT min(o.contact) FROM payments p, json_each(p.more) j JOIN contact_of_order o ON o.id = j.value"
    " WHERE p.id = {stream}.ref)"
)
_RECORDS: Final = " UNION ALL ".join(
    f"SELECT '{stream}', m.id, r.raw FROM member m CROSS JOIN {stream} r ON r.place = m.place"
    f" WHERE m.grp = :group AND m.stream = {STREAM_NUMBER[stream]}"
    for stream in ACCOUNT_STREAMS
)
"""The arms of a compound query come one after the other, each in the order of `member`'s key."""


class Groups:
    """Which records belong together.

    Args:
        inbox: settled, with the ledger attached as `ledger` to its connection.
    """

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._database = inbox.connection
        self._parent: dict[int, int] = {}
        self._many: dict[int, list[int]] = {}
        self._database.create_function("root", 1, self.root, deterministic=True)
        self._database.executescript(
            "CREATE TEMP TABLE contact_of_order(id INTEGER, contact INTEGER, PRIMARY KEY(id, contact)) WITHOUT ROWID;"
            "INSERT OR IGNORE INTO contact_of_order SELECT id, contact FROM orders WHERE contact IS NOT NULL;"
            "INSERT OR IGNORE INTO contact_of_order SELECT order_id, contact FROM ledger.use_of_order;"
            "CREATE TEMP TABLE contact_of_subscription(id INTEGER, contact INTEGER, PRIMARY KEY(id, contact))"
            " WITHOUT ROWID;"
            "INSERT OR IGNORE INTO contact_of_subscription SELECT id, contact FROM subscriptions"
            " WHERE contact IS NOT NULL;"
            "INSERT OR IGNORE INTO contact_of_subscription SELECT subscription, contact"
            " FROM ledger.use_of_subscription;"
            "CREATE TABLE home(stream INTEGER, id INTEGER, grp INTEGER, hash INTEGER, place INTEGER);"
            "CREATE TABLE member(grp INTEGER, stream INTEGER, id INTEGER, hash INTEGER, place INTEGER,"
            " PRIMARY KEY(grp, stream, id)) WITHOUT ROWID;"
            "CREATE TABLE dirty(grp INTEGER PRIMARY KEY);"
        )
        self._tie()
        self._find_homes()
        self._unreadable = self._find_unreadable()

    def root(self, contact: int) -> int:
        """The group of a contact: the smallest contact id in it. Groups without a contact are below 0."""
        parent = self._parent
        found = contact
        while (above := parent.get(found, found)) != found:
            found = above
        return found

    def contacts(self, group: int) -> list[int]:
        """All contacts of a group, ascending."""
        return self._many.get(group, [group])

    def mark_all(self) -> None:
        """Every group is to be decided: all that arrived, and all that ChartMogul holds."""
        self._database.execute("INSERT OR IGNORE INTO dirty SELECT DISTINCT grp FROM home")
        self._mark("SELECT DISTINCT owner AS contact FROM ledger.object WHERE owner IS NOT NULL")

    def mark_changed(self, now: str, *, subscriptions_whole: bool, orders_whole: bool) -> None:
        """Mark groups with a record that the last run did not see as it is now, or whose day has come (rule 6.3)."""
        self._database.execute(
            "INSERT OR IGNORE INTO dirty SELECT h.grp FROM home h"
            " LEFT JOIN ledger.seen s ON s.stream = h.stream AND s.id = h.id WHERE s.hash IS NOT h.hash"
        )
        self._mark(f"SELECT contact FROM ledger.due WHERE at <= '{now}'")
        for whole, stream, table in (
            (subscriptions_whole, "subscriptions", "contact_of_subscription"),
            (orders_whole, "orders", "contact_of_order"),
        ):
            if whole:
                self._mark(
                    f"SELECT c.contact AS contact FROM ledger.seen s JOIN {table} c ON c.id = s.id"
                    f" WHERE s.stream = {STREAM_NUMBER[stream]} AND s.id NOT IN (SELECT id FROM {stream})"
                )

    def keep_only(self, contacts: list[int]) -> None:
        """Of the marked groups leave those of these contacts (`only_contacts`)."""
        wanted = {self.root(each) for each in contacts}
        gone = [(group,) for (group,) in self._database.execute("SELECT grp FROM dirty") if group not in wanted]
        self._database.executemany("DELETE FROM dirty WHERE grp = ?", gone)

    def gather(self) -> None:
        """List the records of the marked groups; to be called once, after marking."""
        self._database.execute(
            "INSERT INTO member SELECT grp, stream, id, hash, place FROM home WHERE grp IN (SELECT grp FROM dirty)"
            " ORDER BY grp, stream, id"
        )

    def __iter__(self) -> Iterator[int]:
        """The marked groups, ascending."""
        last = None
        while True:
            found = self._database.execute(
                "SELECT grp FROM dirty WHERE ? IS NULL OR grp > ? ORDER BY grp LIMIT 500", (last, last)
            ).fetchall()
            if not found:
                return
            for (group,) in found:
                yield group
            last = found[-1][0]

    def records(self, group: int) -> Iterator[tuple[str, int, bytes]]:
        """Stream, id and JSON of a group's records that arrived; by stream, then id."""
        yield from self._database.execute(_RECORDS, {"group": group})

    def unreadable(self, group: int) -> list[tuple[str, int]]:
        """Stream and id of records that arrived but could not be taken, and that ChartMogul holds something of."""
        return self._unreadable.get(group, [])

    def _find_unreadable(self) -> dict[int, list[tuple[str, int]]]:
        found: dict[int, list[tuple[str, int]]] = {}
        for stream, table in (("subscriptions", "contact_of_subscription"), ("orders", "contact_of_order")):
            for record, contact in self._database.execute(
                f"SELECT u.id, min(c.contact) FROM unreadable u JOIN {table} c ON c.id = u.id WHERE u.stream = ?"
                " GROUP BY u.id ORDER BY u.id",
                (stream,),
            ):
                found.setdefault(self.root(contact), []).append((stream, record))
        for (contact,) in self._database.execute("SELECT id FROM unreadable WHERE stream = 'contacts' ORDER BY id"):
            found.setdefault(self.root(contact), []).append(("contacts", contact))
        return found

    def _find_homes(self) -> None:
        """The group of every record that arrived: each wide table is read once, all else goes by this narrow one."""
        for stream in ACCOUNT_STREAMS:
            contact = _CONTACT[stream].format(
                any_order=_ANY_ORDER.format(stream=stream), by_payment=_BY_PAYMENT.format(stream=stream)
            )
            self._database.execute(
                f"INSERT INTO home SELECT {STREAM_NUMBER[stream]}, id, root({contact}), hash, place FROM {stream}"
            )

    def _mark(self, query: str) -> None:
        self._database.execute(f"INSERT OR IGNORE INTO dirty SELECT root(contact) FROM ({query})")

    def _tie(self) -> None:
        for query in _TIES:
            for left, right in self._database.execute(query).fetchall():
                one, other = sorted((self.root(left), self.root(right)))
                if one != other:
                    self._parent[other] = one
        for contact in {*self._parent, *self._parent.values()}:
            self._many.setdefault(self.root(contact), []).append(contact)
        for together in self._many.values():
            together.sort()
