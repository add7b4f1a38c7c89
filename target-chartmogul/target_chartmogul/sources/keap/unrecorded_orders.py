"""Orders that only ChartMogul still knows: gone from Keap, and their record from a lost store (rules 1.4, 4.10).

Their invoices stay as they are held, count for the ends of subscriptions (6.2), take up their part of payments, and
move with their subscription (4.9). What such an order was is read from its invoices: lines by their item ids, payments
by their payment ids. Nothing else is read back from ChartMogul.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import combinations

import msgspec

from target_chartmogul.billing.objects import FAILED, PAYMENT, REFUND, SUBSCRIPTION, Invoice, LineItem, Transaction
from target_chartmogul.sources.keap import ids

OwnerOf = Callable[[str, str], str | None]
"""Subscription id and the customer under whom ChartMogul holds the line -> the contact whose it is now."""


class UnrecordedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order without a record; never without an invoice."""

    order_id: str
    invoices: tuple[Invoice, ...]

    @property
    def contact_id(self) -> str | None:
        """The order's own contact, where one of its invoices is that contact's (rule 2.1)."""
        own = (each.customer_external_id for each in self.invoices if each.external_id == self.order_id)
        return next(own, None)

    @property
    def date(self) -> datetime:
        """The date of its invoices."""
        return self.invoices[0].date

    @property
    def currency(self) -> str:
        """The currency of its invoices."""
        return self.invoices[0].currency

    def subscriptions(self) -> set[str]:
        """Ids of the subscriptions that its lines name."""
        return {line.subscription_external_id or "" for each in self.invoices for line in subscription_lines(each)}

    def amount(self, kind: str, payment_id: str | None = None) -> int:
        """What succeeded of a payment (or of all) as PAYMENT or REFUND, in the units that are sent."""
        return sum(
            move.amount_in_cents
            for invoice in self.invoices
            for move in invoice.transactions
            if move.type == kind and move.result != FAILED
            if payment_id is None or move.external_id == ids.payment_transaction_id(payment_id, invoice.external_id)
        )


def unrecorded_orders(invoices: Mapping[str, Invoice], recorded: Container[str]) -> dict[str, UnrecordedOrder]:
    """By order id; invoices that this target did not form are left out (rule 1.4).

    Args:
        invoices: what ChartMogul holds, by external id.
        recorded: ids of the orders that have a record.
    """
    found: dict[str, list[Invoice]] = {}
    for external_id, invoice in invoices.items():
        parsed = ids.parse_invoice_id(external_id)
        if parsed is not None and parsed[0] not in recorded:
            found.setdefault(parsed[0], []).append(invoice)
    return {
        order_id: UnrecordedOrder(order_id=order_id, invoices=tuple(_complete_set(order_id, parts)))
        for order_id, parts in found.items()
    }


def subscription_lines(invoice: Invoice) -> Iterator[LineItem]:
    """The lines that make MRR."""
    return (line for line in invoice.line_items if line.type == SUBSCRIPTION and line.subscription_external_id)


def item_of(line: LineItem, invoice_id: str) -> str:
    """The part of a line's external id that names the item, `adjustment` or `credit-<payment>`."""
    return line.external_id.removeprefix(f"{invoice_id}-")


def moved(order: UnrecordedOrder, owner_of: OwnerOf) -> list[Invoice]:
    """An order's invoices under the owners of today; the very same ones where nothing moved (rule 4.9)."""
    lines = [
        (line, part, owner_of(subscription, part.customer_external_id) if subscription else None)
        for part in order.invoices
        for line in part.line_items
        for subscription in (line.subscription_external_id,)
    ]
    if all(owner is None or owner == part.customer_external_id for _, part, owner in lines):
        return list(order.invoices)
    lines.sort(key=lambda each: _item_order(each[0], each[1]))
    owners = list(dict.fromkeys(owner for _, _, owner in lines if owner is not None))
    made: list[Invoice] = []
    for owner in owners:
        external_id = ids.invoice_id(order.order_id, owner, order.contact_id or "")
        made.append(
            msgspec.structs.replace(
                order.invoices[0],
                external_id=external_id,
                customer_external_id=owner,
                line_items=tuple(
                    _renamed_line(line, part.external_id, external_id)
                    for line, part, whose in lines
                    if (whose or owners[0]) == owner
                ),
                transactions=(),
            )
        )
    return _with_transactions(made, order.invoices)


def _complete_set(order_id: str, parts: Sequence[Invoice]) -> Sequence[Invoice]:
    """An order's invoices without the second copies that a move left which was broken off (rule 2.1).

    A move writes all invoices of an order under their new ids before it deletes the old ones. If it was broken off,
    either the old ones or the new ones are complete, and they say the same; the others would count everything twice.
    Of two complete sets the one with the order's own id is taken: it tells the order's contact.
    """
    if len(parts) == 1:
        return parts
    items = {part.external_id: {item_of(line, part.external_id) for line in part.line_items} for part in parts}
    every = set().union(*items.values())
    if sum(map(len, items.values())) == len(every):
        return parts
    ordered = sorted(parts, key=lambda part: (part.external_id != order_id, part.external_id))
    for size in range(1, len(parts)):
        for some in combinations(ordered, size):
            theirs = [items[part.external_id] for part in some]
            if sum(map(len, theirs)) == len(every) == len(set().union(*theirs)):
                return some
    return parts


def _item_order(line: LineItem, part: Invoice) -> tuple[int, int]:
    """Items by id, as Keap numbers them; adjustment and credits behind."""
    item = item_of(line, part.external_id)
    return (0, int(item)) if item.isdecimal() else (1, 0)


def _renamed_line(line: LineItem, old: str, new: str) -> LineItem:
    if old == new:
        return line
    return msgspec.structs.replace(line, external_id=f"{new}-{item_of(line, old)}")


def _renamed_transaction(transaction: Transaction, old: str, new: str) -> Transaction:
    if old == new:
        return transaction
    external_id = transaction.external_id
    if external_id.endswith(f"-{old}"):
        external_id = f"{external_id.removesuffix(old)}{new}"
    else:
        external_id = f"{new}{external_id.removeprefix(old)}"
    return msgspec.structs.replace(transaction, external_id=external_id)


def _with_transactions(made: list[Invoice], parts: Sequence[Invoice]) -> list[Invoice]:
    """Give the payments to the invoices that were made: to each up to its total, the first one first (rule 4.8)."""
    first = made[0].external_id
    whole = _added_up(
        _renamed_transaction(each, part.external_id, first) for part in parts for each in part.transactions
    )
    if len(made) == 1:
        return [msgspec.structs.replace(made[0], transactions=tuple(whole))]
    room = [max(sum(line.amount_in_cents for line in invoice.line_items), 0) for invoice in made]
    paid = [0] * len(made)
    given: list[list[Transaction]] = [[] for _ in made]
    for each in sorted(whole, key=lambda each: (each.type == REFUND, each.date, each.external_id)):
        if each.result == FAILED:
            given[0].append(each)
            continue
        limits = room if each.type == PAYMENT else paid
        left = each.amount_in_cents
        for at, invoice in enumerate(made):
            share = min(left, limits[at])
            if share <= 0:
                continue
            left -= share
            limits[at] -= share
            if each.type == PAYMENT:
                paid[at] += share
            named = _renamed_transaction(each, first, invoice.external_id)
            given[at].append(msgspec.structs.replace(named, amount_in_cents=share))
    return [
        msgspec.structs.replace(invoice, transactions=tuple(sorted(given[at], key=_by_date)))
        for at, invoice in enumerate(made)
    ]


def _added_up(transactions: Iterable[Transaction]) -> list[Transaction]:
    """Shares of one payment under one id become one."""
    found: dict[str, Transaction] = {}
    for each in transactions:
        known = found.get(each.external_id)
        found[each.external_id] = (
            each
            if known is None
            else msgspec.structs.replace(known, amount_in_cents=known.amount_in_cents + each.amount_in_cents)
        )
    return sorted(found.values(), key=_by_date)


def _by_date(transaction: Transaction) -> tuple[datetime, str]:
    return transaction.date, transaction.external_id
