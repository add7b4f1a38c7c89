"""Orders become invoices: owners, line items, service periods (rules 4.1, 4.6 to 4.9, 2.1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from target_chartmogul.billing.calendar import Interval, plus
from target_chartmogul.billing.objects import (
    ONE_TIME,
    SUBSCRIPTION,
    WRITTEN_OFF,
    Invoice,
    LineItem,
    Plan,
    Transaction,
)
from target_chartmogul.sources.keap import ids
from target_chartmogul.sources.keap.orders.lines import OrderLine, OrderLines
from target_chartmogul.sources.keap.orders.owners import Owners
from target_chartmogul.sources.keap.orders.plans import cut
from target_chartmogul.sources.keap.records import Order, OrderItem
from target_chartmogul.sources.protocol import InvalidRecordError

ADJUSTMENT = "Keap order adjustment"
DRAFT = "DRAFT"
FIRST_YEAR = 1900
"""Earlier dates are typing errors, and have no neighbours in every zone and calendar."""


class DraftInvoice(msgspec.Struct, kw_only=True):
    """One owner's part of an order, before its payments are known."""

    external_id: str
    owner: str
    lines: list[OrderLine]
    adjustment_in_cents: int = 0

    @property
    def total_in_cents(self) -> int:
        """What the lines sum to, without credits."""
        return sum([line.amount_in_cents for line in self.lines]) + self.adjustment_in_cents


def is_invoice(order: Order) -> bool:
    """Rule 4.1: every order but drafts and those without any item."""
    return bool(order.order_items) and order.status != DRAFT


def date_of(order: Order) -> datetime:
    """The invoice's date (rule 4.1).

    Raises:
        InvalidRecordError: the order has neither an order time nor a creation time, or one that is a typing error.
    """
    date = order.order_time or order.creation_time
    if date is None:
        raise InvalidRecordError("orders", order.id, "order_time", "is missing, and so is creation_time")
    for field, moment in (("order_time", date), ("due_time", order.due_time)):
        if moment is not None and moment.year < FIRST_YEAR:
            raise InvalidRecordError("orders", order.id, field, f"is before the year {FIRST_YEAR}")
    return date


def contact_of(order: Order) -> str | None:
    """The order's own contact."""
    return order.contact.id if order.contact else None


def divide(order: Order, lines: OrderLines, owners: Owners, holders: Mapping[str, str]) -> list[DraftInvoice]:
    """One invoice per owner, that of the first subscription line first (rules 4.8, 2.1).

    Args:
        order: its order.
        lines: all of its lines.
        owners: whose the subscriptions are.
        holders: item id -> the customer under whom ChartMogul holds the line.

    Raises:
        InvalidRecordError: no contact is named by the order, nor by a subscription of it.
    """
    own = contact_of(order)
    line_owners = [
        None if line.subscription_id is None else owners.of_line(line.subscription_id, own, holders.get(line.item_id))
        for line in lines.lines
    ]
    named = [owner for owner in line_owners if owner is not None]
    first = named[0] if named else own
    if first is None:
        raise InvalidRecordError("orders", order.id, "contact.id", "is missing: nobody to invoice")
    order_id = order.id or ""
    lines_of: dict[str, list[OrderLine]] = {first: []}
    for line, owner in zip(lines.lines, line_owners, strict=True):
        lines_of.setdefault(owner or first, []).append(line)
    return [
        DraftInvoice(
            external_id=ids.invoice_id(order_id, owner, own or ""),
            owner=owner,
            lines=theirs,
            adjustment_in_cents=lines.adjustment_in_cents if owner == first else 0,
        )
        for owner, theirs in lines_of.items()
    ]


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What §5 made of an order's payments, by invoice external id."""

    transactions: Mapping[str, tuple[Transaction, ...]] = {}
    credit_lines: Mapping[str, tuple[LineItem, ...]] = {}
    written_off: bool = False


def invoice_of(
    order: Order,
    draft: DraftInvoice,
    currency: str,
    plans: Mapping[str, Plan],
    settled: Settled,
    *,
    remove_mrr: bool,
) -> Invoice:
    """An invoice whole.

    Args:
        order: its order.
        draft: its lines.
        currency: ISO 4217.
        plans: item id -> plan, for subscription lines.
        settled: its payments.
        remove_mrr: its subscription lines are `one_time` (§8, `full_refund`).

    Raises:
        InvalidRecordError: see `date_of`; or a period that ends beyond the calendar.
    """
    date = date_of(order)
    lines = [
        _one_time(draft, line)
        if remove_mrr or line.subscription_id is None
        else _subscription(order, draft, line, plans[line.item_id], date)
        for line in draft.lines
    ]
    if draft.adjustment_in_cents:
        lines.append(
            LineItem(
                external_id=ids.adjustment_id(draft.external_id),
                type=ONE_TIME,
                amount_in_cents=draft.adjustment_in_cents,
                description=ADJUSTMENT,
            )
        )
    lines.extend(settled.credit_lines.get(draft.external_id, ()))
    return Invoice(
        external_id=draft.external_id,
        customer_external_id=draft.owner,
        date=date,
        due_date=order.due_time,
        currency=currency,
        status=WRITTEN_OFF if settled.written_off else None,
        line_items=tuple(lines),
        transactions=tuple(settled.transactions.get(draft.external_id, ())),
    )


def _one_time(draft: DraftInvoice, line: OrderLine) -> LineItem:
    return LineItem(
        external_id=ids.line_id(draft.external_id, line.item_id),
        type=ONE_TIME,
        amount_in_cents=line.amount_in_cents,
        quantity=line.quantity,
        tax_amount_in_cents=line.tax_in_cents,
        discount_amount_in_cents=line.discount_in_cents,
        description=_description(line.item),
    )


def _description(item: OrderItem) -> str | None:
    return cut(item.name) or cut(item.product.name if item.product else None)


def _subscription(order: Order, draft: DraftInvoice, line: OrderLine, plan: Plan, start: datetime) -> LineItem:
    try:
        end = plus(start, Interval(plan.interval_count, plan.interval_unit))
    except OverflowError as error:
        field = "order_items.subscription_plan.frequency"
        raise InvalidRecordError("orders", order.id, field, "makes a period that never ends") from error
    return LineItem(
        external_id=ids.line_id(draft.external_id, line.item_id),
        type=SUBSCRIPTION,
        amount_in_cents=line.amount_in_cents,
        quantity=line.quantity,
        tax_amount_in_cents=line.tax_in_cents,
        discount_amount_in_cents=line.discount_in_cents,
        subscription_external_id=line.subscription_id,
        plan_external_id=plan.external_id,
        service_period_start=start,
        service_period_end=end,
        event_order=int(order.id or 0),
    )
