"""What the settings leave out (§8): contacts by tag, orders by date. Items by product are left out in `lines`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import msgspec

from target_chartmogul.billing.calendar import midnight
from target_chartmogul.billing.decisions import Holdings, Note
from target_chartmogul.billing.objects import Invoice
from target_chartmogul.sources.keap.account import Group
from target_chartmogul.sources.keap.carry_over import by_order
from target_chartmogul.sources.keap.orders.invoices import contact_of
from target_chartmogul.sources.keap.orders.owners import Owners
from target_chartmogul.sources.keap.records import Order
from target_chartmogul.sources.keap.settings import MappingSettings


def first_instant(invoices_since: str | None, zone: ZoneInfo) -> datetime | None:
    """The setting `invoices_since`: a date's midnight in `date_timezone`, or an instant (UTC unless it says else).

    Raises:
        ValueError: neither a date nor an instant in ISO 8601.
    """
    if invoices_since is None:
        return None
    try:
        return midnight(date.fromisoformat(invoices_since), zone)
    except ValueError:
        instant = datetime.fromisoformat(invoices_since)
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def filtered_contacts(group: Group, settings: MappingSettings) -> frozenset[str]:
    """Contacts that a tag filter keeps out, among those of which something arrived.

    Of a contact that did not arrive no tags are known: it stays out if it was; else it counts as without, unless
    ChartMogul holds it already.
    """
    exclude, include = frozenset(settings.exclude_contact_tags), frozenset(settings.include_contact_tags)
    if not exclude and not include:
        return frozenset()
    named = {order.contact.id for order in group.orders.values() if order.contact and order.contact.id}
    named |= {each.contact_id for each in group.subscriptions.values() if each.contact_id}
    found = set()
    for contact_id in named | set(group.contacts):
        contact = group.contacts.get(contact_id)
        if contact is None and was_kept_out(contact_id, group):
            found.add(contact_id)
            continue
        if contact is None and contact_id in group.existing.customers:
            continue
        tags = {str(tag) for tag in (contact.tag_ids if contact else None) or ()}
        if tags & exclude or (include and not tags & include):
            found.add(contact_id)
    return frozenset(found)


def was_kept_out(contact_id: str, group: Group) -> bool:
    """Whether a tag filter kept a contact out when it was read last."""
    remarks = group.remembered.remarks.get(f"contact:{contact_id}", ())
    return any(note.kind == "filtered_contacts" and not note.detail for note in remarks)


def note_of(contact_id: str, group: Group) -> Note:
    """What the report says of a contact that is kept out."""
    read = contact_id in group.contacts or was_kept_out(contact_id, group)
    detail = {} if read else {"tags": "unknown"}
    return Note(kind="filtered_contacts", id=contact_id, rule="8", detail=detail)


def without_contacts(group: Group, contacts: frozenset[str], owners: Owners) -> Group:
    """The group without some contacts and what is theirs alone; what ChartMogul holds of them is still there.

    An invoice is kept out if its customer is. So an order of theirs with a line that is another's stays (rule 4.8),
    but names no contact any more.
    """
    if not contacts:
        return group
    orders: dict[str, Order] = {}
    held = by_order(group.existing.invoices)
    for order_id, order in group.orders.items():
        if contact_of(order) not in contacts:
            orders[order_id] = order
        elif _customers(order, held.get(order_id, ()), owners) - contacts:
            orders[order_id] = msgspec.structs.replace(order, contact=None)
    return msgspec.structs.replace(
        group,
        contacts={key: each for key, each in group.contacts.items() if key not in contacts},
        subscriptions={key: each for key, each in group.subscriptions.items() if each.contact_id not in contacts},
        orders=orders,
    )


def _customers(order: Order, held: Iterable[Invoice], owners: Owners) -> set[str | None]:
    """Whose the lines of an order are that names a contact, as its items and ChartMogul say."""
    named = {each.subscription_id for each in order.order_items or () if each.subscription_id}
    return {owners.of_line(each, contact_of(order)) for each in named} | {each.customer_external_id for each in held}


def removed(existing: Holdings, contacts: frozenset[str]) -> Holdings:
    """What ChartMogul holds, but for some contacts (`hard_delete`)."""
    return Holdings(
        customers={key: each for key, each in existing.customers.items() if key not in contacts},
        invoices={key: each for key, each in existing.invoices.items() if each.customer_external_id not in contacts},
        events={key: each for key, each in existing.events.items() if each.customer_external_id not in contacts},
    )


def is_looked_at(group: Group, settings: MappingSettings) -> bool:
    """Whether `only_contacts` leaves this group in the run."""
    if not settings.only_contacts:
        return True
    wanted = set(settings.only_contacts)
    return bool(
        wanted & set(group.contacts)
        or any(each.contact_id in wanted for each in group.subscriptions.values())
        or any(each.contact is not None and each.contact.id in wanted for each in group.orders.values())
        or wanted & set(group.existing.customers)
    )
