"""Discount items, spread over an order's lines (rules 4.4, 9.5)."""

from __future__ import annotations

from collections.abc import Sequence

from target_chartmogul.billing import money
from target_chartmogul.sources.keap.orders.draft_line import SHIPPING, SUBSCRIPTION, DraftLine, amount_of, item_type
from target_chartmogul.sources.keap.records import OrderItem

FREE_TRIAL = "DISCOUNT_FREE_TRIAL"


def is_discount(item: OrderItem) -> bool:
    """Whether an item is no line of its own but takes from the others (rule 4.2)."""
    return item_type(item).startswith("DISCOUNT")


def spread_discounts(
    discounts: Sequence[OrderItem], lines: Sequence[DraftLine], currency: str, net_total: int | None
) -> None:
    """Take an order's discounts off its lines, one by one in the order of the items.

    Args:
        discounts: the order's discount items.
        lines: its lines, with amounts in the currency's smallest unit; `discount` is written.
        currency: ISO 4217.
        net_total: the order's total less its TAX items, in the smallest unit; None if the order has no total. What
            the lines exceed it by is discount too, if the order has any discount item.
    """
    for item in discounts:
        group = _group(item, lines)
        _take(_value(item, group, currency), group, lines)
    if discounts and net_total is not None:
        excess = sum(line.net for line in lines) - net_total
        if excess > 0:
            _take(excess, _all_but_shipping(lines), lines)


def _group(item: OrderItem, lines: Sequence[DraftLine]) -> list[DraftLine]:
    """The lines that a discount names; without any, all but shipping (rule 9.5)."""
    kind = item_type(item)
    named: list[DraftLine] = []
    if kind == FREE_TRIAL:
        named = [line for line in lines if line.kind == SUBSCRIPTION]
    elif kind == "DISCOUNT_SHIPPING":
        named = [line for line in lines if line.kind == SHIPPING]
    elif kind == "DISCOUNT_PRODUCT" and item.product and item.product.id:
        named = [line for line in lines if line.product_id == item.product.id]
    return named or _all_but_shipping(lines)


def _all_but_shipping(lines: Sequence[DraftLine]) -> list[DraftLine]:
    return [line for line in lines if line.kind != SHIPPING]


def _value(item: OrderItem, group: Sequence[DraftLine], currency: str) -> int:
    """What a discount is worth, in the smallest unit, by the first of its three places that says something."""
    if item.discount and item.discount.amount:
        return abs(item.discount.amount)
    if value := abs(amount_of(item)):
        return value
    if item.special is None or item.special.amount is None:
        return 0
    amount = abs(item.special.amount)
    match (item.special.discount_method or "").upper():
        case "AMOUNT":
            return money.to_smallest(amount, currency)
        case "PERCENT":
            return money.percent_of(sum(line.gross for line in group if line.gross > 0), amount)
        case _:
            return 0


def _take(value: int, group: Sequence[DraftLine], lines: Sequence[DraftLine]) -> None:
    """Take a value off a group, and what it cannot take off the other lines; no line falls below 0."""
    left = _spread(value, group)
    if left:
        chosen = {id(line) for line in group}
        _spread(left, [line for line in lines if id(line) not in chosen])


def _spread(value: int, lines: Sequence[DraftLine]) -> int:
    """Share a value out by the amounts before discounts, capped by what is left of a line; the rest is returned."""
    while value and (room := [line for line in lines if line.net > 0]):
        shares = money.apportion(value, [line.gross for line in room])
        for line, share in zip(room, shares, strict=True):
            taken = min(share, line.net)
            line.discount += taken
            value -= taken
    return value
