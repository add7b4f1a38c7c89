"""What must change so that ChartMogul holds what was decided. Pure differences, no requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import Any

import msgspec

from target_chartmogul.billing.changes import Change, Kind
from target_chartmogul.billing.decisions import Decision, Holdings
from target_chartmogul.billing.differences import invoice_changes
from target_chartmogul.billing.normal import same
from target_chartmogul.billing.objects import CANCELLATION_SCHEDULED, Invoice, Plan, SubscriptionEvent
from target_chartmogul.plan.sequence import ordered

RootOf = Callable[[Kind, str], str]
_NO_RULES: Mapping[str, str] = MappingProxyType({})


class Held(msgspec.Struct, frozen=True):
    """What ChartMogul has of an account, as far as this target knows."""

    holdings: Holdings
    """As last sent."""
    missing: AbstractSet[tuple[str, str]] = frozenset()
    """Kind and id of what a person deleted in ChartMogul: it stays so while nothing else is to be sent (rule 6.8)."""
    marks: Mapping[tuple[str, str], AbstractSet[str]] = MappingProxyType({})
    """What people, or a bulk import, did to objects. An invoice that ChartMogul stores as invalid is sent again; a
    customer that was merged into another one keeps that one's fields (rule 6.8)."""


def plan_changes(wanted: Mapping[str, Plan], held: Mapping[str, Plan]) -> Iterator[Change]:
    """Plans to create or rename (rules 2.4, 3.7); plans are never deleted."""
    for external_id, plan in sorted(wanted.items()):
        before = held.get(external_id)
        if before is None:
            yield Change(action="create", kind="plan", external_id=external_id, desired=plan, rule="2.4")
        elif not same(plan, before):
            yield Change(action="update", kind="plan", external_id=external_id, desired=plan, held=before, rule="3.7")


def account_changes(
    decision: Decision, held: Held, root_of: RootOf, removal_rules: Mapping[str, str] = _NO_RULES
) -> list[Change]:
    """All changes of one account, in the order in which they are to be carried out.

    Args:
        decision: what ChartMogul should hold.
        held: what it has.
        root_of: what the ids of an invoice that moved share.
        removal_rules: the rules by which cancellations go, by external id.
    """
    changes = [
        *_customers(decision, held),
        *_invoices(decision.invoices, held),
        *_events(decision.events, held, removal_rules),
        *_invoices_to_delete(decision.invoices, held, root_of),
        *_customers_to_delete(decision, held),
    ]
    return ordered([*_customers_written_again(changes, decision, held), *changes])


def _customers(decision: Decision, held: Held) -> Iterator[Change]:
    for external_id, customer in sorted(decision.customers.items(), key=_by_number):
        before = held.holdings.customers.get(external_id)
        if before is None:
            yield Change(action="create", kind="customer", external_id=external_id, desired=customer, rule="3.1")
        elif not same(customer, before) and "merged" not in held.marks.get(("customer", external_id), ()):
            yield _written("customer", external_id, customer, before, held, "3.2")


def _customers_written_again(changes: list[Change], decision: Decision, held: Held) -> Iterator[Change]:
    """A customer that a person deleted comes back with an invoice or event that needs it."""
    if not held.missing:
        return
    there = {change.external_id for change in changes if change.kind == "customer"}
    needed = {
        change.desired.customer_external_id
        for change in changes
        if change.action == "create" and isinstance(change.desired, Invoice | SubscriptionEvent)
    }
    for external_id in sorted(needed - there):
        customer = decision.customers.get(external_id)
        if customer is not None and ("customer", external_id) in held.missing:
            yield Change(action="create", kind="customer", external_id=external_id, desired=customer, rule="6.8")


def _customers_to_delete(decision: Decision, held: Held) -> Iterator[Change]:
    for external_id, before in sorted(held.holdings.customers.items(), key=_by_number):
        if external_id not in decision.customers:
            yield Change(action="delete", kind="customer", external_id=external_id, held=before, rule="4.10")


def _written(kind: Kind, external_id: str, desired: Any, before: Any, held: Held, rule: str) -> Change:
    """An update, or a creation where a person deleted the object."""
    if (kind, external_id) in held.missing:
        return Change(action="create", kind=kind, external_id=external_id, desired=desired, rule="6.8")
    return Change(action="update", kind=kind, external_id=external_id, desired=desired, held=before, rule=rule)


def _invoices(wanted: Mapping[str, Invoice], held: Held) -> Iterator[Change]:
    for external_id, invoice in sorted(wanted.items(), key=lambda pair: (pair[1].date, _by_number(pair))):
        before = held.holdings.invoices.get(external_id)
        if before is not None and (
            before.customer_external_id != invoice.customer_external_id
            or "invalid" in held.marks.get(("invoice", external_id), ())
        ):
            # ChartMogul cannot move an invoice to another customer, and its id is free only once it is deleted.
            yield _deleted(before, moved=True)
            before = None
        if before is not None and ("invoice", external_id) in held.missing and not same(invoice, before):
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
        elif before is not invoice and before != invoice:
            yield from invoice_changes(before, invoice)


def _invoices_to_delete(wanted: Mapping[str, Invoice], held: Held, root_of: RootOf) -> Iterator[Change]:
    gone = [pair for pair in held.holdings.invoices.items() if pair[0] not in wanted]
    if not gone:
        return
    roots = {root_of("invoice", each) for each in wanted}
    for external_id, before in sorted(gone, key=_by_number):
        yield _deleted(before, moved=root_of("invoice", external_id) in roots)


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


def _events(wanted: Mapping[str, SubscriptionEvent], held: Held, removal_rules: Mapping[str, str]) -> Iterator[Change]:
    """Cancellations first, then what they replace (rule 6.3)."""
    events = held.holdings.events
    for external_id, event in sorted(wanted.items()):
        before = events.get(external_id)
        if before is None:
            yield Change(action="create", kind="event", external_id=external_id, desired=event, rule="6.3")
        elif not same(event, before):
            yield _written("event", external_id, event, before, held, "4.9")
    gone = [before for external_id, before in sorted(events.items()) if external_id not in wanted]
    again = _written_again(gone, wanted, events)
    for before in gone:
        yield Change(
            action="delete",
            kind="event",
            external_id=before.external_id,
            held=before,
            moved=before.external_id in again,
            rule=removal_rules.get(before.external_id, "6.5"),
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

    A cancellation may be of an earlier time, before the customer came back.
    """
    if before.event_type != CANCELLATION_SCHEDULED:
        return False
    if event.event_type == CANCELLATION_SCHEDULED:
        return True  # a subscription has one end
    return before.effective_date == event.effective_date or event.effective_date.date() == before.effective_date.date()


def _by_number(pair: tuple[str, Any]) -> tuple[int, str]:
    """External ids by the number that they begin with."""
    digits = pair[0].partition("-")[0]
    return (int(digits) if digits.isdecimal() and digits.isascii() and len(digits) < 20 else 0, pair[0])
