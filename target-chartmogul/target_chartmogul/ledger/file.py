"""The ledger's file: its tables, its format, and what is known of it as a whole. SQLite."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

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


class LedgerFile:
    """An open file; methods may be called from several threads.

    Args:
        path: SQLite file, created with its tables if it is not there.

    Raises:
        sqlite3.DatabaseError: the file is no ledger of this format, or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.shaped = False
        """Its objects came from ChartMogul-shaped streams: ids are texts of any form (see `claim`)."""
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

    def claim(self, *, shaped: bool) -> bool:
        """Use it for Keap's streams or for shaped ones; False if it is the other's already."""
        if self.get("data_source_uuid") is not None and (self.get("shape") is not None) != shaped:
            return False
        self.shaped = shaped
        self.put("shape", "chartmogul" if shaped else None)
        return True

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Several writes as one, or none of them on any error; one within another is part of that."""
        with self._lock:
            if self._database.in_transaction:
                yield
                return
            self._database.execute("BEGIN")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.OperationalError):  # where the disk is full, SQLite has rolled back itself
                    self._database.execute("ROLLBACK")
                raise
