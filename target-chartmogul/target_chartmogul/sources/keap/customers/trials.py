"""When a customer's free trial started (§0 b, rules 3.5, 9.3, 9.9)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from target_chartmogul.billing.objects import SUBSCRIPTION, Invoice
from target_chartmogul.sources.keap.account import Group
from target_chartmogul.sources.keap.ids import parse_invoice_id
from target_chartmogul.sources.keap.records import Order, Subscription
from target_chartmogul.sources.keap.settings import MappingSettings

_Turn = tuple[datetime, int, str]


def contacts_with_subscription(group: Group, invoices: Mapping[str, Invoice], own_orders: Collection[str]) -> set[str]:
    """Contacts whose trial is the day they were created (§0 b), as far as what arrived says so.

    They have a subscription in Keap, or one that is gone and whose latest order is theirs (rule 6.7), or an order of
    their own, no draft (9.9), with a SUBSCRIPTION item.

    Args:
        group: the records that arrived.
        invoices: all invoices of the group after this run.
        own_orders: the contacts of `own_subscription_orders`.
    """
    found = {each.contact_id for each in group.subscriptions.values() if each.contact_id}
    found.update(own_orders)
    latest: dict[str, tuple[_Turn, str]] = {}
    for invoice in invoices.values():
        for subscription in _subscriptions(invoice):
            if subscription not in group.subscriptions:
                turn = (_turn(invoice), invoice.customer_external_id)
                latest[subscription] = max(latest.get(subscription, turn), turn)
    return found | {owner for _, owner in latest.values()}


def own_subscription_orders(group: Group) -> dict[str, list[str]]:
    """Contact id -> its own orders with a SUBSCRIPTION item, drafts left out (9.9): those that arrived.

    Of those that did not, one that is remembered; it has no invoice that could be asked.
    """
    found: dict[str, list[str]] = {}
    for order_id, order in group.orders.items():
        if order.contact and order.contact.id and order.status != "DRAFT":
            items = order.order_items or ()
            if any(item.item_type == "SUBSCRIPTION" for item in items):
                found.setdefault(order.contact.id, []).append(order_id)
    for contact_id, order_id in group.remembered.unsent_subscription_orders.items():
        if order_id not in group.orders:
            found.setdefault(contact_id, []).append(order_id)
    return found


def trials_of_subscriptions(
    group: Group,
    invoices: Mapping[str, Invoice],
    settings: MappingSettings,
    now: datetime,
    unsent: Mapping[str, datetime],
) -> dict[str, datetime]:
    """Rule 3.5 with `trial_source: subscription`: the earliest trial of each contact that has one (9.3).

    A trial is a DISCOUNT_FREE_TRIAL item, or a first order whose day is earlier than the subscription's
    `start_date`; it started with that order. Of orders that did not arrive, one is known for a trial by its date being
    the trial date that ChartMogul holds of its customer.

    Args:
        group: the records that arrived, and what ChartMogul holds.
        invoices: all invoices of the group after this run.
        settings: `keap_timezone` counts here.
        now: a trial later than this is none.
        unsent: contact id -> its earliest trial among orders that are not sent.
    """
    found = dict(unsent)

    def started(invoice: Invoice) -> None:
        owner = invoice.customer_external_id
        if invoice.date <= now and (owner not in found or invoice.date < found[owner]):
            found[owner] = invoice.date

    for order_invoices in _invoices_of_trial_orders(group, invoices):
        for invoice in [each for each in order_invoices if _subscriptions(each)] or order_invoices:
            started(invoice)
    for subscription, invoice in _first_invoices(invoices).items():
        if starts_before(invoice.date, group.subscriptions.get(subscription), settings.keap_zone):
            started(invoice)
    return found


def has_trial_item(order: Order) -> bool:
    """Whether an order is a trial by its items (rule 3.5)."""
    return any(item.item_type == "DISCOUNT_FREE_TRIAL" for item in order.order_items or ())


def starts_before(date: datetime, record: Subscription | None, zone: ZoneInfo) -> bool:
    """Whether an order's day is earlier than the start of its subscription (rule 3.5)."""
    return record is not None and record.start_date is not None and date.astimezone(zone).date() < record.start_date


def _invoices_of_trial_orders(group: Group, invoices: Mapping[str, Invoice]) -> list[list[Invoice]]:
    trial_orders = {order_id for order_id, order in group.orders.items() if has_trial_item(order)}
    customers = group.existing.customers
    for held in group.existing.invoices.values():
        customer, parsed = customers.get(held.customer_external_id), parse_invoice_id(held.external_id)
        # Customers' dates are cut to the second (`contacts.past`), those of invoices are not.
        second = held.date.replace(microsecond=0)
        if customer and parsed and parsed[0] not in group.orders and customer.free_trial_started_at == second:
            trial_orders.add(parsed[0])
    by_order: dict[str, list[Invoice]] = {}
    if trial_orders:
        for invoice in invoices.values():
            parsed = parse_invoice_id(invoice.external_id)
            if parsed and parsed[0] in trial_orders:
                by_order.setdefault(parsed[0], []).append(invoice)
    return list(by_order.values())


def _first_invoices(invoices: Mapping[str, Invoice]) -> dict[str, Invoice]:
    first: dict[str, Invoice] = {}
    for invoice in invoices.values():
        for subscription in _subscriptions(invoice):
            known = first.get(subscription)
            if known is None or _turn(invoice) < _turn(known):
                first[subscription] = invoice
    return first


def _subscriptions(invoice: Invoice) -> list[str]:
    return [
        line.subscription_external_id
        for line in invoice.line_items
        if line.type == SUBSCRIPTION and line.subscription_external_id
    ]


def _turn(invoice: Invoice) -> _Turn:
    return invoice.date, len(invoice.external_id), invoice.external_id
