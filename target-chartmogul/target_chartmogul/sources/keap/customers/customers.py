"""An account's customers (rules 3.1 to 3.5, 3.8, 9.1 to 9.3, 9.9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from target_chartmogul.billing.decisions import Note
from target_chartmogul.billing.objects import Customer, Invoice
from target_chartmogul.sources.keap.account import Account
from target_chartmogul.sources.keap.customers.contacts import (
    Email,
    customer_of_contact,
    customer_of_order,
    email_of_contact,
    email_of_order,
    past,
)
from target_chartmogul.sources.keap.orders.invoices import DRAFT
from target_chartmogul.sources.keap.records import Contact, Order, OrderContact
from target_chartmogul.sources.keap.settings import MappingSettings


class CustomersDecision(msgspec.Struct, kw_only=True):
    """All customers of an account after this run, by contact id."""

    customers: dict[str, Customer]
    notes: list[Note]
    refused_emails: dict[str, str]
    """What `Memories.refused_emails` is to be from now on (rule 9.9)."""


class CustomerDecider:
    """Who is a customer, and what of.

    A contact that Keap has is mapped from its record. One that is gone, or has not arrived, stays as it was sent; if it
    was not, it is made from its latest order's `contact`. One that ChartMogul holds and that has no billing any more
    goes, if Keap has its record: that was changed. Without a record it stays (rule 1.4), a gone one too unless
    `hard_delete` is set.

    Args:
        account: its contacts, subscriptions and holdings count here.
        orders: the orders that count.
        filtered: contacts that a filter keeps out; they stay as they are held (§8).
        settings: `customer_scope`, `email_fields`, `customer_tags`, `customer_attributes` and `hard_delete` count here.
        now: the run's clock.
    """

    def __init__(
        self,
        account: Account,
        orders: Mapping[str, Order],
        filtered: frozenset[str],
        settings: MappingSettings,
        now: datetime,
    ) -> None:
        self._account = account
        self._orders = orders
        self._filtered = filtered
        self._settings = settings
        self._now = now
        self._held = account.holdings.customers
        self._contacts: dict[str, Contact] = account.live_contacts()
        self._blocks = _latest_blocks(orders, self._contacts)
        self._out = CustomersDecision(customers={}, notes=[], refused_emails={})

    @property
    def known(self) -> set[str]:
        """Contacts of which a customer can be made, or is held: nothing can belong to another one (rule 1.8)."""
        return {*self._contacts, *self._held, *self._blocks}

    def decide(self, invoices_after: Mapping[str, Invoice]) -> CustomersDecision:
        """All customers; those made of a contact or an order have no trial yet.

        Args:
            invoices_after: all invoices of the account after this run.
        """
        scope = self._in_scope(invoices_after.values())
        for contact_id in sorted(scope | self._held.keys(), key=lambda each: (len(each), each)):
            if contact_id in self._filtered:
                customer = self._held.get(contact_id)
            elif contact_id in scope:
                customer = self._customer(contact_id)
                if customer is None:
                    self._out.notes.append(Note(kind="unknown_contacts", id=contact_id, rule="1.8"))
            else:
                customer = self._held[contact_id] if self._stays(contact_id) else None
            if customer is not None:
                self._out.customers[contact_id] = customer
        return self._out

    def with_trials(self, trials: Mapping[str, datetime]) -> None:
        """Set the trials of all customers but those that stay as they are held (rule 3.5)."""
        for contact_id, customer in self._out.customers.items():
            if customer is self._held.get(contact_id):
                continue
            started = past(trials.get(contact_id), self._now)
            if started is not None:
                self._out.customers[contact_id] = msgspec.structs.replace(customer, free_trial_started_at=started)

    def _in_scope(self, invoices: Iterable[Invoice]) -> set[str]:
        """Rule 3.1; every invoice has its customer."""
        found = {invoice.customer_external_id for invoice in invoices}
        found.update(each.contact_id for each in self._account.live_subscriptions().values() if each.contact_id)
        found.update(
            order.contact.id
            for order in self._orders.values()
            if order.contact and order.contact.id and order.status != DRAFT
        )
        if self._settings.customer_scope == "all":
            found.update(self._contacts)
        return found

    def _stays(self, contact_id: str) -> bool:
        """Whether a customer without any billing stays as ChartMogul holds it (rules 1.4, 3.1)."""
        if contact_id in self._account.gone_from("contacts"):
            return not self._settings.hard_delete
        return contact_id not in self._contacts

    def _customer(self, contact_id: str) -> Customer | None:
        contact, held = self._contacts.get(contact_id), self._held.get(contact_id)
        refused = self._account.memories.refused_emails.get(contact_id)
        if contact is not None:
            email = self._told(contact_id, email_of_contact(contact, refused, self._settings))
            return customer_of_contact(contact, email, self._settings, self._now)
        # A customer with a lead date was made of the contact itself; others are made of their latest order each time.
        if contact_id in self._blocks and (held is None or held.lead_created_at is None):
            block = self._blocks[contact_id]
            email = self._told(contact_id, email_of_order(block, refused, self._settings))
            self._out.notes.append(Note(kind="customers_without_contact", id=contact_id, rule="3.1"))
            return customer_of_order(block, email)
        if refused and held:
            self._out.refused_emails[contact_id] = refused
        return held

    def _told(self, contact_id: str, email: Email) -> str | None:
        if email.dropped:
            self._out.notes.append(Note(kind="dropped_emails", id=contact_id, rule="3.3"))
        if email.refused:
            self._out.refused_emails[contact_id] = email.refused
            self._out.notes.append(Note(kind="refused_emails", id=contact_id, rule="9.9"))
        return email.address


def _latest_blocks(orders: Mapping[str, Order], contacts: Mapping[str, Contact]) -> dict[str, OrderContact]:
    """Of each contact that Keap does not have: the `contact` of its latest order (rule 9.3)."""
    latest: dict[str, tuple[tuple[datetime, int, str], OrderContact]] = {}
    for order_id, order in orders.items():
        block = order.contact
        if block is None or block.id is None or block.id in contacts or order.status == DRAFT:
            continue
        if date := order.order_time or order.creation_time:
            turn = (date, len(order_id), order_id)
            if block.id not in latest or latest[block.id][0] < turn:
                latest[block.id] = (turn, block)
    return {contact_id: block for contact_id, (_, block) in latest.items()}
