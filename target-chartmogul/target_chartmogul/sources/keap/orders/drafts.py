"""The orders of an account, each worked out as far as it goes without payments (§4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from target_chartmogul.billing import money
from target_chartmogul.billing.decisions import Note, Reject, Waiting
from target_chartmogul.billing.objects import SUBSCRIPTION, Invoice, LineItem, Plan
from target_chartmogul.sources.keap import ids
from target_chartmogul.sources.keap.account import Catalogue
from target_chartmogul.sources.keap.orders.draft_line import bills_subscription
from target_chartmogul.sources.keap.orders.invoices import DraftInvoice, contact_of, date_of, divide, is_invoice
from target_chartmogul.sources.keap.orders.lines import LineMaker, OrderLines
from target_chartmogul.sources.keap.orders.links import Linked, Linker, Unlinked, held_customers
from target_chartmogul.sources.keap.orders.owners import Owners
from target_chartmogul.sources.keap.orders.plans import PlanChooser
from target_chartmogul.sources.keap.records import Order, OrderItem, Subscription
from target_chartmogul.sources.keap.settings import MappingSettings
from target_chartmogul.sources.keap.unrecorded_orders import UnrecordedOrder, item_of
from target_chartmogul.sources.protocol import InvalidRecordError


class OrderDraft(msgspec.Struct, kw_only=True):
    """An order that has a date in the past, and items."""

    order: Order
    date: datetime
    lines: OrderLines
    invoices: list[DraftInvoice]
    """In the order of rule 4.8; empty where the order is sent in no part (§8)."""
    divided: list[DraftInvoice]
    """The same with those whose customer a filter keeps out: payments are given to all of them (rule 4.8)."""
    plans: dict[str, Plan]
    """Item id -> plan, of the subscription lines."""

    @property
    def is_kept_out(self) -> bool:
        """All its customers are kept out by a filter: the report says nothing of it (§8)."""
        return bool(self.divided) and not self.invoices


class Drafts(msgspec.Struct, kw_only=True):
    """What came of an account's orders."""

    orders: dict[str, OrderDraft] = msgspec.field(default_factory=dict)
    rejected: set[str] = msgspec.field(default_factory=set)
    """Orders that could not be worked out."""
    notes: list[Note] = msgspec.field(default_factory=list)
    rejects: list[Reject] = msgspec.field(default_factory=list)
    waiting: list[Waiting] = msgspec.field(default_factory=list)


class OrderDrafter:
    """Drafts the orders of one account.

    Args:
        subscriptions: those that Keap has, by id.
        catalogue: products, plans and free trials.
        settings: those of the mapping.
        owners: whose the subscriptions are; they are told of the orders.
        held: all invoices that ChartMogul holds of the account.
        unrecorded: orders that only ChartMogul knows.
        invoices_since: orders before it are not sent (§8).
        without_owners: contacts under whom nothing is written (§8).
        anew: plans of lines that ChartMogul holds are chosen anew (rule 1.10).
        now: the run's clock.
    """

    def __init__(
        self,
        subscriptions: Mapping[str, Subscription],
        catalogue: Catalogue,
        settings: MappingSettings,
        owners: Owners,
        *,
        held: Mapping[str, Invoice],
        unrecorded: Mapping[str, UnrecordedOrder],
        invoices_since: datetime | None,
        without_owners: frozenset[str],
        anew: bool,
        now: datetime,
    ) -> None:
        self._subscriptions = subscriptions
        self._settings = settings
        self._catalogue = catalogue
        self._owners = owners
        self._since = invoices_since
        self._without_owners = without_owners
        self._now = now
        self._maker = LineMaker(catalogue, settings)
        self._chooser = PlanChooser(catalogue, settings, anew=anew or settings.resend)
        self._held_customers = held_customers(held.values())
        self._held: dict[str, list[Invoice]] = {}
        for external_id, invoice in held.items():
            if (parsed := ids.parse_invoice_id(external_id)) is not None:
                self._held.setdefault(parsed[0], []).append(invoice)
        self._lines_held: dict[str, dict[str, LineItem]] = {}
        self._unrecorded = unrecorded
        self._without_subscription = frozenset(settings.one_time_products) | frozenset(settings.exclude_products)
        self._warned: set[str] = set()
        self.out = Drafts()

    def draft(self, orders: Mapping[str, Order]) -> Drafts:
        """Work out orders, in the order of their ids."""
        ready: list[tuple[Order, datetime]] = []
        for order_id in sorted(orders, key=int):
            order = orders[order_id]
            if not is_invoice(order):
                continue
            try:
                date = date_of(order)
            except InvalidRecordError as error:
                self._reject(order, error)
                continue
            if date > self._now:
                self.out.waiting.append(Waiting(stream="orders", id=order_id, reason="future", rule="1.5", due=date))
                continue
            ready.append((order, date))
        links = self._links(ready)
        for order, date in ready:
            try:
                self.out.orders[order.id or ""] = self._draft_one(order, date, links.get(order.id or "", {}))
            except InvalidRecordError as error:
                self._reject(order, error)
        self.out.notes.extend(self._chooser.notes.values())
        return self.out

    def _reject(self, order: Order, error: InvalidRecordError) -> None:
        order_id = order.id or ""
        self.out.rejected.add(order_id)
        if contact_of(order) not in self._without_owners:
            self.out.rejects.append(Reject(stream="orders", id=order_id, field=error.field, reason=error.reason))

    def _note(self, kind: str, about: str, rule: str, **detail: object) -> None:
        self.out.notes.append(Note(kind=kind, id=about, rule=rule, detail=detail))

    # -- links (rule 4.3)

    def _links(self, ready: list[tuple[Order, datetime]]) -> dict[str, dict[str, str]]:
        """Order id -> item id -> subscription id: links that ChartMogul holds, and those inferred now."""
        links: dict[str, dict[str, str]] = {}
        unlinked: list[Unlinked] = []
        linked: list[Linked] = []
        paired: set[str] = set()
        for order, date in ready:
            order_id = order.id or ""
            held = {} if self._settings.resend else self._held_lines(order_id)
            for position, item in enumerate(order.order_items or ()):
                if item.id is None or not self._may_be_linked(item):
                    continue
                subscription, line = item.subscription_id, held.get(item.id)
                if subscription is None and line is not None and line.type == SUBSCRIPTION:
                    subscription = line.subscription_external_id
                    if subscription is not None:
                        links.setdefault(order_id, {})[item.id] = subscription
                        paired.add(subscription)
                        self._note("inferred_links", order_id, "4.3", item=item.id, subscription=subscription)
                if subscription is None:
                    unlinked.append(
                        Unlinked(
                            order_id=order_id,
                            item_id=item.id,
                            position=position,
                            contact_id=contact_of(order),
                            date=date,
                            item=item,
                        )
                    )
                else:
                    linked.append(Linked(order_id=order_id, date=date, subscription_id=subscription))
                    self._owners.see_order(order_id, date, contact_of(order), subscription)
        if unlinked:
            self._infer(unlinked, linked, paired, links, {order.id or "": contact_of(order) for order, _ in ready})
        return links

    def _infer(
        self,
        unlinked: list[Unlinked],
        linked: list[Linked],
        paired: set[str],
        links: dict[str, dict[str, str]],
        contacts: Mapping[str, str | None],
    ) -> None:
        customers = self._held_customers
        for each in linked:
            if owner := self._owners.of_line(each.subscription_id, contacts[each.order_id]):
                customers[each.subscription_id].add(owner)
        linked = linked + [
            Linked(order_id=order_id, date=order.date, subscription_id=subscription)
            for order_id, order in self._unrecorded.items()
            for subscription in order.subscriptions()
        ]
        linker = Linker(self._catalogue, self._settings.zone, self._subscriptions, customers)
        inferred = linker.infer(unlinked, linked, paired)
        for about in unlinked:
            found = inferred.get((about.order_id, about.item_id))
            if found is None:
                self._note("unlinked_orders", about.order_id, "4.3", item=about.item_id)
                continue
            self._note("inferred_links", about.order_id, "4.3", item=about.item_id, subscription=found)
            links.setdefault(about.order_id, {})[about.item_id] = found
            self._owners.see_order(about.order_id, about.date, about.contact_id, found)

    def _may_be_linked(self, item: OrderItem) -> bool:
        """Whether an item's line is one of a subscription, if it has one."""
        return bills_subscription(item) and (item.product is None or item.product.id not in self._without_subscription)

    def _held_lines(self, order_id: str) -> dict[str, LineItem]:
        """Item id -> line, as ChartMogul holds it."""
        found = self._lines_held.get(order_id)
        if found is None:
            found = self._lines_held[order_id] = {
                item_of(line, part.external_id): line
                for part in self._held.get(order_id, ())
                for line in part.line_items
            }
        return found

    def _holders(self, order_id: str) -> dict[str, str]:
        """Item id -> the customer under whom ChartMogul holds its line, where a filter may keep it there (§8)."""
        if not self._without_owners:
            return {}
        return {
            item_of(line, part.external_id): part.customer_external_id
            for part in self._held.get(order_id, ())
            for line in part.line_items
        }

    # -- lines, plans and owners

    def _draft_one(self, order: Order, date: datetime, links: Mapping[str, str]) -> OrderDraft:
        order_id = order.id or ""
        lines = self._maker.lines_of(order, links, self._subscriptions)
        self._warn_of_currency(lines, order_id)
        lines, plans = self._planned(order_id, lines)
        for item in lines.negative_items:
            self._note("negative_lines", f"{order_id}-{item}", "4.2", order=order_id)
        if lines.adjustment_in_cents:
            amount = lines.adjustment_in_cents
            self._note("adjusted_orders", order_id, "4.6", amount_in_cents=amount, currency=lines.currency)
        divided: list[DraftInvoice] = []
        if lines.excluded_items:
            kind = "excluded_orders" if lines.is_empty else "excluded_items"
            self._note(kind, order_id, "8", setting="exclude_products", items=lines.excluded_items)
        if self._since is not None and date < self._since:
            self._note("excluded_orders", order_id, "8", setting="invoices_since")
        elif not lines.is_empty:
            divided = divide(order, lines, self._owners, self._holders(order_id))
        invoices = [invoice for invoice in divided if invoice.owner not in self._without_owners]
        return OrderDraft(order=order, date=date, lines=lines, invoices=invoices, divided=divided, plans=plans)

    def _planned(self, order_id: str, lines: OrderLines) -> tuple[OrderLines, dict[str, Plan]]:
        """The plan of each subscription line; without an interval anywhere it is `one_time` (rule 9.4)."""
        plans: dict[str, Plan] = {}
        without: set[str] = set()
        held = self._held_lines(order_id)
        for line in lines.lines:
            if line.subscription_id is None:
                continue
            subscription = self._subscriptions.get(line.subscription_id)
            before = held.get(line.item_id)
            plan = self._chooser.choose(line.item, line.subscription_id, subscription, line.amount_in_cents, before)
            if plan is None:
                self._note("lines_without_interval", order_id, "9.4", item=line.item_id)
                without.add(line.item_id)
            else:
                plans[line.item_id] = plan
        if not without:
            return lines, plans
        made = tuple(
            msgspec.structs.replace(line, subscription_id=None) if line.item_id in without else line
            for line in lines.lines
        )
        return msgspec.structs.replace(lines, lines=made), plans

    def _warn_of_currency(self, lines: OrderLines, order_id: str) -> None:
        if lines.currency in self._warned or not money.has_no_minor_unit(lines.currency):
            return
        self._warned.add(lines.currency)
        self._note(
            "zero_decimal_currencies",
            lines.currency,
            "4",
            order=order_id,
            sent=lines.total_in_cents,
            setting=self._settings.zero_decimal_amounts,
        )
