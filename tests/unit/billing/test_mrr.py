"""MRR arithmetic (rule 7.2), beside the month-end figures of the worked accounts."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from target_chartmogul.billing.calendar import Interval, plus
from target_chartmogul.billing.mrr import (
    account_moves,
    line_mrr,
    month_of,
    mrr_by_customer,
    subscription_steps,
    unpaid_mrr,
)
from target_chartmogul.billing.objects import (
    CANCELLED,
    Invoice,
    LineItem,
    Plan,
    SubscriptionEvent,
    Transaction,
)
from target_chartmogul.report.months import MOVEMENTS, month_table
from tests.support.billing_objects import bare_invoice

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)


def plan(external_id: str, count: int, unit: str) -> Plan:
    return Plan(external_id=external_id, name=external_id, interval_count=count, interval_unit=unit)


PLANS = {
    each.external_id: each
    for each in (
        plan("gold", 1, "month"),
        plan("quarter", 3, "month"),
        plan("ten", 10, "month"),
        plan("year", 1, "year"),
        plan("two years", 2, "year"),
        plan("week", 7, "day"),
        plan("fortnight", 14, "day"),
        plan("7-0-1month", 1, "year"),
        plan("broken", 0, "month"),
    )
}


def at(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC, hour=12)


def line(amount: int, of: str, tax: int = 0, kind: str = "subscription", **fields: Any) -> LineItem:
    return LineItem(
        external_id="1-1",
        type=kind,
        amount_in_cents=amount,
        tax_amount_in_cents=tax,
        subscription_external_id="1",
        plan_external_id=of,
        **fields,
    )


def invoice(
    start: str,
    *,
    of: str = "1",
    customer: str = "7",
    amount: int = 4900,
    paid: bool = True,
    number: str | None = None,
    event_order: int | None = None,
    **fields: Any,
) -> Invoice:
    """One month of a subscription."""
    begins = at(start)
    number = number or f"{begins:%y%m%d}{of}"
    item = LineItem(
        external_id=f"{number}-1",
        type="subscription",
        amount_in_cents=amount,
        subscription_external_id=of,
        plan_external_id="gold",
        service_period_start=begins,
        service_period_end=plus(begins, Interval(1, "month")),
        event_order=event_order,
    )
    move = Transaction(
        external_id=f"{number}-paid", type="payment", result="successful", date=begins, amount_in_cents=amount
    )
    return bare_invoice(
        **{
            "external_id": number,
            "customer_external_id": customer,
            "date": begins,
            "currency": "USD",
            "line_items": (item,),
            "transactions": (move,) if paid else (),
            **fields,
        }
    )


def end(day: str, *, of: str = "1", customer: str = "7") -> SubscriptionEvent:
    midnight = at(day).replace(hour=0)
    return SubscriptionEvent(
        external_id=f"{of}-{day}",
        event_type=CANCELLED,
        customer_external_id=customer,
        subscription_external_id=of,
        event_date=midnight,
        effective_date=midnight,
    )


def table(*accounts, now=NOW):
    """Month figures of accounts, each a list of invoices and of events."""
    totals: Counter[tuple[str, str, str]] = Counter()
    for invoices, events in accounts:
        for move in account_moves(invoices, events, PLANS):
            if move.at <= now:
                totals.update({(month_of(move.at), move.currency, name): each for name, each in move.figures()})
    return month_table(totals, now)


def months(invoices, events=(), now=NOW):
    return {
        month: {name: value for name, value in row["USD"].items() if value}
        for month, row in table((invoices, events), now=now).items()
    }


@pytest.mark.parametrize(
    ("item", "mrr"),
    [
        (line(4900, "gold"), 4900),
        (line(13500, "quarter"), 4500),
        (line(49900, "year"), 4158),
        (line(24000, "two years"), 1000),
        (line(12000, "7-0-1month"), 1000),  # the plan says yearly, whatever its id looks like
        (line(1000, "week"), 4348),
        (line(1800, "fortnight"), 3913),
        (line(5255, "gold", tax=355), 4900),
        (line(9800, "gold", quantity=2), 9800),
        (line(1, "ten"), 0),
        (line(5, "ten"), 1),  # half up
        (line(4, "ten"), 0),
        (line(0, "gold"), 0),
        (line(4900, "gold", kind="one_time"), 0),
        (line(4900, "31-7-1month"), 0),  # a plan that is not known
        (line(4900, "broken"), 0),
    ],
)
def test_rule_7_2_mrr_of_a_line(item, mrr):
    assert line_mrr(item, PLANS) == mrr


def test_rule_7_1_movements_by_month():
    invoices = [
        invoice("2026-01-10"),
        invoice("2026-02-10", amount=5900),
        invoice("2026-03-10", amount=4900),
        invoice("2026-05-10"),
        invoice("2026-01-20", of="2", customer="8", amount=1000),
    ]
    assert months(invoices, [end("2026-04-10")]) == {
        "2026-01": {"mrr": 5900, "customers": 2, "new": 5900},
        "2026-02": {"mrr": 6900, "customers": 2, "expansion": 1000},
        "2026-03": {"mrr": 5900, "customers": 2, "contraction": -1000},
        "2026-04": {"mrr": 1000, "customers": 1, "churn": -4900},
        "2026-05": {"mrr": 5900, "customers": 2, "reactivation": 4900},
        "2026-06": {"mrr": 5900, "customers": 2},
    }


def test_rule_7_1_movements_sum_to_the_difference_of_two_months_however_accounts_are_split():
    invoices = [
        invoice(f"2026-{month:02}-{day:02}", of=str(day), customer=str(day % 3), amount=month * day * 100)
        for month in range(1, 6)
        for day in range(1, 20)
    ]
    events = [end("2026-03-15", of="2", customer="2"), end("2026-04-01", of="3", customer="0")]
    whole = table((invoices, events))
    before = 0
    for row in whole.values():
        figures = row["USD"]
        assert figures["mrr"] - before == sum(figures[each] for each in MOVEMENTS)
        before = figures["mrr"]
    split = [
        (
            [each for each in invoices if each.customer_external_id == customer],
            [each for each in events if each.customer_external_id == customer],
        )
        for customer in "012"
    ]
    assert table(*split) == whole
    by_customer = mrr_by_customer(invoices, events, PLANS, NOW)
    assert {month: sum(row.values()) for month, row in by_customer.items()} == {
        month: row["USD"]["mrr"] for month, row in whole.items()
    }


def test_rule_7_2_a_second_subscription_is_expansion_but_bought_at_once_it_is_new():
    later = months([invoice("2026-01-10"), invoice("2026-01-20", of="2", amount=1000)])
    assert later["2026-01"] == {"mrr": 5900, "customers": 1, "new": 4900, "expansion": 1000}
    at_once = months([invoice("2026-01-10"), invoice("2026-01-10", of="2", amount=1000)])
    assert at_once["2026-01"] == {"mrr": 5900, "customers": 1, "new": 5900}


def test_rule_7_2_one_of_two_subscriptions_ends():
    found = months([invoice("2026-01-10"), invoice("2026-01-20", of="2", amount=1000)], [end("2026-02-10")])
    assert found["2026-02"] == {"mrr": 1000, "customers": 1, "contraction": -4900}


def test_rule_7_2_another_subscription_at_the_instant_of_an_end_is_no_churn():
    follower = invoice("2026-03-10", of="2", amount=6000)
    at_start = msgspec.structs.replace(end("2026-03-10"), effective_date=follower.date)
    found = months([invoice("2026-01-10"), follower], [at_start])
    assert found["2026-03"] == {"mrr": 6000, "customers": 1, "expansion": 6000, "contraction": -4900}


def test_rule_7_2_a_cancellation_at_the_instant_of_a_line_wins():
    at_start = msgspec.structs.replace(end("2026-03-10"), effective_date=invoice("2026-03-10").date)
    found = months([invoice("2026-01-10"), invoice("2026-03-10")], [at_start])
    assert found["2026-03"] == {"churn": -4900}


@pytest.mark.parametrize("fields", [{"status": "written_off"}, {"status": "voided"}, {"disabled": True}])
def test_rules_5_7_and_7_2_invoices_that_do_not_count(fields):
    assert months([invoice("2026-01-10"), invoice("2026-02-10", amount=9900, **fields)])["2026-02"] == {
        "mrr": 4900,
        "customers": 1,
    }
    assert months([invoice("2026-01-10"), invoice("2026-02-10", amount=9900, disabled=False)])["2026-02"]["mrr"] == 9900


def last_mrr(*invoices):
    ((_, _, steps),) = subscription_steps(invoices, [], PLANS)
    return steps[-1].mrr


def test_rule_4_7_event_order_decides_between_lines_that_start_at_one_instant():
    """Worked account 28, without Keap: 9998 is created after 10002, and is the earlier one all the same."""
    high = invoice("2026-03-05", number="10002", amount=2000, event_order=10002)
    low = invoice("2026-03-05", number="9998", amount=1000, event_order=9998)
    assert last_mrr(high, low) == last_mrr(low, high) == 2000
    second = invoice("2026-03-05", number="B-1", amount=1000, event_order=2)
    first = invoice("2026-03-05", number="B-2", amount=2000, event_order=1)
    assert last_mrr(first, second) == last_mrr(second, first) == 1000
    assert months([first, second])["2026-03"] == {"mrr": 1000, "customers": 1, "new": 1000}, "one movement"


def test_lines_without_event_order_count_by_creation_and_before_those_with_one():
    """chartmogul.md §8: by start, then event_order (none is 0), then creation: the invoice's date, then its id."""
    plain = [invoice("2026-03-05", number=name, amount=amount) for name, amount in (("9", 900), ("10", 1000))]
    assert last_mrr(*plain) == last_mrr(*reversed(plain)) == 1000
    ordered = invoice("2026-03-05", number="1", amount=100, event_order=1)
    assert last_mrr(*plain, ordered) == 100
    negative = invoice("2026-03-05", number="99", amount=9900, event_order=-1)
    assert last_mrr(*plain, negative) == 1000
    earlier = invoice("2026-03-05", number="99", amount=9900, date=at("2026-03-04"))
    assert last_mrr(*plain, earlier) == 1000
    two = msgspec.structs.replace(
        plain[0], line_items=(*plain[0].line_items, *invoice("2026-03-05", amount=5).line_items)
    )
    assert last_mrr(two) == 5


def test_rule_7_1_currencies_stand_side_by_side():
    euro = invoice("2026-02-10", of="2", customer="8", currency="EUR")
    rows = table(([invoice("2026-01-10")], []), ([euro], []))
    assert [(row["EUR"]["mrr"], row["USD"]["mrr"]) for row in rows.values()][:3] == [
        (0, 4900),
        (4900, 4900),
        (4900, 4900),
    ]


def test_rule_7_1_a_subscription_that_changes_its_currency_leaves_the_old_one():
    february = table(([invoice("2026-01-10"), invoice("2026-02-10", currency="EUR")], []))["2026-02"]
    assert (february["USD"]["churn"], february["USD"]["customers"]) == (-4900, 0)
    assert (february["EUR"]["new"], february["EUR"]["customers"]) == (4900, 1)


def test_rule_7_2_the_running_month_is_looked_at_now():
    assert months([invoice("2026-05-10")], [end("2026-06-02")])["2026-06"]["mrr"] == 4900
    assert months([invoice("2026-05-10")], [end("2026-06-01")])["2026-06"] == {"churn": -4900}
    assert not table(([], []))
    assert mrr_by_customer([], [], PLANS, NOW) == {}


def unpaid(invoices, events=()):
    return [
        (each.customer, each.invoice, each.mrr, (NOW - each.since).days)
        for each in unpaid_mrr(subscription_steps(invoices, events, PLANS), NOW)
    ]


def test_rule_7_1_mrr_that_rests_on_unpaid_orders():
    invoices = [
        invoice("2026-05-20", paid=False),
        invoice("2026-04-20", paid=False, of="2", customer="8", amount=1000),
        invoice("2026-05-20", of="3", customer="9"),
        invoice("2026-03-01", paid=False, of="4", customer="10"),
        invoice("2026-05-25", of="4", customer="10"),  # the latest is paid
        invoice("2026-02-01", paid=False, of="5", customer="11"),
    ]
    assert unpaid(invoices, [end("2026-05-01", of="5", customer="11")]) == [
        ("7", "2605201", 4900, 11),
        ("8", "2604202", 1000, 41),
    ]
    late = invoice("2026-02-20", paid=False, due_date=NOW - timedelta(days=12))
    assert unpaid([late]) == [("7", "2602201", 4900, 12)]
    refund = Transaction(external_id="r", type="refund", result="successful", date=NOW, amount_in_cents=4900)
    given_back = invoice("2026-05-20")
    given_back = msgspec.structs.replace(given_back, transactions=(*given_back.transactions, refund))
    assert unpaid([given_back]) == [("7", "2605201", 4900, 11)]
