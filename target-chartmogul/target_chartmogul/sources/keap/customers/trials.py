"""When a customer's free trial started (§0 b, rules 3.5, 9.3, 9.9)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from target_chartmogul.billing.objects import Customer, Invoice
from target_chartmogul.sources.keap.orders.draft_line import bills_subscription, item_type
from target_chartmogul.sources.keap.orders.drafts import OrderDraft
from target_chartmogul.sources.keap.orders.invoices import DRAFT, contact_of
from target_chartmogul.sources.keap.orders.owners import Owners
from target_chartmogul.sources.keap.records import Order, Subscription
from target_chartmogul.sources.keap.unrecorded_orders import UnrecordedOrder, subscription_lines


def contacts_with_subscription(
    subscriptions: Mapping[str, Subscription],
    orders: Iterable[Order],
    unrecorded: Iterable[UnrecordedOrder],
    invoices: Mapping[str, Invoice],
) -> set[str]:
    """Contacts whose trial is the day they were created (§0 b).

    They have a subscription in Keap, or one that is gone and whose latest order is theirs (rule 6.7), or an order of
    their own, no draft (9.9), with an item that bills a subscription (4.2). Whether that order is sent does not count.

    Args:
        subscriptions: those that Keap has, by id.
        orders: those that have a record.
        unrecorded: those that only ChartMogul knows.
        invoices: all invoices of the account after this run.
    """
    found = {each.contact_id for each in subscriptions.values() if each.contact_id}
    for order in orders:
        contact_id = contact_of(order)
        if contact_id and order.status != DRAFT and any(map(bills_subscription, order.order_items or ())):
            found.add(contact_id)
    found.update(each.contact_id for each in unrecorded if each.contact_id and each.subscriptions())
    latest: dict[str, tuple[tuple[datetime, int, str], str]] = {}
    for invoice in invoices.values():
        for line in subscription_lines(invoice):
            subscription = line.subscription_external_id or ""
            if subscription not in subscriptions:
                turn = (invoice.date, len(invoice.external_id), invoice.external_id), invoice.customer_external_id
                latest[subscription] = max(latest.get(subscription, turn), turn)
    return found | {owner for _, owner in latest.values()}


def trials_of_subscriptions(
    drafts: Collection[OrderDraft],
    unrecorded: Collection[UnrecordedOrder],
    subscriptions: Mapping[str, Subscription],
    customers_held: Mapping[str, Customer],
    owners: Owners,
    zone: ZoneInfo,
) -> dict[str, datetime]:
    """Rule 3.5 with `trial_source: subscription`: contact id -> its earliest trial (9.3).

    A trial is a DISCOUNT_FREE_TRIAL item, or a first order whose day is earlier than the subscription's `start_date`;
    it started with that order, whether the order is sent or not (§8).

    Args:
        drafts: all orders that could be worked out.
        unrecorded: orders that only ChartMogul knows; one is known for a trial by its date being the trial date that
            ChartMogul holds of its customer.
        subscriptions: those that Keap has, by id.
        customers_held: what ChartMogul holds, by contact id.
        owners: whose the subscriptions are today (rule 4.8).
        zone: `keap_timezone`.
    """
    found: dict[str, datetime] = {}
    first = _first_orders(drafts, unrecorded)
    for draft in drafts:
        for subscription in _trials_of(draft, subscriptions, first, zone):
            owner = contact_of(draft.order)
            if subscription is not None:
                owner = owners.of_line(subscription, owner)
            if owner is not None:
                found[owner] = min(draft.date, found.get(owner, draft.date))
    for order in unrecorded:
        for invoice in order.invoices:
            customer = customers_held.get(invoice.customer_external_id)
            # Customers' dates are cut to the second (`contacts.past`), those of invoices are not.
            if customer and customer.free_trial_started_at == order.date.replace(microsecond=0):
                owner = invoice.customer_external_id
                found[owner] = min(order.date, found.get(owner, order.date))
    return found


def _trials_of(
    draft: OrderDraft, subscriptions: Mapping[str, Subscription], first: Mapping[str, str], zone: ZoneInfo
) -> Iterator[str | None]:
    """The subscription of each line with which a trial began; None where no line of the order has one."""
    if draft.lines.is_empty:
        return
    named: list[str | None] = [each.subscription_id for each in draft.lines.lines if each.subscription_id is not None]
    has_trial_item = any(item_type(item) == "DISCOUNT_FREE_TRIAL" for item in draft.order.order_items or ())
    wanted: list[str | None] = [*named] or [None]
    for subscription in wanted:
        record = subscriptions.get(subscription or "")
        starts_before = (
            record is not None
            and record.start_date is not None
            and first.get(subscription or "") == draft.order.id
            and draft.date.astimezone(zone).date() < record.start_date
        )
        if has_trial_item or starts_before:
            yield subscription


def _first_orders(drafts: Iterable[OrderDraft], unrecorded: Iterable[UnrecordedOrder]) -> dict[str, str]:
    """Subscription id -> id of its first order."""
    first: dict[str, tuple[datetime, int]] = {}
    seen = [
        (line.subscription_id, (draft.date, int(draft.order.id or 0)))
        for draft in drafts
        for line in draft.lines.lines
        if line.subscription_id is not None
    ]
    seen += [(each, (order.date, int(order.order_id))) for order in unrecorded for each in order.subscriptions()]
    for subscription, turn in seen:
        first[subscription] = min(turn, first.get(subscription, turn))
    return {subscription: str(order_id) for subscription, (_, order_id) in first.items()}
