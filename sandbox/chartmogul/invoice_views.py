"""Invoices, line items and transactions as the API shows them (fact sheet §3.6, response defaults)."""

from __future__ import annotations

from typing import Any

from sandbox.chartmogul import timestamps
from sandbox.chartmogul.identifiers import Identifiers
from sandbox.chartmogul.records import Invoice, LineItem, Transaction


def _moment(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else timestamps.with_milliseconds(milliseconds)


def show_line_item(ids: Identifiers, line: LineItem) -> dict[str, Any]:
    extra = line.extra or {}
    shown: dict[str, Any] = {
        "uuid": ids.uuid("li", line.seq),
        "external_id": line.external_id,
        "type": line.kind,
    }
    if line.kind == "one_time":
        shown |= {"description": line.description, "balance_transfer": extra.get("balance_transfer", False)}
    else:
        subscription = line.subscription
        shown |= {
            "subscription_uuid": ids.uuid("sub", subscription.seq) if subscription else None,
            "subscription_external_id": subscription.external_id if subscription else None,
            "prorated": line.prorated,
            "proration_type": extra.get("proration_type"),
            "service_period_start": _moment(line.period_start),
            "service_period_end": _moment(line.period_end),
        }
        if "subscription_set_external_id" in extra:
            shown["subscription_set_external_id"] = extra["subscription_set_external_id"]
    if line.kind != "one_time" or line.plan:
        shown["plan_uuid"] = ids.uuid("pl", line.plan.seq) if line.plan else None
        shown["plan_external_id"] = line.plan.external_id if line.plan else None
    if line.disabled_at is not None:
        shown |= {"disabled": True, "disabled_at": _moment(line.disabled_at), "disabled_by": "owner@example.com"}
    return shown | {
        "amount_in_cents": line.amount,
        "quantity": line.quantity,
        "discount_code": extra.get("discount_code", ""),
        "discount_amount_in_cents": line.discount,
        "tax_amount_in_cents": line.tax,
        "transaction_fees_in_cents": extra.get("transaction_fees_in_cents", 0),
        "account_code": extra.get("account_code", ""),
        "transaction_fees_currency": extra.get("transaction_fees_currency"),
        "discount_description": extra.get("discount_description"),
        "event_order": extra.get("event_order"),
        "errors": line.errors or {},
    }


def show_transaction(ids: Identifiers, transaction: Transaction) -> dict[str, Any]:
    extra = transaction.extra or {}
    return {
        "uuid": ids.uuid("tr", transaction.seq),
        "external_id": transaction.external_id,
        "amount_in_cents": transaction.amount,
        "type": transaction.kind,
        "date": timestamps.with_milliseconds(transaction.date),
        "result": transaction.result,
        "transaction_fees_in_cents": extra.get("transaction_fees_in_cents"),
        "transaction_fees_currency": extra.get("transaction_fees_currency"),
        "errors": transaction.errors or {},
    }


def show_imported(ids: Identifiers, invoice: Invoice) -> dict[str, Any]:
    """An invoice as the import echoes it."""
    return {
        "uuid": ids.uuid("inv", invoice.seq),
        "date": timestamps.with_milliseconds(invoice.date),
        "due_date": _moment(invoice.due_date),
        "errors": invoice.errors or {},
        "external_id": invoice.external_id,
        "currency": invoice.currency,
        "line_items": [show_line_item(ids, line) for line in invoice.line_items],
        "transactions": [show_transaction(ids, transaction) for transaction in invoice.transactions],
    }


# What the history of a record says that nobody has edited.
UNEDITED: dict[str, Any] = {"empty": {}, "values_changed": {"values_changed": {}}, "null": None}


def show_invoice(ids: Identifiers, invoice: Invoice, *, edits: bool = False, unedited: str = "empty") -> dict[str, Any]:
    """An invoice as it is read; `edits` adds what a person changed."""
    shown = show_imported(ids, invoice)
    shown |= {
        "customer_uuid": ids.uuid("cus", invoice.customer.seq),
        "customer_external_id": invoice.customer_external_id,
        "data_source_uuid": ids.uuid("ds", invoice.source.seq),
        "collection_method": invoice.collection_method,
        "status": invoice.status(),
        "disabled": invoice.disabled_at is not None,
        "disabled_at": _moment(invoice.disabled_at),
        "disabled_by": "owner@example.com" if invoice.disabled_at is not None else None,
        "user_created": False,
    }
    if edits:
        shown["edit_history_summary"] = invoice.edits or UNEDITED[unedited]
        for part, record in zip(shown["line_items"], invoice.line_items, strict=True):
            part["edit_history_summary"] = record.edits or UNEDITED[unedited]
        for part, transaction in zip(shown["transactions"], invoice.transactions, strict=True):
            part["edit_history_summary"] = transaction.edits or UNEDITED[unedited]
    return shown
