"""Everything together: what ChartMogul should hold of a group of accounts (rule 1.1). Pure.

The facts of orders that did not arrive are read from their invoices as ChartMogul holds them, and from nowhere else;
so one full run and many small ones come to the same (rule 1.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import TypeVar

import msgspec

from target_chartmogul.billing.decisions import Decision, Note, Reject
from target_chartmogul.billing.objects import (
    ONE_TIME,
    PAYMENT,
    REFUND,
    SUCCESSFUL,
    Invoice,
    LineItem,
)
from target_chartmogul.sources.keap import carry_over, filters, remarks
from target_chartmogul.sources.keap.account import Arrived, Catalog, Group, Remembered
from target_chartmogul.sources.keap.cancellations.cancellations import decide_events
from target_chartmogul.sources.keap.cancellations.events_decision import EventsDecision
from target_chartmogul.sources.keap.customers.customers import decide_customers, known_contacts
from target_chartmogul.sources.keap.late_rows import with_late_rows
from target_chartmogul.sources.keap.orders.drafts import Drafts, OrderDraft, OrderDrafter
from target_chartmogul.sources.keap.orders.invoices import Settled, contact_of, invoice_of
from target_chartmogul.sources.keap.orders.owners import Owners
from target_chartmogul.sources.keap.orders.plans import UsedPlans
from target_chartmogul.sources.keap.payments.settlement import InvoiceShell, OrderToSettle, Settlement, Settlements
from target_chartmogul.sources.keap.payments.transactions import settle
from target_chartmogul.sources.keap.records import InvalidRecordError
from target_chartmogul.sources.keap.relink import Relinker
from target_chartmogul.sources.keap.settings import MappingSettings
from target_chartmogul.sources.keap.unsent_trials import by_contact, trials_of

_Value = TypeVar("_Value")


def decide(group: Group, catalog: Catalog, arrived: Arrived, settings: MappingSettings, now: datetime) -> Decision:
    """What ChartMogul should hold of a group after this run.

    Args:
        group: the records that arrived, and what is known of the group.
        catalog: products, plans and free trials.
        arrived: what holds for the whole run.
        settings: those of the mapping.
        now: the clock of the run, aware.
    """
    if not filters.is_looked_at(group, settings):
        return _unchanged(group)
    return _Run(group, catalog, arrived, settings, now).decide()


def _unchanged(group: Group) -> Decision:
    return Decision(
        customers=dict(group.existing.customers),
        invoices=dict(group.existing.invoices),
        events=dict(group.existing.events),
        remembered=group.remembered,
    )


class _Run:
    """One group in one run; each method is one part of the contract."""

    def __init__(
        self, group: Group, catalog: Catalog, arrived: Arrived, settings: MappingSettings, now: datetime
    ) -> None:
        self.catalog = catalog
        self.arrived = arrived
        self.settings = settings
        self.now = now
        held = msgspec.structs.replace(group.existing, invoices=carry_over.without_half_moves(group.existing.invoices))
        group = msgspec.structs.replace(group, existing=held)
        self.filtered = filters.filtered_contacts(group, settings)
        if self.filtered and settings.hard_delete:
            group = msgspec.structs.replace(group, existing=filters.removed(group.existing, self.filtered))
        self.group = group
        self.held = carry_over.by_order(group.existing.invoices)
        self.owners = Owners(
            group.subscriptions,
            group.existing.invoices.values(),
            known_contacts(group) | {each for each in self.filtered if filters.was_kept_out(each, group)},
            settings.subscription_owner,
            frozen=frozenset() if settings.hard_delete else self.filtered,
        )
        self.remembered = Remembered()
        self.plans = UsedPlans()
        self.out = Decision()

    def decide(self) -> Decision:
        shown = filters.without_contacts(self.group, self.filtered, self.owners)
        self.out.notes.extend(filters.note_of(each, self.group) for each in sorted(self.filtered, key=int))
        # What was theirs before was not kept.
        let_in = [each for each in self.group.contacts.keys() - self.filtered if filters.was_kept_out(each, self.group)]
        self.out.notes.extend(Note(kind="let_in_contacts", id=each, rule="8") for each in sorted(let_in, key=int))
        since = filters.first_instant(self.settings.invoices_since, self.settings.zone)
        drafter = OrderDrafter(self.group, self.catalog, self.settings, self.owners, invoices_since=since, now=self.now)
        self.drafts = drafter.draft({each: self.group.orders[each] for each in shown.orders}, self.filtered)
        self._take(self.drafts)
        invoices = self._settled_invoices()
        invoices.update(self._carried_over())
        events = self._events(invoices)
        self._customers(shown, invoices)
        self.out.invoices = invoices
        self.out.events = events.events
        self.out.plans, self.out.plans_since = self.plans.plans, self.plans.since
        self._remember(invoices, events)
        for due in [*(each.due for each in self.out.waiting), events.next_due]:
            self._due_at(due)
        return self.out

    def _take(self, part: Drafts | Settlements | EventsDecision) -> None:
        self.out.notes.extend(part.notes)
        self.out.rejects.extend(part.rejects)
        if not isinstance(part, EventsDecision):
            self.out.waiting.extend(part.waiting)

    def _due_at(self, due: datetime | None) -> None:
        if due is not None and (self.out.next_due is None or due < self.out.next_due):
            self.out.next_due = due

    def _note(self, kind: str, about: str, rule: str, **detail: object) -> None:
        self.out.notes.append(Note(kind=kind, id=about, rule=rule, detail=detail))

    # -- orders that arrived

    def _settled_invoices(self) -> dict[str, Invoice]:
        settlements = settle(
            [
                OrderToSettle(
                    order=each.order,
                    date=each.date,
                    currency=each.lines.currency,
                    total_before_exclusion_in_cents=each.lines.total_in_cents,
                    total=each.lines.total,
                    invoices=tuple(
                        InvoiceShell(external_id=invoice.external_id, total_in_cents=invoice.total_in_cents)
                        for invoice in (each.divided if each.invoices else ())
                    ),
                )
                for each in self.drafts.orders.values()
            ],
            self.group.payments,
            self.group.transactions,
            self.group.order_payments,
            self.group.existing.invoices,
            self.group.remembered,
            self.settings,
            self.now,
            unreadable_payments=self.group.unreadable.get("payments", frozenset()),
            unsent_orders=self.group.orders.keys() - self.drafts.orders.keys(),
        )
        self._take(settlements)
        self._due_at(settlements.next_due)
        self.settlements = settlements
        made: dict[str, Invoice] = {}
        for order_id, draft in self.drafts.orders.items():
            settlement = settlements.orders[order_id]
            try:
                invoices = [*self._invoices_of(order_id, draft, settlement), *self._frozen(order_id, draft)]
            except InvalidRecordError as error:
                self.out.rejects.append(Reject(stream="orders", id=order_id, field=error.field, reason=error.reason))
                self.drafts.decided.discard(order_id)
                continue
            made.update((invoice.external_id, invoice) for invoice in invoices)
            if (own := contact_of(draft.order)) and any(each.customer_external_id != own for each in invoices):
                self.remembered.order_contacts[order_id] = own
        return made

    def _invoices_of(self, order_id: str, draft: OrderDraft, settlement: Settlement) -> list[Invoice]:
        if self._is_skipped_as_unpaid(draft, settlement):
            self._note("skipped_unpaid_orders", order_id, "4.1")
            return []
        remove_mrr = self.settings.full_refund == "remove_mrr" and _is_refunded_in_full(settlement)
        settled = Settled(
            transactions=settlement.transactions,
            credit_lines=settlement.credit_lines,
            written_off=settlement.written_off,
        )
        invoices = [
            invoice_of(draft.order, each, draft.lines.currency, draft.plans, settled, remove_mrr=remove_mrr)
            for each in draft.invoices
        ]
        for each in draft.invoices:
            for line in each.lines:
                if line.subscription_id is None:
                    continue
                if remove_mrr:
                    self.remembered.withdrawn_links[f"{order_id}-{line.item_id}"] = line.subscription_id
                else:
                    self.plans.add(draft.plans[line.item_id], (draft.date, int(order_id)))
        if remove_mrr and invoices:
            self._note("mrr_removed_orders", order_id, "8")
        return invoices

    def _frozen(self, order_id: str, draft: OrderDraft) -> list[Invoice]:
        """What ChartMogul holds of the order under contacts that a filter keeps out: it stays as it is (§8)."""
        if not self.filtered:
            return []
        parts = self._moved(order_id, self.held.get(order_id, []), contact_of(draft.order))
        return [part for part in parts if part.customer_external_id in self.filtered]

    def _is_skipped_as_unpaid(self, draft: OrderDraft, settlement: Settlement) -> bool:
        return (
            self.settings.unpaid_orders == "skip"
            and bool(draft.invoices)
            and draft.lines.total_in_cents > 0
            and settlement.cash_in_cents == 0
            and not settlement.credit_lines
        )

    # -- orders that did not

    def _carried_over(self) -> dict[str, Invoice]:
        carried: dict[str, Invoice] = {}
        unreadable = self.group.unreadable.get("orders", frozenset())
        vanish = self.settings.hard_delete and self.arrived.orders_whole
        before = self.group.remembered
        relinker = Relinker(self.group, self.catalog, self.settings, self.drafts.relinked, self.plans)
        for order_id, parts in self.held.items():
            if order_id in self.drafts.decided:
                continue
            if vanish and order_id not in self.group.orders and order_id not in unreadable:
                self._note("vanished_orders", order_id, "4.10")
                continue
            contact = carry_over.own_contact(parts) or before.order_contacts.get(order_id)
            now = relinker.linked(order_id, parts)
            self.remembered.withdrawn_links.update(relinker.withdrawn)
            now = self._moved(order_id, now, contact)
            late = self.settlements.late_attempts.get(order_id, ())
            now = with_late_rows(now, late, self.settlements.voided_payments)
            carried.update((invoice.external_id, invoice) for invoice in now)
            if contact is not None and any(invoice.customer_external_id != contact for invoice in now):
                self.remembered.order_contacts[order_id] = contact
        self.out.notes.extend(relinker.notes)
        return carried

    def _moved(self, order_id: str, parts: list[Invoice], contact: str | None) -> list[Invoice]:
        """An order's invoices as ChartMogul holds them, under the owners of today (rule 4.9)."""
        if self.settings.subscription_owner == "subscription":
            parts = carry_over.moved(order_id, parts, contact, partial(self._owner_now, order_id))
        if self.settings.hard_delete:
            return [part for part in parts if part.customer_external_id not in self.filtered]
        return parts

    def _owner_now(self, order_id: str, line: LineItem, holder: str) -> str | None:
        subscription = line.subscription_external_id
        withdrawn = self.group.remembered.withdrawn_links | self.remembered.withdrawn_links
        if subscription is None and withdrawn:
            item = line.external_id.rpartition("-")[2]
            subscription = withdrawn.get(f"{order_id}-{item}")
        return None if subscription is None else self.owners.of_line(subscription, None, holder)

    # -- what hangs on the invoices

    def _events(self, invoices: dict[str, Invoice]) -> EventsDecision:
        lines = {
            line.subscription_external_id
            for invoice in invoices.values()
            for line in invoice.line_items
            if line.subscription_external_id
        }
        unreadable = self.group.unreadable.get("subscriptions", frozenset())
        self.ended_by_refund = self._ended_by_refund(invoices)
        owners = self.owners.known(lines | self.group.subscriptions.keys())
        remembered = msgspec.structs.replace(self.group.remembered, ended_by_refund=self.ended_by_refund)
        events = decide_events(
            self.group.subscriptions,
            # A contact that is kept out is no customer: a cancellation goes where the invoices are (§8).
            {each: owner for each, owner in owners.items() if owner not in self.filtered},
            invoices,
            self.group.existing.events,
            remembered=remembered,
            arrived=msgspec.structs.replace(
                self.arrived, invalid_subscriptions=self.arrived.invalid_subscriptions | unreadable
            ),
            settings=self.settings,
            now=self.now,
        )
        self._take(events)
        return events

    def _ended_by_refund(self, invoices: dict[str, Invoice]) -> dict[str, str]:
        """Subscription id -> its latest order, where that one is refunded in full (§8, `remove_mrr`)."""
        if self.settings.full_refund != "remove_mrr":
            return {}
        carried = self.group.remembered.withdrawn_links
        latest: dict[str, tuple[datetime, int, bool]] = {}
        for order_id, parts in carry_over.by_order(invoices).items():
            for invoice in parts:
                for line in invoice.line_items:
                    key = f"{order_id}-{carry_over.item_of(line, invoice.external_id)}"
                    withdrawn = self.remembered.withdrawn_links.get(key)
                    if withdrawn is None and order_id not in self.drafts.decided and (withdrawn := carried.get(key)):
                        self.remembered.withdrawn_links[key] = withdrawn
                    subscription = line.subscription_external_id or withdrawn
                    if subscription is not None:
                        sight = (invoice.date, int(order_id), withdrawn is not None)
                        latest[subscription] = max(sight, latest.get(subscription, sight))
        return {each: str(order) for each, (_, order, withdrawn) in latest.items() if withdrawn}

    def _customers(self, shown: Group, invoices: dict[str, Invoice]) -> None:
        if self.settings.trial_source == "subscription":
            sent = carry_over.by_order(invoices)
            self.remembered.unsent_trials = {
                **self._undecided(self.group.remembered.unsent_trials),
                **trials_of(self.drafts.orders.values(), sent, self.group.subscriptions, self.settings.keap_zone),
            }
        unsent = by_contact(self.remembered.unsent_trials.values(), self.owners)
        decided = decide_customers(shown, invoices, self.settings, self.now, unsent)
        self.out.customers = decided.customers
        self.out.notes.extend(decided.notes)
        self.remembered.refused_emails = decided.refused_emails
        self.remembered.unsent_subscription_orders = decided.unsent_subscription_orders

    def _undecided(self, remembered: Mapping[str, _Value]) -> dict[str, _Value]:
        """By `<order id>-<item id>`: what is remembered of orders that this run does not decide."""
        return {key: each for key, each in remembered.items() if key.partition("-")[0] not in self.drafts.decided}

    def _remember(self, invoices: dict[str, Invoice], events: EventsDecision) -> None:
        """What the next run may want to know, of what is still there."""
        before, now = self.group.remembered, self.remembered
        now.cancellation_sources = events.sources
        now.cancellation_rules = events.rules
        now.ended_by_refund = self.ended_by_refund
        now.inferred_links = {**self._undecided(before.inferred_links), **self.drafts.inferred}
        unlinked = {**self._undecided(before.unlinked_items), **self.drafts.unlinked}
        if unlinked:
            # Until ChartMogul has the link: a run may end after its ledger is written and before anything is sent.
            open_ones = _one_time_keys(invoices) | _one_time_keys(self.group.existing.invoices)
            open_ones -= now.withdrawn_links.keys()
            now.unlinked_items = {key: item for key, item in unlinked.items() if key in open_ones}
        voided = {*before.voided_payments, *self.settlements.voided_payments}
        now.voided_payments = tuple(sorted(voided, key=int))
        sent = carry_over.by_order(invoices)
        now.attempts = {key: each for key, each in self.settlements.attempts.items() if key not in sent}
        totals = {key: each for key, each in before.totals_before_exclusion.items() if key not in self.drafts.decided}
        for order_id, draft in self.drafts.orders.items():
            if draft.lines.excluded_items:
                totals[order_id] = draft.lines.total_in_cents
        now.totals_before_exclusion = {key: each for key, each in totals.items() if key in sent}
        now.excess = {key: each for key, each in before.excess.items() if key not in self.drafts.decided}
        for order_id, settlement in self.settlements.orders.items():
            if settlement.excess_in_cents:
                now.excess[order_id] = settlement.excess_in_cents
        about_orders = [
            note
            for draft in self.drafts.orders.values()
            for note in remarks.order_remarks(draft, self.group.subscriptions)
        ]
        billed = {
            line.subscription_id
            for each in self.drafts.orders.values()
            for line in each.lines.lines
            if line.subscription_id is not None
        }
        now.remarks = remarks.remember(
            before.remarks,
            [*self.out.notes, *about_orders],
            {
                "orders": self.drafts.decided,
                "subscriptions": self.group.subscriptions,
                "billed_subscriptions": billed,
                "contacts": self.group.contacts,
            },
        )
        self.out.remembered = now


def _one_time_keys(invoices: Mapping[str, Invoice]) -> set[str]:
    """`<order id>-<item id>` of all lines without a subscription."""
    return {
        f"{order_id}-{carry_over.item_of(line, invoice.external_id)}"
        for order_id, parts in carry_over.by_order(invoices).items()
        for invoice in parts
        for line in invoice.line_items
        if line.type == ONE_TIME
    }


def _is_refunded_in_full(settlement: Settlement) -> bool:
    """All cash that the order's invoices got was given back (§8, rule 9.10)."""
    cash = refunds = 0
    for transactions in settlement.transactions.values():
        for each in transactions:
            if each.result == SUCCESSFUL and each.type == PAYMENT:
                cash += each.amount_in_cents
            elif each.result == SUCCESSFUL and each.type == REFUND:
                refunds += each.amount_in_cents
    return cash > 0 and refunds >= cash
