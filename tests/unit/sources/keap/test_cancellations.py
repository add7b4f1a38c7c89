"""Churn dates, rule by rule (6.1 to 6.3, 6.6 to 6.8, §8), beside what the worked accounts show."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from target_chartmogul.sources.keap.cancellations.cancellations import Ended
from target_chartmogul.sources.keap.cancellations.subscription_facts import order_money
from target_chartmogul.sources.keap.settings import MappingSettings
from tests.support.billing_objects import bare_invoice
from tests.unit.sources.keap.churn_cases import (
    NOW,
    again,
    at,
    decided,
    events,
    listed,
    order,
    subscription,
    why,
    written,
)

JAN_FEB = [order("2026-01-10"), order("2026-02-10")]
UNPAID = [order("2026-01-10"), order("2026-02-10", paid=None)]


@pytest.mark.parametrize(
    ("fallback", "fields", "expected"),
    [
        ("next_bill_date", {"next_bill_date": "2026-03-12"}, ("2026-03-12", "6.1", "next_bill_date")),
        (
            "next_bill_date",
            {"next_bill_date": "2026-03-12", "last_bill_date": "2026-03-12"},
            ("2026-03-12", "6.1", "next_bill_date"),
        ),
        (
            "next_bill_date",
            {"next_bill_date": "2026-03-12", "last_bill_date": "2026-03-13"},
            ("2026-03-10", "6.1", "paid_through"),
        ),
        (
            "paid_through",
            {"next_bill_date": "2026-04-12", "last_bill_date": "2026-02-20"},
            ("2026-03-10", "6.1", "paid_through"),
        ),
        ("last_bill_date", {"last_bill_date": "2026-02-20"}, ("2026-03-20", "6.1", "last_bill_date")),
        (
            "last_bill_date",
            {"last_bill_date": "2026-01-31", "billing_cycle": "WEEK", "billing_frequency": 2},
            ("2026-02-14", "6.1", "last_bill_date"),
        ),
        # The list does not start over: neither next_bill_date nor paid_through come after last_bill_date.
        (
            "last_bill_date",
            {"next_bill_date": "2026-04-12", "modified": "2026-03-02"},
            ("2026-03-02", "6.1", "modified"),
        ),
        ("modified", {"next_bill_date": "2026-04-12"}, ("2026-06-01", "6.1", "run_date")),
    ],
)
def test_rule_6_1_fallbacks_of_an_inactive_subscription(fallback, fields, expected):
    decision = decided(subscription(**fields), JAN_FEB, churn_fallback=fallback)
    day, rule, source = expected
    assert events(decision) == {f"1-cancelled-{day}": day}
    assert why(decision, f"1-cancelled-{day}") == (rule, source)


@pytest.mark.parametrize("active", [True, None])
def test_rule_6_1_an_active_subscription_without_end_date_has_no_churn_date(active):
    assert not decided(subscription(active, next_bill_date="2026-03-10"), JAN_FEB).events


def test_rule_6_1_periods_follow_the_subscriptions_own_interval_not_the_plans():
    yearly = subscription(billing_cycle="YEAR")
    assert events(decided(yearly, [order("2025-01-10")])) == {"1-cancelled-2026-01-10": "2026-01-10"}
    unknown = subscription(billing_cycle=None)
    quarterly = [order("2025-01-10", plan="31-8-3month")]
    assert events(decided(unknown, quarterly)) == {"1-cancelled-2025-04-10": "2025-04-10"}


@pytest.mark.parametrize(
    ("source", "kept"), [("modified", True), ("run_date", True), (None, True), ("end_date", False)]
)
def test_rule_6_1_modified_and_run_date_stay_as_first_written(source, kept):
    record = subscription(modified="2026-03-25")
    sources = {"1-cancelled-2026-03-02": source} if source else {}
    decision = decided(
        record,
        JAN_FEB,
        earlier=[written("2026-03-02")],
        sources=sources,
        first_seen={"1": "2026-03-02"} if source else {},
        churn_fallback="modified",
    )
    day = "2026-03-02" if kept else "2026-03-25"
    assert events(decision) == {f"1-cancelled-{day}": day}
    assert decision.sources == ({f"1-cancelled-{day}": source if kept else "modified"} if source else {})


def test_rule_6_1_modified_starts_anew_once_the_subscription_was_active_again():
    record = subscription(modified="2026-05-20")
    decision = decided(
        record,
        [*JAN_FEB, order("2026-05-01")],
        earlier=[written("2026-03-02")],
        sources={"1-cancelled-2026-03-02": "modified"},
        first_seen={"1": "2026-03-02"},
        churn_fallback="modified",
    )
    assert events(decision) == {"1-cancelled-2026-03-02": "2026-03-02", "1-cancelled-2026-05-20": "2026-05-20"}


@pytest.mark.parametrize("between", ["2026-04-01", None], ids=["active between", "inactive throughout"])
def test_rules_6_1_and_6_5_modified_starts_anew_though_ignore_keeps_the_old_cancellation_meanwhile(between):
    how = {"churn_fallback": "modified", "late_payment": "ignore"}
    held = decided(subscription(modified="2026-03-02"), JAN_FEB, **how)
    if between:
        held = again(held, subscription(True, modified=between), JAN_FEB, **how)
        assert events(held) == {"1-cancelled-2026-03-02": "2026-03-02"}
    held = again(held, subscription(modified="2026-05-20"), JAN_FEB, **how)
    day = "2026-05-20" if between else "2026-03-02"
    assert events(held) == {f"1-cancelled-{day}": day}
    held = again(held, subscription(modified="2026-05-25"), JAN_FEB, **how)
    assert events(held) == {f"1-cancelled-{day}": day}


@pytest.mark.parametrize(
    ("fields", "invoices", "expected"),
    [
        # The day before, the day of, the day after the latest line.
        ({"end_date": "2026-02-09"}, JAN_FEB, ("2026-03-10", "2026-03-10", "6.2", "paid_through")),
        ({"end_date": "2026-02-10"}, JAN_FEB, ("2026-02-10", "2026-02-10T12:00:01", "6.2", "end_date")),
        ({"end_date": "2026-02-11"}, JAN_FEB, ("2026-02-11", "2026-02-11", "6.1", "end_date")),
        ({"end_date": "2026-02-09"}, UNPAID, ("2026-02-10", "2026-02-10T12:00:01", "6.2", "paid_through")),
        (
            {"end_date": "2026-02-09"},
            [order("2026-01-10", paid=None), order("2026-02-10", paid=None)],
            ("2026-02-10", "2026-02-10T12:00:01", "6.2", "last_line"),
        ),
        # Refunded in full is not paid; in part it is.
        (
            {"end_date": "2026-02-09"},
            [order("2026-01-10"), order("2026-02-10", refunded="2026-02-20")],
            ("2026-02-10", "2026-02-10T12:00:01", "6.2", "paid_through"),
        ),
        (
            {"end_date": "2026-02-09"},
            [order("2026-01-10"), order("2026-02-10", refunded="2026-02-20", refund=100)],
            ("2026-03-10", "2026-03-10", "6.2", "paid_through"),
        ),
    ],
)
def test_rule_6_2_on_and_before_the_day_of_the_latest_line(fields, invoices, expected):
    decision = decided(subscription(**fields), invoices)
    day, effective, rule, source = expected
    assert events(decision) == {f"1-cancelled-{day}": effective}
    assert why(decision, f"1-cancelled-{day}") == (rule, source)
    assert listed(decision, "stale_end_dates") == (["1"] if fields["end_date"] < "2026-02-10" else [])


def test_rule_6_2_a_stale_end_date_of_an_active_subscription_is_none():
    decision = decided(subscription(True, end_date="2026-02-09"), JAN_FEB)
    assert not decision.events
    assert listed(decision, "stale_end_dates") == ["1"]


@pytest.mark.parametrize(
    ("zone", "day", "effective"),
    [
        ("UTC", "2026-02-10", "2026-02-10T23:30:01"),
        # In Tokyo the line of 23:30 UTC began on the 11th, so that the 10th is stale and its period ends on 11 March.
        ("Asia/Tokyo", "2026-03-11", "2026-03-10T15:00:00"),
    ],
)
def test_rules_6_2_and_9_10_days_are_those_of_date_timezone(zone, day, effective):
    late = order("2026-02-10T23:30:00")
    decision = decided(subscription(end_date="2026-02-10"), [late], date_timezone=zone)
    assert events(decision) == {f"1-cancelled-{day}": effective}


def test_rule_2_3_the_id_names_the_churn_date_not_the_utc_day():
    decision = decided(subscription(end_date="2026-03-01"), JAN_FEB, date_timezone="Europe/Berlin")
    assert events(decision) == {"1-cancelled-2026-03-01": "2026-02-28T23:00:00"}


@pytest.mark.parametrize(
    ("now", "kind"),
    [(datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC), "scheduled"), (datetime(2026, 3, 1, tzinfo=UTC), "cancelled")],
)
def test_rule_6_3_scheduled_until_the_instant_itself(now, kind):
    decision = decided(subscription(True, end_date="2026-03-01", modified="2026-02-12"), JAN_FEB, now=now)
    assert list(decision.events) == [f"1-{kind}-2026-03-01"]
    event = decision.events[f"1-{kind}-2026-03-01"]
    assert event.event_date == (at("2026-02-12") if kind == "scheduled" else event.effective_date)
    assert decision.next_due == (at("2026-03-01T00:00:00") if kind == "scheduled" else None)


def test_rule_6_3_event_date_of_a_scheduled_one_is_not_compared_afterwards():
    first = decided(subscription(end_date="2026-09-01"), JAN_FEB)
    assert first.events["1-scheduled-2026-09-01"].event_date == at("2026-02-10")
    again = decided(
        subscription(end_date="2026-09-01", modified="2026-05-05"), JAN_FEB, earlier=list(first.events.values())
    )
    assert again.events == first.events


@pytest.mark.parametrize(
    ("record", "left", "moved"),
    [
        (subscription(True), [], []),
        (subscription(True, end_date="2026-10-01"), ["1-scheduled-2026-10-01"], ["1-scheduled-2026-09-01"]),
        (subscription(end_date="2026-05-01"), ["1-cancelled-2026-05-01"], ["1-scheduled-2026-09-01"]),
    ],
)
def test_rule_6_3_a_scheduled_one_that_is_moved_or_cleared_goes(record, left, moved):
    decision = decided(record, JAN_FEB, earlier=[written("2026-09-01", kind="scheduled")])
    assert list(decision.events) == left
    assert listed(decision, "scheduled_cancellations_removed") == ["1-scheduled-2026-09-01"]
    assert listed(decision, "scheduled_cancellations_moved") == moved


@pytest.mark.parametrize("late_payment", ["erase_cancellation", "ignore"])
def test_rules_6_5_and_7_1_a_scheduled_one_that_is_cleared_is_reported_as_withdrawn(late_payment):
    earlier = [written("2026-09-01", kind="scheduled")]
    decision = decided(subscription(True), JAN_FEB, earlier=earlier, late_payment=late_payment)
    (removed,) = [note for note in decision.notes if note.kind == "scheduled_cancellations_removed"]
    assert (removed.rule, removed.detail["reason"]) == ("6.5", "withdrawn")


def test_rule_6_3_due_becomes_the_cancellation():
    decision = decided(subscription(end_date="2026-05-01"), JAN_FEB, earlier=[written("2026-05-01", kind="scheduled")])
    assert events(decision) == {"1-cancelled-2026-05-01": "2026-05-01"}
    assert listed(decision, "cancellations_added") == ["1-cancelled-2026-05-01"]
    assert listed(decision, "scheduled_cancellations_moved") == []


def test_rules_6_3_and_6_5_due_between_two_runs_and_came_back_since():
    back = [*JAN_FEB, order("2026-05-20")]
    decision = decided(subscription(True), back, earlier=[written("2026-03-02", kind="scheduled")])
    assert events(decision) == {"1-cancelled-2026-03-02": "2026-03-02"}


OLD = {"next_bill_date": "2026-04-10", "last_bill_date": "2026-03-10"}
FOLLOWER = {"id": "2", "active": True}
OLD_ORDERS = [order("2026-02-10"), order("2026-03-10")]


@pytest.mark.parametrize(
    ("first_order", "other", "ended"),
    [
        ("2026-03-25", {}, "2026-03-25T12:00:00"),
        ("2026-03-10", {}, None),  # on the day of the last bill: not after
        ("2026-03-11", {}, "2026-03-11T12:00:00"),
        ("2026-04-09", {}, "2026-04-09T12:00:00"),
        ("2026-04-10", {}, None),  # on the churn date: not before
        ("2026-03-25", {"product_id": "32"}, None),
        ("2026-03-25", {"product_id": "33"}, "2026-03-25T12:00:00"),  # the same group
        ("2026-03-25", {"contact_id": "8"}, None),
    ],
)
@pytest.mark.parametrize("plan_change", ["separate", "switch"])
def test_rule_6_6_plan_change(first_order, other, ended, plan_change):
    records = [subscription(**OLD), subscription(**(FOLLOWER | other))]
    decision = decided(
        records,
        [*OLD_ORDERS, order(first_order, of="2", plan="31-8-3month")],
        plan_change=plan_change,
        plan_change_products=(("31", "33"),),
    )
    assert listed(decision, "overlaps") == (["1"] if ended else [])
    if ended and plan_change == "switch":
        assert events(decision) == {f"1-cancelled-{ended[:10]}": ended}
        assert why(decision, f"1-cancelled-{ended[:10]}") == ("6.6", "plan_change")
    else:
        assert events(decision) == {"1-cancelled-2026-04-10": "2026-04-10"}


@pytest.mark.parametrize(
    ("active", "end_date", "ended"),
    [
        (False, None, "2026-03-25T12:00:00"),
        (False, "2026-04-10", "2026-04-10"),
        (True, "2026-04-10", "2026-04-10"),
        (True, None, None),
    ],
)
def test_rule_6_6_only_inactive_ones_without_end_date(active, end_date, ended):
    old = subscription(active, **OLD, **({"end_date": end_date} if end_date else {}))
    decision = decided(
        [old, subscription(**FOLLOWER)], [*OLD_ORDERS, order("2026-03-25", of="2")], plan_change="switch"
    )
    assert listed(decision, "overlaps") == (["1"] if not active and not end_date else [])
    assert list(events(decision).values()) == ([ended] if ended else [])


def test_rule_6_6_the_earliest_follower_ends_it():
    records = [subscription(**OLD), subscription(id="2", active=True), subscription(id="3", active=True)]
    invoices = [*OLD_ORDERS, order("2026-03-25", of="2"), order("2026-03-20", of="3")]
    assert list(decided(records, invoices, plan_change="switch").events) == ["1-cancelled-2026-03-20"]


@pytest.mark.parametrize(
    ("invoices", "day", "source"),
    [
        (JAN_FEB, "2026-03-10", "paid_through"),
        ([order("2026-01-10", paid=None)], "2026-02-10", "last_period"),
    ],
)
def test_rule_6_7_a_subscription_that_keap_no_longer_has(invoices, day, source):
    decision = decided(None, invoices)
    assert events(decision) == {f"1-cancelled-{day}": day}
    assert why(decision, f"1-cancelled-{day}") == ("6.7", source)


def test_rule_6_7_the_owner_of_a_gone_one_is_that_of_its_latest_order():
    decision = decided(None, [order("2026-01-10", customer="8"), order("2026-02-10", customer="9")])
    assert [each.customer_external_id for each in decision.events.values()] == ["9"]


@pytest.mark.parametrize(("gone", "unreadable"), [(False, frozenset()), (True, frozenset({"1"}))])
def test_rules_1_5_and_1_8_neither_an_unread_nor_an_unreadable_subscription_is_gone(gone, unreadable):
    earlier = [written("2026-01-20"), written("2026-05-01", kind="scheduled"), written("2026-09-01", kind="scheduled")]
    decision = decided(None, JAN_FEB, earlier=earlier, gone=gone, unreadable=unreadable)
    assert list(decision.events) == ["1-cancelled-2026-01-20", "1-cancelled-2026-05-01", "1-scheduled-2026-09-01"]
    assert decision.next_due == at("2026-09-01T00:00:00")
    assert listed(decision, "undecided_subscriptions") == ["1"]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("none", {}),
        ("2026-01-15", {"1-cancelled-2026-01-15": "2026-01-15"}),  # before the latest line: still its midnight
        ("2026-08-15", {"1-scheduled-2026-08-15": "2026-08-15"}),
    ],
)
def test_rules_6_8_and_9_9_an_override_is_the_only_event(override, expected):
    decision = decided(
        subscription(end_date="2026-03-01"),
        [*JAN_FEB, order("2026-05-20")],
        earlier=[written("2026-03-01"), written("2025-03-01")],
        cancellation_overrides={"1": override},
    )
    assert events(decision) == expected
    for each in expected:
        assert why(decision, each) == ("6.8", "override")


def test_rule_9_10_a_subscription_without_any_line_has_no_cancellation():
    decision = decided(subscription(end_date="2026-03-01"), [], earlier=[written("2026-03-01")])
    assert not decision.events
    assert listed(decision, "cancellations_removed") == ["1-cancelled-2026-03-01"]


def test_rule_4_9_cancellations_follow_the_subscription_to_its_new_contact():
    back = [*JAN_FEB, order("2026-05-20")]
    moved = subscription(True, contact_id="9", end_date="2026-09-01")
    decision = decided(moved, back, earlier=[written("2026-03-02"), written("2026-09-01", kind="scheduled")])
    assert {each: event.customer_external_id for each, event in decision.events.items()} == {
        "1-cancelled-2026-03-02": "9",
        "1-scheduled-2026-09-01": "9",
    }


@pytest.mark.parametrize("year", ["0001", "1899", "9999"])
def test_rule_1_5_an_impossible_date_costs_its_subscription_alone(year):
    records = [subscription(end_date=f"{year}-03-01"), subscription(id="2", end_date="2026-03-01")]
    invoices = [*JAN_FEB, order("2026-02-10", of="2")]
    decision = decided(records, invoices, earlier=[written("2026-02-20")], date_timezone="Asia/Tokyo")
    assert list(decision.events) == ["1-cancelled-2026-02-20", "2-cancelled-2026-03-01"]
    assert [(each.stream, each.id, each.field) for each in decision.rejects] == [("subscriptions", "1", "end_date")]


FIFTY_FIVE = {"1": Ended("55", date(2026, 3, 10))}


def refunded_order(day: str, number: str):
    """`remove_mrr` made the line of a refunded order one-time: it names no subscription any more."""
    whole = order(day, refunded="2026-03-20", number=number)
    line = whole.line_items[0]
    plain = type(line)(external_id=line.external_id, type="one_time", amount_in_cents=line.amount_in_cents)
    return bare_invoice(
        external_id=number,
        customer_external_id="7",
        date=whole.date,
        currency="USD",
        line_items=(plain,),
        transactions=whole.transactions,
    )


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (subscription(next_bill_date="2026-04-10"), {"1-cancelled-2026-03-10": "2026-03-10"}),
        (subscription(end_date="2026-03-20"), {"1-cancelled-2026-03-10": "2026-03-10"}),
        (subscription(True), {}),
    ],
)
def test_rule_8_full_refund_remove_mrr_ends_an_inactive_subscription(record, expected):
    invoices = [*JAN_FEB, refunded_order("2026-03-10", "55")]
    assert events(decided(record, invoices, ended_by_refund=FIFTY_FIVE)) == expected
    assert "1-cancelled-2026-03-10" not in decided(record, invoices).events


def test_rule_9_10_an_order_is_paid_when_cash_and_credits_reach_its_total():
    whole = order("2026-01-10")
    credit = type(whole.line_items[0])(
        external_id="1-credit-5", type="one_time", amount_in_cents=-1900, balance_transfer=True
    )
    moves = (*whole.transactions[:0], *order("2026-01-10", amount=3000).transactions)
    settled = bare_invoice(
        external_id="1",
        customer_external_id="7",
        date=whole.date,
        currency="USD",
        line_items=(*whole.line_items, credit),
        transactions=moves,
    )
    assert order_money([settled], MappingSettings().zone).paid
    assert not order_money([settled, order("2026-01-11", paid=None)], MappingSettings().zone).paid


def test_rule_1_1_the_order_of_records_does_not_matter():
    records = [subscription(**OLD), subscription(id="2", active=True), subscription(id="3", active=True)]
    invoices = [*OLD_ORDERS, order("2026-03-25", of="2"), order("2026-03-25", of="3")]
    assert (
        decided(records, invoices, plan_change="switch").events
        == decided(records[::-1], invoices[::-1], plan_change="switch").events
    )
    assert at("2026-06-01T08:00:00") == NOW


def test_rules_6_2_and_8_a_refunded_order_on_the_day_of_another_line():
    invoices = [*JAN_FEB, refunded_order("2026-02-10", "55")]
    record = subscription(next_bill_date="2026-04-10")
    decision = decided(record, invoices, ended_by_refund={"1": Ended("55", date(2026, 2, 10))})
    assert events(decision) == {"1-cancelled-2026-02-10": "2026-02-10T12:00:01"}


def test_rules_6_2_and_6_7_a_gone_one_never_ends_before_its_latest_line():
    decision = decided(None, [order("2026-02-10"), order("2026-03-20", paid=None)])
    assert events(decision) == {"1-cancelled-2026-03-20": "2026-03-20T12:00:01"}


def test_rules_6_2_and_6_6_a_switch_never_ends_it_before_its_latest_line():
    records = [subscription(**OLD), subscription(**FOLLOWER)]
    invoices = [*OLD_ORDERS, order("2026-03-28"), order("2026-03-25", of="2")]
    assert events(decided(records, invoices, plan_change="switch")) == {"1-cancelled-2026-03-28": "2026-03-28T12:00:01"}


@pytest.mark.parametrize("earlier", [[], [written("2026-03-10")]], ids=["new", "written before"])
def test_rules_6_7_and_7_2_vanished_subscriptions_are_listed_as_long_as_they_are_gone(earlier):
    decision = decided(None, JAN_FEB, earlier=earlier)
    assert listed(decision, "vanished_subscriptions") == ["1"]
