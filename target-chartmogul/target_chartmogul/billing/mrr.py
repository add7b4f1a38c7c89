"""Monthly recurring revenue by our own arithmetic, from invoices, cancellations and plans (rule 7.2).

It is what ChartMogul documents: (amount - tax) over the plan's interval, rounded per subscription, a day being
1/30.4375 of a month, unconverted and without the account's own settings. Reports call it ours for that reason.
Amounts are in the units in which they are sent. Plans are handed in by external id: an id says nothing of an interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from target_chartmogul.billing.calendar import DAY, YEAR
from target_chartmogul.billing.invoice_money import invoice_money
from target_chartmogul.billing.objects import (
    CANCELLED,
    SUBSCRIPTION,
    VOIDED,
    WRITTEN_OFF,
    Invoice,
    LineItem,
    Plan,
    SubscriptionEvent,
)

_DAYS_PER_MONTH = (487, 16)
"""30.4375 as a fraction."""
_WITHOUT_MRR = frozenset({WRITTEN_OFF, VOIDED})
NEW, REACTIVATION, EXPANSION, CONTRACTION, CHURN = "new", "reactivation", "expansion", "contraction", "churn"

Plans = Mapping[str, Plan]
"""By external id, without prefix."""


def line_mrr(line: LineItem, plans: Plans) -> int:
    """(amount - tax) per month by the plan's interval, rounded half-up; 0 for a line whose plan is not known."""
    plan = plans.get(line.plan_external_id or "") if line.type == SUBSCRIPTION else None
    if plan is None or plan.interval_count < 1:
        return 0
    multiplier, divisor = _per_month(plan.interval_count, plan.interval_unit)
    net = line.amount_in_cents - line.tax_amount_in_cents
    return (2 * net * multiplier + divisor) // (2 * divisor)


@lru_cache(maxsize=1000)
def _per_month(count: int, unit: str) -> tuple[int, int]:
    """What an amount of a plan is multiplied with and divided by to be that of a month."""
    if unit == DAY:
        return _DAYS_PER_MONTH[0], count * _DAYS_PER_MONTH[1]
    return 1, 12 * count if unit == YEAR else count


def counts(invoice: Invoice) -> bool:
    """Whether an invoice has MRR: not one that is disabled, voided or written off (ChartMogul's default handling)."""
    return invoice.status not in _WITHOUT_MRR and not invoice.disabled


class Step(NamedTuple):
    """From `at` on, a subscription has this MRR; `invoice` is None where a cancellation ended it."""

    at: datetime
    currency: str
    mrr: int
    invoice: Invoice | None


Paths = list[tuple[str, str, list[Step]]]
"""Customer, subscription and the steps of its MRR, by time."""


def subscription_steps(
    invoices: Iterable[Invoice], events: Iterable[SubscriptionEvent], plans: Plans
) -> Iterator[tuple[str, str, list[Step]]]:
    """Customer, subscription and the steps of its MRR, by time.

    ChartMogul keeps a subscription per customer: with `subscription_owner: order` one Keap subscription is several, and
    a cancellation ends that of its own customer only (§0 g).
    """
    lines: dict[tuple[str, str], list[tuple[tuple[object, ...], Step]]] = {}
    for invoice in filter(counts, invoices):
        for place, line in enumerate(invoice.line_items):
            subscription = line.subscription_external_id
            if line.type == SUBSCRIPTION and subscription is not None:
                start = line.service_period_start or invoice.date
                step = Step(start, invoice.currency, line_mrr(line, plans), invoice)
                found = lines.setdefault((invoice.customer_external_id, subscription), [])
                found.append((_sequence(start, invoice, line, place), step))
    ends: dict[tuple[str, str], list[datetime]] = {}
    for event in events:
        if event.event_type == CANCELLED:
            key = (event.customer_external_id, event.subscription_external_id)
            ends.setdefault(key, []).append(event.effective_date)
    for key, entries in sorted(lines.items(), key=lambda item: item[0]):
        # Of lines that begin at one instant only the last one counts: the others are no movements.
        steps = list({step.at: step for _, step in sorted(entries, key=lambda entry: entry[0])}.values())
        steps += [Step(at, "", 0, None) for at in ends.get(key, ())]
        # At one instant the end wins: MRR comes back only with a line that begins after it.
        steps.sort(key=lambda step: (step.at, step.invoice is None))
        yield *key, steps


def _sequence(start: datetime, invoice: Invoice, line: LineItem, place: int) -> tuple[object, ...]:
    """ChartMogul's order of lines: by start, then `event_order` (none counts as 0), then creation.

    Invoices are created by date and then id, numbers before texts; a line's creation is its place in the invoice.
    """
    name = invoice.external_id
    return (start, line.event_order or 0, invoice.date, len(name) if name.isdecimal() else 0, name, place)


class Move(NamedTuple):
    """What one step changes: `mrr` and `customers` are differences, `customers` is -1, 0 or 1."""

    at: datetime
    customer: str
    currency: str
    kind: str
    """`new`, `reactivation`, `expansion`, `contraction` or `churn`, judged on the customer's whole MRR."""
    mrr: int
    customers: int

    def figures(self) -> tuple[tuple[str, int], ...]:
        """Name and difference of each figure of a month that it changes, which are added up by month."""
        named = (("mrr", self.mrr), (self.kind, self.mrr))
        return (*named, ("customers", self.customers)) if self.customers else named


def account_moves(invoices: Iterable[Invoice], events: Iterable[SubscriptionEvent], plans: Plans) -> list[Move]:
    """Every movement of some customers with all that is theirs, by customer and time, those to come included.

    Added up over accounts they are the MRR and the movements of the whole data source at any instant. Currencies are
    kept apart, as if each were a customer of its own.
    """
    return moves_of(subscription_steps(invoices, events, plans))


def moves_of(paths: Iterable[tuple[str, str, list[Step]]]) -> list[Move]:
    """The same, from the steps of all subscriptions of these customers."""
    changes: dict[tuple[str, str], list[tuple[datetime, bool, int]]] = {}
    for customer, _, steps in paths:
        currency, held = "", 0
        for step in steps:
            if held and currency != step.currency:
                changes.setdefault((customer, currency), []).append((step.at, True, -held))
                held = 0
            if step.invoice is None:
                continue
            if step.mrr != held:
                changes.setdefault((customer, step.currency), []).append((step.at, False, step.mrr - held))
            currency, held = step.currency, step.mrr
    return [
        move
        for (customer, currency), found in sorted(changes.items(), key=lambda item: item[0])
        for move in _judged(customer, currency, found)
    ]


def _judged(customer: str, currency: str, changes: list[tuple[datetime, bool, int]]) -> Iterator[Move]:
    """The movements of one customer; of one instant purchases come before ends, so a change of plan is no churn."""
    total, rise, rise_at = 0, NEW, None
    for at, _, change in sorted(changes, key=lambda entry: entry[:2]):
        before, total = total, total + change
        if before <= 0 < total:
            rise = NEW if rise_at is None else REACTIVATION
            rise_at, kind = at, rise
        elif total <= 0 < before:
            kind = CHURN
        elif change > 0:
            kind = rise if at == rise_at else EXPANSION
        else:
            kind = CONTRACTION
        yield Move(at, customer, currency, kind, change, (total > 0) - (before > 0))


def mrr_by_customer(
    invoices: Iterable[Invoice], events: Iterable[SubscriptionEvent], plans: Plans, now: datetime
) -> dict[str, dict[str, int]]:
    """Month (`YYYY-MM`) -> customer -> MRR at the month's last instant, in the running month at `now`.

    From the month of the first invoice; customers without MRR are absent. All currencies are added up as they are, so
    it is for accounts, or customers, of one currency.
    """
    kept = [invoice for invoice in invoices if invoice.date <= now]
    months = month_range(min((month_of(invoice.date) for invoice in kept), default=None), now)
    table: dict[str, dict[str, int]] = {month: {} for month in months}
    changes: dict[str, dict[str, int]] = {}
    for move in account_moves(kept, events, plans):
        if move.at <= now:
            mine = changes.setdefault(move.customer, {})
            mine[month_of(move.at)] = mine.get(month_of(move.at), 0) + move.mrr
    for customer, mine in changes.items():
        mrr = 0
        for month in sorted({*months, *mine}):
            mrr += mine.get(month, 0)
            if mrr and month in table:
                table[month][customer] = mrr
    return table


def current_step(steps: Iterable[Step], now: datetime) -> Step | None:
    """The step that holds at `now`."""
    found: Step | None = None
    for step in steps:
        if step.at > now:
            break
        found = step
    return found


class UnpaidMrr(NamedTuple):
    """MRR of a subscription that rests on an unpaid invoice; `since` is its due date, else its own."""

    customer: str
    subscription: str
    invoice: str
    currency: str
    mrr: int
    since: datetime


def unpaid_mrr(paths: Iterable[tuple[str, str, list[Step]]], now: datetime) -> Iterator[UnpaidMrr]:
    """Subscriptions whose MRR at `now` rests on an invoice that is not paid (rule 7.1)."""
    for customer, subscription, steps in paths:
        step = current_step(steps, now)
        if step is None or step.invoice is None or not step.mrr or invoice_money([step.invoice]).paid:
            continue
        since = step.invoice.due_date or step.invoice.date
        yield UnpaidMrr(customer, subscription, step.invoice.external_id, step.currency, step.mrr, since)


def month_of(moment: datetime) -> str:
    """`YYYY-MM`, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m}"


def month_range(first: str | None, now: datetime) -> list[str]:
    """The months from `first` to that of `now`; none if `first` is None."""
    last = month_of(now)
    months: list[str] = []
    while first is not None and first <= last:
        months.append(first)
        year, month = divmod(int(first[:4]) * 12 + int(first[5:]), 12)
        first = f"{year:04}-{month + 1:02}"
    return months
