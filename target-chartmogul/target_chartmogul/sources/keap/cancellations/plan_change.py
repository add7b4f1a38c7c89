"""Plan changes (rule 6.6): Keap makes a second subscription of the same product, and the first one runs on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from target_chartmogul.sources.keap.cancellations.churn_date import ONE_SECOND, ChurnDate
from target_chartmogul.sources.keap.cancellations.subscription_facts import SubscriptionFacts
from target_chartmogul.sources.keap.records import Subscription
from target_chartmogul.sources.keap.settings import MappingSettings

PLAN_CHANGE = "plan_change"


class Follower(NamedTuple):
    """The subscription that took over, and when its first order began."""

    subscription_id: str
    start: datetime


def product_groups(settings: MappingSettings) -> dict[str, frozenset[str]]:
    """Product id -> the products that count as the same one (`plan_change_products`)."""
    return {product: frozenset(group) for group in settings.plan_change_products for product in group if group}


def find_follower(
    record: Subscription,
    facts: SubscriptionFacts,
    churn: ChurnDate,
    candidates: Iterable[tuple[Subscription, SubscriptionFacts]],
    groups: Mapping[str, frozenset[str]],
) -> Follower | None:
    """The first subscription of the same contact and product that began after `record`'s last bill and before its end.

    Days are compared (rule 9.9). Only an inactive subscription without `end_date` has one: an active one has a churn
    date by its `end_date` alone. A missing
    `last_bill_date` is the day of the latest line.

    Args:
        record: the subscription that ends.
        facts: its periods.
        churn: its churn date by the other rules.
        candidates: the contact's subscriptions that have lines, `record` itself allowed.
        groups: from `product_groups`.
    """
    if record.end_date is not None:
        return None
    product = record.product_id or facts.product_id
    if product is None:
        return None
    same = groups.get(str(product), frozenset({str(product)}))
    last_bill = record.last_bill_date or facts.latest.start_day
    found: Follower | None = None
    for other, others in candidates:
        if other.id == record.id:
            continue
        if (other.product_id or others.product_id) not in same:
            continue
        first = others.first
        if last_bill < first.start_day < churn.day:
            follower = Follower(str(other.id), first.start)
            if found is None or (follower.start, follower.subscription_id) < (
                found.start,
                found.subscription_id,
            ):
                found = follower
    return found


def switched(follower: Follower, facts: SubscriptionFacts, settings: MappingSettings) -> ChurnDate:
    """`plan_change: switch`: it ends when the follower's first order begins, never before its own latest line."""
    at = max(follower.start, facts.latest.start + ONE_SECOND)
    return ChurnDate(at.astimezone(settings.zone).date(), at, "6.6", PLAN_CHANGE)
