"""Reading invoices, with their line items and transactions, from an import request (fact sheet §3.6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sandbox.chartmogul import errors, transaction_fields
from sandbox.chartmogul.cancellations import cancel
from sandbox.chartmogul.fields import Reader
from sandbox.chartmogul.line_item_fields import LineItemDraft, LineItemFields
from sandbox.chartmogul.records import Customer, DataSource, Invoice
from sandbox.chartmogul.store import Store
from sandbox.chartmogul.transaction_fields import TransactionDraft

COLLECTION_METHODS = ("automatic", "manual")


@dataclass
class InvoiceDraft:
    source: DataSource
    customer: Customer
    customer_external_id: str
    values: dict[str, Any]
    line_items: list[LineItemDraft] = field(default_factory=list)
    transactions: list[TransactionDraft] = field(default_factory=list)


@dataclass
class Taken:
    """External ids used earlier in the same request."""

    invoices: set[str] = field(default_factory=set)
    line_items: set[str] = field(default_factory=set)
    transactions: set[str] = field(default_factory=set)


def header(reader: Reader, *, partial: bool = False) -> dict[str, Any]:
    """`date`, `due_date`, `currency` and `collection_method`; `partial` reads only what is there."""
    found: dict[str, Any] = {}
    if not partial or reader.has("date"):
        found["date"] = reader.moment("date", required=True, past="Date is in the future")
    if not partial or reader.has("due_date"):
        found["due_date"] = reader.moment("due_date")
    if not partial or reader.has("currency"):
        found["currency"] = reader.currency("currency", required=True)
    if not partial or reader.has("collection_method"):
        found["collection_method"] = reader.choice("collection_method", COLLECTION_METHODS)
    return found


def read_invoice(
    store: Store, customer: Customer, data: dict[str, Any], now: int, taken: Taken
) -> tuple[InvoiceDraft, dict[str, str]]:
    """One invoice of an import and its errors by path (`line_items.external_id`)."""
    reader = Reader(data, now)
    source, customer_external_id = _owner(store, customer, reader)
    values = header(reader)
    values["external_id"] = _external_id(reader, source, taken)
    draft = InvoiceDraft(source, customer, customer_external_id, values)
    found = reader.errors
    lines = data.get("line_items")
    if not isinstance(lines, list) or not lines:
        reader.note("line_items", errors.BLANK)
        lines = []
    line_fields = LineItemFields(store, source)
    for line in lines:
        part = Reader(line if isinstance(line, dict) else {}, now, "line_items.")
        draft.line_items.append(line_fields.read(part, taken.line_items))
        found |= {path: text for path, text in part.errors.items() if path not in found}
    _read_transactions(draft, data.get("transactions"), reader, taken)
    return draft, found


def _read_transactions(draft: InvoiceDraft, transactions: Any, reader: Reader, taken: Taken) -> None:
    if transactions is None:
        return
    if not isinstance(transactions, list):
        reader.note("transactions", errors.INVALID)
        return
    for transaction in transactions:
        part = Reader(transaction if isinstance(transaction, dict) else {}, reader.now, "transactions.")
        draft.transactions.append(transaction_fields.read(part, draft.source, taken.transactions))
        reader.errors.update({path: text for path, text in part.errors.items() if path not in reader.errors})
    total = sum(line.values["amount"] for line in draft.line_items)
    if transaction_fields.exceeds(total, [transaction.values for transaction in draft.transactions]):
        reader.note("transactions.amount_in_cents", transaction_fields.EXCEEDS)


def _owner(store: Store, customer: Customer, reader: Reader) -> tuple[DataSource, str]:
    """The data source and the customer's id in it; merged customers have several of both."""
    source = customer.source
    if reader.data.get("data_source_uuid"):
        named = store.source(reader.data["data_source_uuid"])
        if named is None or not customer.ids_in(named):
            reader.note("data_source_uuid", errors.INVALID)
        else:
            source = named
    ids = customer.ids_in(source)
    external_id = reader.data.get("customer_external_id")
    if external_id in (None, ""):
        return source, ids[0]
    if external_id not in ids:
        reader.note("customer_external_id", errors.INVALID)
        return source, ids[0]
    return source, str(external_id)


def _external_id(reader: Reader, source: DataSource, taken: Taken) -> str:
    external_id = reader.text("external_id", required=True)
    if external_id is None:
        return ""
    if external_id in source.invoices_by_id or external_id in taken.invoices or external_id in source.spent_ids:
        reader.note("external_id", errors.DUPLICATE_INVOICE)
    taken.invoices.add(external_id)
    return external_id


def store_invoice(store: Store, draft: InvoiceDraft, now: int) -> Invoice:
    """Put a checked draft into the store."""
    invoice = Invoice(
        store.next_seq(),
        draft.source,
        draft.customer,
        draft.customer_external_id,
        draft.values["external_id"],
        draft.values["date"],
        draft.values["currency"],
        now,
        due_date=draft.values["due_date"],
        collection_method=draft.values["collection_method"],
    )
    store.add_invoice(invoice)
    for line_draft in draft.line_items:
        line = line_draft.build(store.next_seq(), invoice)
        store.add_line_item(line, line_draft.subscription_id, line_draft.set_id)
        if line_draft.cancelled_at is not None and line.subscription:
            cancel(store, line.subscription, line_draft.cancelled_at, now)
    for transaction in draft.transactions:
        store.add_transaction(transaction.build(store.next_seq(), invoice))
    return invoice
