"""What a bulk import does with its records.

The documentation says nothing of records that fail. Here an invoice, line item or transaction that breaks a rule
is stored with its `errors`, counts for nothing and is listed with `validation_type=invalid` or `all` only; one that
cannot be attached to anything, and every other record that fails, is left out. An object that exists already stays
as it is, unless the choice `bulk_duplicates` says otherwise (plans and events stay in any case).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.chartmogul import customer_fields, errors, invoice_fields, transaction_fields
from sandbox.chartmogul.cancellations import cancel
from sandbox.chartmogul.customers import Customers
from sandbox.chartmogul.events import Events
from sandbox.chartmogul.fields import Reader
from sandbox.chartmogul.line_item_fields import LineItemFields
from sandbox.chartmogul.plans import Plans
from sandbox.chartmogul.records import DataSource, Invoice, LineItem, Transaction
from sandbox.chartmogul.settings import Settings
from sandbox.chartmogul.state import State

PARTS = ("invoices", "line_items", "transactions", "subscription_events")
KINDS = ("customers", "plans", *PARTS)
REFUSED = "could not be imported"
UNSUPPORTED = {"currency": ["Currency must be supported"]}


def customers_named(data: dict[str, Any], source: DataSource) -> frozenset[str]:
    """The customers' external ids that an import concerns, by its own records or by stored invoices."""
    found = {record.get("external_id") for record in data.get("customers", [])}
    for kind in ("invoices", "subscription_events"):
        found |= {record.get("customer_external_id") for record in data.get(kind, [])}
    for kind in ("line_items", "transactions"):
        for record in data.get(kind, []):
            invoice = source.invoices_by_id.get(record.get("invoice_external_id"))
            if invoice:
                found.add(invoice.customer_external_id)
    return frozenset(name for name in found if isinstance(name, str))


def late_records(source: DataSource, settings: Settings) -> list[Invoice | LineItem | Transaction]:
    """The records that are to be found invalid late."""
    indexes: tuple[Mapping[str, Invoice | LineItem | Transaction], ...] = (
        source.invoices_by_id,
        source.line_items_by_id,
        source.transactions_by_id,
    )
    if "*" in settings.late_failures:
        return list(source.invoices_by_id.values())
    return [index[name] for name in settings.late_failures for index in indexes if name in index]


class Importer:
    def __init__(self, state: State, source: DataSource, now: int) -> None:
        self._state = state
        self._store = state.store
        self._source = source
        self._now = now
        self._updates = state.settings.chose("bulk_duplicates", "updated")
        self._failures = frozenset(state.settings.import_failures)

    def run(self, data: dict[str, Any]) -> dict[str, Any]:
        """Import everything; returns `status_details`, which tells of success only."""
        plans, customers, events = Plans(self._state), Customers(self._state), Events(self._state)
        for record in data.get("plans", []):
            plan = plans.build(self._reader(record), self._source)
            if plan:
                self._store.add_plan(plan)
        for record in data.get("customers", []):
            known = self._source.customers_by_id.get(str(record.get("external_id"))) if self._updates else None
            if known:
                customer_fields.apply(known, customer_fields.read(self._reader(record)))
                self._store.version += 1
            elif customer := customers.build(self._reader(record), self._source):
                self._store.add_customer(customer)
        for record in data.get("invoices", []):
            self._invoice(record)
        for record in data.get("line_items", []):
            self._line_item(record)
        for record in data.get("transactions", []):
            self._transaction(record)
        for record in data.get("subscription_events", []):
            event = events.build(self._reader(record), self._source)
            if event:
                self._store.add_event(event)
        self._state.note_write(self._source.seq, sum(len(data.get(kind, [])) for kind in PARTS))
        return _details(data, self._source)

    def _reader(self, record: dict[str, Any]) -> Reader:
        return Reader(record, self._now)

    def _invoice(self, record: dict[str, Any]) -> None:
        reader = self._reader(record)
        external_id = reader.text("external_id", required=True)
        customer = self._source.customers_by_id.get(str(record.get("customer_external_id")))
        known = self._source.invoices_by_id.get(external_id or "")
        if external_id is None or customer is None or (known and not self._updates):
            return
        values = invoice_fields.header(reader)
        if known:
            for name, value in values.items():
                setattr(known, name, value)
            self._store.invoice_changed(known)
            return
        invoice = Invoice(
            self._store.next_seq(),
            self._source,
            customer,
            record["customer_external_id"],
            external_id,
            values["date"] or 0,
            values["currency"] or "",
            self._now,
            due_date=values["due_date"],
            collection_method=values["collection_method"],
            errors=self._errors(reader, external_id),
        )
        self._store.add_invoice(invoice)

    def _line_item(self, record: dict[str, Any]) -> None:
        invoice = self._source.invoices_by_id.get(str(record.get("invoice_external_id")))
        if invoice is None:
            return
        reader = self._reader(record)
        known = self._source.line_items_by_id.get(str(record.get("external_id"))) if self._updates else None
        draft = LineItemFields(self._store, self._source, plans_by_id=True).read(reader, set(), known)
        if known:
            self._store.change_line_item(known, draft.values, draft.extra, draft.subscription_id, draft.set_id)
            return
        if reader.errors.get("external_id") == errors.DUPLICATE_LINE_ITEM:
            return
        line = draft.build(self._store.next_seq(), invoice)
        line.errors = self._errors(reader, line.external_id)
        subscription_id = draft.subscription_id if line.plan and line.period_start is not None else None
        self._store.add_line_item(line, subscription_id, draft.set_id)
        if draft.cancelled_at is not None and line.subscription and not line.errors:
            cancel(self._store, line.subscription, draft.cancelled_at, self._now)

    def _transaction(self, record: dict[str, Any]) -> None:
        invoice = self._source.invoices_by_id.get(str(record.get("invoice_external_id")))
        if invoice is None:
            return
        reader = self._reader(record)
        known = self._source.transactions_by_id.get(str(record.get("external_id"))) if self._updates else None
        draft = transaction_fields.read(reader, self._source, set(), known)
        if known:
            self._store.change_transaction(known, draft.values, draft.extra)
            return
        if reader.errors.get("external_id") == errors.TAKEN:
            return
        stored = [transaction_fields.stored_values(t) for t in invoice.transactions]
        if transaction_fields.exceeds(invoice.total(), [*stored, draft.values]):
            reader.note("amount_in_cents", transaction_fields.EXCEEDS)
        transaction = draft.build(self._store.next_seq(), invoice)
        transaction.errors = self._errors(reader, transaction.external_id)
        self._store.add_transaction(transaction)

    def _errors(self, reader: Reader, external_id: str | None) -> dict[str, list[str]] | None:
        found = {name: [text] for name, text in reader.errors.items()}
        if external_id in self._failures:
            found["base"] = [REFUSED]
        return found or None


def _details(data: dict[str, Any], source: DataSource) -> dict[str, Any]:
    details: dict[str, Any] = {"plans": {"status": "imported"}} if data.get("plans") else {}
    done = {"status": "imported"}
    for external_id in customers_named(data, source):
        details[external_id] = {"status": "imported", "customers": done, **dict.fromkeys(PARTS, done)}
    return details
