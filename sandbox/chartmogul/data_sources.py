"""Data sources (fact sheet §3.2)."""

from __future__ import annotations

import time
from typing import Any

from sandbox.chartmogul import errors, timestamps
from sandbox.chartmogul.http import NO_CONTENT, Answer, Call
from sandbox.chartmogul.records import DataSource
from sandbox.chartmogul.state import State


class DataSources:
    def __init__(self, state: State) -> None:
        self._state = state

    def create(self, call: Call) -> Answer:
        data = call.object()
        if "name" not in data:
            raise errors.missing_parameter("name")
        name = data["name"]
        if not isinstance(name, str) or not name.strip():
            raise errors.fields({"name": "A name is required for each data source."})
        if len(name) > 255:
            raise errors.fields({"name": errors.TOO_LONG})
        busy_until = self._state.deletions.get(name, 0.0)
        if self._state.store.source_named(name) or busy_until > time.monotonic():
            raise errors.fields({"name": "Has already been taken."})
        source = DataSource(self._state.store.next_seq(), name, "Custom", call.now)
        self._state.store.add_source(source)
        return Answer(self.show(source, call), 201)

    def list(self, call: Call) -> Answer:
        name, system = call.query.get("name"), call.query.get("system")
        found = [
            self.show(source, call)
            for source in self._state.store.sources.values()
            if name in (None, source.name) and system in (None, source.system)
        ]
        return Answer({"data_sources": found})

    def retrieve(self, call: Call) -> Answer:
        return Answer(self.show(self.find(call), call))

    def destroy(self, call: Call) -> Answer:
        """Delete a source and all in it; its name stays taken until the clean-up has ended."""
        source = self.find(call)
        self._state.store.delete_source(source)
        self._state.deletions[source.name] = time.monotonic() + self._state.settings.deletion_delay
        return NO_CONTENT

    def empty(self, call: Call) -> Answer:
        self._state.store.empty_source(self.find(call), keep_customers=False)
        return NO_CONTENT

    def empty_dependent(self, call: Call) -> Answer:
        self._state.store.empty_source(self.find(call), keep_customers=True)
        return NO_CONTENT

    def destroy_customer_invoices(self, call: Call) -> Answer:
        source = self.find(call)
        customer = self._state.store.customer(call.path["customer_uuid"])
        if customer is None:
            raise errors.customer_not_found(call.path["customer_uuid"])
        for invoice in [i for i in customer.invoices if i.source is source]:
            self._state.store.delete_invoice(invoice)
        return NO_CONTENT

    def find(self, call: Call) -> DataSource:
        source = self._state.store.source(call.path["uuid"])
        if source is None:
            raise errors.not_found("Data source")
        return source

    def show(self, source: DataSource, call: Call) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "uuid": self._state.store.ids.uuid("ds", source.seq),
            "name": source.name,
            "system": source.system,
            "created_at": timestamps.with_milliseconds(source.created_at),
            "status": "idle",
        }
        settings = self._state.settings
        if call.flag("with_processing_status"):
            shown["processing_status"] = self._processing(source)
        if call.flag("with_auto_churn_subscription_setting"):
            shown["auto_churn_subscription_setting"] = settings.auto_churn_subscription_setting
        if call.flag("with_invoice_handling_setting"):
            shown["invoice_handling_setting"] = settings.invoice_handling_setting
        shown |= {name: value for name, value in settings.source_fields.items() if name in shown}
        return {name: value for name, value in shown.items() if name not in settings.hidden_source_fields}

    def _processing(self, source: DataSource) -> dict[str, int]:
        pending = self._state.pending(source.seq)
        failed = sum(1 for invoice in source.invoices if not invoice.is_valid())
        records = len(source.invoices) + len(source.events)
        return {"processed": max(records - pending - failed, 0), "failed": failed, "pending": pending}
