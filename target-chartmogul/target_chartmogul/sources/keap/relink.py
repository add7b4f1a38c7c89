"""Lines of orders that did not arrive again, but whose subscription appeared (rule 4.3)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from target_chartmogul.billing.calendar import Interval, plus
from target_chartmogul.billing.decisions import Note
from target_chartmogul.billing.objects import ONE_TIME, SUBSCRIPTION, Invoice, LineItem
from target_chartmogul.sources.keap.account import Catalog, Group
from target_chartmogul.sources.keap.cancellations.subscription_facts import order_money
from target_chartmogul.sources.keap.carry_over import item_of
from target_chartmogul.sources.keap.orders.plans import PlanChooser, UsedPlans
from target_chartmogul.sources.keap.records import ItemProduct, OrderItem, SubscriptionPlan
from target_chartmogul.sources.keap.settings import MappingSettings


class Relinker:
    """Turns `one_time` lines into subscription lines by what is remembered of their items."""

    def __init__(
        self,
        group: Group,
        catalog: Catalog,
        settings: MappingSettings,
        relinked: Mapping[str, str],
        plans: UsedPlans,
    ) -> None:
        self._subscriptions = group.subscriptions
        self._items = group.remembered.unlinked_items
        self._relinked = relinked
        self._chooser = PlanChooser(catalog, settings)
        self._remove_mrr = settings.full_refund == "remove_mrr"
        self._zone = settings.zone
        self._plans = plans
        self.withdrawn: dict[str, str] = {}
        """`<order id>-<item id>` -> subscription id, of lines that stay `one_time`: refunded in full (§8)."""
        self.notes: list[Note] = []

    def linked(self, order_id: str, parts: list[Invoice]) -> list[Invoice]:
        """An order's invoices; the very same ones where no line of theirs is paired."""
        if not self._relinked:
            return parts
        refunded = self._remove_mrr and order_money(parts, self._zone).refunded_in_full
        withdrawn_before = len(self.withdrawn)
        made = [
            msgspec.structs.replace(
                invoice,
                line_items=tuple(
                    self._turned(invoice, line, f"{order_id}-{item_of(line, invoice.external_id)}", refunded=refunded)
                    for line in invoice.line_items
                ),
            )
            for invoice in parts
        ]
        if len(self.withdrawn) > withdrawn_before:
            self.notes.append(Note(kind="mrr_removed_orders", id=order_id, rule="8"))
        return made

    def _turned(self, invoice: Invoice, line: LineItem, key: str, *, refunded: bool) -> LineItem:
        subscription_id = self._relinked.get(key)
        if subscription_id is None or line.type != ONE_TIME:
            return line
        about = self._items[key]
        item = OrderItem(
            name=line.description,
            product=ItemProduct(id=about.product_id),
            subscription_plan=SubscriptionPlan(id=about.plan_id, cycle_type=about.cycle, frequency=about.frequency),
        )
        subscription = self._subscriptions.get(subscription_id)
        plan = self._chooser.choose(item, subscription_id, subscription, line.amount_in_cents, None)
        if plan is None:
            return line
        try:
            end = plus(invoice.date, Interval(plan.interval_count, plan.interval_unit))
        except OverflowError:
            return line
        if refunded:
            self.withdrawn[key] = subscription_id
            return line
        self._plans.add(plan, (invoice.date, int(key.partition("-")[0])))
        return msgspec.structs.replace(
            line,
            type=SUBSCRIPTION,
            description=None,
            subscription_external_id=subscription_id,
            plan_external_id=plan.external_id,
            service_period_start=invoice.date,
            service_period_end=end,
        )
