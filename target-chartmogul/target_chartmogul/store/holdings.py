"""What ChartMogul has of ours, written as each change is acknowledged and as it is listed (rules 1.6, 1.11)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

import msgspec

from target_chartmogul.billing.changes import Change, ChartMogulObject, Kind, Refusal
from target_chartmogul.billing.normal import same
from target_chartmogul.billing.objects import Invoice, LineItem, Transaction
from target_chartmogul.store.file import StoreFile
from target_chartmogul.store.held import encode, parts_of, read, with_header, with_part, without_part
from target_chartmogul.store.nodes import SourceNodes

_BATCH: Final = 500
_PARTS: Final = frozenset({"line_item", "transaction"})
_MISSING: Final = b""
"""As `listed`: ChartMogul did not list what was sent."""

Uuids = Mapping[tuple[Kind, str], str]
Listed = tuple[Kind, ChartMogulObject, Uuids, frozenset[str]]
"""Kind, object, uuids by kind and external id (of its lines and transactions too), and what people did to it."""


class Relisted(msgspec.Struct, kw_only=True):
    """What a listing showed."""

    count: int = 0
    different: list[tuple[Kind, str]] = []
    """Kind and id of what ChartMogul has otherwise than it was sent."""
    missing: list[tuple[Kind, str]] = []
    """Kind and id of what was sent and not listed."""
    unknown: list[tuple[Kind, str]] = []
    """Kind and id of what was listed, and that this store has neither sent nor seen."""


class HoldingJournal:
    """The store's part of a `changes.Journal`. Methods may be called from several threads."""

    def __init__(self, file: StoreFile, source: SourceNodes) -> None:
        self._file = file
        self._source = source

    # while ChartMogul is written to

    def uuid(self, kind: Kind, external_id: str) -> str | None:
        """ChartMogul's uuid of an object (for events: its integer id as text), None if not known."""
        table = "part" if kind in _PARTS else "holding"
        found = self._file.row(f"SELECT uuid FROM {table} WHERE kind = ? AND id = ?", (kind, external_id))  # noqa: S608
        return found[0] if found else None

    def intend(self, change: Change) -> None:
        """A change begins: after a crash, exactly these are to be looked up."""
        with self._file.transaction():
            self._file.database.execute(
                "INSERT OR REPLACE INTO intent VALUES (?, ?, ?, ?)",
                (change.kind, change.external_id, change.action, change.parent),
            )

    def intents(self) -> list[tuple[Kind, str, str | None]]:
        """Kind, id and parent of changes that began and were never acknowledged."""
        return self._file.rows("SELECT kind, id, parent FROM intent ORDER BY kind, id")

    def clear_intents(self) -> None:
        """All of them were looked up."""
        if self.intents():
            with self._file.transaction():
                self._file.database.execute("DELETE FROM intent")

    def acknowledged(self, change: Change, uuids: Uuids) -> None:
        """ChartMogul has it: from now on `change.desired` is what was sent, and what it lists."""
        with self._file.transaction():
            if change.kind in _PARTS:
                self._take_part(change, uuids)
            elif change.action == "delete":
                self._drop(change.kind, change.external_id)
            elif change.desired is not None:
                self._take(change.kind, change.desired, change.action, uuids)
            self._settle_intent(change)

    def refused(self, change: Change, refusal: Refusal) -> None:
        """ChartMogul did not take it; what it has is as before, or, without an answer, is to be looked up."""
        if not refusal.uncertain:
            with self._file.transaction():
                self._settle_intent(change)

    def gone(self, kind: Kind, external_id: str) -> None:
        """ChartMogul does not have it any more: forget it, with its lines and transactions."""
        with self._file.transaction():
            if kind in _PARTS:
                self._file.database.execute("DELETE FROM part WHERE kind = ? AND id = ?", (kind, external_id))
            else:
                self._drop(kind, external_id)

    # as ChartMogul lists it

    def relist(self, kinds: Iterable[Kind], listed: Iterable[Listed], *, trusted: bool) -> Relisted:
        """Take all that ChartMogul lists of some kinds.

        Args:
            kinds: of which everything was listed: of these, what the store has and was not listed is missing.
            listed: in any order.
            trusted: what was sent stays, since a person did what is different (rules 1.11, 6.8). Else, of a new store
                or where a run broke off, what ChartMogul says replaces it.
        """
        found = Relisted()
        with self._file.transaction():
            database = self._file.database
            forgotten = self._forgotten()
            database.execute("CREATE TEMP TABLE IF NOT EXISTS listed_now(kind TEXT, id TEXT, PRIMARY KEY(kind, id))")
            database.execute("DELETE FROM listed_now")
            each = (row for row in listed if not self._is_of(forgotten, row[0], row[1]))
            while batch := list(islice(each, _BATCH)):
                found.count += len(batch)
                for kind, thing, uuids, marks in batch:
                    known, differs = self._list(kind, thing, uuids, marks, trusted=trusted)
                    if differs:
                        found.different.append((kind, thing.external_id))
                    if not known:
                        found.unknown.append((kind, thing.external_id))
                database.executemany(
                    "INSERT OR IGNORE INTO listed_now VALUES (?, ?)", [(row[0], row[1].external_id) for row in batch]
                )
            found.missing = database.execute(
                "SELECT kind, id FROM holding AS h WHERE kind IN (SELECT value FROM json_each(?)) AND NOT EXISTS"
                " (SELECT 1 FROM listed_now AS l WHERE l.kind = h.kind AND l.id = h.id)",
                (msgspec.json.encode(list(kinds)).decode(),),
            ).fetchall()
            database.execute("DELETE FROM listed_now")
            for kind, external_id in found.missing:
                if trusted:
                    database.execute(
                        "UPDATE holding SET listed = ? WHERE kind = ? AND id = ? AND listed IS NOT ?",
                        (_MISSING, kind, external_id, _MISSING),
                    )
                else:
                    self._drop(kind, external_id)
        return found

    def believe_listing(self) -> None:
        """What ChartMogul listed replaces what was sent: another copy of this store has written since."""
        with self._file.transaction():
            for kind, external_id in self._file.rows("SELECT kind, id FROM holding WHERE listed = ?", (_MISSING,)):
                self._drop(kind, external_id)
            self._file.database.execute("UPDATE holding SET sent = NULL WHERE listed IS NOT NULL")

    def found(self, kind: Kind, external_id: str, listed: Listed | None) -> None:
        """What one object is that a change was under way for when a run ended; None if there is none."""
        with self._file.transaction():
            if listed is None or self._is_of(self._forgotten(), kind, listed[1]):
                self._drop(kind, external_id)
            else:
                self._list(*listed, trusted=False)

    def counts(self) -> dict[str, int]:
        """How many objects of each kind ChartMogul is thought to have, lines and transactions too."""
        return dict(
            self._file.rows(
                "SELECT kind, count(*) FROM holding GROUP BY kind"
                " UNION ALL SELECT kind, count(*) FROM part GROUP BY kind"
            )
        )

    def get(self, kind: Kind, external_id: str) -> Any:
        """One object as last sent, or as listed where nothing was sent; None if there is none."""
        found = self._file.row(
            "SELECT coalesce(sent, listed) FROM holding WHERE kind = ? AND id = ?", (kind, external_id)
        )
        return read(kind, found[0]) if found else None

    def differing(self) -> Iterator[tuple[Kind, str, bool]]:
        """Kind and id of what ChartMogul listed otherwise than it was sent, and whether it did not list it at all."""
        rows = self._file.rows(
            "SELECT kind, id, listed FROM holding WHERE sent IS NOT NULL AND listed IS NOT NULL ORDER BY kind, id"
        )
        return ((kind, external_id, listed == _MISSING) for kind, external_id, listed in rows)

    def objects(self, kind: Kind) -> Iterator[Any]:
        """All objects of a kind, by external id, likewise."""
        last = ""
        while batch := self._file.rows(
            "SELECT id, coalesce(sent, listed) FROM holding WHERE kind = ? AND id > ? ORDER BY id LIMIT 1000",
            (kind, last),
        ):
            last = batch[-1][0]
            for _, content in batch:
                yield read(kind, content)

    # with the lock held and inside a transaction

    def erase(self, owner: int) -> None:
        """Forget all that is of a customer."""
        for kind, external_id in self._file.rows("SELECT kind, id FROM holding WHERE owner = ?", (owner,)):
            self._drop(kind, external_id)
            self._file.database.execute("DELETE FROM intent WHERE kind = ? AND id = ?", (kind, external_id))

    def _forgotten(self) -> frozenset[int]:
        return frozenset(each for (each,) in self._file.rows("SELECT node FROM forgotten"))

    def _is_of(self, forgotten: frozenset[int], kind: Kind, thing: ChartMogulObject) -> bool:
        """Whether an object is a person's who was erased: what ChartMogul still has of them does not return."""
        return bool(forgotten) and self._source.owner_node(kind, thing) in forgotten

    def _settle_intent(self, change: Change) -> None:
        self._file.database.execute("DELETE FROM intent WHERE kind = ? AND id = ?", (change.kind, change.external_id))

    def _take(self, kind: Kind, desired: ChartMogulObject, action: str, uuids: Uuids) -> None:
        if isinstance(desired, Invoice) and action == "update":
            sent, listed = self._contents(kind, desired.external_id)
            self._write(
                kind,
                with_header(sent, desired) if sent else desired,
                with_header(listed, desired) if listed else None,
                uuids,
            )
            return
        self._write(kind, desired, None, uuids)

    def _take_part(self, change: Change, uuids: Uuids) -> None:
        """A line or transaction was written: the invoice has it, as sent and as listed."""
        invoice = change.parent or ""
        sent, listed = self._contents("invoice", invoice)
        part = change.desired
        if sent is None:
            return
        if isinstance(part, LineItem | Transaction) and change.action != "delete":
            self._write("invoice", with_part(sent, part), with_part(listed, part) if listed else None, uuids)
            return
        kind, external_id = change.kind, change.external_id
        self._write(
            "invoice",
            without_part(sent, kind, external_id),
            without_part(listed, kind, external_id) if listed else None,
            {},
        )
        self._file.database.execute("DELETE FROM part WHERE kind = ? AND id = ?", (kind, external_id))

    def _contents(self, kind: Kind, external_id: str) -> tuple[Any, Any]:
        """As sent, or as listed where nothing was sent; and as listed, where that differs."""
        found = self._file.row("SELECT sent, listed FROM holding WHERE kind = ? AND id = ?", (kind, external_id))
        if found is None:
            return None, None
        sent, listed = found
        if sent is None:
            return read(kind, listed), None
        return read(kind, sent), read(kind, listed) if listed else None

    def _write(self, kind: Kind, sent: ChartMogulObject, listed: ChartMogulObject | None, uuids: Uuids) -> None:
        """Keep what was sent, and what ChartMogul has instead of it."""
        content = encode(sent)
        other = None if listed is None else encode(listed)
        self._file.database.execute(
            "INSERT INTO holding VALUES (:kind, :id, :uuid, :owner, :subject, NULL, :sent, :listed)"
            " ON CONFLICT DO UPDATE SET uuid = coalesce(:uuid, uuid), owner = :owner, subject = :subject, marks = NULL,"
            " sent = :sent, listed = :listed",
            {
                "kind": kind,
                "id": sent.external_id,
                "uuid": uuids.get((kind, sent.external_id)),
                "owner": self._source.owner_node(kind, sent),
                "subject": self._source.subject_node(kind, sent),
                "sent": content,
                "listed": None if other == content else other,
            },
        )
        self._write_parts(sent, uuids)

    def _list(
        self, kind: Kind, thing: ChartMogulObject, uuids: Uuids, marks: frozenset[str], *, trusted: bool
    ) -> tuple[bool, bool]:
        """Keep what ChartMogul lists; whether the store knew it, and whether it differs from what was sent."""
        content = encode(thing)
        uuid, words = uuids.get((kind, thing.external_id)), " ".join(sorted(marks)) or None
        found = self._file.row(
            "SELECT sent, listed, uuid, marks FROM holding WHERE kind = ? AND id = ?", (kind, thing.external_id)
        )
        sent = found[0] if found else None
        differs = sent is not None and not _equal(kind, sent, content)
        if not trusted and differs:
            sent = None
        listed = content if sent is None or differs else None
        if found is None or found != (sent, listed, uuid or found[2], words):
            self._file.database.execute(
                "INSERT INTO holding VALUES (:kind, :id, :uuid, :owner, :subject, :marks, :sent, :listed)"
                " ON CONFLICT DO UPDATE SET uuid = coalesce(:uuid, uuid), owner = iif(:replace, :owner, owner),"
                " subject = iif(:replace, :subject, subject), marks = :marks, sent = :sent, listed = :listed",
                {
                    "kind": kind,
                    "id": thing.external_id,
                    "uuid": uuid,
                    "owner": self._source.owner_node(kind, thing),
                    "subject": self._source.subject_node(kind, thing),
                    "marks": words,
                    "sent": sent,
                    "listed": listed,
                    "replace": sent is None,
                },
            )
        self._write_parts(thing, uuids)
        return found is not None, differs

    def _write_parts(self, thing: ChartMogulObject, uuids: Uuids) -> None:
        if not isinstance(thing, Invoice):
            return
        self._file.database.executemany(
            "INSERT INTO part VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET uuid = excluded.uuid"
            " WHERE excluded.uuid IS NOT NULL AND excluded.uuid IS NOT uuid",
            [(kind, external_id, uuids.get((kind, external_id))) for kind, external_id in parts_of(thing)],
        )

    def _drop(self, kind: Kind, external_id: str) -> None:
        if kind == "invoice":
            # Of a part that was moved to another invoice meanwhile, that one's uuid would go: it is looked up then.
            for content in self._contents(kind, external_id):
                if content is not None:
                    self._file.database.executemany("DELETE FROM part WHERE kind = ? AND id = ?", parts_of(content))
        self._file.database.execute("DELETE FROM holding WHERE kind = ? AND id = ?", (kind, external_id))


def _equal(kind: Kind, one: bytes, other: bytes) -> bool:
    return one == other or same(read(kind, one), read(kind, other))
