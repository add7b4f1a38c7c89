"""What is made of a record, and what ChartMogul has of it, in words: invoices, lines, transactions, cancellations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from target_chartmogul.billing.decisions import Decision
from target_chartmogul.billing.mrr import current_step, line_mrr, subscription_steps
from target_chartmogul.billing.normal import same
from target_chartmogul.billing.objects import (
    CANCELLATION_SCHEDULED,
    FAILED,
    ONE_TIME,
    REFUND,
    SUBSCRIPTION,
    WRITTEN_OFF,
    Customer,
    Invoice,
    LineItem,
    Plan,
    SubscriptionEvent,
    Transaction,
)
from target_chartmogul.billing.said import Said
from target_chartmogul.report.explain_words import EVENT_RULES, SOURCES
from target_chartmogul.report.text import money
from target_chartmogul.store.accounts import Account


class Objects(NamedTuple):
    """By kind and external id: what should be in ChartMogul of a record, and what is."""

    wanted: Mapping[tuple[str, str], Any]
    held: Mapping[tuple[str, str], Any]
    plans: Mapping[str, Plan]
    only: Callable[[LineItem | Transaction], bool]
    """Which lines and transactions have to do with the record."""
    now: datetime
    brief: bool = False
    """Invoices are named without their lines and transactions."""


def object_lines(objects: Objects, decision: Decision) -> Iterator[Said]:
    """What should be in ChartMogul, each part with the rule that made it."""
    notes = {(note.kind, note.id): note for note in decision.notes}
    invoices = sorted(_of(objects, Invoice), key=lambda each: (each.date, each.external_id))
    events = sorted(_of(objects, SubscriptionEvent), key=lambda each: (each.effective_date, each.external_id))
    for customer in _of(objects, Customer):
        yield from _customer(customer)
    for plan in _of(objects, Plan):
        yield Said(f"plan {plan.external_id}: every {plan.interval_count} {plan.interval_unit}", "3.6, 3.7")
    for invoice in invoices:
        yield from _invoice(invoice, objects)
    for event in events:
        yield from _event(event, notes)
    yield from _mrr(invoices, events, objects)


def state_lines(objects: Objects, account: Account) -> Iterator[Said]:
    """What ChartMogul has, and in what it differs from what should be."""
    found = False
    for key in sorted({*objects.wanted, *objects.held}):
        wanted, held = objects.wanted.get(key), objects.held.get(key)
        found = True
        name = f"{_KINDS[key[0]]} {key[1]}"
        marks = account.person_marks.get(key, ())
        if key in account.missing:
            yield Said(f"{name}: a person deleted it there; it stays so until something else is to be sent", "6.8")
        elif held is None:
            yield Said(f"{name}: not there; the next run sends it", "1.1")
        elif wanted is None:
            yield Said(f"{name}: there, but it should not be; the next run deletes it", "1.1")
        elif same(wanted, held):
            yield Said(f"{name}: as it should be", "1.1")
        else:
            yield Said(f"{name}: the next run changes {', '.join(_differing(wanted, held))}", "1.1")
        if "edited" in marks:
            yield Said("a person changed it there", "6.8", 2)
        if "merged" in marks:
            yield Said("it was merged with another customer there, whose fields stay", "6.8", 2)
    if not found:
        yield Said("nothing of it")


_KINDS = {"customer": "customer", "plan": "plan", "invoice": "invoice", "event": "cancellation"}


def _of(objects: Objects, kind: type[Any]) -> list[Any]:
    return [each for each in objects.wanted.values() if isinstance(each, kind)]


def _invoice(invoice: Invoice, objects: Objects) -> Iterator[Said]:
    total = sum(line.amount_in_cents for line in invoice.line_items)
    status = f", {invoice.status}" if invoice.status else ""
    yield Said(
        f"invoice {invoice.external_id} of customer {invoice.customer_external_id}, {moment(invoice.date)}:"
        f" {money(total, invoice.currency)}{status}",
        "4.1",
    )
    root, _, owner = invoice.external_id.partition("-c")
    if owner.isdecimal() and root.isdecimal():
        yield Said(f"contact {owner} has its subscription; the order names another contact", "2.1, 4.8", 2)
    if invoice.status == WRITTEN_OFF:
        yield Said("write-offs alone settle what is left of it", "5.7", 2)
    if objects.brief:
        return
    for line in invoice.line_items:
        if objects.only(line):
            yield from _line(invoice, line, objects.plans)
    for move in invoice.transactions:
        if objects.only(move):
            rule = "5.5" if move.result == FAILED else "5.4" if move.type == REFUND else "5.3"
            yield Said(
                f"{move.result} {move.type} {move.external_id}, {moment(move.date)}:"
                f" {money(move.amount_in_cents, invoice.currency)}",
                rule,
                2,
            )


def _line(invoice: Invoice, line: LineItem, plans: Mapping[str, Plan]) -> Iterator[Said]:
    currency = invoice.currency
    parts = [f"line {line.external_id}, {line.type.replace('_', '-')}: {money(line.amount_in_cents, currency)}"]
    if line.tax_amount_in_cents:
        parts.append(f"of that tax {money(line.tax_amount_in_cents, currency)}")
    if line.discount_amount_in_cents:
        parts.append(f"after a discount of {money(line.discount_amount_in_cents, currency)}")
    yield Said(", ".join(parts), "4.2", 2)
    if line.external_id.endswith("-adjustment"):
        yield Said("it makes the lines sum to the order's total", "4.6", 3)
    elif line.balance_transfer:
        yield Said("a credit that settled the order without money", "5.7", 3)
    if line.discount_amount_in_cents:
        yield Said("discounts are spread over the lines that they are for, by their amounts", "4.4", 3)
    if line.tax_amount_in_cents:
        yield Said("the order's tax, by the discounted amounts of the taxable lines", "4.5", 3)
    if line.type == ONE_TIME:
        return
    yield Said(f"subscription {line.subscription_external_id}", "4.3", 3)
    plan = plans.get(line.plan_external_id or "")
    if plan is not None:
        yield Said(f"plan {plan.external_id}: every {plan.interval_count} {plan.interval_unit}", "3.6", 3)
    if line.service_period_start and line.service_period_end:
        period = f"{moment(line.service_period_start)} to {moment(line.service_period_end)}"
        mrr = money(line_mrr(line, plans), currency) if line.type == SUBSCRIPTION and plan is not None else "unknown"
        yield Said(f"period {period}; MRR {mrr}", "4.7", 3)


def _event(event: SubscriptionEvent, notes: Mapping[tuple[str, str], Any]) -> Iterator[Said]:
    is_to_come = event.event_type == CANCELLATION_SCHEDULED
    note = notes.get(("scheduled_cancellations" if is_to_come else "cancellations", event.external_id))
    rule = note.rule if note else "6.3"
    yield Said(
        f"{'cancellation to come' if is_to_come else 'cancellation'} {event.external_id} of customer"
        f" {event.customer_external_id}, subscription {event.subscription_external_id},"
        f" at {moment(event.effective_date)}",
        "6.3",
    )
    yield Said(EVENT_RULES.get(rule, "see the documentation of the mapping"), rule, 2)
    if note is not None and note.detail.get("source"):
        source = str(note.detail["source"])
        yield Said(f"the date is {SOURCES.get(source, source)}", "6.9", 2)


def _mrr(invoices: list[Invoice], events: list[SubscriptionEvent], objects: Objects) -> Iterator[Said]:
    wanted = {
        line.subscription_external_id
        for invoice in invoices
        for line in invoice.line_items
        if line.type == SUBSCRIPTION and (objects.brief or objects.only(line))
    }
    for customer, subscription, steps in subscription_steps(invoices, events, objects.plans):
        if subscription in wanted:
            step = current_step(steps, objects.now)
            amount = money(step.mrr, step.currency) if step is not None else "none yet"
            yield Said(f"MRR of subscription {subscription} under customer {customer} now, from these: {amount}", "7.2")


def _customer(customer: Customer) -> Iterator[Said]:
    fields = ("name", "company", "email", "country", "state", "city", "zip", "tags", "custom")
    sent = [name for name in fields if getattr(customer, name)]
    yield Said(f"customer {customer.external_id}", "3.1")
    yield Said(f"sent with: {', '.join(sent) or 'no other field'}", "3.2, 3.3, 3.4", 2)
    if customer.lead_created_at:
        yield Said(f"lead created {moment(customer.lead_created_at)}", "3.5", 2)
    if customer.free_trial_started_at:
        yield Said(f"free trial started {moment(customer.free_trial_started_at)}", "3.5", 2)


def _differing(wanted: Any, held: Any) -> list[str]:
    return [name for name in wanted.__struct_fields__ if getattr(wanted, name) != getattr(held, name, None)] or ["it"]


def moment(at: datetime) -> str:
    """`2026-03-31 08:00 UTC`."""
    return at.strftime("%Y-%m-%d %H:%M:%S UTC").replace(":00 UTC", " UTC")
