"""A group's customers (rules 3.1 to 3.5, 3.8, 9.1 to 9.3, 9.9)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from target_chartmogul.billing.decisions import Note
from target_chartmogul.billing.objects import Customer, Invoice
from target_chartmogul.sources.keap.account import Group
from target_chartmogul.sources.keap.customers.contacts import (
    Email,
    customer_of_contact,
    customer_of_order,
    email_of_contact,
    email_of_order,
    past,
)
from target_chartmogul.sources.keap.customers.trials import (
    contacts_with_subscription,
    own_subscription_orders,
    trials_of_subscriptions,
)
from target_chartmogul.sources.keap.ids import parse_invoice_id
from target_chartmogul.sources.keap.records import Order, OrderContact
from target_chartmogul.sources.keap.settings import MappingSettings


class CustomersDecision(msgspec.Struct, kw_only=True):
    """All customers of a group after this run, by contact id."""

    customers: dict[str, Customer]
    notes: list[Note]
    refused_emails: dict[str, str]
    """What `Remembered.refused_emails` is to be from now on (rule 9.9)."""
    unsent_subscription_orders: dict[str, str] = {}
    """Likewise."""


def decide_customers(
    group: Group,
    invoices_after: Mapping[str, Invoice],
    settings: MappingSettings,
    now: datetime,
    unsent_trials: Mapping[str, datetime] | None = None,
) -> CustomersDecision:
    """Who is a customer, and what of.

    A contact that arrived is mapped from its record. One that did not, and that ChartMogul holds, stays as it is, but
    for its trial. One that is gone is made from its latest order's `contact`; of one that is in no record at all
    nothing is known (rule 1.8), and the notes say so.

    Args:
        group: the records that arrived, and what ChartMogul holds.
        invoices_after: all invoices of the group after this run, arrived ones and others.
        settings: `customer_scope`, `email_fields`, `trial_source`, `customer_tags`, `customer_attributes` and
            `keap_timezone` count here.
        now: the run's clock.
        unsent_trials: see `trials_of_subscriptions`.
    """
    decision = CustomersDecision(customers={}, notes=[], refused_emails={})
    known = _Known(group=group, settings=settings, now=now, blocks=_latest_blocks(group), elsewhere=_elsewhere(group))
    for contact_id in sorted(_in_scope(group, invoices_after, settings), key=lambda each: (len(each), each)):
        customer = _customer(contact_id, known, decision)
        if customer is None:
            decision.notes.append(Note(kind="unknown_contacts", id=contact_id, rule="1.8"))
        else:
            decision.customers[contact_id] = customer
    own_orders = own_subscription_orders(group)
    trials: dict[str, datetime] = {}
    if settings.trial_source == "subscription":
        trials = trials_of_subscriptions(group, invoices_after, settings, now, unsent_trials or {})
    elif settings.trial_source == "contact_created":
        trials = _created(decision.customers, known, contacts_with_subscription(group, invoices_after, own_orders))
    for contact_id, customer in decision.customers.items():
        started = past(trials.get(contact_id), now)
        if customer.free_trial_started_at != started:
            decision.customers[contact_id] = msgspec.structs.replace(customer, free_trial_started_at=started)
    sent = {parsed[0] for each in invoices_after if (parsed := parse_invoice_id(each))}
    for contact_id, orders in own_orders.items():
        if unsent := set(orders) - sent:
            decision.unsent_subscription_orders[contact_id] = min(unsent, key=lambda each: (len(each), each))
    return decision


def known_contacts(group: Group) -> set[str]:
    """Contacts of which a customer can be made, or is held: nothing can belong to another one (rule 1.8)."""
    return {*group.contacts, *group.existing.customers, *_latest_blocks(group)}


class _Known(msgspec.Struct, kw_only=True):
    """What every customer of the group is decided from."""

    group: Group
    settings: MappingSettings
    now: datetime
    blocks: dict[str, tuple[datetime, OrderContact]]
    """Of each contact that did not arrive: date and `contact` of its latest order that did (rule 9.3)."""
    elsewhere: dict[str, datetime]
    """By contact: date of its latest own order that did not arrive, but that ChartMogul holds."""


def _in_scope(group: Group, invoices: Mapping[str, Invoice], settings: MappingSettings) -> set[str]:
    """Rule 3.1; what ChartMogul holds stays, and every invoice has its customer."""
    found = {invoice.customer_external_id for invoice in invoices.values()}
    found.update(group.existing.customers)
    found.update(each.contact_id for each in group.subscriptions.values() if each.contact_id)
    found.update(
        order.contact.id
        for order in group.orders.values()
        if order.contact and order.contact.id and order.status != "DRAFT"
    )
    if settings.customer_scope == "all":
        found.update(group.contacts)
    return found


def _customer(contact_id: str, known: _Known, decision: CustomersDecision) -> Customer | None:
    group, settings = known.group, known.settings
    contact, held = group.contacts.get(contact_id), group.existing.customers.get(contact_id)
    refused = group.remembered.refused_emails.get(contact_id)
    if contact is not None:
        email = _told(contact_id, email_of_contact(contact, refused, settings), decision)
        return customer_of_contact(contact, email, settings, known.now)
    if contact_id in known.blocks and not (held and _knows_better(contact_id, held, known)):
        block = known.blocks[contact_id][1]
        email = _told(contact_id, email_of_order(block, refused, settings), decision)
        decision.notes.append(Note(kind="customers_without_contact", id=contact_id, rule="3.1"))
        return customer_of_order(block, email)
    if refused and held:
        decision.refused_emails[contact_id] = refused
    return held


def _knows_better(contact_id: str, held: Customer, known: _Known) -> bool:
    """Whether ChartMogul's customer was made of the contact itself, or of a later order than those that arrived."""
    later = known.elsewhere.get(contact_id)
    return held.lead_created_at is not None or (later is not None and later > known.blocks[contact_id][0])


def _told(contact_id: str, email: Email, decision: CustomersDecision) -> str | None:
    if email.dropped:
        decision.notes.append(Note(kind="dropped_emails", id=contact_id, rule="3.3"))
    if email.refused:
        decision.refused_emails[contact_id] = email.refused
        decision.notes.append(Note(kind="refused_emails", id=contact_id, rule="9.9"))
    return email.address


def _latest_blocks(group: Group) -> dict[str, tuple[datetime, OrderContact]]:
    latest: dict[str, tuple[tuple[datetime, int, str], OrderContact]] = {}
    for order_id, order in group.orders.items():
        block = order.contact
        if block is None or block.id is None or block.id in group.contacts or order.status == "DRAFT":
            continue
        if date := _date(order):
            turn = (date, len(order_id), order_id)
            if block.id not in latest or latest[block.id][0] < turn:
                latest[block.id] = (turn, block)
    return {contact_id: (turn[0], block) for contact_id, (turn, block) in latest.items()}


def _date(order: Order) -> datetime | None:
    return order.order_time or order.creation_time


def _elsewhere(group: Group) -> dict[str, datetime]:
    latest: dict[str, datetime] = {}
    for invoice in group.existing.invoices.values():
        parsed = parse_invoice_id(invoice.external_id)
        if parsed and parsed[0] not in group.orders:
            moved = parsed[1] is not None
            own = group.remembered.order_contacts.get(parsed[0]) if moved else invoice.customer_external_id
            if own:
                latest[own] = max(latest.get(own, invoice.date), invoice.date)
    return latest


def _created(customers: Mapping[str, Customer], known: _Known, evident: set[str]) -> dict[str, datetime]:
    """§0 b; a trial that ChartMogul holds stays where the order that showed it did not arrive."""
    group = known.group
    own_arrived = {order.contact.id for order in group.orders.values() if order.contact}
    found: dict[str, datetime] = {}
    for contact_id, customer in customers.items():
        created, held = customer.lead_created_at, group.existing.customers.get(contact_id)
        if created is None:
            continue
        unseen = contact_id not in own_arrived or contact_id in known.elsewhere
        if contact_id in evident or (held and held.free_trial_started_at == created and unseen):
            found[contact_id] = created
    return found
