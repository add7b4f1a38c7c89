"""Filters and overrides of §8, each off by default and counted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from target_chartmogul.billing.decisions import Decision
from target_chartmogul.sources.keap.filters import first_instant
from tests.support.keap_rows import Row, contact, item, order, payment, product, subscription, subscription_item
from tests.unit.sources.keap.deciding import decided, line, noted

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


def filters_named(decision: Decision) -> dict[str, str]:
    return {each.id: each.detail["setting"] for each in decision.notes if each.kind == "excluded_orders"}


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


@pytest.mark.parametrize(
    ("change", "settings"),
    [
        pytest.param({"status": "DRAFT"}, {}, id="a draft"),
        pytest.param({"order_time": "2026-09-01T00:00:00Z"}, {}, id="of the future"),
        pytest.param({}, {"invoices_since": "2026-05-01"}, id="invoices_since"),
        pytest.param({}, {"exclude_products": ["31"]}, id="exclude_products"),
    ],
)
def test_rule_8_what_is_frozen_is_not_edited_by_anything(change: Row, settings: dict[str, Any]) -> None:
    first = decided(**ACCOUNT)
    rows = [ACCOUNT["orders"][0], {**ACCOUNT["orders"][1], **change}]
    frozen = decided(first, settings={**settings, "exclude_contact_tags": ["9"]}, **{**ACCOUNT, "orders": rows})
    assert frozen.invoices["9001"] == first.invoices["9001"]
    assert "9001" not in decided(first, settings=settings, **{**ACCOUNT, "orders": rows}).invoices


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


@pytest.mark.parametrize("settings", [{"exclude_contact_tags": ["9"]}, {"include_contact_tags": ["5"]}])
def test_rule_8_of_a_contact_that_has_not_arrived_no_tags_are_known(settings: dict[str, Any]) -> None:
    """It is not sent, and listed; what was sent before stays as it is."""
    changed = [ACCOUNT["orders"][0], order("9001", [subscription_item("2", "502", 5900)], 5900, "1300")]
    without = {**ACCOUNT, "contacts": ACCOUNT["contacts"][:1], "orders": changed}
    new = decided(settings=settings, **without)
    assert content(new) == ({"1207"}, {"9000"}, set())
    (note,) = [each for each in new.notes if each.kind == "filtered_contacts"]
    assert (note.id, note.detail) == ("1300", {"tags": "unknown"})
    first = decided(**ACCOUNT)
    held = decided(first, settings=settings, **without)
    assert (held.invoices["9001"], held.customers["1300"]) == (first.invoices["9001"], first.customers["1300"])
    kept = decided(first, settings={**settings, "hard_delete": True}, **without)
    assert kept.invoices["9001"] == first.invoices["9001"], "nothing is removed for tags that nobody knows"
    assert line(decided(**without), "9001-2").amount_in_cents == 5900, "without a filter it is like any other"


def test_rule_8_the_tags_of_a_gone_contact_are_those_it_had() -> None:
    last = {"contacts": [STAFF]}
    rest = {**ACCOUNT, "contacts": ACCOUNT["contacts"][:1]}
    assert content(decided(settings={"exclude_contact_tags": ["9"]}, gone=last, **rest)) == ({"1207"}, {"9000"}, set())
    assert set(decided(settings={"exclude_contact_tags": ["8"]}, gone=last, **rest).invoices) == {"9000", "9001"}


def test_rule_8_a_contact_that_is_let_in_again_is_decided_like_any_other() -> None:
    first = decided(settings={"exclude_contact_tags": ["9"]}, **ACCOUNT)
    assert content(decided(first, **ACCOUNT)) == content(decided(**ACCOUNT))
    lost_its_tag = {**ACCOUNT, "contacts": [ACCOUNT["contacts"][0], contact("1300", tag_ids=[])]}
    again = decided(first, settings={"exclude_contact_tags": ["9"]}, **lost_its_tag)
    assert content(again) == content(decided(**ACCOUNT))


def test_rules_8_and_1_10_a_changed_setting_edits_no_invoice_of_a_frozen_contact() -> None:
    first = decided(**ACCOUNT)
    settings = {"exclude_contact_tags": ["9"], "one_time_products": ["31"]}
    second = decided(first, settings=settings, settings_changed=frozenset(settings), **ACCOUNT)
    assert second.invoices["9001"] == first.invoices["9001"]
    assert line(second, "9000-1").type == "one_time"


def test_rules_8_and_1_5_a_bad_order_of_a_filtered_contact_is_no_news() -> None:
    bad = {**ACCOUNT["orders"][1], "order_time": None, "creation_time": None}
    adjusted = order("9002", [subscription_item("3", "502")], 5000, "1300")
    rows = {**ACCOUNT, "orders": [ACCOUNT["orders"][0], bad, adjusted]}
    decision = decided(settings={"exclude_contact_tags": ["9"]}, **rows)
    assert (decision.rejects, noted(decision, "adjusted_orders")) == ([], [])
    loud = decided(**rows)
    assert ([each.id for each in loud.rejects], noted(loud, "adjusted_orders")) == (["9001"], ["9002"])


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


def test_rules_8_and_5_5_an_attempt_leaves_the_excluded_share_out() -> None:
    attempt = {
        "amount": 70.0,
        "status": "FAILED",
        "is_successful": False,
        "transaction_method": "CAPTURE",
        "transaction_time": "2026-01-12T00:00:00Z",
        "order_ids": ["9000"],
    }
    rows = {**ACCOUNT, "orders": [order("9000", [subscription_item("1", "501"), BOOK], 7000)]}
    decision = decided(settings={"exclude_products": ["54"]}, **rows, transactions=[attempt])
    assert [each.amount_in_cents for each in decision.invoices["9000"].transactions] == [4900]


def test_rule_8_an_order_with_nothing_left_is_not_sent_not_even_its_adjustment() -> None:
    account = {**ACCOUNT, "orders": [order("9000", [BOOK], 2500)]}
    decision = decided(settings={"exclude_products": ["54"]}, **account)
    assert decision.invoices == {}
    assert filters_named(decision) == {"9000": "exclude_products"}


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
    assert filters_named(decision) == {"9000": "invoices_since", "9001": "invoices_since"}
    first = decided(**{**ACCOUNT, "orders": rows})
    later = decided(first, settings={"invoices_since": "2026-01-11"}, **{**ACCOUNT, "orders": rows})
    assert set(later.invoices) == {"9002"}, "what was sent before goes"


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
    moved = [{**starts, "contact_id": "1300"}]
    orders = [first_order, second]
    later = decided(held, settings=settings, subscriptions=moved, orders=orders, **rows).customers
    item_s = first_order["order_items"][0]
    if item_s["item_type"] != "SUBSCRIPTION" or item_s["subscription_id"]:  # a pair made before a move is history (1.2)
        assert later == decided(settings=settings, subscriptions=moved, orders=orders, **rows).customers
    if item_s["subscription_id"]:
        assert later["1300"].free_trial_started_at == began
    plain = order("9000", [subscription_item("1", "501")], 4900, time="2026-01-13T12:00:00Z")
    none = decided(held, settings=settings, subscriptions=[starts], orders=[plain, second], **rows)
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


@pytest.mark.parametrize("keeps_store", [True, False], ids=["store", "store lost"])
def test_rule_8_remove_mrr_ends_an_inactive_subscription_on_the_refunded_order_s_day(keeps_store: bool) -> None:
    settings, account = {"full_refund": "remove_mrr"}, refunded(active=False)
    first = decided(settings=settings, **account)
    assert line(first, "9001-2").type == "one_time"
    assert line(first, "9000-1").type == "subscription"
    assert set(first.events) == {"501-cancelled-2026-02-10"}
    assert noted(first, "mrr_removed_orders") == ["9001"]
    later = decided(first, keeps_store=keeps_store, settings=settings, **account)
    assert later.invoices.keys() == first.invoices.keys()
    assert later.events == first.events


def test_rule_8_only_the_latest_order_ends_it() -> None:
    account = refunded(active=False)
    account["orders"].append(order("9002", [subscription_item("3", "501")], 4900, time="2026-02-20T12:00:00Z"))
    decision = decided(settings={"full_refund": "remove_mrr"}, **account)
    assert set(decision.events) == {"501-cancelled-2026-03-10"}


def test_rule_8_remove_mrr_leaves_an_active_subscription_and_cash_only_leaves_all() -> None:
    assert decided(settings={"full_refund": "remove_mrr"}, **refunded(active=True)).events == {}
    kept = decided(**refunded(active=False))
    assert line(kept, "9001-2").type == "subscription"
    assert set(kept.events) == {"501-cancelled-2026-03-10"}


def test_rules_8_and_4_9_a_refunded_order_moves_with_its_subscription() -> None:
    settings, account = {"full_refund": "remove_mrr"}, refunded(active=False)
    moved = [subscription(contact_id="1300", active=False, last_bill_date="2026-02-10", next_bill_date="2026-03-10")]
    first = decided(settings=settings, **account)
    account |= {"contacts": [contact(), contact("1300")], "subscriptions": moved}
    later = decided(first, settings=settings, **account)
    assert later.invoices == decided(settings=settings, **account).invoices
    assert set(later.invoices) == {"9000-c1300", "9001-c1300"}


@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize("orders", [1, 2])
def test_rules_8_and_4_3_remove_mrr_also_of_an_order_whose_subscription_appears_later(
    active: bool, orders: int
) -> None:
    settings = {"full_refund": "remove_mrr"}
    account: dict[str, list[Row]] = {
        "contacts": [contact()],
        "products": [product()],
        "orders": [
            order("9000", [subscription_item("1", None), item("3", "PRODUCT", 900)], 5800),
            order("9001", [subscription_item("2", "501")], 4900, time="2026-02-10T12:00:00Z"),
        ][:orders],
        "payments": [
            payment("17", ["9000"], 58.0),
            payment("18", ["9000"], -58.0, type="Refund", time="2026-01-12T12:00:00Z"),
        ],
    }
    first = decided(settings=settings, **account)
    account["subscriptions"] = [subscription(active=active)]
    later, at_once = decided(first, settings=settings, **account), decided(settings=settings, **account)
    assert line(later, "9000-1").type == "one_time"
    assert (later.invoices, later.events) == (at_once.invoices, at_once.events)
    assert "9000-1" not in links_of(later)
    assert noted(later, "mrr_removed_orders") == ["9000"]
    assert "9000-1" in links_of(decided(first, **account))
