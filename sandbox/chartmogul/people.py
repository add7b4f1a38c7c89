"""What a person does in ChartMogul's pages: edit, disable, delete, merge.

Unlike a program, a person can disable records of a custom source, and leaves a history of edits.
"""

from __future__ import annotations

from typing import Any

from sandbox.chartmogul import timestamps
from sandbox.chartmogul.merges import merge
from sandbox.chartmogul.records import Customer, DataSource, Event, Invoice, LineItem, Plan, Transaction
from sandbox.chartmogul.state import State

AUTHOR = "owner@example.com"
_MOMENTS = {
    "date", "due_date", "service_period_start", "service_period_end", "effective_date", "event_date",
    "lead_created_at", "free_trial_started_at",
}  # fmt: skip
_ATTRIBUTES = {
    "amount_in_cents": "amount",
    "tax_amount_in_cents": "tax",
    "discount_amount_in_cents": "discount",
    "service_period_start": "period_start",
    "service_period_end": "period_end",
    "type": "kind",
    "status": "manual_status",
}


# What only the store may change: its indexes are built on it.
_FIXED = {
    "seq", "source", "external_id", "identities", "customer", "invoice", "invoices", "plan", "subscription",
    "subscriptions", "line_items", "transactions", "customer_external_id", "subscription_external_id", "extra",
    "created_at", "updated_at", "errors", "edits", "disabled_at", "alive",
}  # fmt: skip


class People:
    """Raises LookupError for an unknown record and ValueError for what cannot be done to it."""

    def __init__(self, state: State) -> None:
        self._state = state

    def edit(self, source: DataSource, order: dict[str, Any]) -> None:
        """`{kind, external_id, and one of changes: {…}, delete: true, disable: bool, merge_into: external id}`."""
        record = _find(source, str(order.get("kind")), str(order.get("external_id")))
        if order.get("delete"):
            self._delete(record)
        elif "merge_into" in order:
            self._merge(source, record, str(order["merge_into"]))
        elif "disable" in order:
            self._disable(record, on=bool(order["disable"]))
        else:
            self._change(record, dict(order.get("changes") or {}))
        self._state.store.forget_timelines()

    def find_invalid(self, source: DataSource, order: dict[str, Any]) -> None:
        """`{kind, external_id, errors}`: ChartMogul itself finds a stored record to be invalid; `{}`: valid again."""
        record = _find(source, str(order.get("kind")), str(order.get("external_id")))
        if not isinstance(record, Invoice | LineItem | Transaction):
            raise ValueError("invoices, line items and transactions are found invalid, nothing else")  # noqa: TRY004
        record.errors = {str(name): [str(text) for text in texts] for name, texts in order["errors"].items()} or None
        self._state.store.forget_timelines()

    def _delete(self, record: Any) -> None:
        store = self._state.store
        if isinstance(record, Customer):
            store.delete_customer(record)
        elif isinstance(record, Plan):
            store.delete_plan(record)
        elif isinstance(record, Invoice):
            store.delete_invoice(record)
        elif isinstance(record, LineItem):
            store.delete_line_item(record)
        elif isinstance(record, Transaction):
            store.delete_transaction(record)
        else:
            store.delete_event(record)

    def _merge(self, source: DataSource, record: Any, into: str) -> None:
        taker = source.customers_by_id.get(into)
        if not isinstance(record, Customer) or taker is None or taker is record:
            raise ValueError("merge_into is for two different customers of the source")
        merge(self._state.store, record, taker)

    def _disable(self, record: Any, *, on: bool) -> None:
        if not isinstance(record, Invoice | LineItem | Event):
            raise ValueError("invoices, line items and events are disabled, nothing else")  # noqa: TRY004
        record.disabled_at = self._state.now() if on else None

    def _change(self, record: Any, changes: dict[str, Any]) -> None:
        history = getattr(record, "edits", None) or {"values_changed": {}}
        for name, value in changes.items():
            attribute = _ATTRIBUTES.get(name, name)
            if attribute in _FIXED or not hasattr(record, attribute):
                raise ValueError(f"no field {name!r}")
            old = getattr(record, attribute)
            new = timestamps.parse(value) if name in _MOMENTS and value is not None else value
            setattr(record, attribute, new)
            shown = timestamps.with_milliseconds(old) if name in _MOMENTS and old is not None else old
            original = history["values_changed"].get(name, {}).get("original_value", shown)
            history["values_changed"][name] = {"original_value": original, "edited_value": value}
        history["latest_edit_author"] = AUTHOR
        history["latest_edit_performed_at"] = timestamps.with_milliseconds(self._state.now())
        if not isinstance(record, Plan):
            record.edits = history


def _find(source: DataSource, kind: str, external_id: str) -> Any:
    indexes: dict[str, dict[str, Any]] = {
        "customer": source.customers_by_id,
        "plan": source.plans_by_id,
        "invoice": source.invoices_by_id,
        "line_item": source.line_items_by_id,
        "transaction": source.transactions_by_id,
        "subscription_event": source.events_by_id,
    }
    if kind not in indexes:
        raise ValueError("kind is one of " + ", ".join(indexes))
    if external_id not in indexes[kind]:
        raise LookupError(f"no {kind} {external_id}")
    return indexes[kind][external_id]
