"""What `explain` remembers of an order, a subscription and a contact (rule 7.2)."""

from __future__ import annotations

import json

import msgspec
import pytest

from target_chartmogul.billing.decisions import Holdings, Note
from target_chartmogul.sources.keap.account import Arrived, Catalog, Group, Remembered
from target_chartmogul.sources.keap.decide import decide
from target_chartmogul.sources.keap.records import Order, decode
from target_chartmogul.sources.keap.remarks import remember
from target_chartmogul.sources.keap.settings import MappingSettings
from tests.unit.mapping.churn_cases import NOW, subscription


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


def remarks(*orders: Order, subscriptions=(), remembered: Remembered | None = None, existing=None, **settings):
    group = Group(
        orders={each.id: each for each in orders},
        subscriptions={each.id: each for each in subscriptions},
        remembered=remembered or Remembered(),
        existing=existing or Holdings(),
    )
    return decide(group, Catalog(), Arrived(), MappingSettings(**settings), NOW).remembered.remarks


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
    shares = next(each for each in found["order:9000"] if each.kind == "discount_shares")
    assert shares.rule == "4.4"
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
def test_rule_7_2_plain_orders_need_no_remark(items):
    assert remarks(order(items, total=6000), subscriptions=[subscription(True)]).keys() == {"contact:7"}  # it is gone


@pytest.mark.parametrize(
    ("plan", "record", "words"),
    [
        ({"id": "7"}, {"subscription_plan_id": "7"}, "catalog"),
        (None, {"subscription_plan_id": "7"}, "own billing interval"),
    ],
)
def test_rule_3_6_whence_the_plan_is_where_the_item_does_not_say(plan, record, words):
    row = item("1", "SUBSCRIPTION", 4900, subscription_id="1", product={"id": "31"}, subscription_plan=plan)
    found = remarks(order([row], total=4900), subscriptions=[subscription(True, **record)])
    source = next(each for each in found["order:9000"] if each.kind == "plan_sources")
    assert words in source.detail["interval_from"]
    assert found["subscription:1"][0].kind == "interval_unknown"


@pytest.mark.parametrize(
    ("plan_before", "plan_now", "subscription_s", "words"),
    [
        pytest.param(PLAN, {"id": "7", "cycle_type": "YEARLY", "frequency": 1}, "7", "", id="another interval"),
        pytest.param({"subscription_plan": None}, None, "8", "ChartMogul held", id="the subscription has another plan"),
    ],
)
def test_rule_3_6_a_plan_that_stays_as_chartmogul_has_it(plan_before, plan_now, subscription_s, words):
    row = item("1", "SUBSCRIPTION", 4900, subscription_id="1", product={"id": "31"}, **plan_before)
    first = decide(
        Group(orders={"9000": order([row], 4900)}, subscriptions={"1": subscription(True, subscription_plan_id="7")}),
        Catalog(),
        Arrived(),
        MappingSettings(),
        NOW,
    )
    found = remarks(
        order([row | {"subscription_plan": plan_now}], 4900),
        subscriptions=[subscription(True, subscription_plan_id=subscription_s)],
        existing=Holdings(invoices=first.invoices),
    )
    source = next(each for each in found["order:9000"] if each.kind == "plan_sources")
    assert source.detail["plan"] == "31-7-1month"
    assert words in source.detail["interval_from"]


def note(kind: str, about: str) -> Note:
    return Note(kind=kind, id=about, rule="x")


def test_rule_1_8_remarks_of_what_did_not_arrive_stay():
    before = {
        "order:1": [note("excess", "1")],
        "order:2": [note("excess", "2")],
        "subscription:5": [note("interval_conflicts", "5"), note("stale_end_dates", "5")],
        "contact:7": [note("dropped_emails", "7")],
    }
    decided = {"orders": {"1"}, "subscriptions": {"5"}, "billed_subscriptions": set(), "contacts": {"7"}}
    assert remember(before, [note("overlaps", "5"), note("rejects", "9")], decided) == {
        "order:2": [note("excess", "2")],
        "subscription:5": [note("interval_conflicts", "5"), note("overlaps", "5")],
    }
    text = msgspec.json.encode(Remembered(remarks=before))
    assert msgspec.json.decode(text, type=Remembered).remarks == before
