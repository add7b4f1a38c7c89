"""Line items on their own (fact sheet §3.7)."""

from __future__ import annotations

from sandbox.chartmogul import errors
from sandbox.chartmogul.cancellations import cancel
from sandbox.chartmogul.fields import Reader
from sandbox.chartmogul.http import NO_CONTENT, Answer, Call
from sandbox.chartmogul.invoice_views import show_line_item
from sandbox.chartmogul.invoices import needed
from sandbox.chartmogul.line_item_fields import LineItemDraft, LineItemFields
from sandbox.chartmogul.records import LineItem
from sandbox.chartmogul.state import State


class LineItems:
    def __init__(self, state: State) -> None:
        self._state = state

    def create(self, call: Call) -> Answer:
        store = self._state.store
        invoice = store.invoice(call.path["uuid"])
        if invoice is None:
            raise errors.not_found("Invoice")
        reader = Reader(call.object(), call.now)
        draft = LineItemFields(store, invoice.source).read(reader, set())
        if reader.errors:
            raise errors.fields(reader.errors)
        line = draft.build(store.next_seq(), invoice)
        store.add_line_item(line, draft.subscription_id, draft.set_id)
        self._cancel(line, draft, call.now)
        self._state.note_write(invoice.source.seq)
        return Answer(show_line_item(store.ids, line), 201)

    def retrieve(self, call: Call) -> Answer:
        return Answer(show_line_item(self._state.store.ids, self._find(call)))

    def update(self, call: Call) -> Answer:
        """Any field of the creation; a new subscription id moves the line to that subscription."""
        store, line = self._state.store, self._find(call)
        reader = Reader(call.object(), call.now)
        draft = LineItemFields(store, line.invoice.source).read(reader, set(), line)
        if reader.errors:
            raise errors.fields(reader.errors)
        store.change_line_item(line, draft.values, draft.extra, draft.subscription_id, draft.set_id)
        self._cancel(line, draft, call.now)
        return Answer(show_line_item(store.ids, line))

    def destroy(self, call: Call) -> Answer:
        self._state.store.delete_line_item(self._find(call))
        return NO_CONTENT

    def disable(self, call: Call) -> Answer:
        self._find(call)
        raise errors.disabling_refused()

    def _cancel(self, line: LineItem, draft: LineItemDraft, now: int) -> None:
        if draft.cancelled_at is not None and line.subscription:
            cancel(self._state.store, line.subscription, draft.cancelled_at, now)

    def _find(self, call: Call) -> LineItem:
        line: LineItem | None = None
        if "uuid" in call.path:
            line = self._state.store.line_item(call.path["uuid"])
        else:
            source = self._state.store.source(needed(call, "data_source_uuid"))
            line = source.line_items_by_id.get(needed(call, "external_id")) if source else None
        if line is None:
            raise errors.not_found("Line item")
        return line
