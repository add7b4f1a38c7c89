"""What `explain` says of an order beyond its lines (rule 7.4)."""

from __future__ import annotations

import json

import pytest

from target_chartmogul.billing.decisions import Holdings, Note
from target_chartmogul.sources.keap.account import Account, Catalogue
from target_chartmogul.sources.keap.decide import decide
from target_chartmogul.sources.keap.records import Order, decode
from target_chartmogul.sources.keap.settings import MappingSettings
from tests.unit.sources.keap.churn_cases import NOW, subscription


def order(items: list[dict], total: int, contact: str = "7", number: str = "9000") -> Order:
    rows = [{"quantity": 1, "price_per_unit": {"amount": 0, "currency_code": "USD"}, **item} for item in items]
    row = {
        "id": number,
        "status": "PAID",
        "total": {"amount": total, "currency_code": "USD"},
        "contact": {"id": contact},
        "order_time": "2026-03-05T12:00:00Z",
        "order_items": rows,
    }
    return decode("orders", json.dumps(row).encode())


def item(number: str, kind: str, price: int, **more) -> dict:
    return {"id": number, "item_type": kind, "price_per_unit": {"amount": price, "currency_code": "USD"}, **more}


def discount(number: str, kind: str, value: int, **more) -> dict:
    return {"id": number, "item_type": kind, "discount": {"amount": value, "currency_code": "USD"}, **more}


PLAN = {"subscription_plan": {"id": "7", "cycle_type": "MONTHLY", "frequency": 1}}


def remarks(*orders: Order, subscriptions=(), invoices=None) -> list[Note]:
    account = Account(
        orders={each.id: each for each in orders},
        subscriptions={each.id: each for each in subscriptions},
        holdings=Holdings(invoices=invoices or {}),
    )
    found = decide(account, Catalogue(), MappingSettings(), NOW, explain=True)
    plain = decide(account, Catalogue(), MappingSettings(), NOW)
    assert plain.notes == found.notes[: len(plain.notes)]
    return found.notes[len(plain.notes) :]


def test_rule_4_4_which_discount_took_what_from_which_line():
    sold = [item("1", "PRODUCT", 6000, product={"id": "50"}), item("2", "PRODUCT", 3000, product={"id": "51"})]
    found = remarks(
        order(
            [
                *sold,
                discount("3", "DISCOUNT_PRODUCT", 500, product={"id": "51"}),
                discount("4", "DISCOUNT_ORDER_TOTAL", 900),
            ],
            total=7300,
        )
    )
    (shares,) = found
    assert (shares.kind, shares.id, shares.rule) == ("discount_shares", "9000", "4.4")
    # 8500 - 900 = 7600 is still 300 above the total: the rest is spread too, 2 : 1.
    assert shares.detail["in_smallest_unit"] == {
        "3": {"2": 500},
        "4": {"1": 600, "2": 300},
        "rest": {"1": 200, "2": 100},
    }


@pytest.mark.parametrize(
    "items",
    [
        [item("1", "PRODUCT", 6000)],
        [item("1", "PRODUCT", 6000), discount("2", "DISCOUNT_ORDER_TOTAL", 0)],
        [item("1", "SUBSCRIPTION", 6000, subscription_id="1", product={"id": "31"}, **PLAN)],
    ],
)
def test_rule_7_4_plain_orders_need_no_remark(items):
    assert remarks(order(items, total=6000), subscriptions=[subscription(True)]) == []


@pytest.mark.parametrize(
    ("plan", "record", "words"),
    [
        ({"id": "7"}, {"subscription_plan_id": "7"}, "catalogue"),
        (None, {"subscription_plan_id": "7"}, "own billing interval"),
    ],
)
def test_rule_3_6_whence_the_plan_is_where_the_item_does_not_say(plan, record, words):
    row = item("1", "SUBSCRIPTION", 4900, subscription_id="1", product={"id": "31"}, subscription_plan=plan)
    found = remarks(order([row], total=4900), subscriptions=[subscription(True, **record)])
    (source,) = found
    assert (source.kind, source.id) == ("plan_sources", "9000")
    assert words in source.detail["interval_from"]


@pytest.mark.parametrize(
    ("plan_before", "plan_now", "subscription_s", "words"),
    [
        pytest.param(PLAN, {"id": "7", "cycle_type": "YEARLY", "frequency": 1}, "7", "", id="another interval"),
        pytest.param(
            {"subscription_plan": None}, None, "8", "already in ChartMogul", id="the subscription has another plan"
        ),
    ],
)
def test_rule_3_6_a_plan_that_stays_as_chartmogul_has_it(plan_before, plan_now, subscription_s, words):
    row = item("1", "SUBSCRIPTION", 4900, subscription_id="1", product={"id": "31"}, **plan_before)
    account = Account(
        orders={"9000": order([row], 4900)}, subscriptions={"1": subscription(True, subscription_plan_id="7")}
    )
    first = decide(account, Catalogue(), MappingSettings(), NOW)
    (source,) = remarks(
        order([row | {"subscription_plan": plan_now}], 4900),
        subscriptions=[subscription(True, subscription_plan_id=subscription_s)],
        invoices=first.invoices,
    )
    assert source.detail["plan"] == "31-7-1month"
    assert words in source.detail["interval_from"]
