"""What ChartMogul should hold of a group of customers: what it holds, brought up to date by the rows that arrived.

Pure. A row is the whole object. Nothing is removed but by a row that says so, or by a complete read (`gone`).
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime

import msgspec

from target_chartmogul.billing.decisions import Decision, Holdings, Note, Waiting
from target_chartmogul.billing.objects import (
    CANCELLATION_SCHEDULED,
    CANCELLED,
    Customer,
    Invoice,
    SubscriptionEvent,
    Transaction,
)
from target_chartmogul.sources.keap.customers.contacts import email_fingerprint, is_valid_email
from target_chartmogul.sources.native.rows import CancellationRow, InvoiceRow, TransactionRow
from target_chartmogul.sources.native.streams import CANCELLATIONS, CUSTOMERS, INVOICES, SCHEDULED_ENDING, TRANSACTIONS


class ShapedGroup(msgspec.Struct, kw_only=True):
    """The rows of some customers by external id, and what is known of them."""

    customers: dict[str, Customer] = {}
    invoices: dict[str, InvoiceRow] = {}
    transactions: dict[str, TransactionRow] = {}
    cancellations: dict[str, CancellationRow] = {}
    existing: Holdings = msgspec.field(default_factory=Holdings)
    transactions_apart: bool = False
    """The run has a stream `transactions`: invoices have theirs from there."""
    refused_emails: dict[str, str] = {}
    """Customer -> fingerprint of an address that ChartMogul refused (rule 9.9)."""


def decide(group: ShapedGroup, plans: AbstractSet[str], gone: AbstractSet[str], now: datetime) -> Decision:
    """All that ChartMogul should hold of a group.

    Args:
        group: its rows.
        plans: ids of the plans that ChartMogul has, or that arrived.
        gone: streams that were read completely and whose missing objects are to be removed (rule 4.10).
        now: the clock of the run.
    """
    decision = Decision(customers=_customers(group))
    _note_emails(group, decision)
    decision.invoices = dict(group.existing.invoices)
    for external_id, row in sorted(group.invoices.items()):
        if (waits := _why_it_waits(row, decision.customers, plans, now)) is not None:
            decision.waiting.append(_held(INVOICES, external_id, *waits))
        else:
            decision.invoices[external_id] = _invoice(
                row, group.existing.invoices.get(external_id), keep_transactions=group.transactions_apart
            )
    if INVOICES in gone:
        decision.invoices = {key: each for key, each in decision.invoices.items() if key in group.invoices}
    _join_transactions(group, decision, now)
    if TRANSACTIONS in gone:
        _remove_transactions(group, decision)
    decision.events = _events(group, decision, gone, now)
    if CUSTOMERS in gone:
        _remove_customers(group, decision)
    return decision


def _customers(group: ShapedGroup) -> dict[str, Customer]:
    found = dict(group.existing.customers)
    for external_id, customer in group.customers.items():
        address = customer.email
        refused = group.refused_emails.get(external_id)
        if address and (not is_valid_email(address) or email_fingerprint(address) == refused):
            address = None
        held = found.get(external_id)
        found[external_id] = msgspec.structs.replace(
            customer,
            email=address,
            tags=held.tags if held else (),
            custom=held.custom if held else (),
        )
    return found


def _note_emails(group: ShapedGroup, decision: Decision) -> None:
    """§0 f: an address that is none is not sent, its customer is."""
    decision.notes += [
        Note(kind="dropped_emails", id=external_id, rule="3.3")
        for external_id, customer in sorted(group.customers.items())
        if customer.email and not is_valid_email(customer.email)
    ]


def _held(stream: str, external_id: str, reason: str, due: datetime | None) -> Waiting:
    return Waiting(stream=stream, id=external_id, reason=reason, rule="1.8" if due is None else "1.5", due=due)


def _why_it_waits(
    row: InvoiceRow, customers: Mapping[str, Customer], plans: AbstractSet[str], now: datetime
) -> tuple[str, datetime | None] | None:
    """What an invoice waits for and until when, None if for nothing (rules 1.5, 1.8)."""
    if row.invoice.customer_external_id not in customers:
        return f"its customer {row.invoice.customer_external_id} has not arrived", None
    for line in row.invoice.line_items:
        if line.plan_external_id is not None and line.plan_external_id not in plans:
            return f"the plan {line.plan_external_id} of its line {line.external_id} has not arrived", None
    return ("future", row.latest) if row.latest > now else None


def _invoice(row: InvoiceRow, held: Invoice | None, *, keep_transactions: bool) -> Invoice:
    """The invoice of a row; transactions that it does not list, and a status set in ChartMogul, stay."""
    if held is None:
        return row.invoice
    is_list_of_all = row.has_transactions and not keep_transactions
    rows = row.invoice.transactions if is_list_of_all else held.transactions
    return msgspec.structs.replace(row.invoice, transactions=rows, status=held.status)


def _join_transactions(group: ShapedGroup, decision: Decision, now: datetime) -> None:
    """Each transaction into the invoice that it names, and out of any other that had it."""
    before = {
        each.external_id: external_id
        for external_id, invoice in decision.invoices.items()
        for each in invoice.transactions
    }
    for external_id, row in sorted(group.transactions.items()):
        home = row.invoice_external_id
        if row.transaction.date > now:
            decision.waiting.append(_held(TRANSACTIONS, external_id, "future", row.transaction.date))
            continue
        if home not in decision.invoices:
            decision.waiting.append(_held(TRANSACTIONS, external_id, f"its invoice {home} has not arrived", None))
            continue
        earlier = before.get(external_id)
        if earlier is not None and earlier != home:
            _put(decision, earlier, _without(decision.invoices[earlier].transactions, {external_id}))
        rows = decision.invoices[home].transactions
        _put(decision, home, (*_without(rows, {external_id}), row.transaction))


def _remove_transactions(group: ShapedGroup, decision: Decision) -> None:
    """Those that a complete read did not bring."""
    for external_id, invoice in list(decision.invoices.items()):
        left = tuple(each for each in invoice.transactions if each.external_id in group.transactions)
        if len(left) < len(invoice.transactions):
            _put(decision, external_id, left)


def _put(decision: Decision, invoice: str, rows: tuple[Transaction, ...]) -> None:
    decision.invoices[invoice] = msgspec.structs.replace(decision.invoices[invoice], transactions=rows)


def _without(rows: tuple[Transaction, ...], ids: AbstractSet[str]) -> tuple[Transaction, ...]:
    return tuple(each for each in rows if each.external_id not in ids)


def _events(
    group: ShapedGroup, decision: Decision, gone: AbstractSet[str], now: datetime
) -> dict[str, SubscriptionEvent]:
    """Cancellations, those to come as scheduled ones until their day (rule 6.3)."""
    found = dict(group.existing.events)
    for key, row in sorted(group.cancellations.items()):
        if row.effective_date is not None and row.customer_external_id not in decision.customers:
            reason = f"its customer {row.customer_external_id} has not arrived"
            decision.waiting.append(_held(CANCELLATIONS, key, reason, None))
            continue
        earlier = found.pop(key, None), found.pop(key + SCHEDULED_ENDING, None)
        if row.effective_date is not None:
            event = _event(row, row.effective_date, earlier[1], now)
            found[event.external_id] = event
    if CANCELLATIONS in gone:
        found = {key: each for key, each in found.items() if _base(each) in group.cancellations}
    return dict(_due(each, now) for each in found.values())


def _event(
    row: CancellationRow, effective: datetime, scheduled: SubscriptionEvent | None, now: datetime
) -> SubscriptionEvent:
    """The event of a row. One to come is dated at the run that first saw it (rule 6.1)."""
    later = effective > now
    seen = scheduled.event_date if scheduled is not None else now.replace(microsecond=0)
    return SubscriptionEvent(
        external_id=row.external_id + (SCHEDULED_ENDING if later else ""),
        event_type=CANCELLATION_SCHEDULED if later else CANCELLED,
        customer_external_id=row.customer_external_id,
        subscription_external_id=row.subscription_external_id,
        event_date=seen if later else effective,
        effective_date=effective,
    )


def _due(event: SubscriptionEvent, now: datetime) -> tuple[str, SubscriptionEvent]:
    """The cancellation that a scheduled one becomes when its day has come, though its row does not come again."""
    if event.event_type != CANCELLATION_SCHEDULED or event.effective_date > now:
        return event.external_id, event
    done = msgspec.structs.replace(
        event, external_id=_base(event), event_type=CANCELLED, event_date=event.effective_date
    )
    return done.external_id, done


def _base(event: SubscriptionEvent) -> str:
    """The id of a row by its event's."""
    return event.external_id.removesuffix(SCHEDULED_ENDING) if _is_scheduled(event) else event.external_id


def _is_scheduled(event: SubscriptionEvent) -> bool:
    return event.event_type == CANCELLATION_SCHEDULED


def _remove_customers(group: ShapedGroup, decision: Decision) -> None:
    """Those that a complete read did not bring, unless something of theirs stays."""
    needed = {each.customer_external_id for each in decision.invoices.values()}
    needed |= {each.customer_external_id for each in decision.events.values()}
    decision.customers = {
        key: each for key, each in decision.customers.items() if key in group.customers or key in needed
    }
