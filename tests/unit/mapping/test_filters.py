"""Filters and overrides of §8, each off by default and counted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from target_chartmogul.billing.decisions import Decision
from target_chartmogul.sources.keap.filters import first_instant
from tests.keap_rows import Row, contact, item, order, payment, product, subscription, subscription_item
from tests.unit.mapping.deciding import decided, line, noted

STAFF = contact("1300", tag_ids=["7", 9])
ACCOUNT: dict[str, list[Row]] = {
    "contacts": [contact("1207", tag_ids=["5"]), STAFF],
    "products": [product()],
    "subscriptions": [subscription(), subscription("502", "1300", active=False, next_bill_date="2026-02-10")],
    "orders": [
        order("9000", [subscription_item("1", "501")], 4900),
        order("9001", [subscription_item("2", "502")], 4900, "1300"),
    ],
}


def content(decision: Decision) -> tuple[set[str], set[str], set[str]]:
    return set(decision.customers), set(decision.invoices), set(decision.events)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"exclude_contact_tags": ["9"]}, id="exclude"),
        pytest.param({"include_contact_tags": ["5"]}, id="include"),
    ],
)
def test_rule_8_filtered_contacts_and_all_that_is_theirs(settings: dict[str, Any]) -> None:
    decision = decided(settings=settings, **ACCOUNT)
    assert content(decision) == ({"1207"}, {"9000"}, set())
    assert noted(decision, "filtered_contacts") == ["1300"]


@pytest.mark.parametrize("settings", [{"exclude_contact_tags": ["9"]}, {"include_contact_tags": ["5"]}])
def test_rule_8_a_contact_that_a_filter_meets_later_is_frozen(settings: dict[str, Any]) -> None:
    first = decided(**{**ACCOUNT, "subscriptions": [subscription(), subscription("502", "1300")]})
    rows = [
        *ACCOUNT["orders"][:1],
        order("9001", [subscription_item("2", "502", 9900)], 9900, "1300"),
        order("9002", [subscription_item("3", "502")], 4900, "1300", time="2026-02-10T12:00:00Z"),
    ]
    second = decided(first, settings=settings, **{**ACCOUNT, "orders": rows})
    assert second.invoices == first.invoices
    assert second.customers == first.customers
    assert set(second.events) == {"502-cancelled-2026-02-10"}


def test_rule_8_the_invoices_of_a_frozen_owner_stay_though_the_order_s_contact_is_not_filtered() -> None:
    rows = [order("9000", [subscription_item("1", "501"), subscription_item("2", "502")], 9800)]
    first = decided(**{**ACCOUNT, "orders": rows})
    assert set(first.invoices) == {"9000", "9000-c1300"}
    changed = [order("9000", [subscription_item("1", "501", 5900), subscription_item("2", "502")], 10800)]
    second = decided(first, settings={"exclude_contact_tags": ["9"]}, **{**ACCOUNT, "orders": changed})
    assert second.invoices["9000-c1300"] == first.invoices["9000-c1300"]
    assert line(second, "9000-1").amount_in_cents == 5900


def test_rule_8_hard_delete_removes_a_filtered_contact() -> None:
    first = decided(**ACCOUNT)
    assert content(first) == ({"1207", "1300"}, {"9000", "9001"}, {"502-cancelled-2026-02-10"})
    second = decided(first, settings={"exclude_contact_tags": ["7"], "hard_delete": True}, **ACCOUNT)
    assert content(second) == ({"1207"}, {"9000"}, set())


def test_rule_8_of_a_contact_that_did_not_arrive_no_tags_are_known() -> None:
    changed = [order("9001", [subscription_item("2", "502", 5900)], 5900, "1300")]
    only_others = {**ACCOUNT, "contacts": ACCOUNT["contacts"][:1], "orders": changed}
    settings = {"include_contact_tags": ["5"]}
    held = decided(decided(**ACCOUNT), settings=settings, **only_others)
    assert line(held, "9001-2").amount_in_cents == 5900
    assert decided(settings=settings, **only_others).invoices == {}
    assert set(decided(settings={"exclude_contact_tags": ["9"]}, **only_others).invoices) == {"9001"}


def test_rules_8_and_1_3_a_filtered_contact_that_does_not_arrive_is_remarked_once() -> None:
    settings = {"include_contact_tags": ["5"]}
    first = decided(settings=settings, **ACCOUNT)
    rows = {"products": [product()], "subscriptions": ACCOUNT["subscriptions"]}
    assert decided(first, settings=settings, **rows).remembered.remarks == first.remembered.remarks


@pytest.mark.parametrize(
    ("settings", "tags"), [({"exclude_contact_tags": ["9"]}, []), ({"include_contact_tags": ["5"]}, ["5"]), ({}, ["9"])]
)
def test_rules_8_and_7_1_a_contact_that_is_let_in_is_listed_once(settings: dict[str, Any], tags: list[str]) -> None:
    """What was kept out is not kept: its orders are sent when they arrive again."""
    held = decided(settings={"exclude_contact_tags": ["9"]}, **ACCOUNT)
    rows = {"products": [product()], "subscriptions": ACCOUNT["subscriptions"]}
    unchanged = decided(held, settings=settings, **rows)
    assert noted(unchanged, "let_in_contacts") == []
    let_in = decided(unchanged, settings=settings, contacts=[contact("1300", tag_ids=tags)], **rows)
    assert noted(let_in, "let_in_contacts") == ["1300"]
    assert set(let_in.invoices) == {"9000"}
    later = decided(let_in, settings=settings, **{**ACCOUNT, "contacts": [contact("1300", tag_ids=tags)]})
    assert noted(later, "let_in_contacts") == []
    assert set(later.invoices) >= {"9001"}


def test_rule_8_orders_without_contact_are_filtered_by_their_subscription_s() -> None:
    rows = [
        order("9000", [subscription_item("1", "501")], 4900, None),
        order("9001", [subscription_item("2", "502")], 4900, None),
    ]
    decision = decided(settings={"exclude_contact_tags": ["9"]}, **{**ACCOUNT, "orders": rows})
    assert set(decision.invoices) == {"9000-c1207"}


BOOK = item("3", "PRODUCT", 2100, product={"id": "54", "taxable": True})


def test_rule_8_excluded_products_take_their_shares_along() -> None:
    rows = [
        subscription_item("1", "501"),
        BOOK,
        item("4", "DISCOUNT_ORDER_TOTAL", discount={"amount": 1000}),
        item("5", "TAX", 480),
    ]
    account = {**ACCOUNT, "orders": [order("9000", rows, 6480)], "payments": [payment("17", ["9000"], 64.8)]}
    decision = decided(settings={"exclude_products": ["54"]}, **account)
    (invoice,) = decision.invoices.values()
    assert [each.external_id for each in invoice.line_items] == ["9000-1"]
    assert line(decision, "9000-1").amount_in_cents == 4536
    assert [each.amount_in_cents for each in invoice.transactions] == [4536]
    assert noted(decision, "excluded_items") == ["9000"]


def test_rules_8_and_5_5_an_attempt_without_its_order_leaves_the_excluded_share_out() -> None:
    settings = {"exclude_products": ["54"]}
    account = {**ACCOUNT, "orders": [order("9000", [subscription_item("1", "501"), BOOK], 7000)]}
    attempt = {
        "amount": 70.0,
        "status": "FAILED",
        "is_successful": False,
        "transaction_method": "CAPTURE",
        "transaction_time": "2026-01-12T00:00:00Z",
        "order_ids": ["9000"],
    }
    whole = decided(settings=settings, **account, transactions=[attempt])
    assert [each.amount_in_cents for each in whole.invoices["9000"].transactions] == [4900]
    first = decided(settings=settings, **account)
    between = decided(first, settings=settings)
    late = decided(between, settings=settings, transactions=[attempt])
    assert late.invoices == whole.invoices
    assert decided(late, settings=settings, **account).invoices == whole.invoices
    lost = decided(first, settings=settings, transactions=[attempt], keeps_ledger=False)
    assert [each.amount_in_cents for each in lost.invoices["9000"].transactions] == [7000]
    both = decided(lost, settings=settings, **account, transactions=[attempt])
    assert both.invoices == whole.invoices


def test_rule_8_totals_are_remembered_only_of_orders_that_leave_something_out() -> None:
    rows = [order("9000", [subscription_item("1", "501"), BOOK], 7000), ACCOUNT["orders"][1]]
    first = decided(settings={"exclude_products": ["54"]}, **{**ACCOUNT, "orders": rows})
    assert first.remembered.totals_before_exclusion == {"9000": 7000}
    again = decided(first, **{**ACCOUNT, "orders": rows})
    assert again.remembered.totals_before_exclusion == {}


def test_rule_8_an_order_with_nothing_left_is_not_sent_not_even_its_adjustment() -> None:
    account = {**ACCOUNT, "orders": [order("9000", [BOOK], 2500)]}
    decision = decided(settings={"exclude_products": ["54"]}, **account)
    assert decision.invoices == {}
    assert noted(decision, "excluded_orders") == ["9000"]


def test_rule_8_one_time_products_make_no_mrr() -> None:
    decision = decided(settings={"one_time_products": ["31"]}, **ACCOUNT)
    assert {each.type for invoice in decision.invoices.values() for each in invoice.line_items} == {"one_time"}
    assert decision.events == {}
    assert decision.plans == {}


@pytest.mark.parametrize(
    ("since", "zone", "expected"),
    [
        ("2026-01-10", "UTC", datetime(2026, 1, 10, tzinfo=UTC)),
        ("2026-01-10", "Europe/Berlin", datetime(2026, 1, 9, 23, tzinfo=UTC)),
        ("2026-01-10T12:00:00Z", "Europe/Berlin", datetime(2026, 1, 10, 12, tzinfo=UTC)),
        ("2026-01-10T12:00:00", "Europe/Berlin", datetime(2026, 1, 10, 12, tzinfo=UTC)),
        ("2026-01-10T12:00:00+02:00", "UTC", datetime(2026, 1, 10, 10, tzinfo=UTC)),
        (None, "UTC", None),
    ],
)
def test_rule_8_invoices_since_is_a_day_or_an_instant(since: str | None, zone: str, expected: datetime | None) -> None:
    assert first_instant(since, ZoneInfo(zone)) == expected


def test_rule_8_orders_before_invoices_since_are_not_sent() -> None:
    rows = [*ACCOUNT["orders"], order("9002", [subscription_item("3", "501")], 4900, time="2026-01-11T00:00:00Z")]
    decision = decided(settings={"invoices_since": "2026-01-11"}, **{**ACCOUNT, "orders": rows})
    assert set(decision.invoices) == {"9002"}
    assert noted(decision, "excluded_orders") == ["9000", "9001"]


def links_of(decision: Decision) -> set[str]:
    """The lines that make MRR."""
    return {
        each.external_id
        for invoice in decision.invoices.values()
        for each in invoice.line_items
        if each.type == "subscription"
    }


TRIAL = [subscription_item("1", "501"), item("2", "DISCOUNT_FREE_TRIAL", discount={"amount": 4900})]


@pytest.mark.parametrize(
    "first_order",
    [
        pytest.param(order("9000", TRIAL, 0), id="a trial item"),
        pytest.param(order("9000", [subscription_item("1", "501")], 4900), id="before the start"),
        pytest.param(order("9000", [subscription_item("1", None)], 4900), id="before the start, paired"),
        pytest.param(order("9000", [item("1", "PRODUCT", 4900), TRIAL[1]], 0), id="a trial item, no subscription"),
    ],
)
def test_rules_8_and_3_5_an_order_that_is_not_sent_still_stands_for_a_trial(first_order: Row) -> None:
    settings = {"invoices_since": "2026-02-01", "trial_source": "subscription"}
    second = order("9001", [subscription_item("3", "501")], 4900, time="2026-02-10T12:00:00Z")
    starts = subscription(start_date="2026-01-12")
    rows = {"contacts": [contact(), contact("1300")], "products": [product()]}
    held = decided(settings=settings, subscriptions=[starts], orders=[first_order, second], **rows)
    began = datetime(2026, 1, 10, 12, tzinfo=UTC)
    assert (set(held.invoices), held.customers["1207"].free_trial_started_at) == ({"9001"}, began)
    later = decided(held, settings=settings, subscriptions=[starts], orders=[second], **rows)
    assert later.customers == held.customers
    moved = [{**starts, "contact_id": "1300"}]
    trials = decided(later, settings=settings, subscriptions=moved, **rows).customers
    at_once = decided(settings=settings, subscriptions=moved, orders=[first_order, second], **rows).customers
    if first_order["order_items"][0].get("subscription_id"):
        assert (trials["1207"].free_trial_started_at, trials["1300"].free_trial_started_at) == (None, began)
        assert trials == at_once
    plain = order("9000", [subscription_item("1", "501")], 4900, time="2026-01-13T12:00:00Z")
    none = decided(later, settings=settings, subscriptions=[starts], orders=[plain, second], **rows)
    assert none.customers["1207"].free_trial_started_at is None


def refunded(active: bool, at: str = "2026-02-10T12:00:00Z") -> dict[str, list[Row]]:
    return {
        "contacts": [contact()],
        "subscriptions": [subscription(active=active, last_bill_date="2026-02-10", next_bill_date="2026-03-10")],
        "orders": [
            order("9000", [subscription_item("1", "501")], 4900),
            order("9001", [subscription_item("2", "501")], 4900, time=at),
        ],
        "payments": [
            payment("16", ["9000"], 49.0),
            payment("17", ["9001"], 49.0, time=at),
            payment("18", ["9001"], -49.0, type="Refund", time="2026-02-12T12:00:00Z"),
        ],
    }


@pytest.mark.parametrize("keeps_ledger", [True, False], ids=["ledger", "ledger lost"])
def test_rule_8_remove_mrr_ends_an_inactive_subscription_on_the_refunded_order_s_day(keeps_ledger: bool) -> None:
    settings, account = {"full_refund": "remove_mrr"}, refunded(active=False)
    first = decided(settings=settings, **account)
    assert line(first, "9001-2").type == "one_time"
    assert line(first, "9000-1").type == "subscription"
    assert set(first.events) == {"501-cancelled-2026-02-10"}
    assert noted(first, "mrr_removed_orders") == ["9001"]
    later = decided(
        first,
        keeps_ledger=keeps_ledger,
        settings=settings,
        contacts=[contact()],
        subscriptions=account["subscriptions"],
    )
    assert later.invoices == first.invoices
    assert later.events == first.events


def test_rule_8_remove_mrr_leaves_an_active_subscription_and_cash_only_leaves_all() -> None:
    assert decided(settings={"full_refund": "remove_mrr"}, **refunded(active=True)).events == {}
    kept = decided(**refunded(active=False))
    assert line(kept, "9001-2").type == "subscription"
    assert set(kept.events) == {"501-cancelled-2026-03-10"}


def test_rule_8_a_refunded_order_moves_with_its_subscription() -> None:
    settings, account = {"full_refund": "remove_mrr"}, refunded(active=False)
    moved = [subscription(contact_id="1300", active=False, last_bill_date="2026-02-10", next_bill_date="2026-03-10")]
    contacts = [contact(), contact("1300")]
    first = decided(settings=settings, **account)
    later = decided(first, settings=settings, contacts=contacts, subscriptions=moved)
    at_once = decided(settings=settings, **{**account, "contacts": contacts, "subscriptions": moved})
    assert later.invoices == at_once.invoices
    assert set(later.invoices) == {"9000-c1300", "9001-c1300"}


REFUNDED_BEFORE_ITS_SUBSCRIPTION: dict[str, list[Row]] = {
    "contacts": [contact(), contact("1300")],
    "products": [product()],
    "orders": [
        order("9000", [subscription_item("1", None), item("3", "PRODUCT", 900)], 5800),
        order("9001", [subscription_item("2", "501")], 4900, time="2026-02-10T12:00:00Z"),
    ],
    "payments": [
        payment("17", ["9000"], 58.0),
        payment("18", ["9000"], -58.0, type="Refund", time="2026-01-12T12:00:00Z"),
    ],
}


@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize("orders", [1, 2])
def test_rules_8_and_4_3_remove_mrr_also_of_an_order_whose_subscription_appears_later(
    active: bool, orders: int
) -> None:
    settings = {"full_refund": "remove_mrr"}
    account = {**REFUNDED_BEFORE_ITS_SUBSCRIPTION}
    account["orders"] = account["orders"][:orders]
    whole = {key: account[key] for key in ("contacts", "products")} | {"subscriptions": [subscription(active=active)]}
    first = decided(settings=settings, **account)
    later = decided(first, settings=settings, **whole)
    at_once = decided(settings=settings, **{**account, **whole})
    assert line(later, "9000-1").type == "one_time"
    assert later.invoices == at_once.invoices
    assert later.events == at_once.events
    assert later.plans == {}
    for fact in ("withdrawn_links", "inferred_links", "ended_by_refund", "unlinked_items"):
        assert getattr(later.remembered, fact) == getattr(at_once.remembered, fact), fact
    assert later.remembered.withdrawn_links == {"9000-1": "501"}
    assert noted(later, "mrr_removed_orders") == noted(at_once, "mrr_removed_orders") == ["9000"]
    again = decided(later, settings=settings, **whole)
    assert again.invoices == later.invoices
    assert noted(again, "mrr_removed_orders") == []
    assert links_of(decided(first, **whole)) >= {"9000-1"}


def test_rules_8_and_4_9_a_refunded_order_that_is_linked_late_moves_with_its_subscription() -> None:
    settings = {"full_refund": "remove_mrr"}
    first = decided(settings=settings, **REFUNDED_BEFORE_ITS_SUBSCRIPTION)
    assert set(first.invoices) == {"9000", "9001"}
    whole = {key: REFUNDED_BEFORE_ITS_SUBSCRIPTION[key] for key in ("contacts", "products")}
    later = decided(first, settings=settings, subscriptions=[subscription(contact_id="1300")], **whole)
    assert set(later.invoices) == {"9000-c1300", "9001-c1300"}
    assert links_of(later) == {"9001-c1300-2"}


def test_rules_8_and_1_9_only_contacts_looks_at_no_other_account() -> None:
    first = decided(**ACCOUNT)
    changed = [order("9000", [subscription_item("1", "501", 5900)], 5900)]
    elsewhere = decided(first, settings={"only_contacts": ["9999"]}, **{**ACCOUNT, "orders": changed})
    assert elsewhere.invoices == first.invoices
    assert elsewhere.events == first.events
    here = decided(first, settings={"only_contacts": ["1207"]}, **{**ACCOUNT, "orders": changed})
    assert line(here, "9000-1").amount_in_cents == 5900
