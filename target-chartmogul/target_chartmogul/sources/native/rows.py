"""Rows as the store keeps them: ChartMogul's objects, with what an invoice or a cancellation needs besides."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from target_chartmogul.billing.objects import Customer, Invoice, Plan, Transaction
from target_chartmogul.sources.native.streams import (
    CANCELLATIONS,
    CUSTOMERS,
    INVOICES,
    PLANS,
    TRANSACTIONS,
    line_node,
    node_of,
)


class InvoiceRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An invoice; `invoice.transactions` are those that were nested."""

    invoice: Invoice
    lists_transactions: bool = False
    """The row had a list `transactions`, be it empty: then the invoice has no others from rows of this stream."""
    says_status: bool = False
    """The row had a `status`; without one, what a person set in ChartMogul stays."""
    says_disabled: bool = False
    """The row had `disabled`; likewise."""

    @property
    def latest(self) -> datetime:
        """The latest of its dates that ChartMogul does not take from the future."""
        return max([self.invoice.date, *(each.date for each in self.invoice.transactions)])


class TransactionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction from the stream `transactions`."""

    invoice_external_id: str
    transaction: Transaction


class CancellationRow(msgspec.Struct, frozen=True, kw_only=True):
    """A cancellation; without `effective_date` it is withdrawn."""

    external_id: str
    customer_external_id: str
    subscription_external_id: str
    effective_date: datetime | None


Row = Customer | Plan | InvoiceRow | TransactionRow | CancellationRow

_TYPES: Final[Mapping[str, type[Row]]] = {
    CUSTOMERS: Customer,
    PLANS: Plan,
    INVOICES: InvoiceRow,
    TRANSACTIONS: TransactionRow,
    CANCELLATIONS: CancellationRow,
}
_DECODERS: Final = {stream: msgspec.json.Decoder(each) for stream, each in _TYPES.items()}
_encode = msgspec.json.Encoder().encode


def key_of(row: Row) -> str:
    """The external id that a row is known by."""
    if isinstance(row, InvoiceRow):
        return row.invoice.external_id
    return row.transaction.external_id if isinstance(row, TransactionRow) else row.external_id


def links_of(row: Row) -> list[int]:
    """The nodes that a row names.

    Invoices also name their lines and nested transactions: two that have one in common are decided together.
    """
    match row:
        case InvoiceRow(invoice=invoice):
            return [
                node_of(CUSTOMERS, invoice.customer_external_id),
                *dict.fromkeys(
                    node_of(PLANS, line.plan_external_id)
                    for line in invoice.line_items
                    if line.plan_external_id is not None
                ),
                *(line_node(line.external_id) for line in invoice.line_items),
                *(node_of(TRANSACTIONS, each.external_id) for each in invoice.transactions),
            ]
        case TransactionRow():
            return [node_of(INVOICES, row.invoice_external_id)]
        case CancellationRow():
            return [node_of(CUSTOMERS, row.customer_external_id)]
        case _:
            return []


def encoded(row: Row) -> bytes:
    """A row as a payload of the store: equal rows, equal bytes."""
    return _encode(row)


def decoded(stream: str, payload: bytes) -> Row:
    """The row of a payload."""
    return _DECODERS[stream].decode(payload)
