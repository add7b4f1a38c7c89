"""All that one ChartMogul account holds, with the indexes by which the API finds it."""

from __future__ import annotations

from typing import Any

from sandbox.chartmogul.identifiers import Identifiers
from sandbox.chartmogul.records import (
    Customer,
    DataSource,
    Event,
    Invoice,
    LineItem,
    Plan,
    Subscription,
    Transaction,
)
from sandbox.chartmogul.settings import Settings
from sandbox.chartmogul.shelf import Shelf


class Store:
    """`version` changes with every write; what is computed from the content is kept until then."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.ids = Identifiers()
        self._last_seq = 1000
        self.version = 0
        self.sources: dict[int, DataSource] = {}
        self.customers: Shelf[Customer] = Shelf()
        self.plans: Shelf[Plan] = Shelf()
        self.invoices: Shelf[Invoice] = Shelf()
        self.line_items: Shelf[LineItem] = Shelf()
        self.transactions: Shelf[Transaction] = Shelf()
        self.subscriptions: Shelf[Subscription] = Shelf()
        self.events: Shelf[Event] = Shelf()
        self.attribute_types: dict[str, str] = {}

    def next_seq(self) -> int:
        self._last_seq += 1
        return self._last_seq

    # --- finding

    def source(self, uuid: object) -> DataSource | None:
        seq = self.ids.seq("ds", uuid)
        return self.sources.get(seq) if seq is not None else None

    def source_named(self, name: str) -> DataSource | None:
        return next((s for s in self.sources.values() if s.name == name), None)

    def customer(self, uuid: object) -> Customer | None:
        seq = self.ids.seq("cus", uuid)
        return self.customers.get(seq) if seq is not None else None

    def plan(self, uuid: object) -> Plan | None:
        seq = self.ids.seq("pl", uuid)
        return self.plans.get(seq) if seq is not None else None

    def invoice(self, uuid: object) -> Invoice | None:
        seq = self.ids.seq("inv", uuid)
        return self.invoices.get(seq) if seq is not None else None

    def line_item(self, uuid: object) -> LineItem | None:
        seq = self.ids.seq("li", uuid)
        return self.line_items.get(seq) if seq is not None else None

    def transaction(self, uuid: object) -> Transaction | None:
        seq = self.ids.seq("tr", uuid)
        return self.transactions.get(seq) if seq is not None else None

    def subscription(self, uuid: object) -> Subscription | None:
        seq = self.ids.seq("sub", uuid)
        return self.subscriptions.get(seq) if seq is not None else None

    # --- customers and plans

    def add_customer(self, customer: Customer) -> None:
        self.version += 1
        self.customers.add(customer)
        for source, external_id in customer.identities:
            source.customers.add(customer)
            source.customers_by_id[external_id] = customer

    def delete_customer(self, customer: Customer) -> None:
        self.version += 1
        for invoice in list(customer.invoices):
            self.delete_invoice(invoice)
        for source in {source.seq: source for source, _ in customer.identities}.values():
            for external_id in customer.ids_in(source):
                del source.customers_by_id[external_id]
                for events in list(source.events_by_customer.get(external_id, {}).values()):
                    for event in list(events):
                        self.delete_event(event)
            source.customers.take_out(customer)
        customer.alive = False
        self.customers.note_dead()

    def add_plan(self, plan: Plan) -> None:
        self.version += 1
        self.plans.add(plan)
        plan.source.plans.add(plan)
        plan.source.plans_by_id[plan.external_id] = plan

    def delete_plan(self, plan: Plan) -> None:
        self.version += 1
        plan.alive = False
        self.plans.note_dead()
        plan.source.plans.note_dead()
        del plan.source.plans_by_id[plan.external_id]

    def plan_changed(self, plan: Plan) -> None:
        self.version += 1
        for subscription in self.subscriptions:
            if any(line.plan is plan for line in subscription.line_items):
                subscription.timeline = None

    # --- invoices

    def add_invoice(self, invoice: Invoice) -> None:
        """Put an invoice without items on the shelves; items follow by `add_line_item`, `add_transaction`."""
        self.version += 1
        self.invoices.add(invoice)
        invoice.source.invoices.add(invoice)
        invoice.customer.invoices.add(invoice)
        invoice.source.invoices_by_id[invoice.external_id] = invoice

    def delete_invoice(self, invoice: Invoice) -> None:
        self.version += 1
        for line in list(invoice.line_items):
            self.delete_line_item(line)
        for transaction in list(invoice.transactions):
            self.delete_transaction(transaction)
        invoice.alive = False
        self.invoices.note_dead()
        invoice.source.invoices.note_dead()
        invoice.customer.invoices.note_dead()
        del invoice.source.invoices_by_id[invoice.external_id]
        if self.settings.chose("deleted_ids", "taken"):
            invoice.source.spent_ids.add(invoice.external_id)

    def invoice_changed(self, invoice: Invoice) -> None:
        self.version += 1
        for line in invoice.line_items:
            if line.subscription:
                line.subscription.timeline = None

    def add_line_item(self, line: LineItem, subscription_id: str | None, set_id: str | None) -> None:
        self.line_items.add(line)
        line.invoice.line_items.append(line)
        if line.external_id is not None:
            line.invoice.source.line_items_by_id[line.external_id] = line
        if line.plan:
            line.plan.line_items += 1
        if subscription_id is not None:
            self.link(line, subscription_id, set_id)
        self.invoice_changed(line.invoice)

    def change_line_item(
        self,
        line: LineItem,
        values: dict[str, Any],
        extra: dict[str, Any],
        subscription_id: str | None,
        set_id: str | None,
    ) -> None:
        self.invoice_changed(line.invoice)
        _rename(line.invoice.source.line_items_by_id, line, values["external_id"])
        if line.plan:
            line.plan.line_items -= 1
        for name, value in values.items():
            setattr(line, name, value)
        if line.plan:
            line.plan.line_items += 1
        line.extra, line.errors = extra or None, None
        if subscription_id != (line.subscription.external_id if line.subscription else None):
            self.unlink(line)
            if subscription_id is not None:
                self.link(line, subscription_id, set_id)
        self.invoice_changed(line.invoice)

    def delete_line_item(self, line: LineItem) -> None:
        self.invoice_changed(line.invoice)
        line.alive = False
        self.line_items.note_dead()
        line.invoice.line_items.remove(line)
        if line.external_id is not None:
            del line.invoice.source.line_items_by_id[line.external_id]
        if line.plan:
            line.plan.line_items -= 1
        self.unlink(line)

    def add_transaction(self, transaction: Transaction) -> None:
        self.transactions.add(transaction)
        transaction.invoice.transactions.append(transaction)
        if transaction.external_id is not None:
            transaction.invoice.source.transactions_by_id[transaction.external_id] = transaction
        self.invoice_changed(transaction.invoice)

    def change_transaction(self, transaction: Transaction, values: dict[str, Any], extra: dict[str, Any]) -> None:
        _rename(transaction.invoice.source.transactions_by_id, transaction, values["external_id"])
        for name, value in values.items():
            setattr(transaction, name, value)
        transaction.extra, transaction.errors = extra or None, None
        self.invoice_changed(transaction.invoice)

    def delete_transaction(self, transaction: Transaction) -> None:
        transaction.alive = False
        self.transactions.note_dead()
        transaction.invoice.transactions.remove(transaction)
        if transaction.external_id is not None:
            del transaction.invoice.source.transactions_by_id[transaction.external_id]
        self.invoice_changed(transaction.invoice)

    # --- subscriptions and events

    def link(self, line: LineItem, subscription_id: str, set_id: str | None) -> None:
        """Attach a line to its subscription, which is made by its first line."""
        invoice = line.invoice
        key = (invoice.source.seq, subscription_id)
        subscription = invoice.customer.subscriptions.get(key)
        if subscription is None:
            subscription = Subscription(
                self.next_seq(), invoice.source, invoice.customer, subscription_id, invoice.created_at
            )
            invoice.customer.subscriptions[key] = subscription
            self.subscriptions.add(subscription)
        subscription.set_external_id = set_id or subscription.set_external_id
        subscription.line_items.append(line)
        subscription.timeline = None
        line.subscription = subscription

    def relink(self, line: LineItem) -> None:
        """Move a line to its invoice's present customer's subscription of the same id.

        The former customer has given up the external id by then, so that no cancellation goes with the rest.
        """
        subscription = line.subscription
        if subscription is not None:
            self.unlink(line)
            self.link(line, subscription.external_id, subscription.set_external_id)

    def unlink(self, line: LineItem) -> None:
        """Detach a line; a subscription without lines goes, with the cancellations that have no id of their own."""
        subscription = line.subscription
        if subscription is None:
            return
        line.subscription = None
        subscription.line_items.remove(line)
        subscription.timeline = None
        if subscription.line_items:
            return
        for event in self.events_of(subscription):
            if event.external_id is None:
                self.delete_event(event)
        del subscription.customer.subscriptions[subscription.source.seq, subscription.external_id]
        subscription.alive = False
        self.subscriptions.note_dead()

    def events_of(self, subscription: Subscription) -> list[Event]:
        by_customer = subscription.source.events_by_customer
        return [
            event
            for customer_id in subscription.customer.ids_in(subscription.source)
            for event in by_customer.get(customer_id, {}).get(subscription.external_id, ())
        ]

    def add_event(self, event: Event) -> None:
        self.events.add(event)
        event.source.events.add(event)
        self.index_event(event)

    def index_event(self, event: Event) -> None:
        if event.external_id is not None:
            event.source.events_by_id[event.external_id] = event
        by_subscription = event.source.events_by_customer.setdefault(event.customer_external_id, {})
        by_subscription.setdefault(event.subscription_external_id, []).append(event)
        self.event_changed(event)

    def unindex_event(self, event: Event) -> None:
        if event.external_id is not None:
            del event.source.events_by_id[event.external_id]
        by_subscription = event.source.events_by_customer[event.customer_external_id]
        events = by_subscription[event.subscription_external_id]
        events.remove(event)
        if not events:
            del by_subscription[event.subscription_external_id]
        if not by_subscription:
            del event.source.events_by_customer[event.customer_external_id]
        self.event_changed(event)

    def delete_event(self, event: Event) -> None:
        self.unindex_event(event)
        event.alive = False
        self.events.note_dead()
        event.source.events.note_dead()

    def event_changed(self, event: Event) -> None:
        self.version += 1
        customer = event.source.customers_by_id.get(event.customer_external_id)
        if customer:
            subscription = customer.subscriptions.get((event.source.seq, event.subscription_external_id))
            if subscription:
                subscription.timeline = None

    def forget_timelines(self) -> None:
        self.version += 1
        for subscription in self.subscriptions:
            subscription.timeline = None

    # --- data sources

    def add_source(self, source: DataSource) -> None:
        self.version += 1
        self.sources[source.seq] = source

    def empty_source(self, source: DataSource, *, keep_customers: bool) -> None:
        """Delete what is in a source, for a customer merged from several only this source's part."""
        for invoice in list(source.invoices):
            self.delete_invoice(invoice)
        for event in list(source.events):
            self.delete_event(event)
        for plan in list(source.plans):
            self.delete_plan(plan)
        source.imports_by_id.clear()
        if keep_customers:
            return
        for customer in list(source.customers):
            others = [identity for identity in customer.identities if identity[0] is not source]
            if others:
                for external_id in customer.ids_in(source):
                    del source.customers_by_id[external_id]
                source.customers.take_out(customer)
                customer.identities = others
                if customer.source is source:
                    customer.source, customer.external_id = others[0]
            else:
                self.delete_customer(customer)

    def delete_source(self, source: DataSource) -> None:
        self.empty_source(source, keep_customers=False)
        source.alive = False
        del self.sources[source.seq]


def _rename(index: dict[str, Any], record: LineItem | Transaction, external_id: str | None) -> None:
    if record.external_id == external_id:
        return
    if record.external_id is not None:
        del index[record.external_id]
    if external_id is not None:
        index[external_id] = record
