"""Intervals, plans and their names (rules 2.4, 3.6, 3.7, 4.7, 9.4)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from target_chartmogul.billing.calendar import Interval, day_of, interval_of, midnight, plus
from target_chartmogul.billing.objects import Plan
from target_chartmogul.sources.keap.account import Catalogue
from target_chartmogul.sources.keap.orders.plans import UsedPlans, renamed
from tests.support.keap_rows import Row, contact, order, product, subscription, subscription_item
from tests.support.worked_accounts import catalogue_of
from tests.unit.sources.keap.deciding import decided, line, noted, rejected


@pytest.mark.parametrize(
    ("cycle", "frequency", "expected"),
    [
        ("YEAR", 1, Interval(1, "year")),
        ("YEARLY", 2, Interval(2, "year")),
        ("MONTH", 3, Interval(3, "month")),
        ("MONTHLY", None, Interval(1, "month")),
        ("WEEK", 2, Interval(14, "day")),
        ("WEEKLY", 0, Interval(7, "day")),
        ("DAY", 10, Interval(10, "day")),
        ("daily", -1, Interval(1, "day")),
        ("", 1, None),
        (None, 1, None),
        ("FORTNIGHT", 1, None),
    ],
)
def test_rule_3_6_cycle_times_frequency(cycle: str | None, frequency: int | None, expected: Interval | None) -> None:
    assert interval_of(cycle, frequency) == expected


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        (Interval(1, "day"), "daily"),
        (Interval(2, "day"), "every 2 days"),
        (Interval(7, "day"), "weekly"),
        (Interval(14, "day"), "every 2 weeks"),
        (Interval(30, "day"), "every 30 days"),
        (Interval(1, "month"), "monthly"),
        (Interval(3, "month"), "every 3 months"),
        (Interval(1, "year"), "yearly"),
        (Interval(2, "year"), "every 2 years"),
    ],
)
def test_rule_3_7_interval_in_words(interval: Interval, expected: str) -> None:
    assert interval.name == expected


@pytest.mark.parametrize(
    ("start", "interval", "end"),
    [
        ("2026-01-31T09:30:00", Interval(1, "month"), "2026-02-28T09:30:00"),
        ("2024-01-31T09:30:00", Interval(1, "month"), "2024-02-29T09:30:00"),
        ("2026-11-30T23:59:59", Interval(3, "month"), "2027-02-28T23:59:59"),
        ("2024-02-29T00:00:00", Interval(1, "year"), "2025-02-28T00:00:00"),
        ("2026-12-31T12:00:00", Interval(1, "month"), "2027-01-31T12:00:00"),
        ("2026-03-01T12:00:00", Interval(14, "day"), "2026-03-15T12:00:00"),
        ("2026-02-28T12:00:00", Interval(1, "month"), "2026-03-28T12:00:00"),
    ],
)
def test_rule_4_7_one_interval_later_by_the_calendar(start: str, interval: Interval, end: str) -> None:
    moment = datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert plus(moment, interval) == datetime.fromisoformat(end).replace(tzinfo=UTC)


def test_rules_2_3_and_6_2_days_and_midnights_of_a_zone() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert midnight(date(2026, 2, 20), berlin) == datetime(2026, 2, 19, 23, tzinfo=UTC)
    assert midnight(date(2026, 5, 1), berlin) == datetime(2026, 4, 30, 22, tzinfo=UTC)
    assert day_of(datetime(2026, 4, 30, 22, tzinfo=UTC), berlin) == date(2026, 5, 1)
    assert day_of(datetime(2026, 4, 30, 22, tzinfo=UTC), ZoneInfo("UTC")) == date(2026, 4, 30)


def test_rule_6_2_a_midnight_that_the_clocks_skip_is_the_first_instant_of_its_day() -> None:
    beirut = ZoneInfo("Asia/Beirut")
    assert midnight(date(2021, 3, 28), beirut) == datetime(2021, 3, 27, 22, tzinfo=UTC)


PLAN_OF_ITEM = {"id": "7", "frequency": 1, "cycle_type": "MONTHLY"}
NO_INTERVAL = {"billing_cycle": None, "billing_frequency": None}


def plan_case(expected: str | None, note: str | None = None, **parts: Any) -> Any:
    return pytest.param(expected, note, parts, id=parts.pop("id"))


@pytest.mark.parametrize(
    ("expected", "note", "parts"),
    [
        plan_case("31-7-1month", id="3.6 the item's own plan first", item={"subscription_plan": PLAN_OF_ITEM}),
        plan_case(
            "31-8-3month",
            id="3.6 else the subscription's plan, from the catalog",
            item={"subscription_plan": None},
            subscription={"subscription_plan_id": "8", "billing_frequency": 3},
        ),
        plan_case(
            "31-8-3month",
            id="3.6 an item that names a plan without saying its cycle",
            item={"subscription_plan": {"id": "8"}},
            subscription={"subscription_plan_id": "8", "billing_frequency": 3},
        ),
        plan_case(
            "31-99-14day",
            "interval_unknown",
            id="3.6 else the subscription's own, which is reported",
            item={"subscription_plan": None},
            subscription={"subscription_plan_id": "99", "billing_cycle": "WEEK", "billing_frequency": 2},
        ),
        plan_case(
            "31-7-1month",
            "interval_conflicts",
            id="3.6 the product's interval counts, the conflict is reported",
            subscription={"billing_cycle": "YEAR"},
        ),
        plan_case(
            "31-7-1year",
            "interval_conflicts",
            id="3.6 interval_source subscription, and the conflict is reported",
            subscription={"billing_cycle": "YEAR"},
            settings={"interval_source": "subscription"},
        ),
        plan_case(
            "31-7-1month",
            id="3.6 interval_source subscription, of which nothing is known",
            subscription=NO_INTERVAL,
            settings={"interval_source": "subscription"},
        ),
        plan_case(
            "31-0-1month",
            "interval_unknown",
            id="9.4 no plan anywhere is 0",
            item={"subscription_plan": None},
            subscription={"subscription_plan_id": None},
        ),
        plan_case(
            "40-7-1month",
            id="9.4 the product of the subscription, if the item has none",
            item={"product": None},
            subscription={"product_id": "40"},
        ),
        plan_case(
            None,
            "lines_without_interval",
            id="9.4 no interval anywhere is one-time",
            item={"subscription_plan": None},
            subscription={**NO_INTERVAL, "subscription_plan_id": None},
        ),
    ],
)
def test_rules_3_6_and_9_4_plan_of_a_line(expected: str | None, note: str | None, parts: dict[str, Any]) -> None:
    rows = [subscription_item("1", "501", **parts.get("item", {}))]
    decision = decided(
        settings=parts.get("settings"),
        contacts=[contact()],
        products=[product()],
        subscriptions=[subscription(**parts.get("subscription", {}))],
        orders=[order("9000", rows, 4900)],
    )
    assert line(decision, "9000-1").plan_external_id == expected
    assert line(decision, "9000-1").type == ("one_time" if expected is None else "subscription")
    assert {each.kind for each in decision.notes} & {
        "interval_unknown",
        "interval_conflicts",
        "lines_without_interval",
    } == ({note} if note else set())


def test_rule_3_6_twelve_months_are_a_year_and_no_conflict() -> None:
    decision = decided(
        contacts=[contact()],
        subscriptions=[subscription(billing_cycle="YEAR")],
        orders=[
            order(
                "9000",
                [
                    subscription_item(
                        "1", "501", subscription_plan={"id": "7", "frequency": 12, "cycle_type": "MONTHLY"}
                    )
                ],
                4900,
            )
        ],
    )
    assert noted(decision, "interval_conflicts") == []


@pytest.mark.parametrize(
    ("settings", "changed", "expected"),
    [
        pytest.param({}, {}, "31-7-1month", id="3.6 unchanged"),
        pytest.param({"resend": True}, {}, "31-7-3month", id="3.6 resend"),
        pytest.param({}, {"amount": 5900}, "31-7-3month", id="3.6 another amount"),
        pytest.param(
            {},
            {"subscription_plan": {"id": "8", "frequency": 3, "cycle_type": "MONTHLY"}},
            "31-8-3month",
            id="3.6 another plan",
        ),
        pytest.param({}, {"product": {"id": "32", "name": "Other"}}, "32-7-3month", id="3.6 another product"),
    ],
)
@pytest.mark.parametrize("keeps_store", [True, False], ids=["store", "store lost"])
def test_rule_3_6_a_held_line_keeps_its_plan_while_product_plan_and_amount_do(
    settings: dict[str, Any], changed: Row, expected: str, keeps_store: bool
) -> None:
    accounts: dict[str, list[Row]] = {"contacts": [contact()], "subscriptions": [subscription()]}
    first = decided(**accounts, orders=[order("9000", [subscription_item("1", "501")], 4900)])
    row = {"subscription_plan": {"id": "7", "frequency": 3, "cycle_type": "MONTHLY"}, **changed}
    second = decided(
        first,
        settings=settings,
        keeps_store=keeps_store,
        **accounts,
        orders=[order("9000", [subscription_item("1", "501", **row)], row.get("amount", 4900))],
    )
    assert line(second, "9000-1").plan_external_id == expected
    assert expected in second.plans


UNNAMED = {"subscription_plan": None}
OTHER_PLAN: Row = {"subscription_plan_id": "8", "billing_frequency": 3}


@pytest.mark.parametrize(
    ("item", "changed", "expected"),
    [
        pytest.param(UNNAMED, [subscription(**OTHER_PLAN)], "31-7-1month", id="3.6 the subscription has another plan"),
        pytest.param(
            {**UNNAMED, "product": None},
            [subscription(product_id="40", **OTHER_PLAN)],
            "31-7-1month",
            id="3.6 the subscription has another product",
        ),
        pytest.param(UNNAMED, [], "31-7-1month", id="3.6 the subscription is gone"),
    ],
)
@pytest.mark.parametrize("keeps_store", [True, False], ids=["store", "store lost"])
def test_rule_3_6_what_only_the_subscription_names_does_not_change_a_held_line(
    item: Row, changed: list[Row], expected: str, keeps_store: bool
) -> None:
    accounts: dict[str, list[Row]] = {
        "contacts": [contact()],
        "products": [product(), product("40")],
        "orders": [order("9000", [subscription_item("1", "501", **item)], 4900)],
    }
    first = decided(**accounts, subscriptions=[subscription()])
    second = decided(first, keeps_store=keeps_store, **accounts, subscriptions=changed)
    assert line(second, "9000-1").plan_external_id == expected
    assert second.invoices.keys() == first.invoices.keys()
    assert second.plans[expected].name == "Coaching (monthly)"


@pytest.mark.parametrize(
    ("settings", "changed", "expected"),
    [
        pytest.param({"resend": True}, {}, "31-8-3month", id="3.6 resend"),
        pytest.param({}, {"amount": 5900}, "31-8-3month", id="3.6 another amount"),
        pytest.param({}, {"product": {"id": "40"}}, "40-8-3month", id="3.6 the item names another product"),
        pytest.param({}, {"subscription_plan": {"id": "8"}}, "31-8-3month", id="3.6 the item names another plan"),
        pytest.param({}, {"subscription_id": "502"}, "31-8-3month", id="3.6 the item names another subscription"),
    ],
)
def test_rule_3_6_a_line_whose_item_changed_takes_the_subscription_s_plan_of_today(
    settings: dict[str, Any], changed: Row, expected: str
) -> None:
    accounts: dict[str, list[Row]] = {"contacts": [contact()], "products": [product(), product("40")]}
    sold = [order("9000", [subscription_item("1", "501", **UNNAMED)], 4900)]
    first = decided(**accounts, subscriptions=[subscription()], orders=sold)
    assert line(first, "9000-1").plan_external_id == "31-7-1month"
    second = decided(
        first,
        settings=settings,
        **accounts,
        subscriptions=[subscription(**OTHER_PLAN), subscription("502", **OTHER_PLAN)],
        orders=[order("9000", [subscription_item("1", **{"subscription_id": "501", **UNNAMED, **changed})], 4900)],
    )
    assert line(second, "9000-1").plan_external_id == expected


@pytest.mark.parametrize(
    ("products", "item", "expected"),
    [
        pytest.param([product(name=" Coaching ")], {}, "Coaching (monthly)", id="3.7 the product's, stripped (9.1)"),
        pytest.param(
            [], {"product": {"id": "31", "name": "Item's"}}, "Item's (monthly)", id="9.4 else the item's product"
        ),
        pytest.param([], {"product": {"id": "31"}, "name": "Item"}, "Item (monthly)", id="9.4 else the item's"),
        pytest.param([], {"product": {"id": "31"}, "name": " "}, "Keap product 31 (monthly)", id="3.7 else the id"),
        pytest.param([product(name="N" * 300)], {}, "N" * 255, id="9.1 cut to 255"),
    ],
)
def test_rule_3_7_name_of_a_plan(products: list[Row], item: Row, expected: str) -> None:
    decision = decided(
        contacts=[contact()],
        products=products,
        subscriptions=[subscription()],
        orders=[order("9000", [subscription_item("1", "501", **item)], 4900)],
    )
    assert decision.plans["31-7-1month"].name == expected


def renewal(order_id: str, day: str, name: str) -> Row:
    row = subscription_item(order_id, "501", product={"id": "40", "name": name})
    return order(order_id, [row], 4900, time=f"{day}T12:00:00Z")


def test_rules_3_7_and_9_4_the_earliest_order_names_a_plan_whose_product_is_gone() -> None:
    orders = [
        renewal("9001", "2026-02-10", "February"),
        renewal("9003", "2026-01-10", "January"),
        renewal("9002", "2026-01-10", "First"),
        renewal("9000", "2026-03-10", "March"),
    ]
    accounts: dict[str, list[Row]] = {"contacts": [contact()], "subscriptions": [subscription(product_id="40")]}
    for arriving in (orders, orders[::-1]):
        assert decided(**accounts, orders=arriving).plans["40-7-1month"].name == "First (monthly)"
    named = decided(**accounts, orders=orders, products=[product("40", "Gold")])
    assert named.plans["40-7-1month"].name == "Gold (monthly)"


def test_rules_3_7_and_9_4_a_plan_whose_product_is_gone_keeps_the_name_that_chartmogul_has() -> None:
    accounts: dict[str, list[Row]] = {"contacts": [contact()], "subscriptions": [subscription(product_id="40")]}
    first = decided(**accounts, orders=[renewal("9001", "2026-02-10", "February")])
    later = decided(first, **accounts, orders=[renewal("9002", "2026-01-10", "January")])
    assert later.plans["40-7-1month"].name == "February (monthly)"


def test_rules_3_7_and_9_4_an_order_that_is_linked_late_names_a_plan_by_its_date() -> None:
    accounts: dict[str, list[Row]] = {"contacts": [contact()], "subscriptions": [subscription(product_id="40")]}
    unlinked = order("9002", [subscription_item("1", None, product={"id": "40"}, name="January")], 4900)
    first = decided(contacts=[contact()], orders=[unlinked])
    later = decided(first, **accounts, orders=[unlinked, renewal("9001", "2026-02-10", "February")])
    assert line(later, "9002-1").plan_external_id == "40-7-1month"
    assert later.plans["40-7-1month"].name == "January (monthly)"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (frozenset(), "31-7-1month"),
        (frozenset({"interval_source"}), "31-7-1year"),
        (frozenset({"credits"}), "31-7-1month"),
    ],
)
def test_rules_1_10_and_3_6_a_changed_interval_source_rewrites_lines_that_are_held(
    changed: frozenset[str], expected: str
) -> None:
    account: dict[str, list[Row]] = {
        "contacts": [contact()],
        "subscriptions": [subscription(billing_cycle="YEAR")],
        "orders": [order("9000", [subscription_item("1", "501")], 4900)],
    }
    first = decided(**account)
    settings = {"interval_source": "subscription"}
    second = decided(first, settings=settings, settings_changed=changed, **account)
    assert line(second, "9000-1").plan_external_id == expected


def test_rules_1_10_and_8_a_product_that_is_one_time_no_more_has_its_plan_again() -> None:
    account: dict[str, list[Row]] = {
        "contacts": [contact()],
        "subscriptions": [subscription()],
        "orders": [order("9000", [subscription_item("1", "501")], 4900)],
    }
    before = decided(settings={"one_time_products": ["31"]}, **account)
    assert line(before, "9000-1").type == "one_time"
    after = decided(before, settings_changed=frozenset({"one_time_products"}), **account)
    assert after.invoices == decided(**account).invoices


def test_rules_3_7_and_1_1_the_earliest_order_of_all_accounts_names_their_plan() -> None:
    march, february = (
        decided(
            contacts=[contact()],
            subscriptions=[subscription(product_id="40")],
            orders=[renewal(order_id, day, name)],
        )
        for order_id, day, name in (("9000", "2026-03-10", "March"), ("9001", "2026-02-10", "February"))
    )
    for groups in ((march, february), (february, march)):
        plans = UsedPlans()
        for each in groups:
            for external_id, plan in each.plans.items():
                plans.add(plan, each.plans_since[external_id])
        assert plans.plans["40-7-1month"].name == "February (monthly)"


def test_rule_2_4_only_plans_that_a_line_uses() -> None:
    decision = decided(
        contacts=[contact()],
        products=[product(), product("40")],
        subscriptions=[subscription()],
        orders=[order("9000", [subscription_item("1", "501")], 4900)],
    )
    assert list(decision.plans) == ["31-7-1month"]


def test_rule_3_7_a_new_product_name_reaches_plans_of_which_no_order_arrived() -> None:
    held = {
        "31-7-1month": Plan(external_id="31-7-1month", name="Old (monthly)", interval_count=1, interval_unit="month"),
        "99-0-7day": Plan(external_id="99-0-7day", name="Gone (weekly)", interval_count=7, interval_unit="day"),
    }
    catalogue = catalogue_of({"products": [product(name="New")]})
    catalogue.plans_held = held
    assert {key: plan.name for key, plan in renamed(catalogue).items()} == {"31-7-1month": "New (monthly)"}
    assert renamed(Catalogue(plans_held=held)) == {}


def test_rule_4_7_a_period_that_never_ends_costs_its_order() -> None:
    endless = {"id": "7", "frequency": 10**6, "cycle_type": "YEARLY"}
    decision = decided(
        contacts=[contact()],
        subscriptions=[subscription()],
        orders=[
            order("9000", [subscription_item("1", "501", subscription_plan=endless)], 4900),
            order("9001", [subscription_item("2", "501")], 4900),
        ],
    )
    assert rejected(decision) == [("orders", "9000", "order_items.subscription_plan.frequency")]
    assert list(decision.invoices) == ["9001"]
