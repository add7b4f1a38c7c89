"""What arrives in a run: records go into the store, and what cannot be taken is listed."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

from target_chartmogul.billing.decisions import Reject
from target_chartmogul.billing.nodes import node
from target_chartmogul.failures import ConfigurationError
from target_chartmogul.progress import Progress
from target_chartmogul.sources.protocol import InvalidRecordError

if TYPE_CHECKING:
    from target_chartmogul.sources.protocol import Source
    from target_chartmogul.store.store import Store

logger = logging.getLogger("target-chartmogul")


class Intake:
    """The receiving end of a run."""

    def __init__(self) -> None:
        self.source: Source | None = None
        """Whose records these are; None before the first stream that this target uses."""
        self._store: Store | None = None
        self._numbers: dict[str, int] = {}
        self.rejects: list[Reject] = []
        """Rows and lines that no record of the store stands for."""
        self.arrived: Counter[str] = Counter()
        self.activated: set[str] = set()
        """Streams of which a read ended (ACTIVATE_VERSION)."""
        self.gone: Counter[str] = Counter()
        """Records that are gone from their source, as this run heard."""
        self.ignored: set[str] = set()
        self.version: int | None = None
        """Of the RECORD message that is being taken."""
        self.progress = Progress()
        self.progress.begin("stored", "records")

    def admit(self, source: Source) -> None:
        """A stream of this source comes.

        Raises:
            ConfigurationError: one of another source came before.
        """
        if self.source is not None and self.source.name != source.name:
            raise ConfigurationError(
                "Keap's streams and streams of ChartMogul's objects came in one run: run each with a configuration of "
                "its own, with another `external_id_prefix` and `store_path`"
            )
        self.source = source

    def open(self, store: Store) -> None:
        """From now on records can be taken."""
        self._store = store
        self._numbers = {stream: n for n, stream in enumerate(self.source.streams if self.source else ()) if stream}

    def take(self, stream: str, raw: bytes, record: dict[str, Any], version: int | None) -> None:
        """A row that fits its stream's schema; what the source cannot read is kept as invalid (rule 1.5)."""
        store, source = self._store, self.source
        if store is None or source is None:
            return
        self.progress.advance()
        self.arrived[stream] += 1
        number = self._numbers[stream]
        try:
            found = source.read(stream, raw)
        except InvalidRecordError as error:
            self._refuse(stream, raw, record, version, error.field, error.reason, error.record_id)
            return
        if found.gone:
            store.records.saw(number, version, found.number)
            store.records.gone(node(number, found.number))
            self.gone[stream] += 1
        else:
            store.records.put(number, found.number, found.payload, found.links, id_text=found.id_text, version=version)

    def take_invalid(self, stream: str, raw: bytes, record: Any, version: int | None, field: str, reason: str) -> None:
        """A row that does not fit its stream's schema, or is not JSON."""
        self.progress.advance()
        self.arrived[stream] += 1
        self._refuse(stream, raw, record, version, field, reason, None)

    def _refuse(
        self, stream: str, raw: bytes, record: Any, version: int | None, field: str, reason: str, name: str | None
    ) -> None:
        known = self.source.id_of(stream, record) if self.source and isinstance(record, dict) else None
        if known is None or self._store is None:
            self.reject(stream, name or self._name_of(record), field, reason)
            if self._store is not None:
                # Nobody knows which record it was: a read with such a row does not tell what is gone.
                self._store.records.saw(self._numbers[stream], None, 0)
            return
        number, id_text = known
        self._store.records.put_invalid(
            self._numbers[stream], number, raw, field, reason, id_text=id_text, version=version
        )

    def activate(self, stream: str, version: int) -> None:
        """ACTIVATE_VERSION: a read of the stream ended."""
        if self._store is not None and stream in self._numbers:
            self.gone[stream] += self._store.records.activate(self._numbers[stream], version)
            self.activated.add(stream)

    def read_began(self, stream: str) -> datetime | None:
        """The clock of the run in which a read of the stream began that this run resumed; None if it began in it."""
        known = self._store is not None and stream in self._numbers
        return self._store.records.read_began(self._numbers[stream]) if self._store is not None and known else None

    def reject(self, stream: str, name: str | None, field: str, reason: str) -> None:
        """Note a row that no record of the store stands for, without its values."""
        self.rejects.append(Reject(stream=stream, id=name or "(no id)", field=field, reason=reason))

    def reject_line(self, number: int, stream: str, record_id: Any, field: str, reason: str) -> None:
        """A line that cannot be read: it costs the record that it would have brought."""
        name = self._name_of({"id": record_id}) or f"line {number}"
        self.reject(stream or "(unknown)", name, field, reason)
        if self._store is not None and stream in self._numbers:
            # Nobody knows which record it was: such a read does not say what is gone.
            self._store.records.saw(self._numbers[stream], None, 0)

    def report_ignored(self) -> None:
        """Say once which streams this target does not use."""
        if self.ignored:
            logger.warning("Ignoring streams that this target does not use: %s", ", ".join(sorted(self.ignored)))

    def streams(self) -> list[str]:
        """Streams that this target uses."""
        return list(self._numbers)

    def stream_number(self, stream: str) -> int | None:
        """The number of a stream that this target uses."""
        return self._numbers.get(stream)

    def _name_of(self, record: Any) -> str | None:
        return self.source.name_of(record) if self.source is not None and isinstance(record, dict) else None
