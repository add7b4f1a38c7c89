"""Invoices: import, list, read, edit, status, delete (fact sheet §3.6)."""

from __future__ import annotations

from typing import Any

from sandbox.chartmogul import errors, invoice_fields
from sandbox.chartmogul.fields import Reader
from sandbox.chartmogul.http import NO_CONTENT, TRUE, Answer, Call
from sandbox.chartmogul.invoice_views import show_imported, show_invoice
from sandbox.chartmogul.paging import page, shelf_of
from sandbox.chartmogul.records import Customer, Invoice
from sandbox.chartmogul.shelf import Shelf
from sandbox.chartmogul.state import State

VALIDATION_TYPES = ("valid", "invalid", "all")
# A person's or a program's word ends an invoice's life; only an open one can be written off.
TRANSITIONS = {"voided": ("open", "paid", "refunded", "written_off"), "written_off": ("open",)}


class Invoices:
    def __init__(self, state: State) -> None:
        self._state = state

    def create(self, call: Call) -> Answer:
        """All invoices of the request are stored, or, if one of them has errors, none."""
        customer = self._customer(call)
        given = call.object().get("invoices")
        if not isinstance(given, list) or not given:
            raise errors.missing_parameter("invoices")
        store, taken = self._state.store, invoice_fields.Taken()
        drafts, echoes, refused = [], [], False
        for data in given:
            known = data if isinstance(data, dict) else {}
            draft, found = invoice_fields.read_invoice(store, customer, known, call.now, taken)
            drafts.append(draft)
            echoes.append({**known, "errors": found})
            refused = refused or bool(found)
        if refused:
            raise errors.ApiError(422, {"invoices": echoes})
        stored = [invoice_fields.store_invoice(store, draft, call.now) for draft in drafts]
        self._state.note_write(stored[0].source.seq, len(stored))
        return Answer({"invoices": [show_imported(store.ids, invoice) for invoice in stored]}, 201)

    def list_of_customer(self, call: Call) -> Answer:
        customer = self._customer(call)
        listed = self._page(call, customer.invoices)
        return Answer({"customer_uuid": self._state.store.ids.uuid("cus", customer.seq), **listed})

    def list(self, call: Call) -> Answer:
        store, query = self._state.store, call.query
        shelf: Shelf[Invoice] = store.invoices
        source = None
        if query.get("data_source_uuid"):
            source = store.source(query["data_source_uuid"])
            shelf = source.invoices if source else Shelf()
        if query.get("customer_uuid"):
            customer = store.customer(query["customer_uuid"])
            shelf = customer.invoices if customer else Shelf()
        if query.get("external_id"):
            sources = [source] if query.get("data_source_uuid") else list(store.sources.values())
            named = [i for s in sources if s and (i := s.invoices_by_id.get(query["external_id"]))]
            shelf = shelf_of([i for i in named if shelf.get(i.seq)])
        elif query.get("customer_uuid") and query.get("data_source_uuid"):
            shelf = shelf_of([i for i in shelf if i.source is source])
        return Answer(self._page(call, shelf))

    def _page(self, call: Call, shelf: Shelf[Invoice]) -> dict[str, Any]:
        ids, histories = self._state.store.ids, self._histories(call)
        validation = call.query.get("validation_type", "valid")
        if validation not in VALIDATION_TYPES:
            raise errors.coded(400, 'Parameter "validation_type" is invalid', "validation_type")
        with_disabled = call.query.get("with_disabled") in TRUE

        def keep(invoice: Invoice) -> bool:
            if invoice.disabled_at is not None and not with_disabled:
                return False
            return validation == "all" or invoice.is_valid() == (validation == "valid")

        return page("invoices", shelf, call.query, lambda i: show_invoice(ids, i, **histories), keep=keep)

    def retrieve(self, call: Call) -> Answer:
        return Answer(show_invoice(self._state.store.ids, self.find(call), **self._histories(call)))

    def _histories(self, call: Call) -> dict[str, Any]:
        unedited = self._state.settings.choices["unedited_summary"]
        return {"edits": call.flag("include_edit_histories"), "unedited": unedited}

    def update(self, call: Call) -> Answer:
        invoice = self.find(call)
        reader = Reader(call.object(), call.now)
        values = invoice_fields.header(reader, partial=True)
        if reader.errors:
            raise errors.fields(reader.errors)
        for name, value in values.items():
            setattr(invoice, name, value)
        invoice.errors = {n: text for n, text in (invoice.errors or {}).items() if n not in values} or None
        self._state.store.invoice_changed(invoice)
        return Answer(show_invoice(self._state.store.ids, invoice))

    def destroy(self, call: Call) -> Answer:
        self._state.store.delete_invoice(self.find(call))
        return NO_CONTENT

    def update_status(self, call: Call) -> Answer:
        """`voided` or `written_off`; the other states are computed from the transactions."""
        source = self._state.store.source(call.path["uuid"])
        if source is None:
            raise errors.not_found("Data source")
        invoice = source.invoices_by_id.get(call.path["external_id"])
        if invoice is None:
            raise errors.not_found("Invoice")
        wanted = call.object().get("status")
        if wanted is None:
            raise errors.missing_parameter("status")
        refused = wanted == "written_off" and self._state.settings.chose("write_offs", "refused")
        if refused or invoice.status() not in TRANSITIONS.get(wanted, ()):
            raise errors.ApiError(422, {"message": "Status transition is not allowed"})
        invoice.manual_status = wanted
        self._state.store.invoice_changed(invoice)
        return Answer({"message": "Invoice updated", "invoice": show_invoice(self._state.store.ids, invoice)})

    def disable(self, call: Call) -> Answer:
        self.find(call)
        raise errors.disabling_refused()

    def find(self, call: Call) -> Invoice:
        """By uuid in the path, or by `data_source_uuid` and `external_id` in the query."""
        invoice: Invoice | None = None
        if "uuid" in call.path:
            invoice = self._state.store.invoice(call.path["uuid"])
        else:
            source = self._state.store.source(needed(call, "data_source_uuid"))
            invoice = source.invoices_by_id.get(needed(call, "external_id")) if source else None
        if invoice is None:
            raise errors.not_found("Invoice")
        return invoice

    def _customer(self, call: Call) -> Customer:
        customer = self._state.store.customer(call.path["uuid"])
        if customer is None:
            # Misleading, but so it is: an unknown customer in the path is answered as an unknown invoice.
            raise errors.not_found("Invoice", param="invoice", code="invalid")
        return customer


def needed(call: Call, name: str) -> str:
    value = call.query.get(name)
    if not value:
        raise errors.missing_parameter(name)
    return value
