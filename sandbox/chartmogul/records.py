"""What ChartMogul stores. Compact, because an account may hold a million invoices.

`seq` is the order of creation over all kinds; uuids are formed from it (`identifiers.py`). Times are
milliseconds since 1970. `alive` turns false on deletion.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sandbox.chartmogul.shelf import Shelf


@dataclass(slots=True, eq=False)
class DataSource:
    seq: int
    name: str
    system: str
    created_at: int
    alive: bool = True
    customers: Shelf[Customer] = field(default_factory=Shelf)
    plans: Shelf[Plan] = field(default_factory=Shelf)
    invoices: Shelf[Invoice] = field(default_factory=Shelf)
    events: Shelf[Event] = field(default_factory=Shelf)
    customers_by_id: dict[str, Customer] = field(default_factory=dict)
    plans_by_id: dict[str, Plan] = field(default_factory=dict)
    invoices_by_id: dict[str, Invoice] = field(default_factory=dict)
    line_items_by_id: dict[str, LineItem] = field(default_factory=dict)
    transactions_by_id: dict[str, Transaction] = field(default_factory=dict)
    events_by_id: dict[str, Event] = field(default_factory=dict)
    events_by_customer: dict[str, dict[str, list[Event]]] = field(default_factory=dict)
    imports_by_id: dict[str, Any] = field(default_factory=dict)
    spent_ids: set[str] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class Customer:
    seq: int
    source: DataSource
    external_id: str
    created_at: int
    identities: list[tuple[DataSource, str]]
    name: str = ""
    company: str = ""
    email: str = ""
    country: str | None = None
    state: str | None = None
    city: str | None = None
    zip: str | None = None
    lead_created_at: int | None = None
    free_trial_started_at: int | None = None
    lead_status: str = "New Lead"
    owner: str | None = None
    website_url: str | None = None
    primary_contact: dict[str, Any] | None = None
    tags: list[str] = field(default_factory=list)
    custom: dict[str, Any] = field(default_factory=dict)
    alive: bool = True
    invoices: Shelf[Invoice] = field(default_factory=Shelf)
    subscriptions: dict[tuple[int, str], Subscription] = field(default_factory=dict)
    edits: dict[str, Any] | None = None

    def ids_in(self, source: DataSource) -> list[str]:
        return [external_id for owner, external_id in self.identities if owner is source]


@dataclass(slots=True, eq=False)
class Plan:
    seq: int
    source: DataSource
    external_id: str
    name: str
    interval_count: int
    interval_unit: str
    created_at: int
    alive: bool = True
    line_items: int = 0


@dataclass(slots=True, eq=False)
class Subscription:
    """Derived from line items; its key is (data source, customer, external id)."""

    seq: int
    source: DataSource
    customer: Customer
    external_id: str
    created_at: int
    alive: bool = True
    set_external_id: str | None = None
    line_items: list[LineItem] = field(default_factory=list)
    timeline: Any = None


@dataclass(slots=True, eq=False)
class Invoice:
    seq: int
    source: DataSource
    customer: Customer
    customer_external_id: str
    external_id: str
    date: int
    currency: str
    created_at: int
    due_date: int | None = None
    line_items: list[LineItem] = field(default_factory=list)
    transactions: list[Transaction] = field(default_factory=list)
    manual_status: str | None = None
    collection_method: str | None = None
    errors: dict[str, list[str]] | None = None
    edits: dict[str, Any] | None = None
    disabled_at: int | None = None
    alive: bool = True

    def total(self) -> int:
        return sum(line.amount for line in self.line_items)

    def paid(self, kind: str = "payment", without: Transaction | None = None) -> int:
        """Sum of the successful transactions of a kind; one without an amount is the whole invoice."""
        found = [t for t in self.transactions if t.kind == kind and t.result == "successful" and t is not without]
        return sum(self.total() if t.amount is None else t.amount for t in found)

    def status(self) -> str:
        if self.manual_status:
            return self.manual_status
        total = self.total()
        if total > 0 and self.paid("refund") >= total:
            return "refunded"
        return "paid" if self.paid() >= total else "open"

    def is_valid(self) -> bool:
        return not (self.errors or any(x.errors for x in self.line_items) or any(x.errors for x in self.transactions))


@dataclass(slots=True, eq=False)
class LineItem:
    """`extra` has the fields that are rarely set, by their API names."""

    seq: int
    invoice: Invoice
    external_id: str | None
    kind: str
    amount: int
    quantity: int = 1
    tax: int = 0
    discount: int = 0
    subscription: Subscription | None = None
    plan: Plan | None = None
    period_start: int | None = None
    period_end: int | None = None
    prorated: bool = False
    description: str | None = None
    extra: dict[str, Any] | None = None
    errors: dict[str, list[str]] | None = None
    edits: dict[str, Any] | None = None
    disabled_at: int | None = None
    alive: bool = True


@dataclass(slots=True, eq=False)
class Transaction:
    seq: int
    invoice: Invoice
    external_id: str | None
    kind: str
    date: int
    result: str
    amount: int | None
    extra: dict[str, Any] | None = None
    errors: dict[str, list[str]] | None = None
    edits: dict[str, Any] | None = None
    alive: bool = True


@dataclass(slots=True, eq=False)
class Event:
    """A subscription event. `extra` has the optional fields as they were sent."""

    seq: int
    source: DataSource
    external_id: str | None
    customer_external_id: str
    subscription_external_id: str
    event_type: str
    event_date: int
    effective_date: int
    created_at: int
    updated_at: int
    extra: dict[str, Any] = field(default_factory=dict)
    edits: dict[str, Any] | None = None
    disabled_at: int | None = None
    alive: bool = True
