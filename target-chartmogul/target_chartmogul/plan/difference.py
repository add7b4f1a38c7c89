"""The plan: what must change so that ChartMogul holds what was decided. Pure differences, no requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from target_chartmogul.billing.changes import Change
from target_chartmogul.billing.decisions import Decision, Holdings
from target_chartmogul.billing.differences import invoice_changes
from target_chartmogul.billing.normal import same
from target_chartmogul.billing.objects import CANCELLATION_SCHEDULED, Invoice, Plan, SubscriptionEvent
from target_chartmogul.plan.sequence import ordered
from target_chartmogul.sources.keap import ids

Marks = Mapping[tuple[str, str], set[str]]


def plan_changes(wanted: Mapping[str, Plan], held: Mapping[str, Plan]) -> Iterator[Change]:
    """Plans to create or rename (rules 2.4, 3.7); plans are never deleted."""
    for external_id, plan in sorted(wanted.items()):
        before = held.get(external_id)
        if before is None:
            yield Change(action="create", kind="plan", external_id=external_id, desired=plan, rule="2.4")
        elif not same(plan, before):
            yield Change(action="update", kind="plan", external_id=external_id, desired=plan, held=before, rule="3.7")


def group_changes(decision: Decision, existing: Holdings, marks: Marks = MappingProxyType({})) -> list[Change]:
    """All changes of one group, in the order in which they are to be carried out.

    Args:
        decision: what ChartMogul should hold.
        existing: what it holds.
        marks: what people or a bulk import did to objects, by kind and external id. An invoice that ChartMogul stores
            as invalid is sent anew; a customer that was merged into another one keeps that one's fields (rule 6.8).
    """
    return ordered(
        [
            *_customers_to_write(decision, existing, marks),
            *_invoices(decision.invoices, existing.invoices, marks),
            *_events(decision.events, existing.events),
            *_invoices_to_delete(decision.invoices, existing.invoices),
            *_customers_to_delete(decision, existing),
        ]
    )


def _customers_to_write(decision: Decision, existing: Holdings, marks: Marks) -> Iterator[Change]:
    for external_id, customer in sorted(decision.customers.items(), key=_by_number):
        before = existing.customers.get(external_id)
        if before is None:
            yield Change(action="create", kind="customer", external_id=external_id, desired=customer, rule="3.1")
        elif not same(customer, before) and "merged" not in marks.get(("customer", external_id), ()):
            yield Change(
                action="update", kind="customer", external_id=external_id, desired=customer, held=before, rule="3.2"
            )


def _customers_to_delete(decision: Decision, existing: Holdings) -> Iterator[Change]:
    for external_id, before in sorted(existing.customers.items(), key=_by_number):
        if external_id not in decision.customers:
            yield Change(action="delete", kind="customer", external_id=external_id, held=before, rule="4.10")


def _invoices(wanted: Mapping[str, Invoice], held: Mapping[str, Invoice], marks: Marks) -> Iterator[Change]:
    for external_id, invoice in sorted(wanted.items(), key=lambda pair: (pair[1].date, _by_number(pair))):
        before = held.get(external_id)
        if before is not None and (
            before.customer_external_id != invoice.customer_external_id
            or "invalid" in marks.get(("invoice", external_id), ())
        ):
            # ChartMogul cannot move an invoice to another customer, and its id is free only once it is deleted.
            yield _deleted(before, moved=True)
            before = None
        if before is None:
            yield Change(
                action="create",
                kind="invoice",
                external_id=external_id,
                desired=invoice,
                parent=invoice.customer_external_id,
                rule="4.1",
            )
        else:
            yield from invoice_changes(before, invoice)


def _invoices_to_delete(wanted: Mapping[str, Invoice], held: Mapping[str, Invoice]) -> Iterator[Change]:
    orders = {parsed[0] for each in wanted if (parsed := ids.parse_invoice_id(each))}
    for external_id, before in sorted(held.items(), key=_by_number):
        if external_id not in wanted:
            parsed = ids.parse_invoice_id(external_id)
            yield _deleted(before, moved=parsed is not None and parsed[0] in orders)


def _deleted(invoice: Invoice, *, moved: bool) -> Change:
    return Change(
        action="delete",
        kind="invoice",
        external_id=invoice.external_id,
        held=invoice,
        parent=invoice.customer_external_id,
        moved=moved,
        rule="4.9" if moved else "4.10",
    )


def _events(wanted: Mapping[str, SubscriptionEvent], held: Mapping[str, SubscriptionEvent]) -> Iterator[Change]:
    """Cancellations first, then what they replace (rule 6.3)."""
    for external_id, event in sorted(wanted.items()):
        before = held.get(external_id)
        if before is None:
            yield Change(action="create", kind="event", external_id=external_id, desired=event, rule="6.3")
        elif not same(event, before):
            yield Change(action="update", kind="event", external_id=external_id, desired=event, held=before, rule="4.9")
    gone = [before for external_id, before in sorted(held.items()) if external_id not in wanted]
    again = _written_again(gone, wanted, held)
    for before in gone:
        moved = before.external_id in again
        yield Change(
            action="delete", kind="event", external_id=before.external_id, held=before, moved=moved, rule="6.5"
        )


def _written_again(
    gone: list[SubscriptionEvent], wanted: Mapping[str, SubscriptionEvent], held: Mapping[str, SubscriptionEvent]
) -> set[str]:
    """Which of the events that go have another one in their place (rule 1.7); each stands for one of them only.

    That is a new one, or one that a killed run had written before it could delete what it stands for.
    """
    again: set[str] = set()
    left = list(wanted.values())
    for fits in (_follows, lambda _, event: event.external_id not in held):
        for before in gone:
            subscription = before.subscription_external_id
            found = [each for each in left if each.subscription_external_id == subscription and fits(before, each)]
            if found and before.external_id not in again:
                again.add(before.external_id)
                left.remove(found[0])
    return again


def _follows(before: SubscriptionEvent, event: SubscriptionEvent) -> bool:
    """Whether an event can only be there in place of a scheduled one: due on its day, or moved to another (rule 6.3).

    Of a cancellation that cannot be told: it may be of an earlier time, before the customer came back.
    """
    if before.event_type != CANCELLATION_SCHEDULED:
        return False
    old, new = ids.parse_event_id(before.external_id), ids.parse_event_id(event.external_id)
    if event.event_type == CANCELLATION_SCHEDULED:
        return old is not None and new is not None  # in Keap a subscription has one end
    same_day = old is not None and new is not None and old[2] == new[2]
    return same_day or before.effective_date == event.effective_date


def _by_number(pair: tuple[str, Any]) -> tuple[int, str]:
    """External ids by the number that they begin with."""
    digits = pair[0].partition("-")[0]
    return (int(digits) if digits.isdecimal() else 0, pair[0])
