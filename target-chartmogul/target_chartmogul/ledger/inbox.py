"""The inbox: every record of a run on disk, the last one of an id wins, with the ids that tie it to others.

Nothing is mapped while records arrive, since Singer streams come in any order (rule 1.1). A million orders need little
memory: the rows are JSON in a temporary SQLite file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import msgspec

CATALOG_STREAMS: Final = ("products", "subscription_plans", "free_trial_discounts")
ACCOUNT_STREAMS: Final = ("contacts", "subscriptions", "orders", "payments", "transactions", "order_payments")
STREAMS: Final = (*CATALOG_STREAMS, *ACCOUNT_STREAMS)
STREAM_NUMBER: Final = {stream: number for number, stream in enumerate(STREAMS)}
WHOLE_STREAMS: Final = frozenset({*CATALOG_STREAMS, "subscriptions"})
"""Read whole in every run (rule 1.8): nothing of them needs to be kept or held."""

_LARGEST_ID = 2**63 - 1
_BATCH = 2000


class Row(msgspec.Struct, frozen=True):
    """One record as it lies in the inbox."""

    stream: str
    id: int
    """Keap's id; for transactions, which have none, a number made of their content."""
    replication: str | None
    raw: bytes


class Links(msgspec.Struct, frozen=True):
    """The ids that a record names: its contact, another record (`ref`), and several others (`more`).

    | stream | contact | ref | more |
    |---|---|---|---|
    | subscriptions | contact_id | | |
    | orders | contact.id | | subscription ids of its items |
    | payments, transactions | contact_id | refund_payment_id, payment_id | order_ids |
    | order_payments | | payment_id | order_id |
    """

    contact: int | None = None
    ref: int | None = None
    more: tuple[int, ...] = ()


def keap_id(value: Any) -> int | None:
    """One of Keap's ids as a number, None if it is none: `""`, `"0"`, 0, null or anything else."""
    if isinstance(value, str):
        text = value.strip()
        number = int(text) if text.isdecimal() and text.isascii() and len(text) < 20 else 0
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    else:
        return None
    return number if 0 < number <= _LARGEST_ID else None


def fingerprint(raw: bytes) -> int:
    """A 64 bit number for a record's content: equal content, equal number."""
    return int.from_bytes(blake2b(raw, digest_size=8).digest(), "big", signed=True)


def links_of(stream: str, record: dict[str, Any]) -> Links:
    """The ids that a decoded record names; whatever has another shape than Keap documents names nothing."""
    if stream == "contacts":
        return Links()
    if stream == "orders":
        contact = record.get("contact")
        items = record.get("order_items")
        named = [
            keap_id(item.get("subscription_id"))
            for item in (items if isinstance(items, list) else ())
            if isinstance(item, dict)
        ]
        return Links(
            keap_id(contact.get("id")) if isinstance(contact, dict) else None,
            None,
            tuple(sorted({each for each in named if each})),
        )
    if stream == "order_payments":
        order = keap_id(record.get("order_id"))
        return Links(None, keap_id(record.get("payment_id")), (order,) if order else ())
    orders = record.get("order_ids")
    return Links(
        keap_id(record.get("contact_id")),
        keap_id(record.get("payment_id" if stream == "transactions" else "refund_payment_id")),
        tuple(each for value in (orders if isinstance(orders, list) else ()) if (each := keap_id(value))),
    )


class Inbox:
    """All records of one run.

    Args:
        path: SQLite file to create; it is a scratch file, safe against nothing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # Rows lie in the order in which they came, with their ids in an index of their own: ids that come in any order
        # (those of transactions are digests) would otherwise have pages of a large file read and written at random.
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.connection.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-48000;"
            "PRAGMA temp_store=FILE; PRAGMA temp.cache_size=-32000;"
            + "".join(
                f"CREATE TABLE {stream}(place INTEGER PRIMARY KEY, id INTEGER, replication TEXT, contact INTEGER,"
                f" ref INTEGER, more TEXT, hash INTEGER, raw BLOB); CREATE UNIQUE INDEX {stream}_by_id ON {stream}(id);"
                for stream in STREAMS
            )
            + "CREATE TABLE unreadable(stream TEXT, id INTEGER, PRIMARY KEY(stream, id)); BEGIN"
        )
        self._waiting: dict[str, list[tuple[Any, ...]]] = {stream: [] for stream in STREAMS}
        self.arrived = dict.fromkeys(STREAMS, 0)

    def put(self, stream: str, record: dict[str, Any], raw: bytes, replication: str | None) -> int | None:
        """Take a record; a later one of the same id replaces it.

        Args:
            stream: one of `STREAMS`.
            record: the decoded record.
            raw: the same as JSON without spaces.
            replication: value of its replication key, as text.

        Returns:
            Its id, or None if it has none that could be Keap's: then it was not taken.
        """
        digest = fingerprint(raw)
        number = (digest & _LARGEST_ID) if stream == "transactions" else keap_id(record.get("id"))
        if number is None:
            return None
        links = links_of(stream, record)
        waiting = self._waiting[stream]
        waiting.append(
            (
                number,
                replication,
                links.contact,
                links.ref,
                "[" + ",".join(map(str, links.more)) + "]" if links.more else None,
                digest,
                raw,
            )
        )
        self.arrived[stream] += 1
        if len(waiting) >= _BATCH:
            self._write(stream, "REPLACE")
        return number

    def put_kept(self, rows: Iterable[Row]) -> None:
        """Take records that an earlier run kept; those that arrived anew meanwhile are newer and stay."""
        self.settle()
        for row in rows:
            self.put(row.stream, msgspec.json.decode(row.raw), row.raw, row.replication)
            self.arrived[row.stream] -= 1
        for stream in STREAMS:
            self._write(stream, "IGNORE")

    def put_unreadable(self, stream: str, record_id: int) -> None:
        """Remember that a record arrived, though nothing can be made of it: it is not gone (rules 4.10, 6.7)."""
        self.connection.execute("INSERT OR IGNORE INTO unreadable VALUES (?, ?)", (stream, record_id))

    def settle(self) -> None:
        """Write what still waits in memory."""
        for stream in STREAMS:
            self._write(stream, "REPLACE")
        if self.connection.in_transaction:
            self.connection.execute("COMMIT")

    def attach(self, ledger: Path) -> None:
        """Let queries of the inbox see the ledger's tables, as `ledger`."""
        self.settle()
        self.connection.execute("ATTACH ? AS ledger", (str(ledger),))
        self.connection.execute("PRAGMA ledger.cache_size=-32000")

    def rest(self) -> None:
        """Planning, with the ledger attached, is over: give back its memory, for the writing and its databases.

        What is asked afterwards goes from row to row. Sorting takes up to as much again as the main cache may hold.
        """
        for schema in ("main", "temp", "ledger"):
            self.connection.execute(f"PRAGMA {schema}.cache_size=-8000")
        self.connection.execute("PRAGMA shrink_memory")

    def rows(self, stream: str) -> Iterator[Row]:
        """All records of a stream, by id."""
        for number, replication, raw in self.connection.execute(
            f"SELECT id, replication, raw FROM {stream} ORDER BY id"
        ):
            yield Row(stream, number, replication, bytes(raw))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Many statements under one lock: ten times as fast as each under its own."""
        self.connection.execute("BEGIN")
        try:
            yield
        finally:
            self.connection.execute("COMMIT")

    def content_fingerprint(self, streams: Iterable[str]) -> str:
        """One text for the whole content of some streams: equal content, equal text."""
        digest = blake2b(digest_size=16)
        for stream in streams:
            for number, each in self.connection.execute(f"SELECT id, hash FROM {stream} ORDER BY id"):
                digest.update(f"{stream}:{number}:{each};".encode())
        return digest.hexdigest()

    def close(self) -> None:
        """Close the file; whoever made its folder removes it."""
        self.connection.close()

    def _write(self, stream: str, otherwise: str) -> None:
        waiting = self._waiting[stream]
        if waiting:
            self.connection.executemany(
                f"INSERT OR {otherwise} INTO {stream} VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)",
                waiting,
            )
            waiting.clear()
