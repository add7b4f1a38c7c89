"""What was sent of an order, a subscription or a contact, and by which rules: `target-chartmogul explain order:9071`.

It reads the ledger alone: what ChartMogul holds, and the remarks that runs left. Names and addresses are not shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from target_chartmogul.billing.decisions import Holdings, Note
from target_chartmogul.billing.mrr import current_step, line_mrr, subscription_steps
from target_chartmogul.billing.objects import (
    CANCELLATION_SCHEDULED,
    FAILED,
    REFUND,
    SUBSCRIPTION,
    Customer,
    Invoice,
    LineItem,
    SubscriptionEvent,
)
from target_chartmogul.failures import ConfigurationError
from target_chartmogul.report.explain_words import RULES, SOURCES, money, remark_words
from target_chartmogul.sources.keap.account import Remembered
from target_chartmogul.sources.keap.cancellations.subscription_facts import is_credit
from target_chartmogul.sources.keap.ids import parse_invoice_id, parse_plan_id

_SUBJECT = re.compile(r"(order|subscription|contact):(\d+)\Z")


class Subject(NamedTuple):
    """What is asked about: `order`, `subscription` or `contact`, and Keap's id."""

    kind: str
    id: str

    def __str__(self) -> str:
        """As it is written on the command line."""
        return f"{self.kind}:{self.id}"


def parse_subject(text: str) -> Subject:
    """`order:9071`, `subscription:581` or `contact:1207`.

    Raises:
        ConfigurationError: anything else.
    """
    found = _SUBJECT.match(text.strip())
    if found is None:
        raise ConfigurationError("explain what? Say `order:<id>`, `subscription:<id>` or `contact:<id>`")
    return Subject(found[1], found[2])


def explain(subject: Subject, existing: Holdings, remembered: Remembered, now: datetime) -> list[str]:
    """Lines of text; empty if nothing is held of it, nor anything to say.

    Args:
        subject: what is asked about.
        existing: what ChartMogul holds of the contacts that have to do with it.
        remembered: what the ledger remembers of them.
        now: the clock, for what is current.
    """
    said = _Explainer(existing, remembered, now)
    match subject.kind:
        case "order":
            return list(said.order(subject.id))
        case "subscription":
            return list(said.subscription(subject.id))
        case _:
            return list(said.contact(subject.id))


class _Explainer:
    def __init__(self, existing: Holdings, remembered: Remembered, now: datetime) -> None:
        self._invoices = sorted(existing.invoices.values(), key=lambda each: (each.date, each.external_id))
        self._events = sorted(existing.events.values(), key=lambda each: (each.effective_date, each.external_id))
        self._customers = existing.customers
        self._remembered = remembered
        self._now = now

    def order(self, order_id: str) -> Iterator[str]:
        for invoice in self._invoices:
            if _order_of(invoice) == order_id:
                yield from self._invoice(invoice, self._remembered.remarks.get(f"order:{order_id}", []))
        yield from self._remarks(f"order:{order_id}")

    def subscription(self, subscription_id: str) -> Iterator[str]:
        lines = [
            (invoice, line)
            for invoice in self._invoices
            for line in invoice.line_items
            if line.subscription_external_id == subscription_id
        ]
        for invoice, line in lines:
            yield (
                f"{_day(line.service_period_start or invoice.date)}  invoice {invoice.external_id} of customer"
                f" {invoice.customer_external_id}: {money(line.amount_in_cents, invoice.currency)}, plan"
                f" {line.plan_external_id}, MRR {money(line_mrr(line), invoice.currency)}"
                f"{', ' + invoice.status if invoice.status else ''}"
            )
        for event in self._events:
            if event.subscription_external_id == subscription_id:
                yield from self._event(event)
        yield from self._current_mrr(subscription_id)
        yield from self._remarks(f"subscription:{subscription_id}")

    def contact(self, contact_id: str) -> Iterator[str]:
        customer = self._customers.get(contact_id)
        if customer is not None:
            yield from _customer(customer)
        subscriptions: dict[str, None] = {}
        for invoice in self._invoices:
            if invoice.customer_external_id != contact_id:
                continue
            total = sum(line.amount_in_cents for line in invoice.line_items)
            yield (
                f"{_day(invoice.date)}  invoice {invoice.external_id}: {money(total, invoice.currency)}"
                f"{', ' + invoice.status if invoice.status else ''}  (explain order:{_order_of(invoice)})"
            )
            for line in invoice.line_items:
                if line.subscription_external_id:
                    subscriptions[line.subscription_external_id] = None
        for each in subscriptions:
            yield f"subscription {each}  (explain subscription:{each})"
            yield from self._current_mrr(each)
        for event in self._events:
            if event.customer_external_id == contact_id:
                yield from self._event(event)
        yield from self._remarks(f"contact:{contact_id}")

    def _invoice(self, invoice: Invoice, remarks: list[Note]) -> Iterator[str]:
        total = sum(line.amount_in_cents for line in invoice.line_items)
        yield (
            f"invoice {invoice.external_id} of customer {invoice.customer_external_id}, {_moment(invoice.date)}:"
            f" {money(total, invoice.currency)}{', ' + invoice.status if invoice.status else ''}"
        )
        parsed = parse_invoice_id(invoice.external_id)
        if parsed is not None and parsed[1] is not None:
            yield f"  2.1, 4.8  it belongs to contact {parsed[1]}, who has its subscription; the order names another"
        for line in invoice.line_items:
            yield from _line(invoice, line, remarks)
        for move in invoice.transactions:
            rule = "5.5" if move.result == FAILED else "5.4" if move.type == REFUND else "5.3"
            yield (
                f"  {rule}  {move.result} {move.type} {move.external_id}, {_moment(move.date)}:"
                f" {money(move.amount_in_cents, invoice.currency)}"
            )

    def _event(self, event: SubscriptionEvent) -> Iterator[str]:
        rule = self._remembered.cancellation_rules.get(event.external_id, "unknown")
        source = self._remembered.cancellation_sources.get(event.external_id, "unknown")
        is_to_come = event.event_type == CANCELLATION_SCHEDULED
        yield (
            f"{_day(event.effective_date)}  {'cancellation to come' if is_to_come else 'cancellation'}"
            f" {event.external_id} of customer {event.customer_external_id}, at {_moment(event.effective_date)}"
        )
        yield f"  {rule}  {RULES.get(rule, 'see the documentation of the mapping')}"
        yield f"  date from {SOURCES.get(source, source)}"

    def _current_mrr(self, subscription_id: str) -> Iterator[str]:
        for customer, subscription, steps in subscription_steps(self._invoices, self._events):
            if subscription == subscription_id:
                step = current_step(steps, self._now)
                amount = money(step.mrr, step.currency) if step is not None else "none yet"
                yield f"  MRR of subscription {subscription} under customer {customer} now: {amount}"

    def _remarks(self, key: str) -> Iterator[str]:
        for note in self._remembered.remarks.get(key, ()):
            yield f"  {note.rule}  {remark_words(note)}"


def _line(invoice: Invoice, line: LineItem, remarks: list[Note]) -> Iterator[str]:
    currency = invoice.currency
    yield (
        f"  line {line.external_id}, {line.type}: {money(line.amount_in_cents, currency)}, of that tax"
        f" {money(line.tax_amount_in_cents, currency)}, after a discount of"
        f" {money(line.discount_amount_in_cents, currency)}"
    )
    if line.external_id.endswith("-adjustment"):
        yield "    4.6  it makes the lines sum to the order's total"
    elif is_credit(line):
        yield "    5.7  a credit that settled the order without money"
    if line.discount_amount_in_cents:
        yield "    4.4  discounts are spread over the lines that they name, by their amounts"
    if line.tax_amount_in_cents:
        yield "    4.5  the order's tax, by the discounted amounts of the taxable lines"
    if line.type == SUBSCRIPTION:
        yield from _subscription_line(line, remarks, currency)


def _subscription_line(line: LineItem, remarks: list[Note], currency: str) -> Iterator[str]:
    item = line.external_id.rpartition("-")[2]
    about = {note.kind for note in remarks if note.detail.get("item") == item}
    linked = "found by contact, plan and date" if "inferred_links" in about else "the item names it"
    yield f"    4.3  subscription {line.subscription_external_id}: {linked}"
    parsed = parse_plan_id(line.plan_external_id or "")
    if parsed is not None:
        product, plan, count, unit = parsed
        whence = "see below" if "plan_sources" in about else "the interval of the item's own plan"
        yield f"    3.6  plan {line.plan_external_id}: product {product}, plan {plan}, every {count} {unit}: {whence}"
    if line.service_period_start and line.service_period_end:
        period = f"{_moment(line.service_period_start)} to {_moment(line.service_period_end)}"
        yield f"    4.7  period {period}; MRR {money(line_mrr(line), currency)}"


def _customer(customer: Customer) -> Iterator[str]:
    fields: Mapping[str, object] = {
        name: getattr(customer, name)
        for name in ("name", "company", "email", "country", "state", "city", "zip", "tags", "custom")
    }
    yield f"customer {customer.external_id}"
    yield f"  3.2 to 3.4  sent with: {', '.join(name for name, value in fields.items() if value) or 'no field'}"
    if customer.lead_created_at:
        yield f"  3.5  lead created {_moment(customer.lead_created_at)}"
    if customer.free_trial_started_at:
        yield f"  3.5, 0b  free trial started {_moment(customer.free_trial_started_at)}"


def _order_of(invoice: Invoice) -> str:
    parsed = parse_invoice_id(invoice.external_id)
    return parsed[0] if parsed else invoice.external_id


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d")


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
