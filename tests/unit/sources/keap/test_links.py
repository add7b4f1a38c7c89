"""The order that created a subscription names none, and is paired with it (rules 4.3, 9.7)."""

from __future__ import annotations

from typing import Any

import pytest

from target_chartmogul.billing.decisions import Decision
from tests.support.keap_rows import Row, contact, order, product, subscription, subscription_item
from tests.unit.sources.keap.deciding import decided, line, noted


def links(decision: Decision) -> dict[str, str]:
    return {
        invoice.external_id: each.subscription_external_id
        for invoice in decision.invoices.values()
        for each in invoice.line_items
        if each.subscription_external_id
    }


def unlinked(order_id: str, day: str, contact_id: str = "1207", **fields: Any) -> Row:
    rows = [subscription_item(f"{order_id}1", None, **fields)]
    return order(order_id, rows, 4900, contact_id, time=f"{day}T12:00:00Z")


def named(order_id: str, day: str, subscription_id: str = "501") -> Row:
    return order(order_id, [subscription_item(f"{order_id}1", subscription_id)], 4900, time=f"{day}T12:00:00Z")


CONTACTS = [contact("1207"), contact("1300")]


@pytest.mark.parametrize(
    ("day", "linked"),
    [
        pytest.param("2026-01-11", True, id="4.3 starts 1 day before the order"),
        pytest.param("2026-01-12", False, id="4.3 starts 2 days before"),
        pytest.param("2026-01-10", True, id="4.3 the same day"),
        pytest.param("2025-12-07", True, id="4.3 starts one interval and 3 days after"),
        pytest.param("2025-12-06", False, id="4.3 starts one interval and 4 days after"),
    ],
)
def test_rule_4_3_window_of_start_dates(day: str, linked: bool) -> None:
    decision = decided(contacts=CONTACTS, subscriptions=[subscription()], orders=[unlinked("9000", day)])
    assert links(decision) == ({"9000": "501"} if linked else {})
    assert noted(decision, "inferred_links") == (["9000"] if linked else [])
    assert noted(decision, "unlinked_orders") == ([] if linked else ["9000"])


def test_rule_4_3_a_longer_free_trial_widens_the_window() -> None:
    accounts: dict[str, list[Row]] = {"contacts": CONTACTS, "subscriptions": [subscription(start_date="2026-03-10")]}
    orders = [unlinked("9000", "2026-01-08")]
    assert links(decided(**accounts, orders=orders)) == {}
    trials = [{"id": "1", "subscription_plan_id": "7", "free_trial_days": 60}]
    assert links(decided(**accounts, orders=orders, free_trial_discounts=trials)) == {"9000": "501"}
    others = [{"id": "1", "subscription_plan_id": "8", "free_trial_days": 60}]
    assert links(decided(**accounts, orders=orders, free_trial_discounts=others)) == {}


@pytest.mark.parametrize(
    ("item", "record", "linked"),
    [
        pytest.param({}, {"subscription_plan_id": "8"}, False, id="4.3 another plan of the product"),
        pytest.param({}, {"contact_id": "1300"}, False, id="4.3 another contact"),
        pytest.param({"subscription_plan": None}, {}, True, id="9.9 an item without plan goes by product"),
        pytest.param({"subscription_plan": None}, {"product_id": "32"}, False, id="9.9 by product, of another one"),
        pytest.param({"subscription_plan": None, "product": None}, {}, False, id="4.3 neither plan nor product"),
        pytest.param({}, {"start_date": None}, False, id="9.7 a subscription without start date is no candidate"),
    ],
)
def test_rules_4_3_and_9_7_candidates(item: Row, record: Row, linked: bool) -> None:
    decision = decided(
        contacts=CONTACTS, subscriptions=[subscription(**record)], orders=[unlinked("9000", "2026-01-10", **item)]
    )
    assert bool(links(decision)) is linked


def test_rule_9_7_days_are_those_of_the_zone() -> None:
    late = unlinked("9000", "2026-01-11") | {"order_time": "2026-01-11T23:30:00Z"}
    accounts: dict[str, list[Row]] = {"contacts": CONTACTS, "subscriptions": [subscription()], "orders": [late]}
    assert links(decided(**accounts)) == {"9000": "501"}
    assert links(decided(settings={"date_timezone": "Europe/Berlin"}, **accounts)) == {}


def test_rule_4_3_an_earlier_order_that_names_the_subscription_excludes_it_a_later_one_does_not() -> None:
    accounts: dict[str, list[Row]] = {"contacts": CONTACTS, "subscriptions": [subscription()]}
    before = decided(**accounts, orders=[named("9001", "2026-01-09"), unlinked("9000", "2026-01-10")])
    assert links(before) == {"9001": "501"}
    after = decided(**accounts, orders=[named("9001", "2026-02-10"), unlinked("9000", "2026-01-10")])
    assert links(after) == {"9001": "501", "9000": "501"}


def test_rule_4_3_one_to_one_smallest_distance_then_lower_order_then_lower_subscription() -> None:
    decision = decided(
        contacts=CONTACTS,
        subscriptions=[subscription("503"), subscription("502"), subscription("501", start_date="2026-01-12")],
        orders=[
            unlinked("9003", "2026-01-10"),
            unlinked("9002", "2026-01-12"),
            unlinked("9001", "2026-01-10"),
            unlinked("9000", "2026-01-09"),
        ],
    )
    assert links(decision) == {"9002": "501", "9001": "502", "9003": "503"}
    assert noted(decision, "unlinked_orders") == ["9000"]


def test_rule_4_3_two_items_of_one_order_are_two_subscriptions() -> None:
    rows = [subscription_item("1", None), subscription_item("2", None)]
    decision = decided(
        contacts=CONTACTS,
        subscriptions=[subscription("502"), subscription("501")],
        orders=[order("9000", rows, 9800)],
    )
    assert line(decision, "9000-1").subscription_external_id == "501"
    assert line(decision, "9000-2").subscription_external_id == "502"


@pytest.mark.parametrize("keeps_store", [True, False], ids=["store", "store lost"])
def test_rule_4_3_a_link_that_chartmogul_holds_stays_unless_resent(keeps_store: bool) -> None:
    first = decided(contacts=CONTACTS, subscriptions=[subscription()], orders=[unlinked("9000", "2026-01-10")])
    moved = [subscription(start_date="2026-05-01"), subscription("502")]
    accounts: dict[str, list[Row]] = {
        "contacts": CONTACTS,
        "subscriptions": moved,
        "orders": [unlinked("9000", "2026-01-10")],
    }
    assert links(decided(first, keeps_store=keeps_store, **accounts)) == {"9000": "501"}
    assert links(decided(first, keeps_store=keeps_store, settings={"resend": True}, **accounts)) == {"9000": "502"}


def test_rules_4_3_and_4_10_an_earlier_order_that_only_chartmogul_knows_counts_by_its_invoice() -> None:
    accounts: dict[str, list[Row]] = {"contacts": CONTACTS, "subscriptions": [subscription()]}
    first = decided(**accounts, orders=[named("9001", "2026-01-09")])
    assert links(decided(first, **accounts, orders=[unlinked("9000", "2026-01-10")])) == {"9001": "501"}


def test_rule_4_3_contact_that_the_subscription_had_in_chartmogul() -> None:
    first = decided(contacts=CONTACTS, subscriptions=[subscription()], orders=[named("9001", "2026-02-10")])
    moved = [subscription(contact_id="1300")]
    orders = [unlinked("9000", "2026-01-10")]
    assert links(decided(contacts=CONTACTS, subscriptions=moved, orders=orders)) == {}
    both = [named("9001", "2026-02-10"), *orders]
    assert links(decided(first, contacts=CONTACTS, subscriptions=moved, orders=both)) == {
        "9001-c1300": "501",
        "9000-c1300": "501",
    }


def test_rules_4_3_and_1_2_a_subscription_that_appears_after_its_order_was_sent() -> None:
    orders = [unlinked("9000", "2026-01-10")]
    first = decided(contacts=CONTACTS, products=[product()], orders=orders)
    assert links(first) == {}
    accounts: dict[str, list[Row]] = {"contacts": CONTACTS, "products": [product()], "subscriptions": [subscription()]}
    later, at_once = decided(first, **accounts, orders=orders), decided(**accounts, orders=orders)
    assert links(later) == {"9000": "501"}
    assert (later.invoices, later.plans) == (at_once.invoices, at_once.plans)
    assert noted(later, "inferred_links") == ["9000"]


def test_rules_4_3_and_9_4_an_order_paired_while_no_interval_was_known_is_linked_when_one_is() -> None:
    accounts: dict[str, list[Row]] = {
        "contacts": CONTACTS,
        "orders": [unlinked("9000", "2026-01-10", subscription_plan={"id": "7"})],
        "subscriptions": [subscription(billing_cycle=None, billing_frequency=None)],
    }
    first = decided(**accounts)
    assert links(first) == {}
    later, at_once = decided(first, products=[product()], **accounts), decided(products=[product()], **accounts)
    assert links(later) == {"9000": "501"}
    assert (later.invoices, later.plans) == (at_once.invoices, at_once.plans)


def test_rule_8_items_that_are_one_time_by_setting_are_neither_linked_nor_missed() -> None:
    decision = decided(
        settings={"one_time_products": ["31"]},
        contacts=CONTACTS,
        subscriptions=[subscription()],
        orders=[unlinked("9000", "2026-01-10")],
    )
    assert links(decision) == {}
    assert noted(decision, "unlinked_orders") == noted(decision, "inferred_links") == []


@pytest.mark.parametrize("left", [["9000"], ["9000", "9001"]], ids=["only ChartMogul knows the other", "both"])
def test_rule_4_3_a_subscription_that_has_its_order_is_paired_with_no_other(left: list[str]) -> None:
    orders = {"9000": unlinked("9000", "2026-01-11"), "9001": unlinked("9001", "2026-01-10")}
    accounts: dict[str, list[Row]] = {"contacts": CONTACTS, "subscriptions": [subscription()]}
    first = decided(**accounts, orders=list(orders.values()))
    assert links(first) == {"9001": "501"}
    assert links(decided(first, **accounts, orders=[orders[key] for key in left])) == {"9001": "501"}


@pytest.mark.parametrize("settings", [{}, {"subscription_owner": "order"}])
def test_rules_4_3_and_1_3_contacts_that_this_very_run_makes_its_customers(settings: dict[str, Any]) -> None:
    accounts: dict[str, list[Row]] = {"contacts": CONTACTS, "subscriptions": [subscription(contact_id=None)]}
    orders = [named("9001", "2026-02-10"), unlinked("9000", "2026-01-10")]
    first = decided(settings=settings, **accounts, orders=orders)
    assert links(first) == {"9001": "501", "9000": "501"}
    assert decided(first, settings=settings, **accounts, orders=orders).invoices == first.invoices
