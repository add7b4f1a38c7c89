"""Items become lines: amounts, discounts, taxes, adjustment (rules 4.1, 4.2, 4.4 to 4.6, 9.4 to 9.6)."""

from __future__ import annotations

from typing import Any

import pytest

from target_chartmogul.billing.decisions import Decision
from tests.support.keap_rows import Row, contact, item, money, order, product, subscription, subscription_item
from tests.unit.sources.keap.deciding import decided, line, noted, rejected

SHIPPING = item("8", "SHIPPING", 500, name="Shipping")
GIFT = item("2", "PRODUCT", 2000, name="Gift", product={"id": "50", "taxable": False})
BOOK = item("3", "PRODUCT", 1000, name="Book", product={"id": "51", "taxable": True})


def discount(kind: str, **fields: Any) -> Row:
    return item("9", kind, fields.pop("amount", 0), **fields)


def bill(rows: list[Row], total: int | None, settings: dict[str, Any] | None = None, **fields: Any) -> Decision:
    return decided(
        settings=settings,
        contacts=[contact()],
        products=[product()],
        subscriptions=[subscription()],
        orders=[order("9000", rows, total, **fields)],
    )


def table(decision: Decision) -> dict[str, tuple[int, int, int]]:
    """Item -> amount with tax, tax, discount."""
    (invoice,) = decision.invoices.values()
    return {
        each.external_id.removeprefix("9000-"): (
            each.amount_in_cents,
            each.tax_amount_in_cents,
            each.discount_amount_in_cents,
        )
        for each in invoice.line_items
    }


SUBSCRIPTION = subscription_item("1", "501")


@pytest.mark.parametrize(
    ("rows", "total", "expected"),
    [
        pytest.param(
            [SUBSCRIPTION, GIFT, discount("DISCOUNT_ORDER_TOTAL", discount=money(690))],
            6210,
            {"1": (4410, 0, 490), "2": (1800, 0, 200)},
            id="4.4 pro rata over all but shipping",
        ),
        pytest.param(
            [SUBSCRIPTION, SHIPPING, discount("DISCOUNT_ORDER_TOTAL", discount=money(-100))],
            5300,
            {"1": (4800, 0, 100), "8": (500, 0, 0)},
            id="4.4 the sign does not matter, shipping takes nothing",
        ),
        pytest.param(
            [SUBSCRIPTION, SHIPPING, discount("DISCOUNT_SHIPPING", discount=money(200))],
            5200,
            {"1": (4900, 0, 0), "8": (300, 0, 200)},
            id="4.4 shipping discount",
        ),
        pytest.param(
            [SUBSCRIPTION, SHIPPING, discount("DISCOUNT_SHIPPING", discount=money(700))],
            4700,
            {"1": (4700, 0, 200), "8": (0, 0, 500)},
            id="4.4 what does not fit goes to the other lines",
        ),
        pytest.param(
            [SUBSCRIPTION, discount("DISCOUNT_SHIPPING", discount=money(200))],
            4700,
            {"1": (4700, 0, 200)},
            id="9.5 a group without lines is all but shipping",
        ),
        pytest.param(
            [SUBSCRIPTION, GIFT, discount("DISCOUNT_PRODUCT", discount=money(300), product={"id": "50"})],
            6600,
            {"1": (4900, 0, 0), "2": (1700, 0, 300)},
            id="4.4 product discount",
        ),
        pytest.param(
            [SUBSCRIPTION, GIFT, discount("DISCOUNT_PRODUCT", discount=money(690))],
            6210,
            {"1": (4410, 0, 490), "2": (1800, 0, 200)},
            id="4.4 product discount without a product is for all",
        ),
        pytest.param(
            [GIFT, SUBSCRIPTION, discount("DISCOUNT_FREE_TRIAL", discount=money(4900))],
            2000,
            {"2": (2000, 0, 0), "1": (0, 0, 4900)},
            id="4.4 free trial takes from subscription lines",
        ),
        pytest.param(
            [SUBSCRIPTION, discount("DISCOUNT_ORDER_TOTAL", amount=-150, quantity=2)],
            4600,
            {"1": (4600, 0, 300)},
            id="4.4 else price times quantity",
        ),
        pytest.param(
            [
                SUBSCRIPTION,
                GIFT,
                discount(
                    "DISCOUNT_PRODUCT", product={"id": "50"}, special={"amount": 12.5, "discount_method": "PERCENT"}
                ),
            ],
            6650,
            {"1": (4900, 0, 0), "2": (1750, 0, 250)},
            id="4.4 else percent of the lines it is for",
        ),
        pytest.param(
            [
                item("2", "PRODUCT", 333),
                discount("DISCOUNT_ORDER_TOTAL", special={"amount": 0.15, "discount_method": "PERCENT"}),
            ],
            333,
            {"2": (333, 0, 0)},
            id="4.4 half-up: 0.4995 is 0",
        ),
        pytest.param(
            [
                item("2", "PRODUCT", 1000),
                discount("DISCOUNT_ORDER_TOTAL", special={"amount": 0.05, "discount_method": "PERCENT"}),
            ],
            999,
            {"2": (999, 0, 1)},
            id="4.4 half-up: 0.5 is 1",
        ),
        pytest.param(
            [SUBSCRIPTION, discount("DISCOUNT_ORDER_TOTAL", special={"amount": 5.0, "discount_method": "AMOUNT"})],
            4400,
            {"1": (4400, 0, 500)},
            id="4.4 else an amount in major units",
        ),
        pytest.param(
            [
                SUBSCRIPTION,
                discount(
                    "DISCOUNT_ORDER_TOTAL", price_per_unit=None, special={"amount": 5.0, "discount_method": "AMOUNT"}
                ),
            ],
            4400,
            {"1": (4400, 0, 500)},
            id="4.4 a discount without a price",
        ),
        pytest.param(
            [SUBSCRIPTION, discount("DISCOUNT_ORDER_TOTAL", discount=money(400))],
            4499,
            {"1": (4499, 0, 401)},
            id="4.4 one hundredth above the total is discount too",
        ),
        pytest.param(
            [SUBSCRIPTION, GIFT, discount("DISCOUNT_ORDER_TOTAL", discount=money(99900))],
            0,
            {"1": (0, 0, 4900), "2": (0, 0, 2000)},
            id="4.4 no line falls below 0",
        ),
        pytest.param(
            [
                BOOK,
                GIFT,
                item("8", "SHIPPING", 500),
                item("9", "DISCOUNT_PRODUCT", discount=money(900), product={"id": "51"}),
                item("10", "DISCOUNT_ORDER_TOTAL", discount=money(600)),
            ],
            2000,
            {"3": (0, 0, 1000), "2": (1500, 0, 500), "8": (500, 0, 0)},
            id="9.5 one by one, by amounts before discounts, capped by what is left",
        ),
        pytest.param(
            [SUBSCRIPTION, discount("DISCOUNT_ORDER_TOTAL", discount=money(400))],
            4300,
            {"1": (4300, 0, 600)},
            id="4.4 what the lines exceed the total by is discount too",
        ),
        pytest.param(
            [SUBSCRIPTION, discount("DISCOUNT_ORDER_TOTAL", discount=money(400)), item("7", "TAX", 100)],
            4400,
            {"1": (4400, 100, 600)},
            id="4.4 the total less the TAX items",
        ),
        pytest.param(
            [
                item("2", "PRODUCT", -300, name="Rebate"),
                SUBSCRIPTION,
                discount("DISCOUNT_ORDER_TOTAL", discount=money(100)),
            ],
            4500,
            {"2": (-300, 0, 0), "1": (4800, 0, 100)},
            id="4.4 only positive lines take a discount",
        ),
    ],
)
def test_rules_4_4_and_9_5_discounts(rows: list[Row], total: int, expected: dict[str, tuple[int, int, int]]) -> None:
    decision = bill(rows, total)
    assert table(decision) == expected
    assert noted(decision, "adjusted_orders") == []


@pytest.mark.parametrize(
    ("rows", "total", "expected"),
    [
        pytest.param(
            [SUBSCRIPTION, GIFT, BOOK, item("7", "TAX", 590)],
            8490,
            {"1": (5390, 490, 0), "2": (2000, 0, 0), "3": (1100, 100, 0)},
            id="4.5 taxable lines, pro rata",
        ),
        pytest.param(
            [GIFT, SHIPPING, item("7", "TAX", 250)],
            2750,
            {"2": (2200, 200, 0), "8": (550, 50, 0)},
            id="4.5 all lines where none is taxable",
        ),
        pytest.param(
            [
                BOOK,
                SUBSCRIPTION,
                discount("DISCOUNT_PRODUCT", discount=money(1000), product={"id": "51"}),
                item("7", "TAX", 70),
            ],
            4970,
            {"3": (0, 0, 1000), "1": (4970, 70, 0)},
            id="4.5 by discounted amounts, positive ones only",
        ),
        pytest.param(
            [
                BOOK,
                GIFT,
                discount("DISCOUNT_PRODUCT", discount=money(1000), product={"id": "51"}),
                item("7", "TAX", 70),
            ],
            2070,
            {"3": (70, 70, 1000), "2": (2000, 0, 0)},
            id="4.5 none of the taxable is positive: the first takes it",
        ),
        pytest.param(
            [SUBSCRIPTION, BOOK, item("6", "TAX", 1), item("7", "TAX", 2, quantity=2)],
            5905,
            {"1": (4904, 4, 0), "3": (1001, 1, 0)},
            id="4.5 several TAX items are one sum",
        ),
        pytest.param(
            [SUBSCRIPTION, item("7", "TAX", -100)],
            4800,
            {"1": (4800, -100, 0)},
            id="4.5 a correction of tax is negative",
        ),
        pytest.param(
            [item("4", "PRODUCT", 1000, product={"id": "31"}), GIFT, item("7", "TAX", 10)],
            3010,
            {"4": (1010, 10, 0), "2": (2000, 0, 0)},
            id="4.5 taxable by the catalog where the item does not say",
        ),
    ],
)
def test_rule_4_5_tax(rows: list[Row], total: int, expected: dict[str, tuple[int, int, int]]) -> None:
    decision = bill(rows, total)
    assert table(decision) == expected
    assert noted(decision, "adjusted_orders") == []


@pytest.mark.parametrize(
    ("rows", "total", "expected"),
    [
        pytest.param([SUBSCRIPTION], 5200, {"1": 4900, "adjustment": 300}, id="4.6 too little"),
        pytest.param([SUBSCRIPTION], 4400, {"1": 4900, "adjustment": -500}, id="4.6 too much, without a discount item"),
        pytest.param([SUBSCRIPTION], 4900, {"1": 4900}, id="4.6 equal"),
        pytest.param([SUBSCRIPTION], None, {"1": 4900}, id="9.6 no total: the sum of the lines"),
        pytest.param([item("7", "TAX", 100)], 100, {"adjustment": 100}, id="9.6 only TAX: the adjustment alone"),
        pytest.param(
            [{**SUBSCRIPTION, "quantity": 0}], 4900, {"1": 0, "adjustment": 4900}, id="9.6 quantity 0 is amount 0"
        ),
        pytest.param([{**SUBSCRIPTION, "price_per_unit": None}], 0, {"1": 0}, id="4.2 no price is 0"),
    ],
)
def test_rules_4_6_and_9_6_lines_sum_to_the_total(rows: list[Row], total: int | None, expected: dict[str, int]) -> None:
    decision = bill(rows, total)
    assert {key: row[0] for key, row in table(decision).items()} == expected
    assert noted(decision, "adjusted_orders") == (["9000"] if "adjustment" in expected else [])
    if "adjustment" in expected:
        adjustment = line(decision, "9000-adjustment")
        assert (adjustment.type, adjustment.description) == ("one_time", "Keap order adjustment")


NO_AMOUNT = {"amount": None, "currency_code": "USD"}


@pytest.mark.parametrize(
    ("rows", "fields", "expected"),
    [
        pytest.param([{**SUBSCRIPTION, "discount": NO_AMOUNT}], {}, {"1": 4900}, id="1.5 of a discount"),
        pytest.param([{**SUBSCRIPTION, "discount": {}}], {}, {"1": 4900}, id="1.5 an empty discount"),
        pytest.param([SUBSCRIPTION], {"refund_total": NO_AMOUNT}, {"1": 4900}, id="5.4 of refund_total"),
        pytest.param([SUBSCRIPTION], {"total": NO_AMOUNT}, {"1": 4900}, id="9.6 of the total"),
        pytest.param(
            [{**SUBSCRIPTION, "price_per_unit": NO_AMOUNT}],
            {},
            {"1": 0, "adjustment": 4900},
            id="4.2 of the price",
        ),
    ],
)
def test_rule_1_5_an_amount_that_is_null_counts_as_missing(
    rows: list[Row], fields: Row, expected: dict[str, int]
) -> None:
    account: dict[str, list[Row]] = {"contacts": [contact()], "subscriptions": [subscription()]}
    decision = decided(**account, orders=[{**order("9000", rows, 4900), **fields}])
    assert {key: row[0] for key, row in table(decision).items()} == expected


@pytest.mark.parametrize("rows", [[item("7", "TAX", 0)], [discount("DISCOUNT_ORDER_TOTAL", discount=money(5))]])
def test_rule_9_6_nothing_but_tax_or_discount_and_no_total_is_no_invoice(rows: list[Row]) -> None:
    assert bill(rows, 0).invoices == {}


def test_rule_9_6_quantity_0_is_sent_as_1() -> None:
    assert line(bill([{**SUBSCRIPTION, "quantity": 0}], 0), "9000-1").quantity == 1
    assert line(bill([{**SUBSCRIPTION, "quantity": None}], 4900), "9000-1").quantity == 1
    assert line(bill([{**GIFT, "quantity": 3}], 6000), "9000-2").quantity == 3


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        pytest.param(SUBSCRIPTION, "subscription", id="4.2 SUBSCRIPTION"),
        pytest.param({**SUBSCRIPTION, "item_type": "PROGRAM"}, "subscription", id="4.2 PROGRAM with a subscription"),
        pytest.param(
            {**SUBSCRIPTION, "item_type": "PROGRAM", "subscription_id": ""}, "one_time", id="4.2 PROGRAM without"
        ),
        pytest.param({**SUBSCRIPTION, "item_type": "Subscription"}, "subscription", id="4.2 however it is spelt"),
        pytest.param({**SUBSCRIPTION, "item_type": "PRODUCT"}, "subscription", id="4.2 PRODUCT that names one"),
        pytest.param({**SUBSCRIPTION, "item_type": "FINANCE_CHARGE"}, "subscription", id="4.2 anything that names one"),
        pytest.param({**SUBSCRIPTION, "item_type": None}, "subscription", id="4.2 no type"),
        pytest.param({**SUBSCRIPTION, "item_type": "SHIPPING"}, "one_time", id="4.2 shipping does not"),
        pytest.param(GIFT, "one_time", id="4.2 PRODUCT that names none"),
    ],
)
def test_rule_4_2_type_of_a_line(row: Row, kind: str) -> None:
    made = line(bill([{**row, "id": "1", "name": " Name "}], None), "9000-1")
    assert made.type == kind
    assert made.description == (None if kind == "subscription" else "Name")


def test_rule_9_1_descriptions_are_cut() -> None:
    assert line(bill([{**GIFT, "name": "x" * 400}], 2000), "9000-2").description == "x" * 255


def test_rules_4_3_and_9_4_items_of_one_subscription_are_one_line() -> None:
    quarterly = {"id": "8", "frequency": 3, "cycle_type": "MONTHLY"}
    rows = [
        SUBSCRIPTION,
        subscription_item("2", "501", 1000, quantity=2, subscription_plan=quarterly),
        discount("DISCOUNT_ORDER_TOTAL", discount=money(690)),
        item("7", "TAX", 621),
    ]
    merged = line(bill(rows, 6831), "9000-1")
    assert merged.plan_external_id == "31-7-1month"
    assert (merged.amount_in_cents, merged.quantity) == (6831, 3)
    assert (merged.tax_amount_in_cents, merged.discount_amount_in_cents) == (621, 690)


@pytest.mark.parametrize(
    ("fields", "settings", "expected"),
    [
        pytest.param({}, {}, "USD", id="4.1 the total's"),
        pytest.param({"total": {"amount": 4900}}, {"currency": "eur"}, "EUR", id="4.1 else the setting"),
        pytest.param({"total": {"amount": 4900}}, {}, "USD", id="4.1 else the items'"),
        pytest.param({"total": {"amount": 4900, "currency_code": "usd"}}, {}, "USD", id="4.1 in capitals"),
    ],
)
def test_rule_4_1_currency(fields: Row, settings: dict[str, Any], expected: str) -> None:
    row = {**order("9000", [SUBSCRIPTION], 4900), **fields}
    decision = decided(settings=settings, contacts=[contact()], subscriptions=[subscription()], orders=[row])
    (invoice,) = decision.invoices.values()
    assert invoice.currency == expected


@pytest.mark.parametrize(
    ("rows", "fields", "field"),
    [
        ([SUBSCRIPTION], {"total": money(4900, "XXX")}, "total.currency_code"),
        ([SUBSCRIPTION], {"total": money(4900, "ZZZ")}, "total.currency_code"),
        ([{**SUBSCRIPTION, "price_per_unit": None}], {"total": {"amount": 4900}}, "total.currency_code"),
        ([SUBSCRIPTION], {"order_time": None, "creation_time": None}, "order_time"),
        ([SUBSCRIPTION], {"order_time": "0001-01-01T00:00:00Z"}, "order_time"),
        ([SUBSCRIPTION], {"due_time": "0002-01-01T00:00:00Z"}, "due_time"),
        ([{**SUBSCRIPTION, "id": None}], {}, "order_items[0].id"),
        ([SUBSCRIPTION, SUBSCRIPTION], {}, "order_items[1].id"),
        ([GIFT], {"contact": None}, "contact.id"),
        ([GIFT], {"contact": {"id": ""}}, "contact.id"),
    ],
)
def test_rule_1_5_what_can_never_be_an_invoice_costs_that_order_alone(rows: list[Row], fields: Row, field: str) -> None:
    good = order("9001", [subscription_item("5", "501")], 4900)
    accounts: dict[str, list[Row]] = {"contacts": [contact()], "subscriptions": [subscription()]}
    before = decided(**accounts, orders=[order("9000", [SUBSCRIPTION], 4900), good])
    after = decided(before, **accounts, orders=[{**order("9000", rows, 4900), **fields}, good])
    assert rejected(after) == [("orders", "9000", field)]
    assert after.invoices == before.invoices
