"""The plan of a line: product, subscription plan and interval (rules 3.6, 3.7, 9.4)."""

from __future__ import annotations

from datetime import datetime

from target_chartmogul.billing.calendar import Interval, interval_of
from target_chartmogul.billing.decisions import Note
from target_chartmogul.billing.objects import LineItem, Plan
from target_chartmogul.sources.keap import ids
from target_chartmogul.sources.keap.account import Catalogue
from target_chartmogul.sources.keap.records import OrderItem, Subscription
from target_chartmogul.sources.keap.settings import MappingSettings

TEXT_LIMIT = 255
"""ChartMogul's limit on names and descriptions (rule 9.1)."""


def cut(text: str | None) -> str | None:
    """A text as it is sent: stripped and cut (rule 9.1); None if nothing is left."""
    return (text or "").strip()[:TEXT_LIMIT].rstrip() or None


def product_of(item: OrderItem, subscription: Subscription | None) -> str | None:
    """Product id of a line: the item's, else the subscription's (rule 9.4)."""
    own = item.product.id if item.product else None
    return own or (subscription.product_id if subscription else None)


def plan_of(item: OrderItem, subscription: Subscription | None) -> str | None:
    """Subscription plan id of a line: the item's, else the subscription's (rule 9.4)."""
    own = item.subscription_plan.id if item.subscription_plan else None
    return own or (subscription.subscription_plan_id if subscription else None)


def own_interval(subscription: Subscription | None) -> Interval | None:
    """The interval at which Keap bills a subscription, whatever its product says (§0 c)."""
    return interval_of(subscription.billing_cycle, subscription.billing_frequency) if subscription else None


def catalogue_interval(catalogue: Catalogue, product_id: str | None, plan_id: str | None) -> Interval | None:
    """The interval of a subscription plan as Keap's catalogue knows it, or None."""
    if plan_id is None:
        return None
    plan = catalogue.plans.get(plan_id)
    found = interval_of(plan.cycle_type, plan.frequency) if plan else None
    if found is None and (product := catalogue.products.get(product_id or "")):
        for each in product.subscription_plans or ():
            if each.id == plan_id:
                return interval_of(each.billing_cycle, each.billing_frequency)
    return found


def product_interval(catalogue: Catalogue, item: OrderItem, subscription: Subscription | None) -> Interval | None:
    """Rule 3.6 for `product`: of the item's own plan, else of the subscription's plan."""
    own = item.subscription_plan
    if own is not None:
        found = interval_of(own.cycle_type, own.frequency) or catalogue_interval(
            catalogue, product_of(item, subscription), own.id
        )
        if found is not None:
            return found
    if subscription is None:
        return None
    return catalogue_interval(catalogue, subscription.product_id, subscription.subscription_plan_id)


class PlanChooser:
    """Chooses the plan of each line of an account, and notes what the report has to say of it.

    Args:
        catalogue: products and plans.
        settings: `interval_source` counts here.
        anew: lines that ChartMogul holds get their plan as if they were new (rules 1.10, 3.6, §8).
    """

    def __init__(self, catalogue: Catalogue, settings: MappingSettings, *, anew: bool) -> None:
        self._catalogue = catalogue
        self._by_product = settings.interval_source == "product"
        self._anew = anew
        self._plans: dict[str, Plan] = {}
        self.notes: dict[tuple[str, str], Note] = {}
        """One per kind and subscription, however many lines say the same."""

    def choose(
        self,
        item: OrderItem,
        subscription_id: str,
        subscription: Subscription | None,
        amount: int,
        held: LineItem | None,
    ) -> Plan | None:
        """The plan of a line, or None where no interval is known anywhere (rule 9.4: the line is `one_time`).

        Args:
            item: the line's first item.
            subscription_id: the subscription that the line is for.
            subscription: its record, if Keap has it.
            amount: the line's amount as sent.
            held: the line as ChartMogul has it.
        """
        product_id, plan_id = product_of(item, subscription), plan_of(item, subscription)
        interval = self._interval(item, subscription)  # first, as its notes are about lines that were sent, too
        if held is not None and not self._anew and held.plan_external_id and held.amount_in_cents == amount:
            known = ids.parse_plan_id(held.plan_external_id)
            now = (product_id or "0", plan_id or "0")
            if known is not None and held.subscription_external_id == subscription_id:
                # What the item does not name is the subscription's of today: no reason to rewrite a line of then.
                now = (product_of(item, None) or known[0], plan_of(item, None) or known[1])
            if known is not None and known[:2] == now:
                return self._named(held.plan_external_id, known[0], item, Interval(known[2], known[3]))
        if interval is None:
            return None
        external_id = ids.plan_id(product_id or "0", plan_id, interval.count, interval.unit)
        return self._named(external_id, product_id, item, interval)

    def _interval(self, item: OrderItem, subscription: Subscription | None) -> Interval | None:
        by_product, own = product_interval(self._catalogue, item, subscription), own_interval(subscription)
        if subscription is None or own is None:
            return by_product
        if by_product is None:
            if self._by_product:
                self._note("interval_unknown", subscription, {"used": own.name})
            return own
        used = by_product if self._by_product else own
        if by_product.length != own.length:
            detail = {"product": by_product.name, "subscription": own.name, "used": used.name}
            self._note("interval_conflicts", subscription, detail)
        return used

    def _note(self, kind: str, subscription: Subscription, detail: dict[str, str]) -> None:
        about = subscription.id or ""
        self.notes.setdefault((kind, about), Note(kind=kind, id=about, rule="3.6", detail=detail))

    def _named(self, external_id: str, product_id: str | None, item: OrderItem, interval: Interval) -> Plan:
        if (known := self._plans.get(external_id)) is not None:
            return known
        product = self._catalogue.products.get(product_id or "")
        name = cut(product.name if product else None)
        plan = self._catalogue.plans_held.get(external_id) if name is None else None
        if plan is None:
            plan = _plan(external_id, name or _name_by_item(item) or f"Keap product {product_id or 0}", interval)
            if name is None:
                return plan  # another item may name it otherwise: see `UsedPlans`
        self._plans[external_id] = plan
        return plan


class UsedPlans:
    """The plans that lines use (rule 2.4).

    Items may name a product that is gone differently: the earliest order's name is taken (rule 9.4). So it does not
    matter which order or account comes first (rule 1.1), and a later order changes no name that was sent.
    """

    def __init__(self) -> None:
        self.plans: dict[str, Plan] = {}
        """By external id."""
        self.since: dict[str, tuple[datetime, int]] = {}
        """External id -> date and id of the earliest order."""

    def add(self, plan: Plan, since: tuple[datetime, int]) -> None:
        """Take in the plan of a line; `since` are its order's date and id."""
        known = self.since.get(plan.external_id)
        if known is None or since < known:
            self.plans[plan.external_id] = plan
            self.since[plan.external_id] = since


def renamed(catalogue: Catalogue) -> dict[str, Plan]:
    """Plans that ChartMogul holds and whose product has another name in Keap now (rule 3.7), by external id.

    Products arrive whole in every run (rule 1.8), so that a new name reaches plans of which no order arrived.
    """
    found: dict[str, Plan] = {}
    for external_id, held in catalogue.plans_held.items():
        known = ids.parse_plan_id(external_id)
        product = catalogue.products.get(known[0]) if known else None
        name = cut(product.name if product else None)
        if known is not None and name is not None:
            plan = _plan(external_id, name, Interval(known[2], known[3]))
            if plan != held:
                found[external_id] = plan
    return found


def _plan(external_id: str, name: str, interval: Interval) -> Plan:
    return Plan(
        external_id=external_id,
        name=f"{name} ({interval.name})"[:TEXT_LIMIT],
        interval_count=interval.count,
        interval_unit=interval.unit,
    )


def _name_by_item(item: OrderItem) -> str | None:
    return cut(item.product.name if item.product else None) or cut(item.name)
