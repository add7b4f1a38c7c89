"""What the settings leave out (§8): contacts by tag, orders by date. Items by product are left out in `lines`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from target_chartmogul.billing.calendar import midnight
from target_chartmogul.billing.decisions import Holdings, Note
from target_chartmogul.sources.keap.account import Account
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


def filtered_contacts(account: Account, settings: MappingSettings) -> frozenset[str]:
    """Contacts that a tag filter keeps out; of one that has not arrived no tags are known, and it stays out."""
    exclude, include = frozenset(settings.exclude_contact_tags), frozenset(settings.include_contact_tags)
    if not exclude and not include:
        return frozenset()
    named = {order.contact.id for order in account.orders.values() if order.contact and order.contact.id}
    named |= {each.contact_id for each in account.subscriptions.values() if each.contact_id}
    found = set()
    for contact_id in named | account.contacts.keys():
        contact = account.contacts.get(contact_id)
        tags = {str(tag) for tag in (contact.tag_ids if contact else None) or ()}
        if contact is None or tags & exclude or (include and not tags & include):
            found.add(contact_id)
    return frozenset(found)


def note_of(contact_id: str, account: Account) -> Note:
    """What the report says of a contact that is kept out."""
    detail = {} if contact_id in account.contacts else {"tags": "unknown"}
    return Note(kind="filtered_contacts", id=contact_id, rule="8", detail=detail)


def removed(holdings: Holdings, contacts: Collection[str]) -> Holdings:
    """What ChartMogul holds, but for some contacts (`hard_delete`)."""
    return Holdings(
        customers={key: each for key, each in holdings.customers.items() if key not in contacts},
        invoices={key: each for key, each in holdings.invoices.items() if each.customer_external_id not in contacts},
        events={key: each for key, each in holdings.events.items() if each.customer_external_id not in contacts},
    )
