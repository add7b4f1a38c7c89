"""The inbox of ChartMogul-shaped streams: rows on disk, the last one of an external id wins (rule 1.1)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import msgspec

from target_chartmogul.billing.decisions import Reject
from target_chartmogul.billing.objects import Customer
from target_chartmogul.ledger import inbox
from target_chartmogul.ledger.objects import owner_number
from target_chartmogul.sources.native.fields import InvalidFieldError
from target_chartmogul.sources.native.rows import CancellationRow, InvoiceRow, Row, TransactionRow, key_of, read
from target_chartmogul.sources.native.streams import INVOICES, SHAPED_STREAMS, TRANSACTIONS

_BATCH: Final = 2000


class StoredRow(msgspec.Struct, frozen=True):
    """A row as it lies in the inbox: `key` is its external id, `raw` its JSON."""

    stream: str
    key: str
    replication: str | None
    raw: bytes

    def kept(self) -> inbox.Row:
        """The same, as the ledger keeps it."""
        digest = blake2b(self.key.encode(), digest_size=8).digest()
        return inbox.Row(self.stream, int.from_bytes(digest, "big") >> 1, self.replication, self.raw)


class ShapedInbox:
    """All rows of a run. The connection is for `grouping`, which joins them with the ledger's objects.

    Args:
        path: SQLite file to create; a scratch file, safe against nothing.
        prefix: `external_id_prefix`.
    """

    def __init__(self, path: Path, prefix: str) -> None:
        self._prefix = prefix
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.connection.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-32000; PRAGMA temp_store=FILE;"
            "CREATE TABLE row(stream TEXT, key TEXT, owner INTEGER, invoice TEXT, replication TEXT, raw BLOB,"
            " grp INTEGER, PRIMARY KEY(stream, key)) WITHOUT ROWID;"
        )
        self._waiting: list[tuple[Any, ...]] = []
        self.arrived = dict.fromkeys(SHAPED_STREAMS, 0)
        self.origins: dict[str, set[str]] = {}
        """The tap's streams behind each of ours: a stream map may give them another name, or join several."""
        self.read_completely: set[str] = set()
        """The tap's streams whose ACTIVATE_VERSION came."""

    def put(self, stream: str, record: dict[str, Any], raw: bytes, replication: str | None) -> None:
        """Take a row; a later one of the same id replaces it.

        Raises:
            InvalidFieldError: it can never be accepted.
        """
        self._add(stream, read(stream, record, self._prefix), raw, replication)
        self.arrived[stream] += 1
        if len(self._waiting) >= _BATCH:
            self._write("REPLACE")

    def put_kept(self, rows: Iterable[inbox.Row]) -> Iterator[Reject]:
        """Take rows that an earlier run kept; newer ones stay. Those that this version does not take are rejects."""
        self.settle()
        for row in rows:
            record = msgspec.json.decode(row.raw)
            try:
                self._add(row.stream, read(row.stream, record, self._prefix), row.raw, row.replication)
            except InvalidFieldError as error:
                name = str(record.get("external_id"))
                yield Reject(stream=row.stream, id=name, field=error.field, reason=error.reason)
        self._write("IGNORE")

    def settle(self) -> None:
        """Write what still waits in memory."""
        self._write("REPLACE")

    def rows(self, query: str, *values: Any) -> Iterator[tuple[StoredRow, Row]]:
        """Rows as they lie here, and as they are read; `query` is the condition behind WHERE."""
        for stream, key, replication, raw in self.connection.execute(
            f"SELECT stream, key, replication, raw FROM row WHERE {query} ORDER BY stream, key",
            values,
        ):
            yield (
                StoredRow(stream, key, replication, bytes(raw)),
                read(stream, msgspec.json.decode(raw), self._prefix),
            )

    def count(self, groups: Iterable[int]) -> int:
        """How many rows some groups have."""
        query = "SELECT count(*) FROM row WHERE grp = ?"
        return sum(self.connection.execute(query, (group,)).fetchone()[0] for group in groups)

    def refuse_nested_transactions(self) -> Iterator[Reject]:
        """Take out invoices that list transactions although the run has a stream of them.

        An invoice's transactions come from one place: else it could not be told which of them are gone.
        """
        if TRANSACTIONS not in self.origins:
            return
        nested = "stream = ? AND invoice IS NOT NULL"
        found = self.connection.execute(f"SELECT key FROM row WHERE {nested} ORDER BY key", (INVOICES,))
        for (key,) in found.fetchall():
            reason = "are in the invoice, and in a stream of their own: leave out one of both"
            yield Reject(stream=INVOICES, id=key, field="transactions", reason=reason)
        self.connection.execute(f"DELETE FROM row WHERE {nested}", (INVOICES,))

    def whole(self, rejects: Iterable[Reject]) -> frozenset[str]:
        """Streams that were read completely, and of which no row was rejected: what is not here is gone.

        Args:
            rejects: all of the input's; a line that could not be read at all may be anyone's.
        """
        spoilt = {reject.stream for reject in rejects}
        if any(stream not in self.origins and stream not in SHAPED_STREAMS for stream in spoilt):
            return frozenset()
        return frozenset(
            stream
            for stream, origins in self.origins.items()
            if origins <= self.read_completely and not spoilt & {stream, *origins}
        )

    def close(self) -> None:
        """Close the file; whoever made its folder removes it."""
        self.connection.close()

    def _add(self, stream: str, row: Row, raw: bytes, replication: str | None) -> None:
        owner, invoice = None, None
        match row:
            case Customer():
                owner = owner_number(row.external_id)
            case InvoiceRow():
                owner = owner_number(row.invoice.customer_external_id)
                invoice = row.invoice.external_id if row.invoice.transactions else None
            case CancellationRow():
                owner = owner_number(row.customer_external_id)
            case TransactionRow():
                invoice = row.invoice_external_id
        self._waiting.append((stream, key_of(row), owner, invoice, replication, raw))

    def _write(self, otherwise: str) -> None:
        self.connection.execute("BEGIN")
        self.connection.executemany(
            f"INSERT OR {otherwise} INTO row(stream, key, owner, invoice, replication, raw) VALUES (?, ?, ?, ?, ?, ?)",
            self._waiting,
        )
        self.connection.execute("COMMIT")
        self._waiting.clear()
