"""Everything together: what ChartMogul should hold of an account (rule 1.1). Pure.

All facts of the account are there (rule 1.8), so that one full run and many small ones come to the same (rule 1.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from target_chartmogul.billing.calendar import day_of
from target_chartmogul.billing.decisions import Decision, Note, Reject
from target_chartmogul.billing.objects import PAYMENT, REFUND, SUCCESSFUL, Invoice
from target_chartmogul.sources.keap import filters
from target_chartmogul.sources.keap.account import Account, Catalogue, Memories
from target_chartmogul.sources.keap.cancellations.cancellations import Ended, EventDecider
from target_chartmogul.sources.keap.cancellations.events_decision import EventsDecision
from target_chartmogul.sources.keap.customers.customers import CustomerDecider
from target_chartmogul.sources.keap.customers.trials import contacts_with_subscription, trials_of_subscriptions
from target_chartmogul.sources.keap.ids import parse_invoice_id
from target_chartmogul.sources.keap.orders.drafts import OrderDraft, OrderDrafter
from target_chartmogul.sources.keap.orders.invoices import Settled, invoice_of
from target_chartmogul.sources.keap.orders.owners import Owners
from target_chartmogul.sources.keap.orders.plans import UsedPlans
from target_chartmogul.sources.keap.orders.remarks import order_remarks
from target_chartmogul.sources.keap.payments.settlement import InvoiceShell, OrderToSettle, Settlement
from target_chartmogul.sources.keap.payments.transactions import settle
from target_chartmogul.sources.keap.settings import MappingSettings
from target_chartmogul.sources.keap.unrecorded_orders import (
    UnrecordedOrder,
    moved,
    subscription_lines,
    unrecorded_orders,
)
from target_chartmogul.sources.protocol import InvalidRecordError

REWRITES_PLANS = "interval_source"
"""The setting whose change lifts rule 3.6 for all lines (rule 1.10)."""


def decide(
    account: Account,
    catalogue: Catalogue,
    settings: MappingSettings,
    now: datetime,
    *,
    settings_changed: frozenset[str] = frozenset(),
    explain: bool = False,
) -> Decision:
    """What ChartMogul should hold of an account after this run.

    Args:
        account: all its records, what ChartMogul holds of it, and what is remembered of it.
        catalogue: products, plans and free trials.
        settings: those of the mapping.
        now: the clock of the run, aware.
        settings_changed: names of mapping settings that differ from those of the last run (rule 1.10).
        explain: notes also say what needs no report, see `orders.remarks`.
    """
    run = _Run(account, catalogue, settings, now, settings_changed)
    decision = run.decide()
    if explain:
        for draft in run.drafts.orders.values():
            decision.notes.extend(order_remarks(draft, run.subscriptions))
    return decision


class _Run:
    """One account in one run; each method is one part of the contract."""

    def __init__(
        self,
        account: Account,
        catalogue: Catalogue,
        settings: MappingSettings,
        now: datetime,
        settings_changed: frozenset[str],
    ) -> None:
        self.settings = settings
        self.catalogue = catalogue
        self.now = now
        self.filtered = filters.filtered_contacts(account, settings)
        # Of a contact that has not arrived no tags are known: what was sent of it is not removed.
        self.removed = self.filtered & account.contacts.keys() if settings.hard_delete else frozenset()
        if self.removed:
            account = msgspec.structs.replace(account, holdings=filters.removed(account.holdings, self.removed))
        self.account = account
        self.subscriptions = account.live_subscriptions()
        gone = account.gone_from("orders") if settings.hard_delete else frozenset()
        self.orders = {key: each for key, each in account.orders.items() if key not in gone}
        self.removed_orders = gone & account.orders.keys()
        self.unrecorded = unrecorded_orders(account.holdings.invoices, account.orders)
        self.customers = CustomerDecider(account, self.orders, self.filtered, settings, now)
        self.owners = Owners(
            self.subscriptions,
            self.unrecorded.values(),
            self.customers.known | self.filtered,
            settings.subscription_owner,
            frozen=self.filtered - self.removed,
        )
        self.drafter = OrderDrafter(
            self.subscriptions,
            catalogue,
            settings,
            self.owners,
            held=account.holdings.invoices,
            unrecorded=self.unrecorded,
            invoices_since=filters.first_instant(settings.invoices_since, settings.zone),
            without_owners=self.filtered,
            anew=REWRITES_PLANS in settings_changed,
            now=now,
        )
        self.plans = UsedPlans()
        self.out = Decision()

    def decide(self) -> Decision:
        self.out.notes.extend(filters.note_of(each, self.account) for each in sorted(self.filtered, key=int))
        held = {parsed[0] for each in self.account.holdings.invoices if (parsed := parse_invoice_id(each))}
        for order_id in sorted(self.removed_orders & held, key=int):
            self._note("vanished_orders", order_id, "4.10")
        self.drafts = self.drafter.draft(self.orders)
        kept_out = {key for key, each in self.drafts.orders.items() if each.is_kept_out}
        self.out.notes.extend(
            note
            for note in self.drafts.notes
            if note.id.partition("-")[0] not in kept_out or note.kind.startswith("interval_")
        )
        self.out.rejects.extend(self.drafts.rejects)
        self.out.waiting.extend(self.drafts.waiting)
        invoices = {**self._settled_invoices(), **self._as_held()}
        events = self._events(invoices)
        self._customers(invoices)
        self.out.invoices = invoices
        self.out.events = events.events
        self.out.plans, self.out.plans_since = self.plans.plans, self.plans.since
        for due in [*(each.due for each in self.out.waiting), events.next_due]:
            self._due_at(due)
        return self.out

    def _due_at(self, due: datetime | None) -> None:
        if due is not None and (self.out.next_due is None or due < self.out.next_due):
            self.out.next_due = due

    def _note(self, kind: str, about: str, rule: str, **detail: object) -> None:
        self.out.notes.append(Note(kind=kind, id=about, rule=rule, detail=detail))

    # -- orders

    def _settled_invoices(self) -> dict[str, Invoice]:
        settlements = settle(
            [_to_settle(each) for each in self.drafts.orders.values()],
            self.account,
            self._without_draft(),
            self.settings,
            self.now,
        )
        self.out.notes.extend(settlements.notes)
        self.out.rejects.extend(settlements.rejects)
        self.out.waiting.extend(settlements.waiting)
        self._due_at(settlements.next_due)
        self.ended: dict[str, tuple[datetime, int, bool]] = {}
        made: dict[str, Invoice] = {}
        for order_id, draft in self.drafts.orders.items():
            try:
                invoices = self._invoices_of(order_id, draft, settlements.orders[order_id])
            except InvalidRecordError as error:
                self.drafts.rejected.add(order_id)
                self.out.rejects.append(Reject(stream="orders", id=order_id, field=error.field, reason=error.reason))
            else:
                made.update((invoice.external_id, invoice) for invoice in invoices)
        return made

    def _invoices_of(self, order_id: str, draft: OrderDraft, settlement: Settlement) -> list[Invoice]:
        if self.settings.unpaid_orders == "skip" and draft.lines.total_in_cents > 0 and settlement.is_unpaid:
            if draft.invoices:
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
                sight = (draft.date, int(order_id), remove_mrr)
                self.ended[line.subscription_id] = max(sight, self.ended.get(line.subscription_id, sight))
                if not remove_mrr:
                    self.plans.add(draft.plans[line.item_id], (draft.date, int(order_id)))
        if remove_mrr and invoices:
            self._note("mrr_removed_orders", order_id, "8")
        return invoices

    # -- invoices that stay as ChartMogul holds them

    def _without_draft(self) -> dict[str, UnrecordedOrder]:
        """Orders that only ChartMogul knows, and those of which no version can be worked out (rule 1.5)."""
        if not self.drafts.rejected:
            return self.unrecorded
        recorded = self.account.orders.keys() - self.drafts.rejected
        return unrecorded_orders(self.account.holdings.invoices, recorded)

    def _as_held(self) -> dict[str, Invoice]:
        kept: dict[str, Invoice] = {}
        for order in self._without_draft().values():
            parts = list(order.invoices)
            if self.settings.subscription_owner == "subscription":
                parts = moved(order, lambda subscription, holder: self.owners.of_line(subscription, None, holder))
            kept.update((part.external_id, part) for part in parts if part.customer_external_id not in self.removed)
            for part in parts:
                for line in subscription_lines(part):
                    subscription, sight = line.subscription_external_id or "", (part.date, int(order.order_id), False)
                    self.ended[subscription] = max(sight, self.ended.get(subscription, sight))
        if self.filtered:
            kept.update(self._frozen())
        return kept

    def _frozen(self) -> Iterator[tuple[str, Invoice]]:
        """What ChartMogul holds of orders under contacts that a filter keeps out and whose it still is (§8)."""
        for external_id, invoice in self.account.holdings.invoices.items():
            parsed, owner = parse_invoice_id(external_id), invoice.customer_external_id
            if parsed is None or parsed[0] not in self.orders or owner not in self.filtered:
                continue
            draft = self.drafts.orders.get(parsed[0])
            owners = {each.owner for each in draft.divided} if draft is not None else set()
            if not owners or owner in owners:
                yield external_id, invoice

    # -- what hangs on the invoices

    def _events(self, invoices: dict[str, Invoice]) -> EventsDecision:
        named = {
            line.subscription_external_id or "" for invoice in invoices.values() for line in subscription_lines(invoice)
        }
        owners = self.owners.known(named | self.subscriptions.keys())
        events = EventDecider(
            self.account,
            # A contact that is kept out is no customer: a cancellation goes where the invoices are (§8).
            {each: owner for each, owner in owners.items() if owner not in self.filtered},
            invoices,
            first_orders=self._first_orders(),
            ended_by_refund={
                subscription: Ended(str(order), day_of(date, self.settings.zone))
                for subscription, (date, order, refunded) in self.ended.items()
                if refunded
            },
            settings=self.settings,
            now=self.now,
            plans={**self.catalogue.plans_held, **self.plans.plans},
        ).decide()
        self.out.notes.extend(events.notes)
        self.out.rejects.extend(events.rejects)
        self.out.memories = Memories(cancellation_sources=events.sources, first_seen=events.first_seen)
        return events

    def _first_orders(self) -> dict[str, datetime]:
        """Subscription id -> when its first order was made, of those that Keap does not show (rule 6.7)."""
        found: dict[str, datetime] = {}
        for draft in self.drafts.orders.values():
            made = draft.order.creation_time or draft.date
            for line in draft.lines.lines:
                if line.subscription_id is not None and line.subscription_id not in self.subscriptions:
                    found[line.subscription_id] = min(made, found.get(line.subscription_id, made))
        for order in self.unrecorded.values():
            for subscription in order.subscriptions():
                found[subscription] = min(order.date, found.get(subscription, order.date))
        return found

    def _customers(self, invoices: dict[str, Invoice]) -> None:
        decided = self.customers.decide(invoices)
        self.customers.with_trials(self._trials(invoices))
        self.out.customers = decided.customers
        self.out.notes.extend(decided.notes)
        self.out.memories.refused_emails = decided.refused_emails

    def _trials(self, invoices: dict[str, Invoice]) -> dict[str, datetime]:
        """Contact id -> when its trial started (§0 b, rule 3.5)."""
        if self.settings.trial_source == "subscription":
            return trials_of_subscriptions(
                self.drafts.orders.values(),
                self.unrecorded.values(),
                self.subscriptions,
                self.account.holdings.customers,
                self.owners,
                self.settings.keap_zone,
            )
        if self.settings.trial_source != "contact_created":
            return {}
        evident = contacts_with_subscription(
            self.subscriptions, self.orders.values(), self.unrecorded.values(), invoices
        )
        contacts = self.account.live_contacts()
        return {
            contact_id: created
            for contact_id in evident
            if (contact := contacts.get(contact_id)) and (created := contact.create_time)
        }


def _to_settle(draft: OrderDraft) -> OrderToSettle:
    return OrderToSettle(
        order=draft.order,
        date=draft.date,
        currency=draft.lines.currency,
        total_before_exclusion_in_cents=draft.lines.total_in_cents,
        total=draft.lines.total,
        invoices=tuple(
            InvoiceShell(external_id=invoice.external_id, total_in_cents=invoice.total_in_cents)
            for invoice in (draft.divided if draft.invoices else ())
        ),
        is_kept_out=draft.is_kept_out,
    )


def _is_refunded_in_full(settlement: Settlement) -> bool:
    """All cash that the order's invoices got was given back (§8, rule 9.10)."""
    cash = _sum_of(PAYMENT, settlement)
    return cash > 0 and _sum_of(REFUND, settlement) >= cash


def _sum_of(kind: str, settlement: Settlement) -> int:
    rows: Iterable[int] = (
        each.amount_in_cents
        for transactions in settlement.transactions.values()
        for each in transactions
        if each.type == kind and each.result == SUCCESSFUL
    )
    return sum(rows)
