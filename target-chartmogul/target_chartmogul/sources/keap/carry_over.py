"""Invoices of orders that did not arrive: kept as ChartMogul holds them, or moved with their subscription.

A subscription that changes its contact takes all its invoices along, those of orders that did not change too (rule
4.9). What such an order was is read from its invoices: lines by their item ids, payments by their payment ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import combinations

import msgspec

from target_chartmogul.billing.objects import (
    FAILED,
    PAYMENT,
    REFUND,
    SUBSCRIPTION,
    Invoice,
    LineItem,
    Transaction,
)
from target_chartmogul.sources.keap import ids

OwnerOf = Callable[[LineItem, str], str | None]
"""The contact whose customer has a line now; None for lines of no subscription.

It is asked with the line and the customer under whom ChartMogul holds it.
"""


def by_order(invoices: Mapping[str, Invoice]) -> dict[str, list[Invoice]]:
    """Order id -> its invoices; invoices that this target did not form are left out (rule 1.4)."""
    found: dict[str, list[Invoice]] = {}
    for external_id, invoice in invoices.items():
        parsed = ids.parse_invoice_id(external_id)
        if parsed is not None:
            found.setdefault(parsed[0], []).append(invoice)
    return found


def without_half_moves(invoices: Mapping[str, Invoice]) -> dict[str, Invoice]:
    """The invoices without the second copies that a move left which was broken off (rule 2.1).

    A move writes all invoices of an order under their new ids before it deletes the old ones. If it was broken off,
    either the old ones or the new ones are complete, and they say the same; the others would count everything twice.
    Of two complete sets the one with the order's own id is taken: it tells the order's contact.
    """
    kept = dict(invoices)
    for order_id, parts in by_order(invoices).items():
        if len(parts) > 1:
            chosen = _complete_set(order_id, parts)
            for part in parts:
                if part not in chosen:
                    del kept[part.external_id]
    return kept


def _complete_set(order_id: str, parts: Sequence[Invoice]) -> Sequence[Invoice]:
    """Invoices that have each item once; all of them where no item stands twice, or no such set is there."""
    items = {part.external_id: {item_of(line, part.external_id) for line in part.line_items} for part in parts}
    every = set().union(*items.values())
    if sum(map(len, items.values())) == len(every):
        return parts
    ordered = sorted(parts, key=lambda part: (part.external_id != order_id, part.external_id))
    for size in range(1, len(parts)):
        for some in combinations(ordered, size):
            if (
                sum(len(items[part.external_id]) for part in some)
                == len(every)
                == len(set().union(*(items[part.external_id] for part in some)))
            ):
                return some
    return parts


def own_contact(parts: Iterable[Invoice]) -> str | None:
    """The order's own contact, where one of its invoices is that contact's (rule 2.1)."""
    for invoice in parts:
        parsed = ids.parse_invoice_id(invoice.external_id)
        if parsed is not None and parsed[1] is None:
            return invoice.customer_external_id
    return None


def moved(order_id: str, parts: Sequence[Invoice], contact: str | None, owner_of: OwnerOf) -> list[Invoice]:
    """An order's invoices under the owners of today; the very same ones where nothing moved.

    Args:
        order_id: Keap's.
        parts: its invoices as ChartMogul holds them.
        contact: the order's own contact, None if no longer known (then every owner's id is the one with `-c`).
        owner_of: see `OwnerOf`.
    """
    lines = [(line, part, owner_of(line, part.customer_external_id)) for part in parts for line in part.line_items]
    if all(owner is None or owner == part.customer_external_id for _, part, owner in lines):
        return list(parts)
    lines.sort(key=lambda each: _item_order(each[0], each[1]))
    owners = list(dict.fromkeys(owner for _, _, owner in lines if owner is not None))
    first = owners[0]
    made: list[Invoice] = []
    for owner in owners:
        external_id = ids.invoice_id(order_id, owner, contact or "")
        chosen = [(line, part) for line, part, whose in lines if (whose or first) == owner]
        made.append(
            msgspec.structs.replace(
                parts[0],
                external_id=external_id,
                customer_external_id=owner,
                line_items=tuple(_renamed_line(line, part.external_id, external_id) for line, part in chosen),
                transactions=(),
            )
        )
    return _with_transactions(made, parts)


def item_of(line: LineItem, invoice_id: str) -> str:
    """The part of a line's external id that names the item, `adjustment` or `credit-<payment>`."""
    return line.external_id.removeprefix(f"{invoice_id}-")


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
    if len(made) == 1:
        only = made[0]
        renamed = [
            _renamed_transaction(each, part.external_id, only.external_id)
            for part in parts
            for each in part.transactions
        ]
        return [msgspec.structs.replace(only, transactions=tuple(_added_up(renamed)))]
    whole = _added_up(
        _renamed_transaction(each, part.external_id, made[0].external_id)
        for part in parts
        for each in part.transactions
    )
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
            named = _renamed_transaction(each, made[0].external_id, invoice.external_id)
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


def subscription_lines(invoice: Invoice) -> list[LineItem]:
    """The lines that make MRR."""
    return [line for line in invoice.line_items if line.type == SUBSCRIPTION and line.subscription_external_id]
