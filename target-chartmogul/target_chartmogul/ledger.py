"""The ledger: what ChartMogul holds of ours, and the facts that later runs need (rule 1.6). A cache in SQLite.

It is written as each change is acknowledged. Lose it, and it is rebuilt from ChartMogul by external id.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, get_args, get_origin, get_type_hints

import msgspec

from target_chartmogul.changes import Change, ChartMogulObject, Kind, Refusal
from target_chartmogul.chartmogul.objects import Customer, Invoice, LineItem, Plan, SubscriptionEvent, Transaction
from target_chartmogul.inbox import Row
from target_chartmogul.keap import ids
from target_chartmogul.keap.contacts import email_fingerprint
from target_chartmogul.keap.group import Existing, Note, Remembered

FORMAT: Final = "1"
"""Raised whenever the tables or what lies in them change: an older ledger is kept aside and rebuilt."""

_TABLES: Final = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE object(kind TEXT, id TEXT, uuid TEXT, owner INTEGER, payload BLOB, PRIMARY KEY(kind, id));
CREATE INDEX object_owner ON object(owner);
CREATE TABLE part(kind TEXT, id TEXT, invoice TEXT, uuid TEXT, PRIMARY KEY(kind, id)) WITHOUT ROWID;
CREATE INDEX part_invoice ON part(invoice);
CREATE TABLE use_of_subscription(subscription INTEGER, contact INTEGER,
  PRIMARY KEY(subscription, contact)) WITHOUT ROWID;
CREATE TABLE use_of_order(order_id INTEGER, contact INTEGER, PRIMARY KEY(order_id, contact)) WITHOUT ROWID;
CREATE TABLE seen(stream INTEGER, id INTEGER, hash INTEGER, PRIMARY KEY(stream, id)) WITHOUT ROWID;
CREATE TABLE kept(stream TEXT, id INTEGER, replication TEXT, raw BLOB, PRIMARY KEY(stream, id));
CREATE TABLE remembered(kind TEXT, key TEXT, contact INTEGER, value BLOB, PRIMARY KEY(kind, key)) WITHOUT ROWID;
CREATE INDEX remembered_contact ON remembered(contact);
CREATE TABLE due(contact INTEGER PRIMARY KEY, at TEXT);
CREATE TABLE mark(kind TEXT, id TEXT, mark TEXT, PRIMARY KEY(kind, id, mark)) WITHOUT ROWID;
CREATE TABLE intent(kind TEXT, id TEXT, action TEXT, parent TEXT, PRIMARY KEY(kind, id)) WITHOUT ROWID;
"""
_DECODERS: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    "customer": msgspec.json.Decoder(Customer),
    "plan": msgspec.json.Decoder(Plan),
    "invoice": msgspec.json.Decoder(Invoice),
    "event": msgspec.json.Decoder(SubscriptionEvent),
}
_ENCODE: Final = msgspec.json.Encoder().encode
_REMEMBERED: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    name: msgspec.json.Decoder(get_args(hint)[-1] if get_origin(hint) is dict else hint)
    for name, hint in get_type_hints(Remembered).items()
}


class Ledger:
    """An open ledger. It is a `changes.Journal`; methods may be called from several threads.

    Args:
        path: SQLite file, created with its tables if it is not there.

    Raises:
        sqlite3.DatabaseError: the file is no ledger of this format, or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        is_new = not path.exists() or path.stat().st_size == 0
        if is_new:
            path.touch(mode=0o600)
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        try:
            self._database.executescript(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-32000; PRAGMA temp_store=FILE;"
            )
            if is_new:
                self._database.executescript(f"BEGIN; {_TABLES} COMMIT;")
                self.put("format", FORMAT)
            self._check()
        except BaseException:
            self._database.close()
            raise
        self._lanes_done: set[int] = set()
        self._lanes_left: set[int] = set()

    def _check(self) -> None:
        found = self._database.execute("PRAGMA quick_check(1)").fetchone()
        if found != ("ok",):
            raise sqlite3.DatabaseError("the ledger is damaged")
        if self.get("format") != FORMAT:
            raise sqlite3.DatabaseError("the ledger has another format")

    def close(self) -> None:
        """Everything into the one file, so that it can be copied."""
        with self._lock:
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._database.close()

    def abandon(self) -> None:
        """Close without caring for what is in it."""
        self._database.close()

    def checkpoint(self) -> None:
        """Everything into the one file, and go on."""
        with self._lock:
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    # what is known of the ledger itself

    def get(self, key: str) -> str | None:
        """A fact on the ledger as a whole, such as `format` or `data_source_uuid`."""
        with self._lock:
            found = self._database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return found[0] if found else None

    def put(self, key: str, value: str | None) -> None:
        """Set or, with None, forget such a fact."""
        with self._lock:
            if value is None:
                self._database.execute("DELETE FROM meta WHERE key = ?", (key,))
            else:
                self._database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def clear_objects(self) -> None:
        """Forget all that ChartMogul is thought to hold, before it is read anew."""
        with self._lock:
            self._database.executescript(
                "BEGIN; DELETE FROM object; DELETE FROM part; DELETE FROM use_of_subscription;"
                " DELETE FROM use_of_order; DELETE FROM mark; DELETE FROM intent;"
                " DELETE FROM seen; DELETE FROM due; COMMIT;"
            )

    def held_counts(self) -> dict[str, int]:
        """How many objects of each kind ChartMogul is thought to hold."""
        with self._lock:
            rows = self._database.execute(
                "SELECT kind, count(*) FROM object GROUP BY kind"
                " UNION ALL SELECT kind, count(*) FROM part GROUP BY kind"
                " UNION ALL SELECT 'subscription', count(DISTINCT subscription) FROM use_of_subscription"
            ).fetchall()
        return dict(rows)

    # what ChartMogul holds

    def record(self, listed: Iterable[tuple[Kind, ChartMogulObject, str, Mapping[tuple[Kind, str], str]]]) -> None:
        """Take objects as ChartMogul listed them: kind, object, uuid, and the uuids of its lines and transactions."""
        with self._lock:
            self._database.execute("BEGIN")
            try:
                for kind, thing, uuid, parts in listed:
                    self._put(kind, thing, {**parts, (kind, thing.external_id): uuid})
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def put_marks(self, kind: Kind, external_id: str, marks: Iterable[str]) -> None:
        """What people or a bulk import did to an object (`listing.Mark`), until the next change of it."""
        with self._lock:
            self._database.executemany(
                "INSERT OR IGNORE INTO mark VALUES (?, ?, ?)", [(kind, external_id, mark) for mark in marks]
            )

    def marks(self) -> dict[tuple[str, str], set[str]]:
        """All marks by kind and external id."""
        found: dict[tuple[str, str], set[str]] = {}
        with self._lock:
            for kind, external_id, mark in self._database.execute("SELECT kind, id, mark FROM mark"):
                found.setdefault((kind, external_id), set()).add(mark)
        return found

    def objects(self, kind: Kind) -> Iterator[Any]:
        """All objects of a kind, by external id."""
        with self._lock:
            rows = self._database.execute("SELECT payload FROM object WHERE kind = ? ORDER BY id", (kind,)).fetchall()
        for (payload,) in rows:
            yield _DECODERS[kind].decode(payload)

    def accounts(self) -> Iterator[Existing]:
        """What ChartMogul holds of each contact, one after the other, ascending."""
        last = -1
        while True:
            with self._lock:
                rows = self._database.execute(
                    "SELECT owner, kind, id, payload FROM object WHERE owner > ? AND owner <= (SELECT max(owner) FROM"
                    " (SELECT DISTINCT owner FROM object WHERE owner > ? ORDER BY owner LIMIT 200))"
                    " ORDER BY owner, kind, id",
                    (last, last),
                ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            for _, objects in groupby(rows, key=itemgetter(0)):
                yield _existing(objects)

    def existing(self, contacts: Iterable[int]) -> Existing:
        """What ChartMogul holds of some contacts."""
        with self._lock:
            return _existing(
                row
                for contact in contacts
                for row in self._database.execute(
                    "SELECT owner, kind, id, payload FROM object WHERE owner = ? ORDER BY kind, id", (contact,)
                )
            )

    # what only the ledger remembers

    def remembered(self, contacts: Iterable[int]) -> Remembered:
        """The facts of some contacts that ChartMogul cannot tell."""
        found = Remembered()
        with self._lock:
            for contact in contacts:
                for kind, key, value in self._database.execute(
                    "SELECT kind, key, value FROM remembered WHERE contact = ?", (contact,)
                ):
                    fact = _REMEMBERED[kind].decode(value)
                    if isinstance(fact, tuple):
                        setattr(found, kind, (*getattr(found, kind), *fact))
                    else:
                        getattr(found, kind)[key] = fact
        return found

    def contacts_of_order(self, order_id: int) -> list[int]:
        """Contacts under whom an order's invoices are or were."""
        return self._contacts("SELECT contact FROM use_of_order WHERE order_id = ? ORDER BY contact", order_id)

    def contacts_of_subscription(self, subscription_id: int) -> list[int]:
        """Contacts under whom a subscription's lines or cancellations are or were."""
        return self._contacts(
            "SELECT contact FROM use_of_subscription WHERE subscription = ? ORDER BY contact", subscription_id
        )

    def _contacts(self, query: str, number: int) -> list[int]:
        with self._lock:
            return [contact for (contact,) in self._database.execute(query, (number,))]

    def remarks(self) -> dict[str, list[Note]]:
        """All that `explain` has to say beyond what ChartMogul holds."""
        with self._lock:
            rows = self._database.execute("SELECT key, value FROM remembered WHERE kind = 'remarks'").fetchall()
        return {key: _REMEMBERED["remarks"].decode(value) for key, value in rows}

    def cancellation_facts(self) -> Remembered:
        """Rules and sources of all cancellations, for the report."""
        found = Remembered()
        with self._lock:
            for kind, key, value in self._database.execute(
                "SELECT kind, key, value FROM remembered WHERE kind IN ('cancellation_rules', 'cancellation_sources')"
            ):
                getattr(found, kind)[key] = _REMEMBERED[kind].decode(value)
        return found

    def remember(self, contacts: list[int], facts: Remembered, due: str | None) -> None:
        """Replace what is remembered of some contacts, and the instant at which they must be looked at again."""
        home = contacts[0]
        with self._lock:
            for contact in contacts:
                self._database.execute("DELETE FROM remembered WHERE contact = ?", (contact,))
                self._database.execute("DELETE FROM due WHERE contact = ?", (contact,))
            for kind in _REMEMBERED:
                held = getattr(facts, kind)
                for key, value in held.items() if isinstance(held, dict) else [(str(home), held)] if held else []:
                    self._database.execute(
                        "INSERT OR REPLACE INTO remembered VALUES (?, ?, ?, ?)", (kind, key, home, _ENCODE(value))
                    )
            if due is not None:
                self._database.execute("INSERT OR REPLACE INTO due VALUES (?, ?)", (home, due))

    def dues(self) -> dict[int, str]:
        """Contact and the instant at which its group must be looked at again."""
        with self._lock:
            return dict(self._database.execute("SELECT contact, at FROM due").fetchall())

    def kept(self) -> list[tuple[str, int]]:
        """Stream and id of all records that wait (rule 1.5)."""
        with self._lock:
            return self._database.execute("SELECT stream, id FROM kept ORDER BY stream, id").fetchall()

    def kept_rows(self) -> Iterator[Row]:
        """The records themselves."""
        for stream, number in self.kept():
            with self._lock:
                replication, raw = self._database.execute(
                    "SELECT replication, raw FROM kept WHERE stream = ? AND id = ?", (stream, number)
                ).fetchone()
            yield Row(stream, number, replication, bytes(raw))

    def keep(self, rows: Iterable[Row]) -> None:
        """Keep records for the next run."""
        with self._lock:
            self._database.executemany(
                "INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?)",
                ((row.stream, row.id, row.replication, row.raw) for row in rows),
            )

    def release(self, records: Iterable[tuple[str, int]]) -> None:
        """Keep these records no longer."""
        with self._lock:
            self._database.executemany("DELETE FROM kept WHERE stream = ? AND id = ?", records)

    def saw(self, records: Iterable[tuple[int, int, int]]) -> None:
        """Stream number, id and fingerprint of records that are wholly dealt with."""
        with self._lock:
            self._database.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", records)

    def unsee(self, records: Iterable[tuple[int, int]]) -> None:
        """Stream number and id of records that the next run must look at again."""
        with self._lock:
            self._database.executemany("DELETE FROM seen WHERE stream = ? AND id = ?", records)

    def transaction(self) -> _Transaction:
        """Several writes as one: `with ledger.transaction():`."""
        return _Transaction(self._database, self._lock)

    # changes.Journal

    def uuid(self, kind: Kind, external_id: str) -> str | None:
        """ChartMogul's uuid of an object (for events: its integer id as text), None if not known."""
        table = "part" if kind in {"line_item", "transaction"} else "object"
        with self._lock:
            found = self._database.execute(
                f"SELECT uuid FROM {table} WHERE kind = ? AND id = ?",  # noqa: S608  one of two tables
                (kind, external_id),
            ).fetchone()
        return found[0] if found else None

    def intend(self, change: Change) -> None:
        """A change begins."""
        with self._lock:
            self._database.execute(
                "INSERT OR REPLACE INTO intent VALUES (?, ?, ?, ?)",
                (change.kind, change.external_id, change.action, change.parent),
            )

    def intents(self) -> list[tuple[Kind, str, str | None]]:
        """Kind, id and parent of changes that began and were never acknowledged: of a run that crashed."""
        with self._lock:
            return self._database.execute("SELECT kind, id, parent FROM intent ORDER BY kind, id").fetchall()

    def clear_intents(self) -> None:
        """All of them were looked up."""
        with self._lock:
            self._database.execute("DELETE FROM intent")

    def acknowledged(self, change: Change, uuids: dict[tuple[Kind, str], str]) -> None:
        """ChartMogul has it: from now on the ledger holds `change.desired`."""
        with self._lock:
            self._database.execute("BEGIN")
            try:
                if change.action == "delete":
                    self._drop(change)
                elif change.desired is not None:
                    self._take(change, change.desired, uuids)
                self._settle_intent(change)
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def refused(self, change: Change, refusal: Refusal) -> None:
        """ChartMogul did not take it; what it holds is as before, or, without an answer, is to be looked up."""
        if refusal.uncertain:
            return
        with self._lock:
            self._settle_intent(change)

    def email_refused(self, external_id: str, email: str) -> None:
        """ChartMogul does not take this customer's address: remember a fingerprint of it (rule 9.9)."""
        with self._lock:
            self._database.execute(
                "INSERT OR REPLACE INTO remembered VALUES ('refused_emails', ?, ?, ?)",
                (external_id, int(external_id), _ENCODE(email_fingerprint(email))),
            )

    def noticed(self, change: Change, what: str) -> None:
        """For the report only."""

    def gone(self, kind: Kind, external_id: str) -> None:
        """ChartMogul does not have it any more."""
        with self._lock:
            self._database.execute("DELETE FROM object WHERE kind = ? AND id = ?", (kind, external_id))
            self._database.execute("DELETE FROM part WHERE kind = ? AND id = ?", (kind, external_id))
            if kind == "invoice":
                self._database.execute("DELETE FROM part WHERE invoice = ?", (external_id,))

    def lane_done(self, lane: int, *, complete: bool) -> None:
        """Every change of a lane was acknowledged, or some were refused or left."""
        with self._lock:
            (self._lanes_done if complete else self._lanes_left).add(lane)

    @property
    def lanes_done(self) -> frozenset[int]:
        """Lanes of this run whose every change was acknowledged."""
        return frozenset(self._lanes_done - self._lanes_left)

    # writing, with the lock held and inside a transaction

    def _settle_intent(self, change: Change) -> None:
        for table in ("intent", "mark"):
            self._database.execute(
                f"DELETE FROM {table} WHERE kind = ? AND id = ?",  # noqa: S608  one of two tables
                (change.kind, change.external_id),
            )

    def _take(self, change: Change, desired: ChartMogulObject, uuids: Mapping[tuple[Kind, str], str]) -> None:
        if isinstance(desired, LineItem | Transaction):
            invoice = self._invoice(change.parent)
            if invoice is not None:
                self._put("invoice", _with_part(invoice, desired), uuids)
        elif isinstance(desired, Invoice) and change.action == "update":
            held = self._invoice(change.external_id) or desired
            self._put(
                "invoice",
                msgspec.structs.replace(desired, line_items=held.line_items, transactions=held.transactions),
                uuids,
            )
        else:
            self._put(change.kind, desired, uuids)

    def _drop(self, change: Change) -> None:
        if change.kind in {"line_item", "transaction"}:
            invoice = self._invoice(change.parent)
            if invoice is not None:
                self._put("invoice", _without_part(invoice, change.kind, change.external_id), {})
            self._database.execute("DELETE FROM part WHERE kind = ? AND id = ?", (change.kind, change.external_id))
            return
        self._database.execute("DELETE FROM object WHERE kind = ? AND id = ?", (change.kind, change.external_id))
        if change.kind == "invoice":
            self._database.execute("DELETE FROM part WHERE invoice = ?", (change.external_id,))

    def _invoice(self, external_id: str | None) -> Invoice | None:
        found = self._database.execute(
            "SELECT payload FROM object WHERE kind = 'invoice' AND id = ?", (external_id,)
        ).fetchone()
        if found is None:
            return None
        invoice: Invoice = _DECODERS["invoice"].decode(found[0])
        return invoice

    def _put(self, kind: Kind, thing: ChartMogulObject, uuids: Mapping[tuple[Kind, str], str]) -> None:
        owner = _owner(thing)
        self._database.execute(
            "INSERT INTO object VALUES (:kind, :id, :uuid, :owner, :payload) ON CONFLICT(kind, id) DO UPDATE SET"
            " uuid = coalesce(:uuid, uuid), owner = :owner, payload = :payload",
            {
                "kind": kind,
                "id": thing.external_id,
                "uuid": uuids.get((kind, thing.external_id)),
                "owner": owner,
                "payload": _ENCODE(thing),
            },
        )
        if owner is None:
            return
        if isinstance(thing, Invoice):
            self._put_invoice_parts(thing, owner, uuids)
        elif isinstance(thing, SubscriptionEvent):
            self._use_subscriptions([thing.subscription_external_id], owner)

    def _put_invoice_parts(self, invoice: Invoice, owner: int, uuids: Mapping[tuple[Kind, str], str]) -> None:
        named: list[tuple[Kind, str]] = [("line_item", line.external_id) for line in invoice.line_items]
        named += [("transaction", row.external_id) for row in invoice.transactions]
        self._database.executemany(
            "INSERT INTO part VALUES (:kind, :id, :invoice, :uuid) ON CONFLICT(kind, id) DO UPDATE SET"
            " invoice = :invoice, uuid = coalesce(:uuid, uuid)",
            [
                {
                    "kind": kind,
                    "id": external_id,
                    "invoice": invoice.external_id,
                    "uuid": uuids.get((kind, external_id)),
                }
                for kind, external_id in named
            ],
        )
        self._use_subscriptions(
            {line.subscription_external_id for line in invoice.line_items if line.subscription_external_id}, owner
        )
        parsed = ids.parse_invoice_id(invoice.external_id)
        if parsed:
            self._database.execute("INSERT OR IGNORE INTO use_of_order VALUES (?, ?)", (int(parsed[0]), owner))

    def _use_subscriptions(self, subscriptions: Iterable[str], owner: int) -> None:
        self._database.executemany(
            "INSERT OR IGNORE INTO use_of_subscription VALUES (?, ?)",
            [(int(each), owner) for each in subscriptions if each.isdecimal()],
        )


def _existing(rows: Iterable[tuple[int, str, str, bytes]]) -> Existing:
    """Rows of `object` (owner, kind, id, payload), by kind."""
    found = Existing()
    shelves: dict[str, dict[str, Any]] = {
        "customer": found.customers,
        "invoice": found.invoices,
        "event": found.events,
    }
    for _, kind, external_id, payload in rows:
        shelves[kind][external_id] = _DECODERS[kind].decode(payload)
    return found


class _Transaction:
    """BEGIN … COMMIT, or ROLLBACK on any error."""

    def __init__(self, database: sqlite3.Connection, lock: threading.RLock) -> None:
        self._database = database
        self._lock = lock

    def __enter__(self) -> None:
        self._lock.acquire()
        self._database.execute("BEGIN")

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            self._database.execute("COMMIT" if kind is None else "ROLLBACK")
        finally:
            self._lock.release()


def _owner(thing: ChartMogulObject) -> int | None:
    """The contact that an object belongs to; None for plans."""
    match thing:
        case Customer():
            text = thing.external_id
        case Invoice() | SubscriptionEvent():
            text = thing.customer_external_id
        case _:
            return None
    return int(text) if text.isdecimal() else None


def _with_part(invoice: Invoice, part: LineItem | Transaction) -> Invoice:
    if isinstance(part, LineItem):
        return msgspec.structs.replace(invoice, line_items=_replaced(invoice.line_items, part))
    return msgspec.structs.replace(invoice, transactions=_replaced(invoice.transactions, part))


def _replaced(parts: tuple[Any, ...], part: Any) -> tuple[Any, ...]:
    """The parts with one of them, by external id, replaced in its place or added at the end."""
    if any(each.external_id == part.external_id for each in parts):
        return tuple(part if each.external_id == part.external_id else each for each in parts)
    return (*parts, part)


def _without_part(invoice: Invoice, kind: str, external_id: str) -> Invoice:
    if kind == "line_item":
        left = tuple(each for each in invoice.line_items if each.external_id != external_id)
        return msgspec.structs.replace(invoice, line_items=left)
    rows = tuple(each for each in invoice.transactions if each.external_id != external_id)
    return msgspec.structs.replace(invoice, transactions=rows)
