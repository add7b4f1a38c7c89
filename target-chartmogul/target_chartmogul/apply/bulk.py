"""The first load of an account by bulk imports, and the proof of what came of them.

Lanes of customers that ChartMogul does not have are imported in bulk. Then customers, invoices and events are listed
once: what is there as desired is acknowledged; what is missing, invalid or different is left to be sent singly.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Final, Self

import msgspec

from target_chartmogul.apply.bulk_body import Body, is_new
from target_chartmogul.apply.lanes import Lane
from target_chartmogul.billing.changes import Change, ChartMogulObject, Journal
from target_chartmogul.billing.normal import normal
from target_chartmogul.billing.objects import Invoice
from target_chartmogul.chartmogul.client import ChartMogulClient
from target_chartmogul.chartmogul.json_imports import JsonImports
from target_chartmogul.chartmogul.listing import Listed, Listing
from target_chartmogul.chartmogul.wire import Wire

logger = logging.getLogger(__name__)

FEWEST_CUSTOMERS: Final = 500
"""New customers from which on `load_method: auto` loads in bulk."""
_AT_ONCE: Final = 200
"""Objects that are acknowledged together: a page of ChartMogul's."""

_TABLES: Final = """
PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-32000;
CREATE TABLE expected(kind TEXT, id TEXT, lane INTEGER, digest BLOB, rule TEXT, PRIMARY KEY(kind, id)) WITHOUT ROWID;
CREATE INDEX expected_lane ON expected(lane);
CREATE TABLE lane(number INTEGER PRIMARY KEY, bulk INTEGER);
BEGIN;
"""


def loads_in_bulk(method: str, new_customers: int) -> bool:
    """Setting `load_method`: `auto`, `bulk` or `single`."""
    return new_customers > 0 and (method == "bulk" or (method == "auto" and new_customers >= FEWEST_CUSTOMERS))


class BulkLoader:
    """Loads lanes in bulk; what it cannot load so comes back from `leftovers`.

    Args:
        client: ChartMogul.
        wire: the form of the data source.
        journal: hears what was taken.
        imports: the data source's bulk imports, after `finish_earlier`.
        path: a scratch file to create: what was sent is remembered on disk.
    """

    def __init__(
        self, client: ChartMogulClient, wire: Wire, journal: Journal, imports: JsonImports, path: Path
    ) -> None:
        self._client = client
        self._wire = wire
        self._journal = journal
        self._imports = imports
        self._listing = Listing(client, wire)
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.executescript(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def load(self, lanes: Iterable[Lane]) -> None:
        """Import what is new, wait for it, and acknowledge what ChartMogul then holds as desired.

        Raises:
            StoppedError: the run ends; imports under way are waited for by the next run.
            CredentialsError, UnreachableError: see `ChartMogulClient`.
        """
        body = Body(self._wire)
        gathered: list[Lane] = []
        for lane in lanes:
            if self._client.stop.is_set():
                self._client.pause(0)
            number, changes = lane
            bulk = is_new(changes)
            if bulk and not body.take(changes):
                self._post(body, gathered)
                body, gathered = Body(self._wire), []
                bulk = body.take(changes)
            if bulk:
                gathered.append(lane)
            else:
                self._database.execute("INSERT INTO lane VALUES (?, 0)", (number,))
        self._post(body, gathered)
        self._imports.wait()
        self._verify()

    def leftovers(self, lane_again: Callable[[int], Sequence[Change]]) -> Iterator[Lane]:
        """Lanes that are still to be sent, with those of their changes that are not there; others are done.

        Args:
            lane_again: gives the changes of a lane by its number.
        """
        for number, bulk in self._database.execute("SELECT number, bulk FROM lane ORDER BY number"):
            if not bulk:
                yield number, lane_again(number)
                continue
            missing = set(self._database.execute("SELECT kind, id FROM expected WHERE lane = ?", (number,)))
            if missing:
                yield number, [each for each in lane_again(number) if (each.kind, each.external_id) in missing]
            else:
                self._journal.lane_done(number, complete=True)

    def _post(self, body: Body, lanes: list[Lane]) -> None:
        if not lanes:
            return
        with self._journal.together():
            for number, changes in lanes:
                for change in changes:
                    self._journal.intend(change)
                    self._expect(number, change)
                self._database.execute("INSERT INTO lane VALUES (?, 1)", (number,))
        if self._imports.post(body.records):
            logger.info("Bulk import of %d customers, %.1f MB", body.customers, body.size / 1_000_000)

    def _expect(self, lane: int, change: Change) -> None:
        """Remember what is to be found.

        An invoice to be written off will differ: imports have no status, it is set singly (rule 5.7).
        """
        assert change.desired is not None  # noqa: S101  only what is created is imported in bulk
        self._database.execute(
            "INSERT INTO expected VALUES (?, ?, ?, ?, ?)",
            (change.kind, change.external_id, lane, _digest(change.desired), change.rule),
        )

    def _verify(self) -> None:
        listed = chain(self._listing.customers(), self._listing.invoices(), self._listing.events())
        found = 0
        while some := list(islice(listed, _AT_ONCE)):
            with self._journal.together():
                found += sum(map(self._accept, some))
        (missing,) = self._database.execute("SELECT count(*) FROM expected").fetchone()
        logger.info("Bulk imports: %d objects are there as they should be, %d are sent one by one", found, missing)

    def _accept(self, listed: Listed) -> bool:
        """Acknowledge an object that is there as desired."""
        key = (listed.kind, listed.content.external_id)
        row = self._database.execute("SELECT digest, rule FROM expected WHERE kind = ? AND id = ?", key).fetchone()
        if row is None or listed.marks or row[0] != _digest(listed.content):
            return False
        self._database.execute("DELETE FROM expected WHERE kind = ? AND id = ?", key)
        change = Change(
            action="create",
            kind=listed.kind,
            external_id=listed.content.external_id,
            desired=listed.content,
            parent=listed.content.customer_external_id if isinstance(listed.content, Invoice) else None,
            rule=row[1],
        )
        self._journal.acknowledged(change, listed.uuids)
        return True


def _digest(thing: ChartMogulObject) -> bytes:
    """Equal for objects that ChartMogul would give back the same."""
    return hashlib.blake2b(msgspec.json.encode(normal(thing)), digest_size=16).digest()
