"""Cancellations made without an event of their own: kept as `subscription_cancelled` events without external id.

By `cancelled_at` of a line item, and by `PATCH /import/subscriptions/{uuid}` (fact sheet §4.3).
"""

from __future__ import annotations

from sandbox.chartmogul.mrr import CANCELLED
from sandbox.chartmogul.records import Event, Subscription
from sandbox.chartmogul.store import Store


def dates(store: Store, subscription: Subscription) -> list[int]:
    found = [e for e in store.events_of(subscription) if e.event_type == CANCELLED]
    if store.settings.chose("cancellation_stores", "two"):
        found = [e for e in found if e.external_id is None]
    return sorted({e.effective_date for e in found})


def cancel(store: Store, subscription: Subscription, moment: int, now: int) -> None:
    """Add a cancellation date, unless it is there already."""
    if moment in dates(store, subscription):
        return
    customer_id = subscription.customer.ids_in(subscription.source)[0]
    store.add_event(
        Event(
            store.next_seq(),
            subscription.source,
            None,
            customer_id,
            subscription.external_id,
            CANCELLED,
            moment,
            moment,
            now,
            now,
        )
    )


def replace(store: Store, subscription: Subscription, moments: list[int], now: int) -> None:
    """Make the list of cancellation dates exactly this one, whatever recorded the others."""
    for event in store.events_of(subscription):
        kept = event.effective_date in moments or (
            event.external_id and store.settings.chose("cancellation_stores", "two")
        )
        if event.event_type == CANCELLED and not kept:
            store.delete_event(event)
    for moment in moments:
        cancel(store, subscription, moment, now)
