"""An order's items become lines that sum to its total (rules 4.2 to 4.6, 9.4 to 9.6 and the introduction of §4)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from target_chartmogul.billing import money
from target_chartmogul.sources.keap.account import Catalogue
from target_chartmogul.sources.keap.orders.discounts import is_discount, spread_discounts
from target_chartmogul.sources.keap.orders.draft_line import (
    OTHER,
    SHIPPING,
    SUBSCRIPTION,
    DraftLine,
    amount_of,
    bills_subscription,
    item_type,
)
from target_chartmogul.sources.keap.orders.plans import product_of
from target_chartmogul.sources.keap.orders.taxes import spread_tax
from target_chartmogul.sources.keap.records import Order, OrderItem, Subscription
from target_chartmogul.sources.keap.settings import MappingSettings
from target_chartmogul.sources.protocol import InvalidRecordError

TAX = "TAX"


class OrderLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line with its amounts as they are sent; `subscription_id` None makes it `one_time`."""

    item: OrderItem
    item_id: str
    subscription_id: str | None
    amount_in_cents: int
    """With tax, after discounts."""
    tax_in_cents: int
    discount_in_cents: int
    quantity: int


class OrderLines(msgspec.Struct, frozen=True, kw_only=True):
    """All lines of an order, before it is divided among owners."""

    currency: str
    lines: tuple[OrderLine, ...]
    adjustment_in_cents: int
    """The balancing line of rule 4.6; 0 where the lines sum to the total by themselves."""
    total_in_cents: int
    """What the lines and the adjustment sum to before excluded items are left out."""
    total: int
    """The same in the currency's smallest unit, before anything is rounded."""
    excluded_items: int
    """Lines left out by `exclude_products` (§8)."""
    negative_items: tuple[str, ...] = ()
    """Items whose line is `one_time` because it came out below 0 (rule 4.2)."""

    @property
    def is_empty(self) -> bool:
        """Nothing to send: all items are excluded, or there are none to speak of and no total (§8, rule 9.6)."""
        return not self.lines and (self.excluded_items > 0 or self.adjustment_in_cents == 0)


class LineMaker:
    """Makes the lines of orders under one catalogue and one set of settings."""

    def __init__(self, catalogue: Catalogue, settings: MappingSettings) -> None:
        self._products = catalogue.products
        self._currency = settings.currency
        self._account_currency = settings.account_currency
        self._zero_decimal = settings.zero_decimal_amounts
        self._excluded = frozenset(settings.exclude_products)
        self._one_time = frozenset(settings.one_time_products)

    def lines_of(self, order: Order, links: Mapping[str, str], subscriptions: Mapping[str, Subscription]) -> OrderLines:
        """Work out an order's lines.

        Args:
            order: an order with items.
            links: item id -> subscription id, for items of this order that rule 4.3 linked.
            subscriptions: those that Keap has, by id.

        Raises:
            InvalidRecordError: no currency, one that does not exist, an item without id, or two with the same.
        """
        currency = self._currency_of(order)
        drafts: list[DraftLine] = []
        discounts: list[OrderItem] = []
        tax = 0
        for item in self._checked_items(order):
            if is_discount(item):
                discounts.append(item)
            elif item_type(item) == TAX:
                tax += amount_of(item)
            else:
                drafts.append(self._draft(item, links, subscriptions))
        total = order.total.amount if order.total else None
        spread_discounts(discounts, drafts, currency, None if total is None else total - tax)
        spread_tax(tax, drafts)
        merged = _merged(drafts)
        negative = [line for line in merged if line.subscription_id is not None and line.net < 0 and not line.excluded]
        for line in negative:
            line.subscription_id = None
        sent = self._sent(currency, merged, total)
        return msgspec.structs.replace(sent, negative_items=tuple([each.item.id or "" for each in negative]))

    def _currency_of(self, order: Order) -> str:
        named = order.total.currency_code if order.total else None
        code = (named or self._currency or _currency_of_items(order) or self._account_currency or "").strip().upper()
        if not code:
            raise InvalidRecordError("orders", order.id, "total.currency_code", "is missing, and no currency is set")
        try:
            money.minor_units(code)
        except money.UnknownCurrencyError as error:
            raise InvalidRecordError("orders", order.id, "total.currency_code", str(error)) from error
        return code

    @staticmethod
    def _checked_items(order: Order) -> list[OrderItem]:
        items = order.order_items or []
        seen: set[str] = set()
        for position, item in enumerate(items):
            field = f"order_items[{position}].id"
            if item.id is None:
                raise InvalidRecordError("orders", order.id, field, "is missing")
            if item.id in seen:
                raise InvalidRecordError("orders", order.id, field, "is the id of another item of the order too")
            seen.add(item.id)
        return items

    def _draft(self, item: OrderItem, links: Mapping[str, str], subscriptions: Mapping[str, Subscription]) -> DraftLine:
        named = item_type(item)
        kind = SHIPPING if named == "SHIPPING" else OTHER
        subscription_id: str | None = None
        if bills_subscription(item):
            kind = SUBSCRIPTION
            subscription_id = item.subscription_id or links.get(item.id or "")
        product_id = product_of(item, subscriptions.get(subscription_id or ""))
        if product_id in self._one_time:
            subscription_id = None
        quantity = 1 if item.quantity is None else item.quantity
        return DraftLine(
            item=item,
            kind=kind,
            product_id=product_id,
            subscription_id=subscription_id,
            gross=amount_of(item),
            quantity=max(quantity, 1),
            taxable=self._is_taxable(item, product_id),
            excluded=product_id in self._excluded,
        )

    def _is_taxable(self, item: OrderItem, product_id: str | None) -> bool:
        if item.product is not None and item.product.taxable is not None:
            return item.product.taxable
        product = self._products.get(product_id or "")
        return bool(product and product.taxable)

    def _sent(self, currency: str, drafts: list[DraftLine], total: int | None) -> OrderLines:
        """Convert to what is sent; excluded lines are left out only now, since all follow the total together."""
        amounts = [line.net + line.tax for line in drafts]
        adjustment = 0 if total is None else total - sum(amounts)
        sent = self._together([*amounts, adjustment], currency)
        taxes = self._together([line.tax for line in drafts], currency)
        discounts = self._together([line.discount for line in drafts], currency)
        lines = tuple(
            [
                OrderLine(
                    item=line.item,
                    item_id=line.item.id or "",
                    subscription_id=line.subscription_id,
                    amount_in_cents=sent[at],
                    tax_in_cents=taxes[at],
                    discount_in_cents=discounts[at],
                    quantity=line.quantity,
                )
                for at, line in enumerate(drafts)
                if not line.excluded
            ]
        )
        return OrderLines(
            currency=currency,
            lines=lines,
            adjustment_in_cents=sent[-1],
            total_in_cents=sum(sent),
            total=sum(amounts) + adjustment,
            excluded_items=len(drafts) - len(lines),
        )

    def _together(self, amounts: list[int], currency: str) -> list[int]:
        return money.to_hundredths_together(amounts, currency, self._zero_decimal)


def _currency_of_items(order: Order) -> str | None:
    """The one currency that the items' prices are in; None if they name none, or several."""
    found = {item.price_per_unit.currency_code for item in order.order_items or () if item.price_per_unit}
    return found.pop() if len(found) == 1 else None


def _merged(drafts: list[DraftLine]) -> list[DraftLine]:
    """Lines for one subscription become one: the first, with amounts, discounts, taxes and quantities added.

    ChartMogul would keep only the last of them (rule 4.3). Which shares each item takes is settled before (rule 9.4).
    """
    merged: list[DraftLine] = []
    first: dict[str, DraftLine] = {}
    for line in drafts:
        if line.subscription_id is None or line.excluded:
            merged.append(line)
        elif (into := first.get(line.subscription_id)) is None:
            first[line.subscription_id] = line
            merged.append(line)
        else:
            into.gross += line.gross
            into.discount += line.discount
            into.tax += line.tax
            into.quantity += line.quantity
    return merged
