"""Which subscription an item without one belongs to: the order that created it names none (rules 4.3, 9.7, 9.9)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from target_chartmogul.billing.calendar import Interval, day_of, interval_of, plus
from target_chartmogul.billing.objects import SUBSCRIPTION, Invoice
from target_chartmogul.sources.keap.account import Catalogue
from target_chartmogul.sources.keap.orders.plans import catalogue_interval, own_interval, plan_of, product_of
from target_chartmogul.sources.keap.records import OrderItem, Subscription

_DAYS_BEFORE = 1
_DAYS_AFTER = 3


class Unlinked(msgspec.Struct, frozen=True, kw_only=True):
    """A SUBSCRIPTION item without a subscription, of an order that is or becomes an invoice."""

    order_id: str
    item_id: str
    position: int
    contact_id: str | None
    """The order's own contact."""
    date: datetime
    item: OrderItem


class Linked(msgspec.Struct, frozen=True, kw_only=True):
    """An order with a line for a subscription."""

    order_id: str
    date: datetime
    subscription_id: str


def held_customers(invoices: Iterable[Invoice]) -> defaultdict[str, set[str]]:
    """Subscription id -> the contacts under whom ChartMogul has lines of it; empty for any other."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for invoice in invoices:
        for line in invoice.line_items:
            if line.type == SUBSCRIPTION and line.subscription_external_id:
                found[line.subscription_external_id].add(invoice.customer_external_id)
    return found


class Linker:
    """Pairs unlinked items with subscriptions."""

    def __init__(
        self,
        catalogue: Catalogue,
        zone: ZoneInfo,
        subscriptions: Mapping[str, Subscription],
        customers_held: Mapping[str, set[str]],
    ) -> None:
        self._catalogue = catalogue
        self._zone = zone
        self._candidates: dict[str, list[Subscription]] = defaultdict(list)
        for subscription_id, subscription in subscriptions.items():
            contacts = customers_held.get(subscription_id, set()) | {subscription.contact_id or ""}
            for contact_id in contacts if subscription.start_date is not None else ():
                self._candidates[contact_id].append(subscription)
        self._trial_days: dict[str, int] = {}
        for trial in catalogue.free_trials.values():
            if trial.subscription_plan_id:
                days = self._trial_days.get(trial.subscription_plan_id, 0)
                self._trial_days[trial.subscription_plan_id] = max(days, trial.free_trial_days or 0)

    def infer(
        self, unlinked: Iterable[Unlinked], linked: Iterable[Linked], paired: Iterable[str]
    ) -> dict[tuple[str, str], str]:
        """(order id, item id) -> subscription id, one to one.

        The smallest distance comes first, then the lower order id, then the lower subscription id.

        Args:
            unlinked: the items to pair.
            linked: orders that name a subscription.
            paired: subscriptions that an earlier run paired.
        """
        first_link: dict[str, tuple[datetime, int]] = {}
        named_by: set[tuple[str, str]] = set()
        for link in linked:
            at = (link.date, int(link.order_id))
            known = first_link.get(link.subscription_id)
            first_link[link.subscription_id] = at if known is None else min(known, at)
            named_by.add((link.order_id, link.subscription_id))
        pairs = []
        for item in unlinked:
            for subscription in self._candidates.get(item.contact_id or "-", ()):
                subscription_id = subscription.id or ""
                earlier = first_link.get(subscription_id)
                if earlier is not None and earlier < (item.date, int(item.order_id)):
                    continue
                if (item.order_id, subscription_id) in named_by:
                    continue
                if (distance := self._distance(item, subscription)) is not None:
                    pairs.append((distance, int(item.order_id), int(subscription_id), item.position, item))
        pairs.sort(key=lambda pair: pair[:4])
        links: dict[tuple[str, str], str] = {}
        taken = {int(subscription_id) for subscription_id in paired}
        for _, _, number, _, item in pairs:
            key = (item.order_id, item.item_id)
            if number not in taken and key not in links:
                links[key] = str(number)
                taken.add(number)
        return links

    def _distance(self, item: Unlinked, subscription: Subscription) -> int | None:
        """Whole days between order and start date, or None where the two cannot belong together.

        That they are one contact's is known already.
        """
        start = subscription.start_date
        if start is None or not self._same_plan(item.item, subscription):
            return None
        day = day_of(item.date, self._zone)
        if start < day - timedelta(days=_DAYS_BEFORE) or start > self._latest_start(item.item, subscription, day):
            return None
        return abs((start - day).days)

    @staticmethod
    def _same_plan(item: OrderItem, subscription: Subscription) -> bool:
        if (plan_id := plan_of(item, None)) is not None:
            return subscription.subscription_plan_id == plan_id
        product_id = product_of(item, None)
        return product_id is not None and subscription.product_id == product_id

    def _latest_start(self, item: OrderItem, subscription: Subscription, day: date) -> date:
        plan_id = plan_of(item, subscription)
        trial_end = day + timedelta(days=self._trial_days.get(plan_id or "", 0))
        own = item.subscription_plan
        interval: Interval | None = (
            (interval_of(own.cycle_type, own.frequency) if own else None)
            or catalogue_interval(self._catalogue, product_of(item, subscription), plan_id)
            or own_interval(subscription)
        )
        period_end = plus(day, interval) if interval else day
        return max(trial_end, period_end) + timedelta(days=_DAYS_AFTER)
