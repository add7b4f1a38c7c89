"""Bulk imports, `json_imports` (fact sheet §5): accepted at once, carried out on the machine's clock."""

from __future__ import annotations

import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from sandbox.chartmogul import errors, timestamps
from sandbox.chartmogul.http import Answer, Call
from sandbox.chartmogul.import_records import KINDS, REFUSED, UNSUPPORTED, Importer, customers_named, late_records
from sandbox.chartmogul.records import DataSource, Invoice
from sandbox.chartmogul.state import State

LARGEST_BODY = 5 * 1000 * 1000


@dataclass(slots=True)
class JsonImport:
    """`data` is dropped when the import is completed; `customers` are the external ids it concerns."""

    id: str
    source: DataSource
    external_id: str
    created_at: int
    accepted: float
    data: dict[str, Any]
    customers: frozenset[str]
    status: str = "queued"
    updated_at: int = 0
    details: dict[str, Any] = field(default_factory=dict)


class Imports:
    def __init__(self, state: State) -> None:
        self._state = state
        self._unfinished: deque[JsonImport] = deque()
        self._unvalidated: deque[tuple[float, DataSource]] = deque()

    def reset(self) -> None:
        self._unfinished.clear()
        self._unvalidated.clear()

    def create(self, call: Call) -> Answer:
        source = self._source(call)
        if self._state.settings.chose("bulk_imports", "absent"):
            raise errors.ApiError(404, {"error": "Not found"})
        if call.size > LARGEST_BODY:
            raise errors.coded(422, "The import exceeds the limit of 5 MB")
        data = call.object()
        external_id = data.get("external_id")
        if not isinstance(external_id, str) or not external_id:
            raise errors.missing_parameter("external_id")
        if external_id in source.imports_by_id:
            raise errors.fields({"external_id": errors.TAKEN})
        for kind in KINDS:
            records = data.get(kind, [])
            if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
                raise errors.coded(400, f'Parameter "{kind}" is invalid', kind)
        customers = customers_named(data, source)
        busy = next((i for i in self._unfinished if i.source is source and i.customers & customers), None)
        if busy:
            raise errors.fields({"customers": "an import for one of these customers is still being processed"})
        accepted = JsonImport(
            str(uuid.uuid4()), source, external_id, call.now, time.monotonic(), data, customers, updated_at=call.now
        )
        source.imports_by_id[external_id] = accepted
        self._unfinished.append(accepted)
        return Answer(self._show(accepted))

    def retrieve(self, call: Call) -> Answer:
        source, wanted = self._source(call), call.path["id"]
        found = source.imports_by_id.get(wanted)
        if found is None:
            found = next((i for i in source.imports_by_id.values() if i.id == wanted), None)
        if found is None:
            raise errors.not_found("Import")
        return Answer(self._show(found))

    def carry_out(self) -> None:
        """Bring every import to the state that it has by now, the oldest first; then what is validated late."""
        settings = self._state.settings
        for pending in list(self._unfinished):
            age = time.monotonic() - pending.accepted
            if not pending.source.alive:
                self._unfinished.remove(pending)
            elif age >= settings.import_queued + settings.import_processing:
                self._complete(pending)
            elif age >= settings.import_queued:
                pending.status = "processing"
        self._validate()

    def _complete(self, pending: JsonImport) -> None:
        now = self._state.now()
        importer = Importer(self._state, pending.source, now)
        pending.details = importer.run(pending.data)
        pending.status, pending.updated_at, pending.data = "completed", now, {}
        self._unfinished.remove(pending)
        if waiting := late_records(pending.source, self._state.settings):
            self._state.unvalidated[pending.source.seq] = len(waiting)
            ripe = time.monotonic() + self._state.settings.validation_delay
            self._unvalidated.append((ripe, pending.source))

    def _validate(self) -> None:
        """Find what is invalid although its import is completed."""
        while self._unvalidated and self._unvalidated[0][0] <= time.monotonic():
            source = self._unvalidated.popleft()[1]
            found = late_records(source, self._state.settings)
            self._state.settings.late_failures = []  # what is sent again is good
            for record in found:
                invoice = record if isinstance(record, Invoice) else record.invoice
                record.errors = dict(UNSUPPORTED) if record is invoice else {"base": [REFUSED]}
                self._state.store.invoice_changed(invoice)
            self._state.unvalidated.pop(source.seq, None)

    def _source(self, call: Call) -> DataSource:
        source = self._state.store.source(call.path["uuid"])
        if source is None:
            raise errors.not_found("Data source")
        return source

    def _show(self, shown: JsonImport) -> dict[str, Any]:
        return {
            "id": shown.id,
            "data_source_uuid": self._state.store.ids.uuid("ds", shown.source.seq),
            "status": self._state.settings.import_statuses.get(shown.status, shown.status),
            "external_id": shown.external_id,
            "status_details": shown.details,
            "created_at": timestamps.with_seconds(shown.created_at),
            "updated_at": timestamps.with_seconds(shown.updated_at),
        }
