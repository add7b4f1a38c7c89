"""What `explain` can say of an order beyond its lines (rules 4.4, 3.6, 7.4)."""

from __future__ import annotations

from collections.abc import Mapping

from target_chartmogul.billing.calendar import Interval, interval_of
from target_chartmogul.billing.decisions import Note
from target_chartmogul.sources.keap.ids import parse_plan_id
from target_chartmogul.sources.keap.orders.discounts import is_discount, spread_discounts
from target_chartmogul.sources.keap.orders.draft_line import (
    OTHER,
    SHIPPING,
    SUBSCRIPTION,
    DraftLine,
    amount_of,
    bills_subscription,
    item_type,
)
from target_chartmogul.sources.keap.orders.drafts import OrderDraft
from target_chartmogul.sources.keap.orders.plans import plan_of, product_of
from target_chartmogul.sources.keap.records import OrderItem, Subscription


def order_remarks(draft: OrderDraft, subscriptions: Mapping[str, Subscription]) -> list[Note]:
    """Which discount item gave what to which line, where several items and lines could have; where a plan is from."""
    order_id = draft.order.id or ""
    found = []
    shares = _discount_shares(draft, subscriptions)
    if shares:
        found.append(Note(kind="discount_shares", id=order_id, rule="4.4", detail={"in_smallest_unit": shares}))
    for line in draft.lines.lines:
        plan = draft.plans.get(line.item_id)
        if plan is None or line.subscription_id is None:
            continue
        source = _plan_source(line.item, subscriptions.get(line.subscription_id), plan.external_id)
        if source is not None:
            detail = {"item": line.item_id, "plan": plan.external_id, "interval_from": source}
            found.append(Note(kind="plan_sources", id=order_id, rule="3.6", detail=detail))
    return found


def _discount_shares(draft: OrderDraft, subscriptions: Mapping[str, Subscription]) -> dict[str, dict[str, int]]:
    """Discount item -> item of the line -> what it took, in the currency's smallest unit.

    The spreading is done again, item by item; `rest` is what the lines exceeded the total by (rule 4.4).
    """
    items = draft.order.order_items or []
    discounts = [item for item in items if is_discount(item)]
    if not discounts:
        return {}
    sold = [item for item in items if not is_discount(item) and item_type(item) != "TAX"]
    if len(discounts) == 1 and len(sold) == 1:
        return {}
    currency, total = draft.lines.currency, draft.order.total.amount if draft.order.total else None
    lines = [_line(item, subscriptions) for item in sold]
    shares: dict[str, dict[str, int]] = {}
    for item in discounts:
        before = [line.discount for line in lines]
        spread_discounts([item], lines, currency, None)
        shares[item.id or ""] = _taken(before, lines)
    if total is not None:
        whole = [_line(item, subscriptions) for item in sold]
        tax = sum(amount_of(item) for item in items if item_type(item) == "TAX")
        spread_discounts(discounts, whole, currency, total - tax)
        rest = _taken([line.discount for line in lines], whole)
        if rest:
            shares["rest"] = rest
    return shares


def _taken(before: list[int], lines: list[DraftLine]) -> dict[str, int]:
    return {
        str(line.item.id): line.discount - old for old, line in zip(before, lines, strict=True) if line.discount != old
    }


def _line(item: OrderItem, subscriptions: Mapping[str, Subscription]) -> DraftLine:
    kind = SHIPPING if item_type(item) == "SHIPPING" else SUBSCRIPTION if bills_subscription(item) else OTHER
    return DraftLine(
        item=item,
        kind=kind,
        product_id=product_of(item, subscriptions.get(str(item.subscription_id))),
        subscription_id=None,
        gross=amount_of(item),
        quantity=1,
        taxable=False,
    )


def _plan_source(item: OrderItem, subscription: Subscription | None, plan_external_id: str) -> str | None:
    """Where the interval of a line's plan is from; None where it is the item's own plan's, as for nearly all."""
    parsed = parse_plan_id(plan_external_id)
    own = item.subscription_plan
    by_item = interval_of(own.cycle_type, own.frequency) if own else None
    if parsed is None:
        return None
    chosen = Interval(parsed[2], parsed[3])
    if by_item == chosen:
        return None
    held = "that of the plan already in ChartMogul, kept while product, plan and amount are unchanged"
    if parsed[:2] != (product_of(item, subscription) or "0", plan_of(item, subscription) or "0"):
        return held
    billing = interval_of(subscription.billing_cycle, subscription.billing_frequency) if subscription else None
    if by_item is None and own is not None and own.id is not None:
        return "that of the item's plan, as the catalogue has it"
    if (
        by_item is None
        and subscription is not None
        and plan_of(item, subscription) == subscription.subscription_plan_id
    ):
        return "that of the subscription's plan, or its own billing interval"
    if billing == chosen:
        return "the subscription's own billing interval"
    return held
