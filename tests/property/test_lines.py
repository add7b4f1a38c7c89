"""Lines of any order sum to its total; nothing depends on the order of arrival (rules 1.1, 4.2 to 4.6)."""

from __future__ import annotations

import json
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_chartmogul.sources.keap.account import Catalogue
from target_chartmogul.sources.keap.orders.lines import LineMaker, OrderLines
from target_chartmogul.sources.keap.records import decode
from target_chartmogul.sources.keap.settings import MappingSettings
from tests.support.keap_rows import Row, contact, item, money, order, payment, subscription, subscription_item
from tests.unit.sources.keap.deciding import decided

DIGITS = {"USD": 2, "EUR": 2, "JPY": 0, "KWD": 3, "TND": 3}
DISCOUNTS = [
    "DISCOUNT_ORDER_TOTAL",
    "DISCOUNT_PRODUCT",
    "DISCOUNT_FREE_TRIAL",
    "DISCOUNT_SHIPPING",
    "DISCOUNT_CATEGORY",
]
PRODUCTS = ["31", "50", "51"]

amounts = st.integers(-300, 200_000)


@st.composite
def products(draw: st.DrawFn) -> Row | None:
    product_id = draw(st.sampled_from([*PRODUCTS, None]))
    return None if product_id is None else {"id": product_id, "name": "P", "taxable": draw(st.booleans())}


@st.composite
def items(draw: st.DrawFn, currency: str, number: int) -> Row:
    kind = draw(st.sampled_from(["SUBSCRIPTION", "PRODUCT", "SHIPPING", "PROGRAM", "TAX", "UNKNOWN", *DISCOUNTS]))
    row = item(str(number), kind, draw(amounts), currency, quantity=draw(st.sampled_from([0, 1, 1, 2, 7, None])))
    row["product"] = draw(products())
    if kind in {"SUBSCRIPTION", "PROGRAM"}:
        row["subscription_id"] = draw(st.sampled_from(["501", "502", None]))
    if kind.startswith("DISCOUNT"):
        row["discount"] = draw(st.none() | st.just(money(draw(amounts), currency)))
        row["price_per_unit"] = money(draw(st.sampled_from([0, 0, 250])), currency)
        method = draw(st.sampled_from(["PERCENT", "AMOUNT", None]))
        row["special"] = {"amount": draw(st.sampled_from([5.0, 12.5, 33.3, 150.0])), "discount_method": method}
    return row


@st.composite
def orders(draw: st.DrawFn) -> Row:
    currency = draw(st.sampled_from(sorted(DIGITS)))
    rows = [draw(items(currency, 900 + at)) for at in range(draw(st.integers(1, 9)))]
    return order("9000", rows, draw(st.none() | st.integers(0, 400_000)), currency=currency)


def lines_of(row: Row, **bent: Any) -> OrderLines:
    mapping = msgspec.convert(bent, MappingSettings)
    return LineMaker(Catalogue(), mapping).lines_of(decode("orders", json.dumps(row).encode()), {}, {})


def exact_hundredths(smallest: int, currency: str) -> Decimal:
    return Decimal(smallest).scaleb(2 - DIGITS[currency])


def apart(row: Row) -> Row:
    """The same order with a subscription of its own for each item, so that no two are one line."""
    rows = [
        {**each, "subscription_id": each["subscription_id"] and str(600 + at)}
        for at, each in enumerate(row["order_items"])
    ]
    return {**row, "order_items": rows}


@settings(max_examples=300, deadline=None)
@given(orders())
def test_rule_4_6_lines_and_adjustment_sum_to_the_rounded_total(row: Row) -> None:
    made = lines_of(row)
    sent = sum(line.amount_in_cents for line in made.lines) + made.adjustment_in_cents
    assert sent == made.total_in_cents
    if row["total"] is not None:
        exact = exact_hundredths(row["total"]["amount"], row["total"]["currency_code"])
        assert sent == int(exact.to_integral_value(ROUND_HALF_EVEN))
    else:
        assert made.adjustment_in_cents == 0


@settings(max_examples=300, deadline=None)
@given(orders())
def test_rules_4_4_and_4_5_no_line_falls_below_zero_and_all_tax_is_shared_out(row: Row) -> None:
    made = lines_of(apart(row))
    charged = [each for each in row["order_items"] if not each["item_type"].startswith("DISCOUNT")]
    taxes = [each for each in charged if each["item_type"] == "TAX"]
    for line in made.lines:
        assert line.discount_in_cents >= 0
        net = line.amount_in_cents - line.tax_in_cents
        # amounts, taxes and discounts with three decimals are rounded each on their own: 1 hundredth apart at most
        assert net >= -1 or line.discount_in_cents <= 1
    if len(charged) > len(taxes):
        tax = sum(
            each["price_per_unit"]["amount"] * (1 if each["quantity"] is None else each["quantity"]) for each in taxes
        )
        currency = taxes[0]["price_per_unit"]["currency_code"] if taxes else "USD"
        exact = exact_hundredths(tax, currency)
        assert sum(line.tax_in_cents for line in made.lines) == int(exact.to_integral_value(ROUND_HALF_EVEN))


@settings(max_examples=200, deadline=None)
@given(orders(), st.sampled_from(PRODUCTS))
def test_rule_8_excluding_a_product_changes_no_other_line(row: Row, excluded: str) -> None:
    row = apart(row)
    whole, part = lines_of(row), lines_of(row, exclude_products=[excluded])
    gone = {each["id"] for each in row["order_items"] if each["product"] and each["product"]["id"] == excluded}
    assert part.lines == tuple(line for line in whole.lines if line.item_id not in gone)
    assert part.total_in_cents == whole.total_in_cents


@settings(max_examples=200, deadline=None)
@given(orders())
def test_rule_4_3_items_of_one_subscription_are_one_line_with_the_same_sum(row: Row) -> None:
    made = lines_of(row)
    subscriptions = [line.subscription_id for line in made.lines if line.subscription_id]
    assert len(subscriptions) == len(set(subscriptions))
    single = lines_of(apart(row))
    assert single.total_in_cents == made.total_in_cents
    if DIGITS[made.currency] < 3:  # else the adjustment shares in the rounding of the lines
        assert single.adjustment_in_cents == made.adjustment_in_cents
        for one in subscriptions:
            items = {each["id"] for each in row["order_items"] if each["subscription_id"] == one}
            assert sum(line.amount_in_cents for line in single.lines if line.item_id in items) == sum(
                line.amount_in_cents for line in made.lines if line.subscription_id == one
            )


@st.composite
def accounts(draw: st.DrawFn) -> dict[str, list[Row]]:
    """Two contacts with subscriptions that bill, move and start without a link; months from January to May."""
    whose = st.sampled_from(["1", "2"])
    subscriptions = [
        subscription(
            str(500 + at), draw(whose), start_date=f"2026-0{draw(st.integers(1, 4))}-10", active=draw(st.booleans())
        )
        for at in range(draw(st.integers(1, 3)))
    ]
    rows, payments = [], []
    for at in range(draw(st.integers(1, 5))):
        named = draw(st.sampled_from([None, *(each["id"] for each in subscriptions)]))
        amount = draw(st.integers(1, 9_999))
        day = f"2026-0{draw(st.integers(1, 5))}-{draw(st.integers(8, 12)):02d}T12:00:00Z"
        number = str(9000 + at)
        rows.append(
            order(
                number,
                [subscription_item(f"{number}1", named, amount)],
                amount + draw(st.integers(0, 1)),
                draw(whose),
                time=day,
            )
        )
        if draw(st.booleans()):
            payments.append(payment(f"17{number}", [number], float(Decimal(amount) / 100), time=day))
    return {
        "contacts": [contact("1"), contact("2")],
        "subscriptions": subscriptions,
        "orders": rows,
        "payments": payments,
    }


@settings(max_examples=60, deadline=None)
@given(accounts(), st.randoms(use_true_random=False))
def test_rule_1_1_the_order_of_arrival_is_of_no_account(account: dict[str, list[Row]], random: Any) -> None:
    first = decided(**account)
    shuffled = {stream: random.sample(rows, len(rows)) for stream, rows in account.items()}
    second = decided(**shuffled)
    assert second.invoices == first.invoices
    assert second.events == first.events
    assert second.customers == first.customers
    assert second.plans == first.plans


@settings(max_examples=60, deadline=None)
@given(accounts())
def test_rules_1_2_and_1_3_one_order_at_a_time_ends_the_same(account: dict[str, list[Row]]) -> None:
    """Orders arrive one by one, with their payments."""
    for each in account["subscriptions"]:  # a run in the middle would see the cancellations of its day
        each["active"] = True
    for each in account["orders"]:  # links made early may differ from those made late: only named ones here
        for row in each["order_items"]:
            row["subscription_id"] = row["subscription_id"] or account["subscriptions"][0]["id"]
    whole = decided(**account)
    step = None
    for arrived in range(len(account["orders"])):
        orders = account["orders"][: arrived + 1]
        numbers = {each["id"] for each in orders}
        step = decided(
            step,
            contacts=account["contacts"],
            subscriptions=account["subscriptions"],
            orders=orders,
            payments=[row for row in account["payments"] if numbers.intersection(row["order_ids"])],
        )
    assert step is not None
    assert (step.invoices, step.customers, step.events) == (whole.invoices, whole.customers, whole.events)


@pytest.mark.parametrize("currency", sorted(DIGITS))
def test_rule_4_shares_are_computed_in_the_currency_s_own_unit(currency: str) -> None:
    rows = [item(str(at), "PRODUCT", 3333, currency) for at in (1, 2, 3)]
    rows.append(item("4", "DISCOUNT_ORDER_TOTAL", 0, currency, discount=money(1000, currency)))
    made = lines_of(order("9000", rows, 8999, currency=currency))
    factor = Decimal(10) ** (2 - DIGITS[currency])
    for line, exact in zip(made.lines, (2999, 3000, 3000), strict=True):
        assert abs(line.amount_in_cents - exact * factor) < 1
