"""A filter on contacts, where orders and subscriptions are several contacts' (§8, rules 4.8, 4.9)."""

from __future__ import annotations

import pytest

from target_chartmogul.billing.decisions import Decision
from tests.support.keap_rows import Row, contact, item, order, payment, product, subscription, subscription_item
from tests.unit.sources.keap.deciding import decided, line, noted

EXCLUDED = {"exclude_contact_tags": ["99"]}
HARD = {**EXCLUDED, "hard_delete": True}
KEPT_OUT = contact("1300", tag_ids=["99"])
JANUARY = order("9001", [subscription_item("1", "501")], 4900)
PAID = payment("71", ["9001"], 49.0)
FEBRUARY = "2026-02-10T12:00:00Z"


def run(before: Decision | None, *subscriptions: Row, **rows: list[Row]) -> Decision:
    """With the filter on."""
    rows = {"contacts": [contact(), KEPT_OUT], "orders": [JANUARY], "payments": [PAID]} | rows
    return decided(before, settings=EXCLUDED, subscriptions=[*subscriptions], products=[product()], **rows)


def owners(decision: Decision) -> dict[str, str]:
    return {each: invoice.customer_external_id for each, invoice in decision.invoices.items()}


def ends(decision: Decision) -> dict[str, str]:
    return {each: event.customer_external_id for each, event in decision.events.items()}


@pytest.mark.parametrize("ended", [False, True], ids=["ends with the move", "ended before"])
def test_rules_8_and_4_9_a_subscription_that_moves_to_a_filtered_contact_is_frozen(ended: bool) -> None:
    """Its invoices and its cancellation stay with the customer that has them; the filtered one never is one."""
    end: Row = {"active": False, "end_date": "2026-02-10"}
    first = run(None, subscription(**(end if ended else {})))
    later = run(first, subscription(contact_id="1300", **end))
    assert later.invoices == first.invoices
    assert ends(later) == {"501-cancelled-2026-02-10": "1207"}
    assert set(later.customers) == {"1207"}


def test_rule_8_what_a_frozen_subscription_bills_later_is_kept_out() -> None:
    first = run(None, subscription())
    new = order("9002", [subscription_item("2", "501")], 4900, time=FEBRUARY)
    later = run(first, subscription(contact_id="1300"), orders=[JANUARY, new])
    assert later.invoices == first.invoices


def test_rule_8_what_was_kept_out_is_sent_once_its_contact_is_let_in() -> None:
    first = run(None, subscription(contact_id="1300"))
    assert first.invoices == {}
    let_in = run(first, subscription(contact_id="1300"), contacts=[contact(), contact("1300")])
    assert owners(let_in) == {"9001-c1300": "1300"}


def test_rule_8_hard_delete_removes_what_moved_to_a_filtered_contact() -> None:
    both = order("9002", [subscription_item("2", "501"), subscription_item("3", "502")], 9800, time=FEBRUARY)
    rows = {"contacts": [contact(), KEPT_OUT], "products": [product()]}
    money = [PAID, payment("72", ["9002"], 98.0, time=FEBRUARY)]
    sent: dict[str, list[Row]] = {"orders": [JANUARY, both], "payments": money}
    first = decided(subscriptions=[subscription(active=False), subscription("502")], **rows, **sent)
    moved = [subscription(contact_id="1300", active=False), subscription("502")]
    later = decided(first, settings=HARD, subscriptions=moved, **rows, **sent)
    assert {each: len(invoice.line_items) for each, invoice in later.invoices.items()} == {"9002": 1}
    assert [each.amount_in_cents for each in later.invoices["9002"].transactions] == [4900]
    assert later.events == {}


def test_rule_8_one_order_of_which_one_line_is_frozen_and_another_moves() -> None:
    both = order("9001", [subscription_item("1", "501"), subscription_item("2", "502")], 9800)
    rows = {"contacts": [contact(), contact("1208"), KEPT_OUT], "orders": [both]}
    rows |= {"payments": [payment("71", ["9001"], 60.0)]}
    first = run(None, subscription(), subscription("502"), **rows)
    later = run(first, subscription(contact_id="1208"), subscription("502", "1300"), **rows)
    assert owners(later) == {"9001-c1208": "1208", "9001": "1207"}
    assert line(later, "9001-c1208-1").subscription_external_id == "501"
    assert line(later, "9001-2").subscription_external_id == "502"
    paid = {each: [move.amount_in_cents for move in part.transactions] for each, part in later.invoices.items()}
    assert paid == {"9001-c1208": [4900], "9001": [1100]}


def test_rule_8_what_moves_away_from_a_frozen_contact_is_there_once() -> None:
    account = {"contacts": [contact(), contact("1300"), contact("1208")]}
    first = run(None, subscription(contact_id="1300"), **account)
    assert owners(first) == {"9001-c1300": "1300"}
    later = run(first, subscription(contact_id="1208"), contacts=[KEPT_OUT, contact("1208")])
    assert owners(later) == {"9001-c1208": "1208"}


OF_1300: dict[str, list[Row]] = {
    "orders": [
        order(
            "9001",
            [subscription_item("1", "501"), subscription_item("2", "502"), item("3", "DISCOUNT_FREE_TRIAL")],
            9800,
            "1300",
        ),
        order("9002", [subscription_item("4", "502")], 4900, "1300", time=FEBRUARY),
    ],
    "payments": [payment("71", ["9001"], 60.0)],
}


@pytest.mark.parametrize("before", [False, True], ids=["tag from the start", "tag after a first sync"])
def test_rules_8_and_4_8_an_invoice_is_kept_out_if_its_customer_is(before: bool) -> None:
    """A filtered contact's order has a line of another's subscription: that line is sent, under the other."""
    subscriptions = [subscription(), subscription("502", "1300")]
    first = None
    if before:
        first = run(None, *subscriptions, contacts=[contact(), contact("1300")], **OF_1300)
        assert owners(first) == {"9001-c1207": "1207", "9001": "1300", "9002": "1300"}
    later = run(first, *subscriptions, **OF_1300)
    assert line(later, "9001-c1207-1").amount_in_cents == 4900
    assert [each.amount_in_cents for each in later.invoices["9001-c1207"].transactions] == [4900]
    if first is None:
        assert (set(later.invoices), set(later.customers)) == ({"9001-c1207"}, {"1207"})
        assert noted(later, "excess") == []
    else:
        assert (later.invoices, later.customers) == (first.invoices, first.customers)


def test_rules_8_and_3_5_the_trial_of_a_filtered_contact_s_order_is_its_customer_s() -> None:
    settings = {**EXCLUDED, "trial_source": "subscription"}
    rows = {"contacts": [contact(), KEPT_OUT], "products": [product()], "subscriptions": [subscription()]}
    decision = decided(settings=settings, **rows, **OF_1300)
    assert decision.customers["1207"].free_trial_started_at == decision.invoices["9001-c1207"].date
