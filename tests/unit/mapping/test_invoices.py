"""Which orders are invoices, whose they are, and what moves with a subscription (rules 2.1, 4.1, 4.7 to 4.10, 6.7)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from target_chartmogul.billing.decisions import Decision
from target_chartmogul.sources.keap.account import Arrived
from tests.keap_rows import Row, contact, item, order, payment, subscription, subscription_item
from tests.unit.mapping.deciding import NOW, decided, line, noted

CONTACTS = [contact("1207"), contact("1300"), contact("1400")]
WORKBOOK = item("2", "PRODUCT", 2000, name="Workbook")


def owned(decision: Decision) -> dict[str, str]:
    return {key: invoice.customer_external_id for key, invoice in decision.invoices.items()}


def paid(decision: Decision) -> dict[str, int]:
    return {
        each.external_id: each.amount_in_cents
        for invoice in decision.invoices.values()
        for each in invoice.transactions
    }


@pytest.mark.parametrize(
    ("fields", "is_sent"),
    [
        pytest.param({"status": "PAID"}, True, id="4.1 PAID"),
        pytest.param({"status": "SENT"}, True, id="4.1 SENT"),
        pytest.param({"status": None}, True, id="4.1 no status"),
        pytest.param({"status": "DRAFT"}, False, id="4.1 DRAFT"),
        pytest.param({"order_items": []}, False, id="4.1 no item"),
        pytest.param({"order_items": None}, False, id="4.1 items missing"),
    ],
)
def test_rule_4_1_every_order_but_drafts_and_empty_ones(fields: Row, is_sent: bool) -> None:
    row = {**order("9000", [WORKBOOK], 2000), **fields}
    first = decided(contacts=CONTACTS, orders=[row])
    assert bool(first.invoices) is is_sent
    sent = decided(contacts=CONTACTS, orders=[order("9000", [WORKBOOK], 2000)])
    assert bool(decided(sent, contacts=CONTACTS, orders=[row]).invoices) is is_sent


def test_rule_4_1_dates() -> None:
    row = order("9000", [WORKBOOK], 2000, due_time="2026-02-01T00:00:00Z", order_time=None)
    (invoice,) = decided(contacts=CONTACTS, orders=[row]).invoices.values()
    assert invoice.date == datetime(2026, 1, 10, 12, tzinfo=UTC)
    assert invoice.due_date == datetime(2026, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("total", "payments", "is_sent"),
    [
        pytest.param(2000, [], False, id="4.1 unpaid"),
        pytest.param(2000, [payment("17", ["9000"], 5.0)], True, id="4.1 a part is paid"),
        pytest.param(0, [], True, id="9.6 nothing to pay"),
        pytest.param(2000, [payment("17", ["9000"], 20.0, type="Credit")], True, id="9.6 settled by a credit"),
        pytest.param(2000, [payment("17", ["9000"], 20.0, status="PENDING")], False, id="4.1 pending"),
    ],
)
def test_rules_4_1_and_9_6_unpaid_orders_skip(total: int, payments: list[Row], is_sent: bool) -> None:
    rows = [{**WORKBOOK, "price_per_unit": {"amount": total, "currency_code": "USD"}}]
    accounts: dict[str, list[Row]] = {
        "contacts": CONTACTS,
        "orders": [order("9000", rows, total)],
        "payments": payments,
    }
    decision = decided(settings={"unpaid_orders": "skip"}, **accounts)
    assert bool(decision.invoices) is is_sent
    assert noted(decision, "skipped_unpaid_orders") == ([] if is_sent else ["9000"])
    assert decided(**accounts).invoices


@pytest.mark.parametrize("held", [False, True], ids=["new", "held in ChartMogul"])
def test_rules_1_5_and_4_1_an_order_dated_ahead_waits_for_its_day(held: bool) -> None:
    before = decided(contacts=CONTACTS, orders=[order("9000", [WORKBOOK], 2000)]) if held else None
    row = order("9000", [WORKBOOK], 2000, time="2026-06-02T00:00:00Z")
    decision = decided(before, contacts=CONTACTS, orders=[row])
    assert decision.invoices == (before.invoices if before else {})
    (waiting,) = decision.waiting
    assert (waiting.stream, waiting.id, waiting.reason) == ("orders", "9000", "future")
    assert waiting.due == decision.next_due == datetime(2026, 6, 2, tzinfo=UTC)
    assert decision.rejects == []
    due = decided(before, contacts=CONTACTS, orders=[row], now=datetime(2026, 6, 2, tzinfo=UTC))
    assert [invoice.date for invoice in due.invoices.values()] == [datetime(2026, 6, 2, tzinfo=UTC)]


# -- owners (0g, 2.1, 4.8)


def two_owners(**fields: Any) -> list[Row]:
    rows = [subscription_item("1", "501"), subscription_item("3", "502", 2900), WORKBOOK]
    return [order("9000", rows, 9800, **fields)]


@pytest.mark.parametrize(
    ("subscriptions", "settings", "expected"),
    [
        pytest.param([subscription("501")], {}, {"9000": "1207"}, id="4.8 own contact"),
        pytest.param([subscription("501", "1300")], {}, {"9000-c1300": "1300"}, id="2.1 another contact"),
        pytest.param(
            [subscription("501", "1300")], {"subscription_owner": "order"}, {"9000": "1207"}, id="0g owner by order"
        ),
        pytest.param([subscription("501", None)], {}, {"9000": "1207"}, id="4.8 a subscription without contact"),
        pytest.param([], {}, {"9000": "1207"}, id="6.7 a subscription that is gone"),
    ],
)
def test_rules_0g_and_2_1_and_4_8_owner(
    subscriptions: list[Row], settings: dict[str, Any], expected: dict[str, str]
) -> None:
    rows = [order("9000", [subscription_item("1", "501")], 4900)]
    assert owned(decided(settings=settings, contacts=CONTACTS, subscriptions=subscriptions, orders=rows)) == expected


def test_rule_4_8_an_order_without_contact_is_its_subscription_s() -> None:
    rows = [order("9000", [subscription_item("1", "501")], 4900, None)]
    assert owned(decided(contacts=CONTACTS, subscriptions=[subscription()], orders=rows)) == {"9000-c1207": "1207"}


def test_rule_4_8_one_invoice_per_owner_other_lines_and_money_with_the_first() -> None:
    decision = decided(
        contacts=CONTACTS,
        subscriptions=[subscription("501", "1300"), subscription("502")],
        orders=[{**two_owners()[0], "total": {"amount": 9900, "currency_code": "USD"}}],
        payments=[payment("17", ["9000"], 80.0)],
    )
    assert owned(decision) == {"9000-c1300": "1300", "9000": "1207"}
    assert [each.external_id for each in decision.invoices["9000-c1300"].line_items] == [
        "9000-c1300-1",
        "9000-c1300-2",
        "9000-c1300-adjustment",
    ]
    assert [each.external_id for each in decision.invoices["9000"].line_items] == ["9000-3"]
    assert paid(decision) == {"17-9000-c1300": 7000, "17-9000": 1000}


# -- what moves (4.9)


@pytest.mark.parametrize("keeps_ledger", [True, False], ids=["ledger", "ledger lost"])
def test_rule_4_9_invoices_of_orders_that_did_not_arrive_move_along_and_back(keeps_ledger: bool) -> None:
    rows = [order("9000", [subscription_item("1", "501"), WORKBOOK], 6900)]
    payments = [payment("17", ["9000"], 69.0), payment("18", ["9000"], -9.0, type="Refund")]
    attempts = [
        {
            "payment_id": None,
            "order_ids": ["9000"],
            "amount": 69.0,
            "status": "FAILED",
            "is_successful": False,
            "transaction_method": "CAPTURE",
            "transaction_time": "2026-01-10T12:00:01Z",
        }
    ]
    first = decided(
        contacts=CONTACTS, subscriptions=[subscription()], orders=rows, payments=payments, transactions=attempts
    )
    moved = decided(
        first, contacts=CONTACTS, subscriptions=[subscription(contact_id="1300")], keeps_ledger=keeps_ledger
    )
    at_once = decided(
        contacts=CONTACTS,
        subscriptions=[subscription(contact_id="1300")],
        orders=rows,
        payments=payments,
        transactions=attempts,
    )
    assert moved.invoices == at_once.invoices
    assert set(moved.invoices) == {"9000-c1300"}
    assert len(moved.invoices["9000-c1300"].transactions) == 3
    back = decided(moved, contacts=CONTACTS, subscriptions=[subscription()], keeps_ledger=keeps_ledger)
    if keeps_ledger:
        assert back.invoices == first.invoices
    else:  # whose the order was itself, only the ledger knows until the order arrives again
        assert owned(back) == {"9000-c1207": "1207"}
        arrived = decided(back, contacts=CONTACTS, subscriptions=[subscription()], orders=rows, payments=payments)
        assert owned(arrived) == {"9000": "1207"}


def test_rules_2_1_and_4_9_an_invoice_that_comes_home_without_its_order_has_the_plain_id_again() -> None:
    rows = [order("9000", [subscription_item("1", "501")], 4900)]
    away = decided(contacts=CONTACTS, subscriptions=[subscription(contact_id="1300")], orders=rows)
    assert owned(away) == {"9000-c1300": "1300"}
    home = decided(away, contacts=CONTACTS, subscriptions=[subscription()])
    assert owned(home) == {"9000": "1207"}
    assert home.invoices == decided(contacts=CONTACTS, subscriptions=[subscription()], orders=rows).invoices


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(("1207", "1207"), ("1300", "1207"), id="4.9 one of two leaves"),
        pytest.param(("1207", "1207"), ("1207", "1300"), id="4.9 the other leaves"),
        pytest.param(("1300", "1207"), ("1207", "1207"), id="4.9 both are one's again"),
        pytest.param(("1300", "1207"), ("1300", "1400"), id="4.9 another leaves"),
        pytest.param(("1300", "1207"), ("1207", "1300"), id="4.9 they change places"),
        pytest.param(("1300", "1207"), ("1400", "1400"), id="4.9 both leave"),
    ],
)
def test_rules_4_9_and_4_8_an_order_of_two_owners_is_divided_anew_without_arriving(
    before: tuple[str, str], after: tuple[str, str]
) -> None:
    payments = [payment("17", ["9000"], 69.01), payment("18", ["9000"], 20.0, time="2026-01-11T12:00:00Z")]

    def whose(owners: tuple[str, str]) -> list[Row]:
        return [subscription("501", owners[0]), subscription("502", owners[1])]

    rows = [order("9000", [subscription_item("1", "501"), WORKBOOK, subscription_item("3", "502", 2900)], 9800)]
    first = decided(contacts=CONTACTS, subscriptions=whose(before), orders=rows, payments=payments)
    moved = decided(first, contacts=CONTACTS, subscriptions=whose(after))
    at_once = decided(contacts=CONTACTS, subscriptions=whose(after), orders=rows, payments=payments)
    assert moved.invoices == at_once.invoices


def test_rule_4_9_owner_by_order_moves_no_invoice() -> None:
    rows = [order("9000", [subscription_item("1", "501")], 4900)]
    settings = {"subscription_owner": "order"}
    first = decided(settings=settings, contacts=CONTACTS, subscriptions=[subscription()], orders=rows)
    moved = decided(first, settings=settings, contacts=CONTACTS, subscriptions=[subscription(contact_id="1300")])
    assert moved.invoices == first.invoices


def test_rule_6_7_a_gone_subscription_stays_with_the_owner_of_its_latest_order() -> None:
    rows = [
        order("9000", [subscription_item("1", "501")], 4900),
        order("9001", [subscription_item("4", "501")], 4900, "1300", time="2026-02-10T12:00:00Z"),
    ]
    assert owned(decided(contacts=CONTACTS, orders=rows)) == {"9000-c1300": "1300", "9001": "1300"}
    for owner in ("1207", "1400"):
        moved = decided(contacts=CONTACTS, subscriptions=[subscription(contact_id=owner)], orders=rows)
        assert set(owned(moved).values()) == {owner}
        assert owned(decided(moved, contacts=CONTACTS, orders=rows)) == owned(moved)


def test_rule_4_9_a_changed_order_is_edited_in_place() -> None:
    accounts: dict[str, list[Row]] = {"contacts": CONTACTS, "subscriptions": [subscription()]}
    first = decided(**accounts, orders=[order("9000", [subscription_item("1", "501")], 4900)])
    second = decided(first, **accounts, orders=[order("9000", [subscription_item("1", "501"), WORKBOOK], 6900)])
    assert list(second.invoices) == ["9000"]
    assert line(second, "9000-2").amount_in_cents == 2000


# -- what is gone (4.10)


@pytest.mark.parametrize(
    ("hard_delete", "whole", "unreadable", "stays"),
    [
        pytest.param(False, True, frozenset(), True, id="4.10 off by default"),
        pytest.param(True, False, frozenset(), True, id="4.10 not without a complete read"),
        pytest.param(True, True, frozenset({"9000"}), True, id="4.10 an order that cannot be read is not gone"),
        pytest.param(True, True, frozenset(), False, id="4.10 gone after a complete read"),
    ],
)
def test_rule_4_10_orders_that_are_gone(
    hard_delete: bool, whole: bool, unreadable: frozenset[str], stays: bool
) -> None:
    accounts: dict[str, list[Row]] = {"contacts": CONTACTS, "subscriptions": [subscription()]}
    other = order("9001", [subscription_item("4", "501")], 4900)
    first = decided(**accounts, orders=[order("9000", [subscription_item("1", "501")], 4900), other])
    second = decided(
        first,
        settings={"hard_delete": hard_delete},
        arrived=Arrived(subscriptions_whole=True, orders_whole=whole),
        unreadable={"orders": unreadable},
        **accounts,
        orders=[other],
    )
    assert set(second.invoices) == ({"9000", "9001"} if stays else {"9001"})
    assert noted(second, "vanished_orders") == ([] if stays else ["9000"])


def test_rule_1_8_what_did_not_arrive_is_left_alone() -> None:
    first = decided(
        contacts=CONTACTS,
        subscriptions=[subscription(active=False, next_bill_date="2026-02-10")],
        orders=[order("9000", [subscription_item("1", "501")], 4900)],
    )
    assert first.events
    second = decided(first, arrived=Arrived())
    assert second.invoices == first.invoices
    assert second.customers == first.customers
    assert second.events == first.events


def test_rule_1_8_now_is_the_only_clock() -> None:
    row = order("9000", [WORKBOOK], 2000, time=NOW.isoformat())
    assert decided(contacts=CONTACTS, orders=[row]).invoices
