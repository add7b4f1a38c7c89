"""Monthly recurring revenue by our own arithmetic, from invoices and cancellations (rule 7.2).

It is what ChartMogul documents: (amount - tax) over the plan's interval, rounded per subscription, a day being
1/30.4375 of a month, unconverted and without the account's own settings. Reports call it ours for that reason.
Amounts are in the units in which they are sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from target_chartmogul.billing.calendar import DAY, YEAR
from target_chartmogul.billing.objects import (
    CANCELLED,
    SUBSCRIPTION,
    WRITTEN_OFF,
    Invoice,
    LineItem,
    SubscriptionEvent,
)
from target_chartmogul.sources.keap.cancellations.subscription_facts import order_money
from target_chartmogul.sources.keap.ids import parse_plan_id

_DAYS_PER_MONTH = (487, 16)
"""30.4375 as a fraction."""
_WITHOUT_MRR = frozenset({WRITTEN_OFF, "voided"})
MOVEMENTS = ("new", "expansion", "contraction", "churn", "reactivation")
UNPAID_AGES = ((30, "0-29"), (60, "30-59"), (90, "60-89"))
OLDEST_UNPAID = "90+"
_UTC_ZONE = ZoneInfo("UTC")


def line_mrr(line: LineItem) -> int:
    """(amount - tax) per month by the plan's interval, rounded half-up; 0 for a line without a plan of ours."""
    if line.type != SUBSCRIPTION or line.plan_external_id is None:
        return 0
    multiplier, divisor = _per_month(line.plan_external_id)
    net = line.amount_in_cents - line.tax_amount_in_cents
    return (2 * net * multiplier + divisor) // (2 * divisor)


@lru_cache(maxsize=10_000)
def _per_month(plan_external_id: str) -> tuple[int, int]:
    """What an amount of a plan is multiplied with and divided by to be that of a month."""
    parsed = parse_plan_id(plan_external_id)
    if parsed is None or parsed[2] == 0:
        return 0, 1
    _, _, count, unit = parsed
    if unit == DAY:
        return _DAYS_PER_MONTH[0], count * _DAYS_PER_MONTH[1]
    return 1, 12 * count if unit == YEAR else count


class Step(NamedTuple):
    """From `at` on, a subscription has this MRR; `invoice` is None where a cancellation ended it."""

    at: datetime
    currency: str
    mrr: int
    invoice: Invoice | None


def subscription_steps(
    invoices: Iterable[Invoice], events: Iterable[SubscriptionEvent]
) -> Iterator[tuple[str, str, list[Step]]]:
    """Customer, subscription and the steps of its MRR, by time.

    ChartMogul keeps a subscription per customer: with `subscription_owner: order` one Keap subscription is several, and
    a cancellation ends that of its own customer only (§0 g).
    """
    lines: dict[tuple[str, str], list[tuple[datetime, int, str, Invoice, LineItem]]] = {}
    for invoice in invoices:
        if invoice.status in _WITHOUT_MRR:
            continue
        for line in invoice.line_items:
            subscription = line.subscription_external_id
            if line.type == SUBSCRIPTION and subscription is not None:
                start = line.service_period_start or invoice.date
                entry = (start, len(line.external_id), line.external_id, invoice, line)
                lines.setdefault((invoice.customer_external_id, subscription), []).append(entry)
    ends: dict[tuple[str, str], list[datetime]] = {}
    for event in events:
        if event.event_type == CANCELLED:
            key = (event.customer_external_id, event.subscription_external_id)
            ends.setdefault(key, []).append(event.effective_date)
    for (customer, subscription), found in sorted(lines.items(), key=lambda item: item[0]):
        found.sort(key=lambda entry: entry[:3])
        steps = [Step(start, invoice.currency, line_mrr(line), invoice) for start, _, _, invoice, line in found]
        steps += [Step(at, "", 0, None) for at in ends.get((customer, subscription), ())]
        # At one instant the end wins: MRR comes back only with a line that begins after it.
        steps.sort(key=lambda step: (step.at, step.invoice is None))
        yield customer, subscription, steps


Paths = list[tuple[str, str, list[Step]]]
"""Customer, subscription and the steps of its MRR, by time."""


class MonthFigures(msgspec.Struct, kw_only=True):
    """MRR of one currency at a month's end, and what moved it since the month before."""

    mrr: int = 0
    customers: int = 0
    new: int = 0
    expansion: int = 0
    contraction: int = 0
    churn: int = 0
    reactivation: int = 0


class MrrTable:
    """MRR of a whole data source, fed group by group: no customer may be in two of them."""

    def __init__(self, now: datetime) -> None:
        """`now` ends the table: the running month is looked at then."""
        self._now = now.astimezone(UTC)
        self._last = _month(self._now)
        self._first: int | None = None
        self._moves: dict[tuple[int, str], MonthFigures] = {}
        self._unpaid: dict[str, dict[str, int]] = {}

    def add(self, invoices: Iterable[Invoice], events: Iterable[SubscriptionEvent]) -> Paths:
        """Count a group of customers with all that ChartMogul holds of them.

        Returns:
            Customer, subscription and the steps of its MRR, as `subscription_steps` tells them.
        """
        kept = list(invoices)
        for invoice in kept:
            month = _month(invoice.date)
            if month <= self._last and (self._first is None or month < self._first):
                self._first = month
        steps = list(subscription_steps(kept, events))
        for (currency, _), months in _by_customer(steps, self._now).items():
            self._move(currency, months)
        self._age(steps)
        return steps

    def months(self) -> dict[str, dict[str, MonthFigures]]:
        """Month (`YYYY-MM`) -> currency -> figures, from the first invoice's month to the running one."""
        if self._first is None:
            return {}
        currencies = sorted({currency for _, currency in self._moves})
        running = dict.fromkeys(currencies, (0, 0))
        table: dict[str, dict[str, MonthFigures]] = {}
        for month in range(self._first, self._last + 1):
            row = table.setdefault(_label(month), {})
            for currency in currencies:
                found = self._moves.get((month, currency))
                mrr, customers = running[currency]
                figures = msgspec.structs.replace(found) if found else MonthFigures()
                figures.mrr += mrr
                figures.customers += customers
                running[currency] = (figures.mrr, figures.customers)
                row[currency] = figures
        return table

    def unpaid(self) -> dict[str, dict[str, int]]:
        """Currency -> age in days (`0-29`, `30-59`, `60-89`, `90+`) -> MRR that rests on an unpaid order."""
        return {currency: dict(ages) for currency, ages in sorted(self._unpaid.items())}

    def _move(self, currency: str, months: dict[int, int]) -> None:
        before = 0
        ever = False
        for month in sorted(months):
            after = months[month]
            if after == before:
                continue
            figures = self._moves.setdefault((month, currency), MonthFigures())
            change = after - before
            figures.mrr += change
            figures.customers += (after > 0) - (before > 0)
            kind = _movement(before, after, ever=ever)
            setattr(figures, kind, getattr(figures, kind) + change)
            ever = ever or after > 0
            before = after

    def _age(self, steps: Paths) -> None:
        for _, _, path in steps:
            current = current_step(path, self._now)
            if current is None or current.invoice is None or not current.mrr:
                continue
            if order_money([current.invoice], _UTC_ZONE).paid:
                continue
            since = current.invoice.due_date or current.invoice.date
            ages = self._unpaid.setdefault(current.currency, {})
            label = age_label((self._now - since).days)
            ages[label] = ages.get(label, 0) + current.mrr


def mrr_by_customer(
    invoices: Iterable[Invoice], events: Iterable[SubscriptionEvent], now: datetime
) -> dict[str, dict[str, int]]:
    """Month (`YYYY-MM`) -> customer -> MRR at the month's last instant, in the running month at `now`.

    From the month of the first invoice; customers without MRR are absent. All currencies are added up as they are, so
    it is for accounts, or customers, of one currency.
    """
    kept = [invoice for invoice in invoices if invoice.date <= now]
    if not kept:
        return {}
    first, last = min(_month(invoice.date) for invoice in kept), _month(now)
    table: dict[str, dict[str, int]] = {_label(month): {} for month in range(first, last + 1)}
    for (_, customer), months in _by_customer(subscription_steps(kept, events), now).items():
        mrr = 0
        for month in range(first, last + 1):
            mrr = months.get(month, mrr)
            if mrr:
                row = table[_label(month)]
                row[customer] = row.get(customer, 0) + mrr
    return table


def current_step(steps: Iterable[Step], now: datetime) -> Step | None:
    """The step that holds at `now`."""
    found: Step | None = None
    for step in steps:
        if step.at > now:
            break
        found = step
    return found


def age_label(days: int) -> str:
    """The age group of an unpaid order that was due so many days ago."""
    return next((label for limit, label in UNPAID_AGES if days < limit), OLDEST_UNPAID)


def _by_customer(
    paths: Iterable[tuple[str, str, list[Step]]], now: datetime
) -> Mapping[tuple[str, str], dict[int, int]]:
    """(currency, customer) -> month -> MRR at its end, for the months in which it may have changed."""
    changes: dict[tuple[str, str], dict[int, int]] = {}
    for customer, _, steps in paths:
        held: dict[str, int] = {}
        at_end: dict[int, Step] = {_month(step.at): step for step in steps if step.at <= now}
        for month, step in at_end.items():
            after = {step.currency: step.mrr} if step.invoice is not None else {}
            for currency in held.keys() | after.keys():
                change = after.get(currency, 0) - held.get(currency, 0)
                months = changes.setdefault((currency, customer), {})
                months[month] = months.get(month, 0) + change
            held = after
    for months in changes.values():
        total = 0
        for month in sorted(months):
            total += months[month]
            months[month] = total
    return changes


def _movement(before: int, after: int, *, ever: bool) -> str:
    if before <= 0:
        return "reactivation" if ever else "new"
    if after <= 0:
        return "churn"
    return "expansion" if after > before else "contraction"


def _month(moment: datetime) -> int:
    return moment.year * 12 + moment.month - 1


def _label(month: int) -> str:
    return f"{month // 12:04}-{month % 12 + 1:02}"
