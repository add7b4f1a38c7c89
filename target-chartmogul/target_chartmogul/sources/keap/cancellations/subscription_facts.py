"""What §6 needs to know of a subscription, read from the account's invoices as they are to be after this run.

So an order of which only ChartMogul knows counts as much as any other (rule 4.10).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from target_chartmogul.billing.calendar import Interval, day_of, interval_of, plus
from target_chartmogul.billing.invoice_money import InvoiceMoney, invoice_money
from target_chartmogul.billing.objects import FAILED, PAYMENT, SUBSCRIPTION, SUCCESSFUL, Invoice, LineItem
from target_chartmogul.sources.keap.ids import parse_invoice_id, parse_plan_id
from target_chartmogul.sources.keap.records import Subscription


class OrderMoney(NamedTuple):
    """The money of one order, over all its invoices (rule 4.8)."""

    total: InvoiceMoney
    settled_on: date | None
    """The day of the successful payment with which cash reached what is due; None if it did not, or nothing was."""
    failed_on: tuple[date, ...]
    """Days of failed attempts, earliest first."""

    @property
    def refunds(self) -> int:
        """All that was given back."""
        return self.total.refunds

    @property
    def paid(self) -> bool:
        """Rule 9.10."""
        return self.total.paid


class Period(NamedTuple):
    """One line of a subscription: the days `start_day` <= day < `end_day`, by its *own* billing interval (6.1)."""

    start: datetime
    order_id: str
    invoice_id: str
    customer: str
    start_day: date
    end_day: date
    line: LineItem
    currency: str
    status: str | None
    money: OrderMoney

    def covers(self, day: date) -> bool:
        """Whether a calendar day lies in it."""
        return self.start_day <= day < self.end_day


class SubscriptionFacts(NamedTuple):
    """All periods of one subscription, by start and then order id; never empty."""

    subscription_id: str
    periods: tuple[Period, ...]
    interval: Interval | None

    @property
    def first(self) -> Period:
        """The line that began it."""
        return self.periods[0]

    @property
    def latest(self) -> Period:
        """The line whose start is rule 6.2's L."""
        return self.periods[-1]

    @property
    def paid_through(self) -> date | None:
        """The end of the last period of a paid order (rule 6.1), None if none is paid."""
        return max((each.end_day for each in self.periods if each.money.paid), default=None)

    @property
    def product_id(self) -> str | None:
        """The product of its latest line, read from the plan's external id."""
        parsed = parse_plan_id(self.latest.line.plan_external_id or "")
        return parsed[0] if parsed else None


def facts_by_subscription(
    invoices: Mapping[str, Invoice], subscriptions: Mapping[str, Subscription], zone: ZoneInfo
) -> dict[str, SubscriptionFacts]:
    """Facts of every subscription that a line names.

    Args:
        invoices: an account's invoices by external id, as they are to stand after the run.
        subscriptions: those that Keap has, by id; they give the billing interval (rule 6.1). Without one, the
            plan of the line does.
        zone: `date_timezone`.
    """
    by_order: dict[str, list[Invoice]] = {}
    for external_id, invoice in invoices.items():
        parsed = parse_invoice_id(external_id)
        by_order.setdefault(parsed[0] if parsed else external_id, []).append(invoice)
    intervals = {each: own_interval(record) for each, record in subscriptions.items()}
    periods: dict[str, list[Period]] = {}
    for order_id, parts in by_order.items():
        money: OrderMoney | None = None
        for invoice in parts:
            for line in invoice.line_items:
                subscription = line.subscription_external_id
                if line.type != SUBSCRIPTION or subscription is None:
                    continue
                if money is None:
                    money = order_money(parts, zone)
                interval = intervals.get(subscription) or plan_interval(line.plan_external_id)
                periods.setdefault(subscription, []).append(
                    _period(order_id, invoice, line, interval=interval, money=money, zone=zone)
                )
    return {
        each: SubscriptionFacts(
            each,
            tuple(sorted(found, key=_by_start)),
            intervals.get(each) or plan_interval(max(found, key=_by_start).line.plan_external_id),
        )
        for each, found in periods.items()
    }


def own_interval(record: Subscription) -> Interval | None:
    """The subscription's own billing interval (§6.1: not the plan's), None if Keap does not say."""
    return interval_of(record.billing_cycle, record.billing_frequency)


def plan_interval(plan_external_id: str | None) -> Interval | None:
    """The interval that a plan's external id names (§2)."""
    parsed = parse_plan_id(plan_external_id or "")
    return Interval(parsed[2], parsed[3]) if parsed else None


def is_credit(line: LineItem) -> bool:
    """Whether a line is a credit of rule 5.7 rather than something sold."""
    return bool(line.balance_transfer) or "-credit-" in line.external_id


def order_money(parts: Sequence[Invoice], zone: ZoneInfo) -> OrderMoney:
    """The money of an order whose invoices are `parts`."""
    total = invoice_money(parts)
    moves = [each for invoice in parts for each in invoice.transactions if each.type == PAYMENT]
    if len(moves) > 1:
        moves.sort(key=lambda each: (each.date, each.external_id))
    cash = 0
    settled_on: date | None = None
    for move in moves:
        if move.result == SUCCESSFUL:
            cash += move.amount_in_cents
            if settled_on is None and cash >= total.due > 0:
                settled_on = day_of(move.date, zone)
    return OrderMoney(total, settled_on, tuple(day_of(move.date, zone) for move in moves if move.result == FAILED))


def _by_start(period: Period) -> tuple[datetime, int, str]:
    return (period.start, len(period.order_id), period.order_id)


def _period(
    order_id: str,
    invoice: Invoice,
    line: LineItem,
    *,
    interval: Interval | None,
    money: OrderMoney,
    zone: ZoneInfo,
) -> Period:
    start = line.service_period_start or invoice.date
    try:
        end = plus(start, interval) if interval else (line.service_period_end or start)
        end_day = day_of(end, zone)
    except OverflowError:
        end_day = date.max
    return Period(
        start,
        order_id,
        invoice.external_id,
        invoice.customer_external_id,
        day_of(start, zone),
        end_day,
        line,
        invoice.currency,
        invoice.status,
        money,
    )
