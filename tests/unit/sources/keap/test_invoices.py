"""Which orders are invoices, whose they are, and what moves with a subscription (rules 2.1, 4.1, 4.7 to 4.10, 6.7)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from target_chartmogul.billing.decisions import Decision
from tests.support.keap_rows import Row, contact, item, order, payment, subscription, subscription_item
from tests.unit.sources.keap.deciding import NOW, decided, line, noted

CONTACTS = [contact("1207"), contact("1300"), contact("1400")]
WORKBOOK = item("2", "PRODUCT", 2000, name="Workbook")


def owned(decision: Decision) -> dict[str, str]:
    return {key: invoice.customer_external_id for key, invoice in decision.invoices.items()}


def listed_lines(decision: Decision) -> dict[str, list[str]]:
    return {key: sorted(line.external_id for line in each.line_items) for key, each in decision.invoices.items()}


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
        pytest.param({"status": "Draft"}, False, id="4.1 a draft, however it is spelt"),
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
        pytest.param(2000, [payment("17", ["9000"], 20.0, status="Pending")], False, id="4.1 however it is spelt"),
        pytest.param(2000, [payment("17", ["9000"], 20.0, type="Write Off")], False, id="9.6 written off in full"),
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
    assert decision.invoices == {}, "by its record it is not there yet"
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


ATTEMPT = {
    "payment_id": None,
    "order_ids": ["9000"],
    "amount": 69.0,
    "status": "FAILED",
    "is_successful": False,
    "transaction_method": "CAPTURE",
    "transaction_time": "2026-01-10T12:00:01Z",
}


@pytest.mark.parametrize("keeps_store", [True, False], ids=["store", "store lost"])
def test_rules_2_1_and_4_9_invoices_move_along_and_back(keeps_store: bool) -> None:
    account: dict[str, list[Row]] = {
        "contacts": CONTACTS,
        "orders": [order("9000", [subscription_item("1", "501"), WORKBOOK], 6900)],
        "payments": [payment("17", ["9000"], 69.0), payment("18", ["9000"], -9.0, type="Refund")],
        "transactions": [ATTEMPT],
    }
    here, there = {"subscriptions": [subscription()]}, {"subscriptions": [subscription(contact_id="1300")]}
    first = decided(**account, **here)
    moved = decided(first, keeps_store=keeps_store, **account, **there)
    assert moved.invoices == decided(**account, **there).invoices
    assert set(moved.invoices) == {"9000-c1300"}
    assert len(moved.invoices["9000-c1300"].transactions) == 3
    assert decided(moved, keeps_store=keeps_store, **account, **here).invoices == first.invoices


@pytest.mark.parametrize("keeps_store", [True, False], ids=["store", "store lost"])
def test_rule_4_10_an_order_that_only_chartmogul_knows_moves_with_its_subscription(keeps_store: bool) -> None:
    account: dict[str, list[Row]] = {
        "orders": [order("9000", [subscription_item("1", "501"), WORKBOOK], 6900)],
        "payments": [payment("17", ["9000"], 69.0), payment("18", ["9000"], -9.0, type="Refund")],
        "transactions": [ATTEMPT],
    }
    there = {"contacts": CONTACTS, "subscriptions": [subscription(contact_id="1300")]}
    first = decided(contacts=CONTACTS, subscriptions=[subscription()], **account)
    moved = decided(first, keeps_store=keeps_store, **there)
    expected = decided(**account, **there)
    assert [listed_lines(each) for each in (moved, expected)] == [listed_lines(expected)] * 2
    assert paid(moved) == paid(expected)
    back = decided(moved, keeps_store=keeps_store, contacts=CONTACTS, subscriptions=[subscription()])
    # whose the order was itself nobody knows any more
    assert owned(back) == {"9000-c1207": "1207"}


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
def test_rules_4_9_4_8_and_4_10_an_order_of_two_owners_is_divided_anew_with_its_record_or_without(
    before: tuple[str, str], after: tuple[str, str]
) -> None:
    payments = [payment("17", ["9000"], 69.01), payment("18", ["9000"], 20.0, time="2026-01-11T12:00:00Z")]

    def whose(owners: tuple[str, str]) -> list[Row]:
        return [subscription("501", owners[0]), subscription("502", owners[1])]

    rows = [order("9000", [subscription_item("1", "501"), WORKBOOK, subscription_item("3", "502", 2900)], 9800)]
    first = decided(contacts=CONTACTS, subscriptions=whose(before), orders=rows, payments=payments)
    at_once = decided(contacts=CONTACTS, subscriptions=whose(after), orders=rows, payments=payments)
    moved = decided(first, contacts=CONTACTS, subscriptions=whose(after), orders=rows, payments=payments)
    assert moved.invoices == at_once.invoices
    without = decided(first, contacts=CONTACTS, subscriptions=whose(after))
    if "9000" in first.invoices:  # else the order's own contact is not known
        assert without.invoices == at_once.invoices
    assert sorted(paid(without).values()) == sorted(paid(at_once).values())


def test_rule_1_8_a_subscription_moves_when_its_new_contact_is_known() -> None:
    rows = [order("9000", [subscription_item("1", "501")], 4900)]
    first = decided(contacts=CONTACTS[:1], subscriptions=[subscription()], orders=rows)
    there = [subscription(contact_id="1300")]
    waiting = decided(first, contacts=CONTACTS[:1], subscriptions=there, orders=rows)
    assert waiting.invoices == first.invoices
    assert noted(waiting, "unknown_contacts") == ["1300"]
    arrived = decided(waiting, contacts=CONTACTS[:2], subscriptions=there, orders=rows)
    assert owned(arrived) == {"9000-c1300": "1300"}
    assert "1300" in arrived.customers


def test_rule_4_9_owner_by_order_moves_no_invoice() -> None:
    rows = [order("9000", [subscription_item("1", "501")], 4900)]
    settings = {"subscription_owner": "order"}
    first = decided(settings=settings, contacts=CONTACTS, subscriptions=[subscription()], orders=rows)
    there = [subscription(contact_id="1300")]
    for orders in (rows, []):
        assert decided(first, settings=settings, contacts=CONTACTS, subscriptions=there, orders=orders).invoices == (
            first.invoices
        )


def test_rule_6_7_a_gone_subscription_stays_with_the_owner_of_its_latest_order() -> None:
    rows = [
        order("9000", [subscription_item("1", "501")], 4900),
        order("9001", [subscription_item("4", "501")], 4900, "1300", time="2026-02-10T12:00:00Z"),
    ]
    assert owned(decided(contacts=CONTACTS, orders=rows)) == {"9000-c1300": "1300", "9001": "1300"}
    for owner in ("1207", "1400"):
        moved = decided(contacts=CONTACTS, subscriptions=[subscription(contact_id=owner)], orders=rows)
        assert set(owned(moved).values()) == {owner}
        gone = {"subscriptions": [subscription(contact_id=owner)]}
        for left in ({"gone": gone}, {}):
            after = decided(moved, contacts=CONTACTS, orders=rows, **left)
            assert owned(after) == {"9000-c1300": "1300", "9001": "1300"}


@pytest.mark.parametrize(
    ("read_at", "complete", "is_gone"),
    [
        pytest.param(datetime(2026, 1, 9, tzinfo=UTC), True, False, id="6.7 the order is younger than the read"),
        pytest.param(datetime(2026, 1, 11, tzinfo=UTC), True, True, id="6.7 the read is younger"),
        pytest.param(None, False, False, id="6.7 never read completely"),
    ],
)
@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "only ChartMogul knows it"])
def test_rule_6_7_a_subscription_that_lines_name_and_a_complete_read_lacks(
    read_at: datetime | None, complete: bool, is_gone: bool, recorded: bool
) -> None:
    rows = [
        order("9000", [subscription_item("1", "501")], 4900),
        order("9001", [subscription_item("2", "501")], 4900, time="2026-02-10T12:00:00Z"),
    ]
    first = decided(contacts=CONTACTS, subscriptions=[subscription()], orders=rows)
    left = rows if recorded else []
    later = decided(first, contacts=CONTACTS, orders=left, complete=complete, read_at=read_at)
    assert set(later.events) == ({"501-cancelled-2026-03-10"} if is_gone else set())
    known = decided(first, contacts=CONTACTS, orders=left, complete=False, gone={"subscriptions": [subscription()]})
    assert set(known.events) == {"501-cancelled-2026-03-10"}, "Keap had it, and has it no more"
    back = decided(later, contacts=CONTACTS, subscriptions=[subscription()], orders=left)
    assert back.events == {}


def test_rule_6_7_an_order_s_creation_counts_not_the_date_that_a_person_gave_it() -> None:
    row = {**order("9000", [subscription_item("1", "501")], 4900), "creation_time": "2026-05-20T12:00:00Z"}
    at = datetime(2026, 5, 1, tzinfo=UTC)
    assert decided(contacts=CONTACTS, orders=[row], read_at=at).events == {}


def test_rule_4_9_a_changed_order_is_edited_in_place() -> None:
    accounts: dict[str, list[Row]] = {"contacts": CONTACTS, "subscriptions": [subscription()]}
    first = decided(**accounts, orders=[order("9000", [subscription_item("1", "501")], 4900)])
    second = decided(first, **accounts, orders=[order("9000", [subscription_item("1", "501"), WORKBOOK], 6900)])
    assert list(second.invoices) == ["9000"]
    assert line(second, "9000-2").amount_in_cents == 2000


# -- what is gone (4.10)


@pytest.mark.parametrize("hard_delete", [False, True])
def test_rule_4_10_an_order_that_is_gone_counts_as_it_was_unless_hard_delete(hard_delete: bool) -> None:
    account: dict[str, list[Row]] = {"contacts": CONTACTS, "subscriptions": [subscription()]}
    gone = order("9000", [subscription_item("1", "501")], 4900)
    other = order("9001", [subscription_item("4", "501")], 4900)
    cash = [payment("17", ["9000"], 49.0)]
    settings = {"hard_delete": hard_delete}
    first = decided(**account, orders=[gone, other], payments=cash)
    second = decided(first, settings=settings, **account, orders=[other], payments=cash, gone={"orders": [gone]})
    assert second.invoices == ({"9001": first.invoices["9001"]} if hard_delete else first.invoices)
    assert noted(second, "vanished_orders") == (["9000"] if hard_delete else [])
    back = decided(second, settings=settings, **account, orders=[gone, other], payments=cash)
    assert back.invoices == first.invoices


@pytest.mark.parametrize(
    "unreadable", [{}, {"orders": frozenset({"9000"})}], ids=["the store was lost", "never readable"]
)
def test_rules_1_4_and_4_10_an_order_without_a_record_stays(unreadable: dict[str, frozenset[str]]) -> None:
    ended = [subscription(active=False, next_bill_date="2026-02-01")]
    account: dict[str, list[Row]] = {"contacts": CONTACTS, "subscriptions": ended}
    rows = [
        order("9000", [subscription_item("1", "501")], 4900, time="2026-02-10T12:00:00Z"),
        order("9001", [subscription_item("4", "501")], 4900),
    ]
    first = decided(**account, orders=rows)
    second = decided(
        first, settings={"hard_delete": True}, unreadable=unreadable, keeps_store=False, **account, orders=rows[1:]
    )
    assert set(second.invoices) == {"9000", "9001"}
    assert second.events == first.events, "6.2 its line counts for the end"
    assert set(first.events) == {"501-cancelled-2026-02-10"}


def test_rule_1_5_an_order_that_cannot_be_worked_out_stays_as_it_is_held() -> None:
    account: dict[str, list[Row]] = {"contacts": CONTACTS, "subscriptions": [subscription()]}
    good = order("9000", [subscription_item("1", "501")], 4900)
    first = decided(**account, orders=[good])
    for bad in ({"order_time": None, "creation_time": None}, {"order_items": [*good["order_items"] * 2]}):
        second = decided(first, **account, orders=[{**good, **bad}])
        assert [(each.stream, each.id) for each in second.rejects] == [("orders", "9000")]
        assert second.invoices == first.invoices
        assert decided(**account, orders=[{**good, **bad}]).invoices == {}


def test_rule_1_4_a_customer_whose_order_is_now_another_s_goes() -> None:
    rows = [order("9000", [WORKBOOK], 2000)]
    first = decided(contacts=CONTACTS, orders=rows)
    changed = [order("9000", [WORKBOOK], 2000, "1300")]
    second = decided(first, contacts=CONTACTS, orders=changed)
    assert (set(second.customers), owned(second)) == ({"1300"}, {"9000": "1300"})


def test_rule_1_8_now_is_the_only_clock() -> None:
    row = order("9000", [WORKBOOK], 2000, time=NOW.isoformat())
    assert decided(contacts=CONTACTS, orders=[row]).invoices
