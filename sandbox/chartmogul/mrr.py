"""MRR of subscriptions from their line items and cancellations (fact sheet §4.1 to §4.4, §8).

A subscription has the MRR of its latest line that has begun, until a cancellation takes effect, and again
from a line that begins after it.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from sandbox.chartmogul.records import Event, Invoice, LineItem, Plan, Subscription
from sandbox.chartmogul.settings import Settings
from sandbox.chartmogul.store import Store

CANCELLED = "subscription_cancelled"
DAY = 86_400_000
ZERO_DECIMAL = frozenset({"CLP", "JPY", "KRW", "PYG", "RWF", "UGX", "VND", "XAF", "XOF", "XPF"})


@dataclass(slots=True)
class Step:
    """From `at` (milliseconds) on the subscription has this `mrr` in hundredths; `line` is None after a churn."""

    at: int
    mrr: int
    line: LineItem | None
    currency: str


def line_mrr(line: LineItem, settings: Settings) -> int:
    """(amount - tax) by the plan's interval, rounded half away from zero, in hundredths."""
    plan = line.plan
    assert plan is not None  # noqa: S101 - a subscription line is not stored without a plan
    above, below = _months(plan, settings)
    if settings.chose("zero_decimal_amounts", "units") and line.invoice.currency in ZERO_DECIMAL:
        above *= 100
    above *= line.amount - line.tax
    if line.prorated:
        factor = _proration(line, plan)
        above, below = above * factor[0], below * factor[1]
    rounded = (2 * abs(above) + below) // (2 * below)
    return rounded if above >= 0 else -rounded


def _months(plan: Plan, settings: Settings) -> tuple[int, int]:
    """The ratio that turns an interval's amount into a month's; a month has 30.4375 = 487/16 days."""
    if plan.interval_unit == "day":
        return 480 if settings.chose("months_of_days", "30") else 487, 16 * plan.interval_count
    return 1, plan.interval_count * (12 if plan.interval_unit == "year" else 1)


def _proration(line: LineItem, plan: Plan) -> tuple[int, int]:
    """Full period over the prorated one, months counted as 30.4375 days."""
    if line.period_start is None or line.period_end is None or line.period_end <= line.period_start:
        return 1, 1
    full = {"day": DAY, "month": DAY * 487 // 16, "year": 12 * DAY * 487 // 16}[plan.interval_unit]
    return max(full * plan.interval_count, line.period_end - line.period_start), line.period_end - line.period_start


def _event_order(line: LineItem) -> int:
    """A line without one is as if it had 0."""
    return (line.extra or {}).get("event_order") or 0


def _no_order(_: LineItem) -> int:
    return 0


class MrrCalculator:
    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    def timeline(self, subscription: Subscription) -> list[Step]:
        """All steps of a subscription, in time; kept until its lines, invoices or cancellations change."""
        if subscription.timeline is None:
            subscription.timeline = self._build(subscription)
        steps: list[Step] = subscription.timeline
        return steps

    def at(self, subscription: Subscription, moment: int) -> Step | None:
        steps = self.timeline(subscription)
        index = bisect_right(steps, moment, key=attrgetter("at"))
        return steps[index - 1] if index else None

    def cancellations(self, subscription: Subscription) -> list[Event]:
        """Effective cancellations, earliest first."""
        found = [e for e in self._store.events_of(subscription) if e.event_type == CANCELLED and not e.disabled_at]
        return sorted(found, key=attrgetter("effective_date", "seq"))

    def _build(self, subscription: Subscription) -> list[Step]:
        lines = self._counted(subscription)
        churns = [self._churn_time(event, lines) for event in self.cancellations(subscription)]
        churns += self._missed_renewals(lines)
        if self._settings.chose("churn_within_a_second", "ignored"):
            starts = [line.period_start or 0 for line in lines]
            churns = [moment for moment in churns if not any(0 <= moment - start <= 1000 for start in starts)]
        moves: list[tuple[int, int, int, LineItem | None]] = []
        for order, line in enumerate(lines):
            moves.append((line.period_start or 0, 0, order, line))
        moves += [(moment, 1, order, None) for order, moment in enumerate(churns)]
        moves.sort(key=lambda move: move[:3])
        steps: list[Step] = []
        for moment, _, _, begun in moves:
            if begun is None:
                if steps:
                    steps.append(Step(moment, 0, None, steps[-1].currency))
                continue
            mrr = line_mrr(begun, self._settings)
            if begun.prorated and (begun.extra or {}).get("proration_type") != "full" and steps:
                mrr += steps[-1].mrr
            if steps and steps[-1].at == moment and steps[-1].line:
                steps.pop()  # of lines of one instant only the last one is a movement
            steps.append(Step(moment, mrr, begun, begun.invoice.currency))
        return steps

    def _counted(self, subscription: Subscription) -> list[LineItem]:
        """Lines that count, by period: of one invoice only the last, and by the source's invoice handling.

        Of lines that begin at one instant the one with the higher `event_order` is the later one, else the younger.
        """
        known = [x for x in subscription.line_items if x.period_start is not None and x.disabled_at is None]
        order = _event_order if self._settings.chose("event_order", "decides") else _no_order
        last = {line.invoice.seq: line for line in sorted(known, key=order)}
        lines = sorted(last.values(), key=lambda line: (line.period_start or 0, order(line), line.seq))
        counted: list[LineItem] = []
        for line in lines:
            if self._invoice_counts(line.invoice, first=not counted):
                counted.append(line)
        return counted

    def _invoice_counts(self, invoice: Invoice, *, first: bool) -> bool:
        if invoice.disabled_at is not None or not invoice.is_valid():
            return False
        half: dict[str, Any] = self._settings.invoice_handling_setting[invoice.collection_method or "automatic"]
        status = invoice.status()
        if half.get(f"prevent_subscription_for_invoice_{status}"):
            return False
        if status == "refunded" and self._settings.account["refund_handling"] == "refund_full_only":
            return False
        condition = half["create_subscription_when_invoice_is" if first else "update_subscription_when_invoice_is"]
        if condition == "open" or status not in ("open", "paid"):
            return True
        return status == "paid" or (condition == "partially_paid" and invoice.paid() > 0)

    def _churn_time(self, event: Event, lines: list[LineItem]) -> int:
        """The cancellation's time, or the end of the period it falls into if the account churns at period end."""
        moment = event.effective_date
        if self._settings.account["churn_recognition"] != "churn_at_period_end":
            return moment
        if self._settings.chose("churn_recognition_acts", "on_billing_systems"):
            return moment
        begun = [line for line in lines if (line.period_start or 0) <= moment]
        return max(moment, begun[-1].period_end or 0) if begun else moment

    def _missed_renewals(self, lines: list[LineItem]) -> list[int]:
        """When auto churn is on: the days of grace after a period that no other line follows in time."""
        setting = self._settings.auto_churn_subscription_setting
        if not (self._settings.account["auto_churn_subscription"] and setting["enabled"]):
            return []
        grace = int(setting["interval"] or 0) * DAY
        starts = [line.period_start or 0 for line in lines]
        return [
            line.period_end + grace
            for order, line in enumerate(lines)
            if line.period_end is not None
            and not any(start <= line.period_end + grace for start in starts[order + 1 :])
        ]
