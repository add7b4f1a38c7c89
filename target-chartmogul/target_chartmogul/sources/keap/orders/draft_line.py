"""A line of an order while its amounts are being worked out (rules 4.2 to 4.5)."""

from __future__ import annotations

import msgspec

from target_chartmogul.sources.keap.records import OrderItem

SUBSCRIPTION = "subscription"
SHIPPING = "shipping"
OTHER = "other"


def item_type(item: OrderItem) -> str:
    """Keap's type of an item; empty if it has none."""
    return item.item_type or ""


def bills_subscription(item: OrderItem) -> bool:
    """Rule 4.2: a SUBSCRIPTION item, or one of another type that names a subscription.

    Not so tax, discounts and shipping, whatever they name.
    """
    named = item_type(item)
    if named == "SUBSCRIPTION":
        return True
    return item.subscription_id is not None and named not in {"TAX", "SHIPPING"} and not named.startswith("DISCOUNT")


def amount_of(item: OrderItem) -> int:
    """Price per unit times quantity, in the currency's smallest unit (rules 4.2, 9.6); no quantity counts as one."""
    price = item.price_per_unit.amount if item.price_per_unit else None
    return (price or 0) * (1 if item.quantity is None else item.quantity)


class DraftLine(msgspec.Struct, kw_only=True):
    """Amounts are in the currency's smallest unit."""

    item: OrderItem
    kind: str
    """`subscription`, `shipping` or `other`: by Keap's item type, whatever the line will be in ChartMogul."""
    product_id: str | None
    subscription_id: str | None
    """The subscription that the line is for; None makes it `one_time`."""
    gross: int
    """Before discounts and tax."""
    quantity: int
    taxable: bool
    excluded: bool = False
    """Left out by `exclude_products` (§8), after it took its shares."""
    discount: int = 0
    tax: int = 0

    @property
    def net(self) -> int:
        """After discounts, before tax."""
        return self.gross - self.discount
