"""Lanes of new customers as records of a bulk import, packed into bodies that ChartMogul takes."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from target_chartmogul.billing.changes import Change
from target_chartmogul.billing.objects import Customer, Invoice, SubscriptionEvent
from target_chartmogul.chartmogul.json_imports import LARGEST_BODY
from target_chartmogul.chartmogul.wire import Wire

MOST_CUSTOMERS = 1000
"""ChartMogul recommends 100 to 1,000 customers per import."""
Records = dict[str, list[msgspec.Raw]]


def is_new(changes: Sequence[Change]) -> bool:
    """Whether a lane may be imported in bulk: new customers, and nothing but what is new.

    Of customers that ChartMogul has already a bulk import says nothing that can be relied on.
    """
    customers = {change.external_id for change in changes if change.kind == "customer"}
    owners = {
        change.desired.customer_external_id
        for change in changes
        if isinstance(change.desired, (Invoice, SubscriptionEvent))
    }
    whole = all(change.action == "create" and change.kind in {"customer", "invoice", "event"} for change in changes)
    return whole and bool(customers) and owners <= customers


class Body:
    """The records of one import; a customer's are whole in one (ChartMogul's rule)."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.records: Records = {}
        self.size = 0
        self.customers = 0

    def take(self, changes: Sequence[Change]) -> bool:
        """Add a lane if it fits."""
        found: list[tuple[str, msgspec.Raw]] = []
        for change in changes:
            match change.desired:
                case Customer() as customer:
                    found.append(("customers", _raw(self._wire.new_customer(customer))))
                case Invoice() as invoice:
                    found += self._invoice(invoice)
                case SubscriptionEvent() as event:
                    found.append(("subscription_events", _raw(self._wire.event(event))))
        size = sum(len(record) + 1 for _, record in found)
        customers = sum(key == "customers" for key, _ in found)
        if self.size + size > LARGEST_BODY or (self.customers and self.customers + customers > MOST_CUSTOMERS):
            return False
        for key, record in found:
            self.records.setdefault(key, []).append(record)
        self.size += size
        self.customers += customers
        return True

    def _invoice(self, invoice: Invoice) -> list[tuple[str, msgspec.Raw]]:
        """Header, lines and transactions apart, tied by `invoice_external_id`."""
        of = {"invoice_external_id": self._wire.outer(invoice.external_id)}
        found = [("invoices", _raw(self._wire.new_invoice(invoice)))]
        for line in invoice.line_items:
            plan = {"plan_external_id": self._wire.outer(line.plan_external_id)} if line.plan_external_id else {}
            found.append(("line_items", _raw({**of, **self._wire.line_item(line, plan)})))
        found += [("transactions", _raw({**of, **self._wire.transaction(row)})) for row in invoice.transactions]
        return found


def _raw(record: dict[str, object]) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(record))
