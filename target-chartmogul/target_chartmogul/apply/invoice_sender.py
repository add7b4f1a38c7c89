"""Carrying out changes of invoices: import, header, lines, transactions, status, deletion."""

from __future__ import annotations

from target_chartmogul.apply.sender import Connection, PlanSender, Sent, Uuids, delete_if_there
from target_chartmogul.billing.changes import Change
from target_chartmogul.billing.differences import invoice_changes
from target_chartmogul.billing.objects import SUBSCRIPTION, VOIDED, WRITTEN_OFF, Invoice, LineItem, Transaction
from target_chartmogul.chartmogul.client import path_of
from target_chartmogul.chartmogul.creation import Created, create
from target_chartmogul.chartmogul.errors import RefusedError
from target_chartmogul.chartmogul.fields import Json, OddFieldError
from target_chartmogul.chartmogul.listing import Listed
from target_chartmogul.chartmogul.wire import BY_HAND, changed
from target_chartmogul.plan.sequence import ordered


class InvoiceSender:
    """Invoices, one per request: whether a refusal of one spares the others of a request is not documented."""

    def __init__(self, connection: Connection, plans: PlanSender) -> None:
        self._to = connection
        self._plans = plans
        self._parts = PartSender(connection, plans)

    def send(self, change: Change) -> Sent:
        """Import, change (header and status only) or delete an invoice.

        Raises:
            RefusedError: ChartMogul does not take it.
        """
        if change.action == "delete":
            self._delete(change.external_id)
            return Sent(change)
        invoice = change.desired
        assert isinstance(invoice, Invoice)  # noqa: S101  the kind says so
        held = change.held if isinstance(change.held, Invoice) else None
        if change.action == "create" or held is None:
            uuids, held = self._import(change, invoice)
        elif _needs_new_import(held, invoice):
            self._delete(invoice.external_id)
            uuids, held = self._import(change, invoice)
        else:
            uuids, held = self._change_header(change, held, invoice)
        if held is not None and held.disabled and invoice.disabled is None:
            return Sent(change, uuids)
        try:
            self._set_status(change, held, invoice)
            self._set_disabled(change, held, invoice)
        except RefusedError:
            if held is None:
                self._delete(invoice.external_id)  # it would count, although it should not
            raise
        return Sent(change, uuids)

    def _delete(self, external_id: str) -> None:
        delete_if_there(self._to.client, "/invoices", self._to.by_id(external_id))

    def _import(self, change: Change, invoice: Invoice) -> tuple[Uuids, Invoice | None]:
        """Import it; the second is what was there already, if anything was."""
        body = self._body(invoice)
        row, found, ours = self._post(invoice, body)
        if found is not None and ("invalid" in found.marks or _needs_new_import(found.content, invoice)):
            self._delete(invoice.external_id)
            row, found, ours = self._post(invoice, body)
        if row is not None:
            return self._uuids_in(row, invoice), None
        assert found is not None  # noqa: S101  create gives one of both
        assert isinstance(found.content, Invoice)  # noqa: S101
        if found.content.disabled and invoice.disabled is None:
            self._to.journal.noticed(change, "disabled")
            return found.uuids, found.content
        if not ours:
            self._to.journal.noticed(change, "adopted")
        return found.uuids | self._bring_to(found.content, invoice), found.content

    def _post(self, invoice: Invoice, body: Json) -> Created[Listed]:
        """Import under the customer's uuid as the journal knows it; after a merge or its undoing, as it is now."""
        to = self._to
        owner = invoice.customer_external_id
        uuid = to.uuid("customer", owner)
        refused = RefusedError(404, {"customer_external_id": f"ChartMogul has no customer {owner}"})
        if uuid is not None:
            try:
                return self._post_under(uuid, invoice, body)
            except RefusedError as refusal:
                if not (refusal.missing or "customer_external_id" in refusal.fields):
                    raise
                refused = refusal
        found = to.listing.find("customer", owner)
        if found is None:
            to.journal.gone("customer", owner)
        if found is None or found.uuid == uuid:
            raise refused
        return self._post_under(found.uuid, invoice, body)

    def _post_under(self, uuid: str, invoice: Invoice, body: Json) -> Created[Listed]:
        to = self._to
        return create(
            to.client,
            path_of("import", "customers", uuid, "invoices"),
            {"invoices": [body]},
            lambda: to.listing.find("invoice", invoice.external_id),
            told="invoices",
        )

    def _body(self, invoice: Invoice) -> Json:
        wire = self._to.wire
        return {
            **wire.new_invoice(invoice),
            "data_source_uuid": wire.data_source_uuid,
            "line_items": [self._parts.line_body(line) for line in invoice.line_items],
            "transactions": [wire.transaction(row) for row in invoice.transactions],
        }

    def _uuids_in(self, answer: Json, invoice: Invoice) -> Uuids:
        outer = self._to.wire.outer(invoice.external_id)
        rows = [row for row in answer["invoices"] if isinstance(row, dict) and row.get("external_id") == outer]
        return self._uuids_of(rows[0]) if rows else {}

    def _uuids_of(self, row: object) -> Uuids:
        """The uuids that an answer names; none if it cannot be read: they are looked up when they are needed."""
        try:
            return self._to.listing.uuids_of_invoice(row) if isinstance(row, dict) else {}
        except OddFieldError:
            return {}

    def _bring_to(self, held: Invoice, invoice: Invoice) -> Uuids:
        """An invoice that was there already: its header, lines and transactions one by one (rule 4.9)."""
        uuids: Uuids = {}
        for part in ordered(invoice_changes(held, invoice)):
            if part.kind == "invoice":
                uuids |= self._patch(held, invoice)
            else:
                uuids |= self._parts.send(part).uuids
        return uuids

    def _change_header(self, change: Change, held: Invoice, invoice: Invoice) -> tuple[Uuids, Invoice | None]:
        try:
            return self._patch(held, invoice), held
        except RefusedError as refusal:
            if not refusal.missing:
                raise
        return self._import(change, invoice)

    def _patch(self, held: Invoice, invoice: Invoice) -> Uuids:
        if body := changed(self._to.wire.header(held), self._to.wire.header(invoice)):
            return self._uuids_of(self._to.client.patch("/invoices", body, self._to.by_id(invoice.external_id)))
        return {}

    def _set_status(self, change: Change, held: Invoice | None, invoice: Invoice) -> None:
        """`written_off` or `voided`, by a request of its own.

        That ChartMogul does not let an invoice be written off is reported and not an error (rule 5.7); one that is not
        voided would count, which is.
        """
        if invoice.status not in BY_HAND or (held is not None and held.status == invoice.status):
            return
        to = self._to
        outer = to.wire.outer(invoice.external_id)
        path = path_of("data_sources", to.wire.data_source_uuid, "invoices", outer, "status")
        try:
            to.client.put(path, {"status": invoice.status})
        except RefusedError as refusal:
            if self._has_status(invoice):
                return
            if invoice.status != WRITTEN_OFF:
                raise RefusedError(refusal.status, {"status": refusal.reason}) from None
            to.journal.noticed(change, "status_refused")

    def _has_status(self, invoice: Invoice) -> bool:
        """Whether a status was refused because the invoice has it: the answer to an earlier try was lost."""
        found = self._to.listing.find("invoice", invoice.external_id)
        return found is not None and isinstance(found.content, Invoice) and found.content.status == invoice.status

    def _set_disabled(self, change: Change, held: Invoice | None, invoice: Invoice) -> None:
        """Take an invoice out of the figures, or back: ChartMogul documents that it refuses this for custom sources.

        One that is voided does not count anyway: there the refusal is only reported.

        Raises:
            RefusedError: the field is `disabled`.
        """
        if invoice.disabled is None or invoice.disabled == bool(held is not None and held.disabled):
            return
        to = self._to
        body = {"disabled": invoice.disabled}
        try:
            to.client.patch("/invoices/disabled_state", body, to.by_id(invoice.external_id))
        except RefusedError as refusal:
            if invoice.status != VOIDED:
                raise RefusedError(refusal.status, {"disabled": refusal.reason}) from None
            to.journal.noticed(change, "disabled_refused")


def _needs_new_import(held: object, invoice: Invoice) -> bool:
    """ChartMogul can neither move an invoice to another customer nor take a status back that was set by hand."""
    if not isinstance(held, Invoice):
        return False
    moves = held.customer_external_id not in {"", invoice.customer_external_id}
    return moves or (held.status is not None and invoice.status not in {held.status, VOIDED})


class PartSender:
    """Lines and transactions of invoices that ChartMogul has."""

    def __init__(self, connection: Connection, plans: PlanSender) -> None:
        self._to = connection
        self._plans = plans

    def line_body(self, line: LineItem) -> Json:
        """A line as JSON, its plan by uuid.

        Raises:
            RefusedError: ChartMogul has no such plan.
        """
        if line.type != SUBSCRIPTION or line.plan_external_id is None:
            return self._to.wire.line_item(line, {})
        return self._to.wire.line_item(line, {"plan_uuid": self._plans.uuid(line.plan_external_id)})

    def send(self, change: Change) -> Sent:
        """Create, change or delete a line or a transaction.

        Raises:
            RefusedError: ChartMogul does not take it, or has no such invoice (the journal hears of that).
        """
        path = "/line_items" if change.kind == "line_item" else "/transactions"
        if change.action == "delete":
            delete_if_there(self._to.client, path, self._to.by_id(change.external_id))
            return Sent(change)
        if change.action == "update" and (uuids := self._patch(path, change)) is not None:
            return Sent(change, uuids)
        return Sent(change, self._create(path, change))

    def _patch(self, path: str, change: Change) -> Uuids | None:
        """Change it in place; None if it is not there."""
        body = changed(self._body(change.held), self._body(change.desired))
        try:
            if body:
                self._to.client.patch(path, body, self._to.by_id(change.external_id))
        except RefusedError as refusal:
            if not refusal.missing:
                raise
            return None
        return {}

    def _create(self, path: str, change: Change) -> Uuids:
        to = self._to
        parent = change.parent or ""
        invoice = to.uuid("invoice", parent)
        if invoice is None:
            to.journal.gone("invoice", parent)
            raise RefusedError(404, {"invoice": f"ChartMogul has no invoice {parent}"})
        try:
            row, found, _ = create(
                to.client,
                path_of("import", "invoices", invoice) + path,
                self._body(change.desired),
                lambda: self._find(change),
            )
        except RefusedError as refusal:
            if refusal.missing:
                to.journal.gone("invoice", parent)
            raise
        if row is not None:
            return {(change.kind, change.external_id): str(row["uuid"])}
        if found is not None and (body := changed(self._body(found), self._body(change.desired))):
            to.client.patch(path, body, to.by_id(change.external_id))
        return {}

    def _find(self, change: Change) -> LineItem | Transaction | None:
        """The line or transaction in its invoice, as ChartMogul holds it."""
        found = self._to.listing.find("invoice", change.parent or "")
        if found is None or not isinstance(found.content, Invoice):
            return None
        parts = found.content.line_items if change.kind == "line_item" else found.content.transactions
        return next((part for part in parts if part.external_id == change.external_id), None)

    def _body(self, part: object) -> Json:
        if isinstance(part, LineItem):
            return self.line_body(part)
        return self._to.wire.transaction(part) if isinstance(part, Transaction) else {}
