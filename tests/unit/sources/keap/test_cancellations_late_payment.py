"""Late payments and what becomes of earlier cancellations (rules 6.4, 6.5), row by row."""

from __future__ import annotations

import pytest

from tests.unit.sources.keap.churn_cases import again, decided, events, listed, order, subscription, why, written

FEB = order("2026-02-10")


def march(**how):
    return order("2026-03-10", **how)


FAILED = {"failed": ("2026-03-12",)}


@pytest.mark.parametrize(
    ("label", "last", "holds"),
    [
        ("paid after, failed before", march(paid="2026-03-28", **FAILED), True),
        ("failed on the day itself", march(paid="2026-03-28", failed=("2026-03-20",)), True),
        ("failed only after", march(paid="2026-03-28", failed=("2026-03-21",)), False),
        ("never failed: left, and paid late", march(paid="2026-03-28"), False),
        ("paid on the day", march(paid="2026-03-20", **FAILED), False),
        ("paid the day after", march(paid="2026-03-21", **FAILED), True),
        ("not paid", march(paid=None, **FAILED), False),
        ("refunded in part", march(paid="2026-03-28", refunded="2026-03-29", refund=1, **FAILED), False),
    ],
)
@pytest.mark.parametrize("active", [True, False])
def test_rule_6_4_an_end_date_does_not_count_after_a_late_payment(label, last, holds, active):
    record = subscription(active, end_date="2026-03-20")
    decision = decided(record, [FEB, last])
    kept = {"1-cancelled-2026-03-20": "2026-03-20"}
    if not holds:
        assert events(decision) == kept
    elif active:
        assert events(decision) == {}
    else:
        assert events(decision) == {"1-cancelled-2026-04-10": "2026-04-10"}
        assert why(decision, "1-cancelled-2026-04-10") == ("6.4", "late_payment")
    assert events(decided(record, [FEB, last], late_payment="ignore")) == kept


@pytest.mark.parametrize(
    ("day", "holds"), [("2026-03-09", False), ("2026-03-10", True), ("2026-04-09", True), ("2026-04-10", False)]
)
def test_rule_6_4_the_period_covers_its_first_day_and_not_its_end(day, holds):
    last = march(paid="2026-05-01", failed=("2026-03-09", "2026-03-10"))
    decision = decided(subscription(end_date=day), [last])
    # Before the line the date is stale anyway (6.2): the paid period ends on 10 April too.
    expected = "2026-04-10" if holds or day in {"2026-03-09", "2026-04-10"} else day
    assert list(decision.events) == [f"1-cancelled-{expected}"]
    rules = {"2026-03-09": "6.2", "2026-04-10": "6.1"}
    assert why(decision, f"1-cancelled-{expected}")[0] == rules.get(day, "6.4")


def test_rule_6_4_other_sources_need_no_failed_attempt():
    record = subscription(modified="2026-03-20")
    decision = decided(record, [FEB, march(paid="2026-03-28")], churn_fallback="modified")
    assert events(decision) == {"1-cancelled-2026-04-10": "2026-04-10"}


def test_rules_6_4_and_9_10_applied_once_and_stable():
    """The result of 6.4 is not judged again, and `modified` does not move it in the next run."""
    record = subscription(modified="2026-03-28")
    invoices = [FEB, march(paid="2026-03-28")]
    first = decided(
        record,
        invoices,
        earlier=[written("2026-03-20")],
        sources={"1-cancelled-2026-03-20": "modified"},
        first_seen={"1": "2026-03-20"},
        churn_fallback="modified",
    )
    assert list(first.events) == ["1-cancelled-2026-04-10"]
    second = again(first, record, invoices, churn_fallback="modified")
    assert (second.events, second.sources) == (first.events, first.sources)


D = "2026-03-20"
COVERED = [FEB, march()]


@pytest.mark.parametrize("late_payment", ["erase_cancellation", "ignore"])
@pytest.mark.parametrize(
    ("row", "record", "invoices", "stays"),
    [
        ("N = D", subscription(end_date=D), COVERED, (True, True)),
        ("6.4 holds", subscription(True), [FEB, march(paid="2026-03-28", **FAILED)], (False, True)),
        ("came back, no N", subscription(True), [*COVERED, order("2026-04-14")], (True, True)),
        ("renewed within 3 days", subscription(True), [*COVERED, order("2026-04-13")], (False, True)),
        ("came back before N", subscription(end_date="2026-05-30"), [*COVERED, order("2026-04-14")], (True, True)),
        ("another date", subscription(end_date="2026-05-30"), COVERED, (False, False)),
        (
            "came back on the day of N",
            subscription(end_date="2026-05-20"),
            [*COVERED, order("2026-05-20")],
            (True, True),
        ),
        ("withdrawn", subscription(True), COVERED, (False, True)),
    ],
)
def test_rule_6_5_table(row, record, invoices, stays, late_payment):
    decision = decided(
        record, invoices, earlier=[written(D)], sources={f"1-cancelled-{D}": "end_date"}, late_payment=late_payment
    )
    kept = stays[late_payment == "ignore"]
    assert (f"1-cancelled-{D}" in decision.events) is kept
    assert listed(decision, "cancellations_removed") == ([] if kept else [f"1-cancelled-{D}"])
    if kept:
        assert decision.sources[f"1-cancelled-{D}"] == "end_date"
        assert why(decision, f"1-cancelled-{D}")[0] == ("6.1" if row == "N = D" else "6.5")


@pytest.mark.parametrize(
    ("cancelled", "next_order", "stays"),
    [
        # No period covers the day: it is counted from itself.
        ("2026-04-20", "2026-04-23", False),
        ("2026-04-20", "2026-04-24", True),
        # The end of the last period itself.
        ("2026-04-10", "2026-04-13", False),
        ("2026-04-10", "2026-04-14", True),
    ],
)
def test_rule_6_5_without_a_covering_period_the_date_itself_counts(cancelled, next_order, stays):
    decision = decided(subscription(True), [*COVERED, order(next_order)], earlier=[written(cancelled)])
    assert bool(decision.events) is stays


def test_rules_6_5_and_9_10_an_order_on_the_day_itself_does_not_start_after_it():
    decision = decided(subscription(True), [FEB, order("2026-04-20")], earlier=[written("2026-04-20")])
    assert not decision.events


@pytest.mark.parametrize(
    ("returned", "ended"),
    [
        pytest.param(order("2026-05-01"), "2026-05-01", id="ended on the day of the return"),
        pytest.param(order("2026-05-01", paid=None, failed=("2026-05-01",)), D, id="the return was never paid"),
    ],
)
def test_rules_6_2_and_6_5_a_return_that_ends_at_once_leaves_the_first_end(returned, ended):
    """By 6.2 the new end takes effect a second after the order of the return: that order starts before it."""
    decision = decided(subscription(end_date=ended), [*COVERED, returned], earlier=[written(D)])
    assert events(decision) == {f"1-cancelled-{D}": D, "1-cancelled-2026-05-01": "2026-05-01T12:00:01"}
    assert listed(decision, "cancellations_removed") == []


def test_rule_6_5_a_moved_date_is_listed_with_its_new_place():
    decision = decided(subscription(end_date="2026-05-30"), COVERED, earlier=[written(D)])
    moved = [note for note in decision.notes if note.kind == "cancellations_moved"]
    assert [(note.id, note.detail["to"], note.detail["reason"]) for note in moved] == [
        (f"1-cancelled-{D}", "1-cancelled-2026-05-30", "moved")
    ]


def test_rule_6_5_each_of_several_is_judged_by_itself():
    """Left and came back, then left again at another date than written first."""
    decision = decided(
        subscription(end_date="2026-05-30"),
        [order("2026-01-10"), order("2026-03-10"), order("2026-05-10")],
        earlier=[written("2026-01-20"), written("2026-03-15"), written("2026-05-25")],
    )
    assert list(events(decision)) == ["1-cancelled-2026-01-20", "1-cancelled-2026-03-15", "1-cancelled-2026-05-30"]


def test_rule_6_9_every_cancellation_names_its_rule_and_source():
    decision = decided(subscription(True), [*COVERED, order("2026-04-14")], earlier=[written(D)])
    assert why(decision, f"1-cancelled-{D}") == ("6.5", "unknown")
    assert decision.sources == {}


@pytest.mark.parametrize(("source", "stays"), [(None, True), ("end_date", True), ("next_bill_date", False)])
def test_rules_6_4_and_6_5_an_origin_that_is_not_known_any_more_needs_a_failed_attempt(source, stays):
    invoices = [FEB, march(paid="2026-03-28"), order("2026-04-20")]
    sources = {f"1-cancelled-{D}": source} if source else {}
    decision = decided(subscription(True), invoices, earlier=[written(D)], sources=sources)
    assert bool(decision.events) is stays


def test_rule_9_10_the_result_of_a_late_payment_is_not_judged_again():
    """An early next order covers the new date and is paid late too."""
    early = order("2026-04-05", paid="2026-04-20", failed=("2026-04-06",))
    decision = decided(
        subscription(modified="2026-04-20"),
        [FEB, march(paid="2026-03-28"), early],
        earlier=[written("2026-04-10")],
        sources={"1-cancelled-2026-04-10": "late_payment"},
        churn_fallback="modified",
    )
    assert list(decision.events) == ["1-cancelled-2026-04-10"]


def test_rule_6_5_the_first_order_after_the_day_not_one_on_it():
    invoices = [FEB, order("2026-04-20"), order("2026-05-30")]
    assert decided(subscription(True), invoices, earlier=[written("2026-04-20")]).events
