"""What a data source holds, by external ids and without uuids, and its MRR by month.

The form is that of the worked accounts: absent fields are not shown, `prorated` only where it is true,
`status` only where it was set. `event_order` shows in the MRR, and by itself in the API only.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.chartmogul import timestamps
from sandbox.chartmogul.mrr import CANCELLED
from sandbox.chartmogul.records import Customer, DataSource, Event, Invoice, LineItem, Transaction
from sandbox.chartmogul.state import State

SCHEDULED = "subscription_cancellation_scheduled"
_CUSTOMER_TEXTS = ("name", "company", "email", "country", "state", "city", "zip")


def content(state: State, source: DataSource, now: int, prefix: str = "") -> dict[str, Any]:
    """`{customers, plans, invoices, cancellations, scheduled, mrr}` of the objects whose id has the prefix."""
    events = [e for e in source.events if _key(e).startswith(prefix) and e.disabled_at is None]
    return {
        "customers": {
            external_id: _customer(customer)
            for external_id, customer in source.customers_by_id.items()
            if external_id.startswith(prefix)
        },
        "plans": {
            plan.external_id: {
                "name": plan.name,
                "interval_count": plan.interval_count,
                "interval_unit": plan.interval_unit,
            }
            for plan in source.plans
            if plan.external_id.startswith(prefix)
        },
        "invoices": {i.external_id: _invoice(i) for i in source.invoices if i.external_id.startswith(prefix)},
        "cancellations": {_key(e): _event(e) for e in events if e.event_type == CANCELLED},
        "scheduled": {_key(e): _event(e) for e in events if e.event_type == SCHEDULED},
        "mrr": mrr_by_month(state, source, now, prefix),
    }


def mrr_by_month(state: State, source: DataSource, now: int, prefix: str = "") -> dict[str, dict[str, int]]:
    """Month → customer → MRR at the month's last instant (in the running month: at `now`), unconverted."""
    months = month_ends(source, now, prefix)
    totals: dict[str, dict[str, int]] = {month: {} for month, _ in months}
    for customer in source.customers:
        for subscription in customer.subscriptions.values():
            if subscription.source is not source:
                continue
            name = subscription.line_items[0].invoice.customer_external_id
            if not name.startswith(prefix):
                continue
            for month, end in months:
                step = state.mrr.at(subscription, end)
                if step and step.mrr:
                    totals[month][name] = totals[month].get(name, 0) + step.mrr
    return totals


def month_ends(source: DataSource, now: int, prefix: str = "") -> list[tuple[str, int]]:
    """The months from the first invoice on, each with its last millisecond."""
    first = min((i.date for i in source.invoices if i.external_id.startswith(prefix)), default=None)
    if first is None or first > now:
        return []
    found = []
    month = timestamps.to_datetime(first).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while timestamps.from_datetime(month) <= now:
        following = _next_month(month)
        found.append((f"{month:%Y-%m}", min(timestamps.from_datetime(following) - 1, now)))
        month = following
    return found


def _next_month(month: datetime) -> datetime:
    return datetime((month + timedelta(days=32)).year, (month + timedelta(days=32)).month, 1, tzinfo=UTC)


def _key(event: Event) -> str:
    """Cancellations made by somebody else may have no external id."""
    return event.external_id if event.external_id is not None else f"#{event.seq}"


def _customer(customer: Customer) -> dict[str, Any]:
    shown: dict[str, Any] = {name: value for name in _CUSTOMER_TEXTS if (value := getattr(customer, name))}
    for name in ("lead_created_at", "free_trial_started_at"):
        moment = getattr(customer, name)
        if moment is not None:
            shown[name] = timestamps.shortest(moment)
    if customer.tags:
        shown["tags"] = list(customer.tags)
    if customer.custom:
        shown["custom"] = dict(customer.custom)
    return shown


def _invoice(invoice: Invoice) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "customer": invoice.customer_external_id,
        "date": timestamps.shortest(invoice.date),
        "currency": invoice.currency,
    }
    if invoice.due_date is not None:
        shown["due_date"] = timestamps.shortest(invoice.due_date)
    shown["line_items"] = {_part_key(line): _line_item(line) for line in invoice.line_items}
    shown["transactions"] = {_part_key(part): _transaction(part) for part in invoice.transactions}
    if invoice.manual_status:
        shown["status"] = invoice.manual_status
    if invoice.disabled_at is not None:
        shown["disabled"] = True
    if not invoice.is_valid():
        shown["invalid"] = True
    return shown


def _part_key(part: LineItem | Transaction) -> str:
    return part.external_id if part.external_id is not None else f"#{part.seq}"


def _line_item(line: LineItem) -> dict[str, Any]:
    shown: dict[str, Any] = {"type": line.kind}
    if line.subscription:
        shown["subscription"] = line.subscription.external_id
    if line.plan:
        shown["plan"] = line.plan.external_id
    if line.description is not None:
        shown["description"] = line.description
    shown |= {
        "amount_in_cents": line.amount,
        "quantity": line.quantity,
        "tax_amount_in_cents": line.tax,
        "discount_amount_in_cents": line.discount,
    }
    if line.period_start is not None:
        shown["service_period_start"] = timestamps.shortest(line.period_start)
    if line.period_end is not None:
        shown["service_period_end"] = timestamps.shortest(line.period_end)
    if line.prorated:
        shown["prorated"] = True
    if line.disabled_at is not None:
        shown["disabled"] = True
    return shown | {name: value for name, value in (line.extra or {}).items() if name != "event_order"}


def _transaction(transaction: Transaction) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "type": transaction.kind,
        "result": transaction.result,
        "date": timestamps.shortest(transaction.date),
    }
    if transaction.amount is not None:
        shown["amount_in_cents"] = transaction.amount
    return shown | (transaction.extra or {})


def _event(event: Event) -> dict[str, Any]:
    return {
        "customer": event.customer_external_id,
        "subscription": event.subscription_external_id,
        "effective_date": timestamps.shortest(event.effective_date),
    }
