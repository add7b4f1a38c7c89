"""Reading a line item from a request (fact sheet §3.6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sandbox.chartmogul import errors
from sandbox.chartmogul.fields import Reader
from sandbox.chartmogul.invoice_views import show_line_item
from sandbox.chartmogul.records import DataSource, Invoice, LineItem, Plan
from sandbox.chartmogul.store import Store

TYPES = ("subscription", "one_time", "trial")
LARGEST = 2**63 - 1
PRORATIONS = ("differential", "full", "differential_mrr")


@dataclass(slots=True)
class LineItemDraft:
    """A line as read: `LineItem`'s attributes, and what links it to its subscription."""

    values: dict[str, Any]
    subscription_id: str | None = None
    set_id: str | None = None
    cancelled_at: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def build(self, seq: int, invoice: Invoice) -> LineItem:
        return LineItem(seq, invoice, extra=self.extra or None, **self.values)


class LineItemFields:
    """`plans_by_id`: bulk imports name the plan by `plan_external_id`, single requests by `plan_uuid`."""

    def __init__(self, store: Store, source: DataSource, *, plans_by_id: bool = False) -> None:
        self._store = store
        self._source = source
        self._plans_by_id = plans_by_id

    def read(self, reader: Reader, taken: set[str], current: LineItem | None = None) -> LineItemDraft:
        """All fields of a line; with `current`, absent ones keep that line's values. Errors stay in the reader."""
        if current is not None:
            reader.data = {**_as_request(self._store, current), **reader.data}
        kind = reader.choice("type", TYPES, required=True) or "one_time"
        values: dict[str, Any] = {
            "kind": kind,
            "external_id": reader.text("external_id"),
            "amount": reader.integer("amount_in_cents", required=True) or 0,
            "quantity": _quantity(reader),
            "tax": reader.integer("tax_amount_in_cents", least=0) or 0,
            "discount": reader.integer("discount_amount_in_cents", least=0) or 0,
            "prorated": reader.boolean("prorated"),
            "plan": self._plan(reader, required=kind != "one_time"),
        }
        draft = LineItemDraft(values, extra=_extra(reader))
        self._check_id(reader, values["external_id"], taken, current)
        if kind == "one_time":
            values["description"] = reader.text("description")
            if reader.boolean("balance_transfer"):
                draft.extra["balance_transfer"] = True
            return draft
        self._read_subscription(reader, draft)
        return draft

    def _read_subscription(self, reader: Reader, draft: LineItemDraft) -> None:
        draft.subscription_id = reader.text("subscription_external_id", required=True)
        draft.set_id = reader.text("subscription_set_external_id")
        if draft.set_id:
            draft.extra["subscription_set_external_id"] = draft.set_id
        start = reader.moment("service_period_start", required=True)
        end = reader.moment("service_period_end", required=True)
        if start is not None and end is not None and end < start:
            reader.note("service_period_end", "must be after service_period_start")
        draft.values |= {"period_start": start, "period_end": end}
        draft.cancelled_at = reader.moment("cancelled_at", past="must be in the past")
        proration = reader.choice("proration_type", PRORATIONS)
        if proration:
            draft.extra["proration_type"] = proration

    def _plan(self, reader: Reader, *, required: bool) -> Plan | None:
        name = "plan_external_id" if self._plans_by_id else "plan_uuid"
        given = reader.text(name, required=required)
        if given is None:
            return None
        plan = self._source.plans_by_id.get(given) if self._plans_by_id else self._store.plan(given)
        if plan is None or plan.source is not self._source:
            reader.note(name, "Plan not found in this data source")
            return None
        return plan

    def _check_id(self, reader: Reader, external_id: str | None, taken: set[str], current: LineItem | None) -> None:
        if external_id is None:
            return
        holder = self._source.line_items_by_id.get(external_id)
        if (holder is not None and holder is not current) or external_id in taken:
            reader.note("external_id", errors.DUPLICATE_LINE_ITEM)
        taken.add(external_id)


def event_order(reader: Reader) -> int | None:
    """Any whole number that a database keeps in eight bytes; ids of other services are larger than four."""
    given = reader.integer("event_order")
    if given is not None and not -LARGEST <= given <= LARGEST:
        reader.note("event_order", errors.INVALID)
    return given


def _quantity(reader: Reader) -> int:
    quantity = reader.integer("quantity")
    if quantity == 0:
        reader.note("quantity", "must be other than 0")
    return 1 if quantity is None else quantity


def _extra(reader: Reader) -> dict[str, Any]:
    found = {
        "discount_code": reader.text("discount_code"),
        "discount_description": reader.text("discount_description"),
        "account_code": reader.text("account_code", limit=30),
        "transaction_fees_in_cents": reader.integer("transaction_fees_in_cents"),
        "transaction_fees_currency": reader.currency("transaction_fees_currency"),
        "event_order": event_order(reader),
    }
    return {name: value for name, value in found.items() if value is not None}


def _as_request(store: Store, line: LineItem) -> dict[str, Any]:
    """A stored line in the form in which it could be sent again."""
    shown = show_line_item(store.ids, line)
    return {name: value for name, value in shown.items() if value is not None and name != "errors"}
