"""The records: the last version of each, what each names, and the marks that a change leaves (rules 1.5, 1.6, 1.8)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from hashlib import blake2b
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec

from target_chartmogul.billing.nodes import FIRST_NODE, as_json, node, number_of, stream_of
from target_chartmogul.store.file import StoreFile
from target_chartmogul.store.links import Links, rows_of
from target_chartmogul.store.marks import Marks
from target_chartmogul.store.meta import Meta
from target_chartmogul.store.nodes import SourceNodes
from target_chartmogul.store.persons import is_of_forgotten
from target_chartmogul.store.reads import Reads

_BATCH: Final = 2000
_KNOWN: Final = (
    "SELECT r.node, r.hash, r.gone, r.id_text FROM json_each(?) AS wanted CROSS JOIN record AS r"
    " ON r.node = wanted.value"
)
_WITH_PREVIOUS: Final = (
    "SELECT node, payload, previous FROM json_each(?) AS wanted CROSS JOIN record INDEXED BY record_previous"
    " ON node = wanted.value WHERE previous IS NOT NULL AND invalid IS NULL"
)


class Record(NamedTuple):
    """A record as the store has it."""

    stream: int
    number: int
    payload: bytes
    """The last version, as its source reduced it; what arrived, if `invalid` says that it cannot be read."""
    previous: bytes | None
    """The last version that was read and accepted, while the present one is not."""
    invalid: bytes | None
    """JSON with `field` and `reason`."""
    gone: bool
    id_text: str | None


class _Arrived(NamedTuple):
    payload: bytes
    links: tuple[int, ...]
    id_text: str | None
    invalid: bytes | None


class Records:
    """Takes records in batches and writes what differs from what the store has.

    Args:
        file: the open store.
        meta: of the same store.
        source: says what a payload names.
    """

    def __init__(self, file: StoreFile, meta: Meta, source: SourceNodes) -> None:
        self._file = file
        self._links = Links(file, source)
        self._marks = Marks(file, meta)
        self._batch: dict[int, _Arrived] = {}
        self._contact_stream = source.contact_stream
        self._forgotten = {each for (each,) in file.rows("SELECT node FROM forgotten")}
        self._reads = Reads(file, meta)
        self.collided: list[tuple[int, str]] = []
        """Stream and id of records that were not taken, since the store has another id under the same number."""

    # what arrives

    def put(
        self,
        stream: int,
        number: int,
        payload: bytes,
        links: Iterable[int],
        *,
        id_text: str | None = None,
        version: int | None = None,
    ) -> None:
        """Take a record; it replaces its last version, and one of equal content changes nothing.

        Args:
            stream: number of its stream.
            number: its own, below `NUMBERS`.
            payload: what the source needs of it; equal content, equal bytes.
            links: nodes that it names.
            id_text: the id that `number` was made of, if it is a text.
            version: of the row, if it carries one (`_sdc_table_version`).
        """
        self._take(stream, number, version, _Arrived(payload, tuple(links), id_text, None))

    def put_invalid(
        self,
        stream: int,
        number: int,
        raw: bytes,
        field: str,
        reason: str,
        *,
        id_text: str | None = None,
        version: int | None = None,
    ) -> None:
        """Take a record that cannot be read: the last valid version still counts (rule 1.5)."""
        invalid = msgspec.json.encode({"field": field, "reason": reason})
        self._take(stream, number, version, _Arrived(raw, (), id_text, invalid))

    def saw(self, stream: int, version: int | None, number: int) -> None:
        """A row came whose record is not to be kept."""
        if version is None:
            self._reads.unversioned(stream)
        else:
            self._reads.saw(stream, version, number)

    def gone(self, node: int) -> None:
        """A row said that its record was deleted (`_sdc_deleted_at`)."""
        self.flush()
        if self._file.row("SELECT 1 FROM record WHERE node = ? AND gone = 0", (node,)):
            self._file.begin_loading()
            self._set_gone([node])

    def activate(self, stream: int, version: int) -> int:
        """ACTIVATE_VERSION came: what a whole read lacked is gone (rule 1.8).

        Returns:
            How many records are gone by it.
        """
        self.flush()
        number = 0
        lacking = self._reads.activate(stream, version)
        while batch := list(islice(lacking, _BATCH)):
            self._file.begin_loading()
            self._set_gone(batch)
            number += len(batch)
        return number

    def read_began(self, stream: int) -> datetime | None:
        """The clock of the run in which a read began that this one resumed; None if it began in this run."""
        began = self._reads.began(stream)
        return None if began is None else datetime.fromisoformat(began)

    def input_complete(self) -> None:
        """The input came to its end: the accounts that it touched need not wait for the next one."""
        self.flush()
        self._marks.input_complete()

    def flush(self) -> None:
        """Write what waits in memory; `commit` makes it last."""
        if not self._batch:
            return
        batch, self._batch = self._batch, {}
        with self._file.lock:
            known = {
                node: (digest, gone, id_text)
                for node, digest, gone, id_text in self._file.database.execute(_KNOWN, (as_json(batch),))
            }
            new, touched, links = [], [], []
            for node, arrived in sorted(batch.items()):
                payload, named, id_text, invalid = arrived
                digest = _hash(payload, invalid)
                found = known.get(node)
                if found is None:
                    new.append((node, digest, id_text, invalid, payload))
                    touched.append(node)
                    links += rows_of(node, named)
                elif found[2] != id_text:
                    self.collided.append((stream_of(node), id_text or ""))
                elif found[0] != digest:
                    self._file.begin_loading()
                    self._replace(node, digest, arrived)
                    touched.append(node)
                elif found[1]:
                    self._file.begin_loading()
                    self._file.database.execute("UPDATE record SET gone = 0 WHERE node = ?", (node,))
                    if node >= FIRST_NODE:  # of the catalogue it still counted
                        touched.append(node)
            if new:
                self._file.begin_loading()
                self._file.database.executemany("INSERT INTO record VALUES (?, ?, 0, ?, ?, ?, NULL)", new)
                self._links.add(links)
            self._marks.arrived(touched)

    def commit(self, unfinished_reads: Collection[int] = (), now: datetime | None = None) -> None:
        """Make all of it last, before a STATE goes out.

        Args:
            unfinished_reads: versions that this STATE names.
            now: the clock of the run, aware.
        """
        self.flush()
        self._reads.keep(unfinished_reads, None if now is None else now.isoformat())
        self._file.commit()

    def close(self) -> None:
        """Forget what was not committed."""
        self._batch.clear()
        self._reads.close()

    # what the store has

    def get(self, node: int) -> Record | None:
        """One record."""
        self.flush()
        found = self._file.row(
            "SELECT node, payload, previous, invalid, gone, id_text FROM record WHERE node = ?", (node,)
        )
        return None if found is None else as_record(found)

    def counts(self) -> dict[int, int]:
        """How many records of each stream are not gone."""
        self.flush()
        return dict(self._file.rows("SELECT node >> 59, count(*) FROM record WHERE gone = 0 GROUP BY 1"))

    def count_known(self, stream: int) -> int:
        """How many records of a stream there are, gone ones too."""
        self.flush()
        found: int = self._file.row(
            "SELECT count(*) FROM record WHERE node >= ? AND node < ?", (node(stream, 0), node(stream + 1, 0))
        )[0]
        return found

    def catalogue(self) -> list[Record]:
        """All records of the catalogue, gone ones too: their last version still counts (rule 1.8)."""
        self.flush()
        rows = self._file.rows(
            "SELECT node, payload, previous, invalid, gone, id_text FROM record WHERE node < ? ORDER BY node",
            (FIRST_NODE,),
        )
        return [as_record(row) for row in rows]

    def invalid(self) -> Iterator[Record]:
        """All that cannot be read: to be put again when settings or rules change."""
        self.flush()
        last = -1
        while found := self._file.row(
            "SELECT node, payload, previous, invalid, gone, id_text FROM record INDEXED BY record_invalid"
            " WHERE node > ? AND invalid IS NOT NULL ORDER BY node LIMIT 1",
            (last,),
        ):
            last = found[0]
            yield as_record(found)

    # what decisions say

    def accept(self, nodes: Iterable[int]) -> bool:
        """A decision accepted the present versions of these: the previous ones, and what only they name, go.

        Returns:
            Whether some named anything else before.
        """
        parts = False
        for each, payload, previous in self._file.rows(_WITH_PREVIOUS, (as_json(nodes),)):
            after = self._links.named(each, payload)
            parts |= bool(self._links.change(each, self._links.named(each, previous) | after, after))
            self._file.database.execute("UPDATE record SET previous = NULL WHERE node = ?", (each,))
        return parts

    @property
    def first_read_done(self) -> bool:
        """Whether every stream was read to its end once (rule 1.8): before, nothing may be decided."""
        return self._marks.active

    @property
    def awaits_input(self) -> bool:
        """Whether the last input was cut off: the accounts that it touched wait for the next one (rule 1.8)."""
        return self._marks.await_input

    @property
    def has_forgotten(self) -> bool:
        """Whether a person was erased: what ChartMogul has of them is not in the store any more."""
        return bool(self._forgotten)

    def finish_first_read(self) -> None:
        """From now on what arrives marks its account; the caller marks all of them once."""
        self._marks.set_active(active=True)

    def forget_first_read(self) -> None:
        """Every stream is to be read to its end again before anything is decided."""
        self._marks.set_active(active=False)

    def forget(self, nodes: list[int]) -> None:
        """Erase records; they are not taken again, nor is what names nobody else."""
        self.flush()
        self._forgotten.update(nodes)
        database = self._file.database
        for each in nodes:
            found = self._file.row("SELECT payload, previous, invalid FROM record WHERE node = ?", (each,))
            if found is not None:
                payload, previous, invalid = found
                self._links.change(each, self._links.named(each, None if invalid else payload, previous), set())
            self._links.erase(each)
            database.execute("DELETE FROM record WHERE node = ?", (each,))
            database.execute("INSERT OR IGNORE INTO forgotten VALUES (?)", (each,))

    def _take(self, stream: int, number: int, version: int | None, arrived: _Arrived) -> None:
        if version is None:
            self._reads.unversioned(stream)
        else:
            self._reads.saw(stream, version, number)
        name = node(stream, number)
        if self._forgotten and (
            name in self._forgotten or is_of_forgotten(arrived.links, self._forgotten, self._contact_stream)
        ):
            self._stay_forgotten(name)
            return
        self._batch[name] = arrived
        if len(self._batch) >= _BATCH:
            self.flush()

    def _stay_forgotten(self, name: int) -> None:
        if name not in self._forgotten:
            self._forgotten.add(name)
            self._file.begin_loading()
            self._file.database.execute("INSERT INTO forgotten VALUES (?)", (name,))

    def _replace(self, node: int, digest: int, arrived: _Arrived) -> None:
        """Write a changed record. What its new version, or one that was accepted before, names stays linked."""
        payload, previous, invalid = self._file.row(
            "SELECT payload, previous, invalid FROM record WHERE node = ?", (node,)
        )
        valid = payload if invalid is None else None
        before = self._links.named(node, valid, previous)
        if node < FIRST_NODE:  # no decision accepts it: what can be read counts
            previous = None if arrived.invalid is None else previous if valid is None else valid
        elif previous is None:
            previous = valid
        self._file.database.execute(
            "UPDATE record SET hash = ?, gone = 0, invalid = ?, payload = ?, previous = ? WHERE node = ?",
            (digest, arrived.invalid, arrived.payload, previous, node),
        )
        after = self._links.named(node, previous).union(arrived.links)
        self._marks.arrived(self._links.change(node, before, after))

    def _set_gone(self, nodes: list[int]) -> None:
        self._file.database.executemany("UPDATE record SET gone = 1 WHERE node = ?", [(each,) for each in nodes])
        # Of the catalogue the last version still counts.
        self._marks.arrived(each for each in nodes if each >= FIRST_NODE)


def as_record(row: Any) -> Record:
    """Of a row: node, payload, previous, invalid, gone, id_text."""
    return Record(stream_of(row[0]), number_of(row[0]), row[1], row[2], row[3], bool(row[4]), row[5])


def _hash(payload: bytes, invalid: bytes | None) -> int:
    """Of the same bytes, read and not read, it differs."""
    found = blake2b(payload, digest_size=8)
    if invalid is not None:
        found.update(b"\0" + invalid)
    return int.from_bytes(found.digest(), "big", signed=True)
