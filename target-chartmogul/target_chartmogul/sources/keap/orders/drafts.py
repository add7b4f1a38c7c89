"""The orders of a group that arrived, each worked out as far as it goes without payments (§4)."""

from __future__ import annotations

from collections.abc import Container, Mapping
from datetime import datetime

import msgspec

from target_chartmogul.billing import money
from target_chartmogul.billing.decisions import Note, Reject, Waiting
from target_chartmogul.billing.objects import ONE_TIME, SUBSCRIPTION, Invoice, LineItem, Plan
from target_chartmogul.sources.keap import carry_over
from target_chartmogul.sources.keap.account import Catalog, Group, UnlinkedItem
from target_chartmogul.sources.keap.orders.draft_line import item_type
from target_chartmogul.sources.keap.orders.invoices import DraftInvoice, contact_of, date_of, divide, is_invoice
from target_chartmogul.sources.keap.orders.lines import LineMaker, OrderLines
from target_chartmogul.sources.keap.orders.links import Linked, Linker, Unlinked, held_customers
from target_chartmogul.sources.keap.orders.owners import Owners
from target_chartmogul.sources.keap.orders.plans import PlanChooser
from target_chartmogul.sources.keap.records import InvalidRecordError, Order, OrderItem
from target_chartmogul.sources.keap.settings import MappingSettings


class OrderDraft(msgspec.Struct, kw_only=True):
    """An order that is decided in this run."""

    order: Order
    date: datetime
    lines: OrderLines
    invoices: list[DraftInvoice]
    """In the order of rule 4.8; empty where the order is sent in no part (§8)."""
    divided: list[DraftInvoice]
    """The same with those whose customer a filter keeps out: payments are given to all of them (rule 4.8)."""
    plans: dict[str, Plan]
    """Item id -> plan, of the subscription lines."""


class Drafts(msgspec.Struct, kw_only=True):
    """What came of a group's orders."""

    orders: dict[str, OrderDraft] = msgspec.field(default_factory=dict)
    decided: set[str] = msgspec.field(default_factory=set)
    """Orders whose invoices are what this run says, be it none. Those of all others stay as they are."""
    relinked: dict[str, str] = msgspec.field(default_factory=dict)
    """`<order id>-<item id>` -> subscription id, of orders that did not arrive (rule 4.3)."""
    inferred: dict[str, str] = msgspec.field(default_factory=dict)
    """`<order id>-<item id>` -> subscription id, paired in this run or an earlier one."""
    unlinked: dict[str, UnlinkedItem] = msgspec.field(default_factory=dict)
    """`<order id>-<item id>` -> item that names no subscription, of orders that arrived: paired now or not."""
    notes: list[Note] = msgspec.field(default_factory=list)
    rejects: list[Reject] = msgspec.field(default_factory=list)
    waiting: list[Waiting] = msgspec.field(default_factory=list)


class OrderDrafter:
    """Drafts the orders of one group."""

    def __init__(
        self,
        group: Group,
        catalog: Catalog,
        settings: MappingSettings,
        owners: Owners,
        *,
        invoices_since: datetime | None,
        now: datetime,
    ) -> None:
        self._group = group
        self._settings = settings
        self._catalog = catalog
        self._owners = owners
        self._since = invoices_since
        self._now = now
        self._maker = LineMaker(catalog, settings)
        self._chooser = PlanChooser(catalog, settings)
        self._held = carry_over.by_order(group.existing.invoices)
        self._without_subscription = frozenset(settings.one_time_products) | frozenset(settings.exclude_products)
        self._warned: set[str] = set()
        self.out = Drafts()

    def draft(self, orders: Mapping[str, Order], without_owners: frozenset[str]) -> Drafts:
        """Work out orders, in the order of their ids.

        Args:
            orders: those that no filter keeps out whole, of the group.
            without_owners: contacts under whom nothing is written (§8).
        """
        ready: list[tuple[Order, datetime]] = []
        for order_id in sorted(orders, key=int):
            order = orders[order_id]
            if not is_invoice(order):
                self.out.decided.add(order_id)
                continue
            try:
                date = date_of(order)
            except InvalidRecordError as error:
                self._reject(order_id, error)
                continue
            if date > self._now:
                self.out.waiting.append(Waiting(stream="orders", id=order_id, reason="future", rule="1.5", due=date))
                continue
            ready.append((order, date))
        links = self._links(ready)
        for order, date in ready:
            try:
                drafted = self._draft_one(order, date, links.get(order.id or "", {}), without_owners)
            except InvalidRecordError as error:
                self._reject(order.id or "", error)
                continue
            self.out.orders[order.id or ""] = drafted
            self.out.decided.add(order.id or "")
        self.out.notes.extend(self._chooser.notes.values())
        return self.out

    def _reject(self, order_id: str, error: InvalidRecordError) -> None:
        self.out.rejects.append(Reject(stream="orders", id=order_id, field=error.field, reason=error.reason))

    def _note(self, kind: str, about: str, rule: str, **detail: object) -> None:
        self.out.notes.append(Note(kind=kind, id=about, rule=rule, detail=detail))

    # -- links (rule 4.3)

    def _links(self, ready: list[tuple[Order, datetime]]) -> dict[str, dict[str, str]]:
        """Order id -> item id -> subscription id: links that ChartMogul holds, and those inferred now."""
        links: dict[str, dict[str, str]] = {}
        unlinked: list[Unlinked] = []
        for order, date in ready:
            held = {} if self._settings.resend else self._held_lines(order.id or "")
            for position, item in enumerate(order.order_items or ()):
                if item_type(item) != "SUBSCRIPTION" or item.subscription_id or item.id is None:
                    continue
                if item.product is not None and item.product.id in self._without_subscription:
                    continue
                line = held.get(item.id)
                key = f"{order.id}-{item.id}"
                known = self._group.remembered.withdrawn_links.get(key)
                if line is not None and line.type == SUBSCRIPTION:
                    known = line.subscription_external_id
                if known is None:
                    unlinked.append(_unlinked(order, date, position, item))
                else:
                    links.setdefault(order.id or "", {})[item.id] = known
                    self.out.inferred[key] = known
        arrived = {order.id: order for order, _ in ready}
        linked = [
            Linked(order_id=order.id or "", date=date, subscription_id=subscription)
            for order, date in ready
            for item in order.order_items or ()
            if (subscription := self._subscription_of(item, links.get(order.id or "", {})))
        ]
        for each in linked:
            self._owners.see_order(each.order_id, each.date, contact_of(arrived[each.order_id]), each.subscription_id)
        unlinked.extend(self._remembered_unlinked(arrived))
        if not unlinked:
            return links
        customers = held_customers(self._group.existing.invoices.values())
        for each in linked:
            if owner := self._owners.of_line(each.subscription_id, contact_of(arrived[each.order_id])):
                customers[each.subscription_id].add(owner)
        for order_id, parts in self._held.items():
            if order_id not in arrived:
                linked.extend(
                    Linked(order_id=order_id, date=part.date, subscription_id=line.subscription_external_id or "")
                    for part in parts
                    for line in carry_over.subscription_lines(part)
                )
        linker = Linker(self._catalog, self._settings.zone, self._group.subscriptions, customers)
        paired = {
            subscription
            for key, subscription in self._group.remembered.inferred_links.items()
            if key.partition("-")[0] not in arrived
        }
        inferred = linker.infer(unlinked, linked, paired.union(self.out.inferred.values()))
        for about in unlinked:
            order_id, item_id = about.order_id, about.item_id
            found = inferred.get((order_id, item_id))
            if order_id in arrived:
                self.out.unlinked[f"{order_id}-{item_id}"] = about.item
            if found is None:
                if order_id in arrived:
                    self._note("unlinked_orders", order_id, "4.3", item=item_id)
                continue
            self._note("inferred_links", order_id, "4.3", item=item_id, subscription=found)
            self.out.inferred[f"{order_id}-{item_id}"] = found
            if order_id in arrived:
                links.setdefault(order_id, {})[item_id] = found
                self._owners.see_order(order_id, about.date, about.contact_id, found)
            else:
                self.out.relinked[f"{order_id}-{item_id}"] = found
        return links

    def _subscription_of(self, item: OrderItem, links: Mapping[str, str]) -> str | None:
        """The subscription that an item's line will be for."""
        if item.product is not None and item.product.id in self._without_subscription:
            return None
        if item_type(item) not in {"SUBSCRIPTION", "PROGRAM"}:
            return None
        return item.subscription_id or links.get(item.id or "")

    def _remembered_unlinked(self, arrived: Container[str | None]) -> list[Unlinked]:
        """Items to pair, of orders that did not arrive; those that an earlier run paired are linked as it did."""
        found = []
        remembered = self._group.remembered
        for key, item in remembered.unlinked_items.items():
            order_id, _, item_id = key.partition("-")
            line = self._held_lines(order_id).get(item_id)
            if order_id in arrived or line is None or line.type != ONE_TIME:
                continue
            if (pair := remembered.inferred_links.get(key)) in self._group.subscriptions:
                # No interval was known then, or the run ended before ChartMogul had it.
                self.out.relinked[key] = pair
                continue
            parts = self._held[order_id]
            contact = carry_over.own_contact(parts) or remembered.order_contacts.get(order_id)
            found.append(
                Unlinked(
                    order_id=order_id, item_id=item_id, position=0, contact_id=contact, date=parts[0].date, item=item
                )
            )
        return found

    def _held_lines(self, order_id: str) -> dict[str, LineItem]:
        """Item id -> the line that ChartMogul holds for it, whosever invoice it is on."""
        parts: list[Invoice] = self._held.get(order_id, [])
        return {carry_over.item_of(line, part.external_id): line for part in parts for line in part.line_items}

    def _holders(self, order_id: str) -> dict[str, str]:
        """Item id -> the customer under whom ChartMogul holds its line."""
        return {
            carry_over.item_of(line, part.external_id): part.customer_external_id
            for part in self._held.get(order_id, ())
            for line in part.line_items
        }

    # -- lines, plans and owners

    def _draft_one(
        self, order: Order, date: datetime, links: Mapping[str, str], without_owners: frozenset[str]
    ) -> OrderDraft:
        order_id = order.id or ""
        lines = self._maker.lines_of(order, links, self._group.subscriptions)
        self._warn_of_currency(lines, order_id)
        lines, plans = self._planned(order_id, lines)
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
        invoices = [invoice for invoice in divided if invoice.owner not in without_owners]
        return OrderDraft(order=order, date=date, lines=lines, invoices=invoices, divided=divided, plans=plans)

    def _planned(self, order_id: str, lines: OrderLines) -> tuple[OrderLines, dict[str, Plan]]:
        """The plan of each subscription line; without an interval anywhere it is `one_time` (rule 9.4)."""
        plans: dict[str, Plan] = {}
        without: set[str] = set()
        held = self._held_lines(order_id)
        for line in lines.lines:
            if line.subscription_id is None:
                continue
            subscription = self._group.subscriptions.get(line.subscription_id)
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


def _unlinked(order: Order, date: datetime, position: int, item: OrderItem) -> Unlinked:
    plan = item.subscription_plan
    return Unlinked(
        order_id=order.id or "",
        item_id=item.id or "",
        position=position,
        contact_id=contact_of(order),
        date=date,
        item=UnlinkedItem(
            product_id=item.product.id if item.product else None,
            plan_id=plan.id if plan else None,
            cycle=plan.cycle_type if plan else None,
            frequency=plan.frequency if plan else None,
        ),
    )
