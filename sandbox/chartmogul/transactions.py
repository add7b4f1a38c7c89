"""Transactions on their own (fact sheet §3.8)."""

from __future__ import annotations

from typing import Any

from sandbox.chartmogul import errors, transaction_fields
from sandbox.chartmogul.fields import Reader
from sandbox.chartmogul.http import NO_CONTENT, Answer, Call
from sandbox.chartmogul.invoice_views import show_transaction
from sandbox.chartmogul.invoices import needed
from sandbox.chartmogul.records import Invoice, Transaction
from sandbox.chartmogul.state import State


class Transactions:
    def __init__(self, state: State) -> None:
        self._state = state

    def create(self, call: Call) -> Answer:
        store = self._state.store
        invoice = store.invoice(call.path["uuid"])
        if invoice is None:
            raise errors.not_found("Invoice")
        reader = Reader(call.object(), call.now)
        draft = transaction_fields.read(reader, invoice.source, set())
        self._check_sum(invoice, draft.values, None, reader)
        if reader.errors:
            raise errors.fields(reader.errors)
        transaction = draft.build(store.next_seq(), invoice)
        store.add_transaction(transaction)
        self._state.note_write(invoice.source.seq)
        return Answer(show_transaction(store.ids, transaction), 201)

    def retrieve(self, call: Call) -> Answer:
        return Answer(show_transaction(self._state.store.ids, self._find(call)))

    def update(self, call: Call) -> Answer:
        store, transaction = self._state.store, self._find(call)
        invoice = transaction.invoice
        reader = Reader(call.object(), call.now)
        draft = transaction_fields.read(reader, invoice.source, set(), transaction)
        self._check_sum(invoice, draft.values, transaction, reader)
        if reader.errors:
            raise errors.fields(reader.errors)
        store.change_transaction(transaction, draft.values, draft.extra)
        return Answer(show_transaction(store.ids, transaction))

    def destroy(self, call: Call) -> Answer:
        self._state.store.delete_transaction(self._find(call))
        return NO_CONTENT

    def disable(self, call: Call) -> Answer:
        self._find(call)
        raise errors.disabling_refused()

    def _check_sum(self, invoice: Invoice, values: dict[str, Any], current: Transaction | None, reader: Reader) -> None:
        others = [transaction_fields.stored_values(t) for t in invoice.transactions if t is not current]
        if values["result"] == "successful" and transaction_fields.exceeds(
            invoice.total(), [*(o for o in others if o["kind"] == values["kind"]), values]
        ):
            reader.note("amount_in_cents", transaction_fields.EXCEEDS)

    def _find(self, call: Call) -> Transaction:
        transaction: Transaction | None = None
        if "uuid" in call.path:
            transaction = self._state.store.transaction(call.path["uuid"])
        else:
            source = self._state.store.source(needed(call, "data_source_uuid"))
            transaction = source.transactions_by_id.get(needed(call, "external_id")) if source else None
        if transaction is None:
            raise errors.not_found("Transaction")
        return transaction
