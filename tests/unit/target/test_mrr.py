"""MRR arithmetic (rule 7.2), beside the month-end figures of the worked accounts."""

from __future__ import annotations

import msgspec
import pytest

from target_chartmogul.billing.mrr import MOVEMENTS, MrrTable, age_label, line_mrr, mrr_by_customer
from target_chartmogul.billing.objects import LineItem
from tests.unit.mapping.churn_cases import NOW, order, written


def line(amount: int, plan: str, tax: int = 0, kind: str = "subscription", quantity: int = 1) -> LineItem:
    return LineItem(
        external_id="1-1",
        type=kind,
        amount_in_cents=amount,
        tax_amount_in_cents=tax,
        quantity=quantity,
        subscription_external_id="1",
        plan_external_id=plan,
    )


@pytest.mark.parametrize(
    ("item", "mrr"),
    [
        (line(4900, "31-7-1month"), 4900),
        (line(13500, "31-7-3month"), 4500),
        (line(49900, "31-7-1year"), 4158),
        (line(24000, "31-7-2year"), 1000),
        (line(1000, "31-7-7day"), 4348),
        (line(1800, "31-7-14day"), 3913),
        (line(5255, "31-7-1month", tax=355), 4900),
        (line(9800, "31-7-1month", quantity=2), 9800),
        (line(1, "31-7-2month"), 1),  # half up
        (line(5, "31-7-10month"), 1),
        (line(4, "31-7-10month"), 0),
        (line(0, "31-7-1month"), 0),
        (line(4900, "31-7-1month", kind="one_time"), 0),
        (line(4900, "somebody-elses-plan"), 0),
        (line(4900, "31-7-0month"), 0),
    ],
)
def test_rule_7_2_mrr_of_a_line(item, mrr):
    assert line_mrr(item) == mrr


def months(invoices, events=(), now=NOW):
    table = MrrTable(now)
    table.add(invoices, events)
    return {
        month: {name: value for name, value in msgspec.structs.asdict(row["USD"]).items() if value}
        for month, row in table.months().items()
    }


def test_rule_7_1_movements_by_month():
    invoices = [
        order("2026-01-10"),
        order("2026-02-10", amount=5900),
        order("2026-03-10", amount=4900),
        order("2026-05-10"),
        order("2026-01-20", of="2", customer="8", amount=1000),
    ]
    found = months(invoices, [written("2026-04-10")])
    assert found == {
        "2026-01": {"mrr": 5900, "customers": 2, "new": 5900},
        "2026-02": {"mrr": 6900, "customers": 2, "expansion": 1000},
        "2026-03": {"mrr": 5900, "customers": 2, "contraction": -1000},
        "2026-04": {"mrr": 1000, "customers": 1, "churn": -4900},
        "2026-05": {"mrr": 5900, "customers": 2, "reactivation": 4900},
        "2026-06": {"mrr": 5900, "customers": 2},
    }


def test_rule_7_1_movements_sum_to_the_difference_of_two_months():
    invoices = [
        order(f"2026-{month:02}-{day:02}", of=str(day), customer=str(day % 3), amount=month * day * 100)
        for month in range(1, 6)
        for day in range(1, 20)
    ]
    events = [written("2026-03-15", of="2", customer="2"), written("2026-04-01", of="3", customer="0")]
    table = MrrTable(NOW)
    table.add(invoices, events)
    before = 0
    for row in table.months().values():
        figures = row["USD"]
        assert figures.mrr - before == sum(getattr(figures, each) for each in MOVEMENTS)
        before = figures.mrr
    by_customer = mrr_by_customer(invoices, events, NOW)
    assert {month: sum(row.values()) for month, row in by_customer.items()} == {
        month: row["USD"].mrr for month, row in table.months().items()
    }


def test_rule_7_2_a_second_subscription_of_a_customer_is_expansion():
    found = months([order("2026-01-10"), order("2026-02-10", of="2", amount=1000)])
    assert found["2026-02"] == {"mrr": 5900, "customers": 1, "expansion": 1000}


def test_rule_7_2_two_subscriptions_that_change_in_one_month():
    found = months([order("2026-01-10"), order("2026-01-20", of="2", amount=1000)], [written("2026-02-10")])
    assert found["2026-01"] == {"mrr": 5900, "customers": 1, "new": 5900}
    assert found["2026-02"] == {"mrr": 1000, "customers": 1, "contraction": -4900}


def test_rule_7_2_a_cancellation_at_the_instant_of_a_line_wins():
    at_start = msgspec.structs.replace(written("2026-03-10"), effective_date=order("2026-03-10").date)
    assert months([order("2026-01-10"), order("2026-03-10")], [at_start])["2026-03"]["churn"] == -4900


@pytest.mark.parametrize("status", ["written_off", "voided"])
def test_rules_5_7_and_7_2_written_off_invoices_count_for_none(status):
    gone = msgspec.structs.replace(order("2026-02-10", amount=9900), status=status)
    assert months([order("2026-01-10"), gone])["2026-02"] == {"mrr": 4900, "customers": 1}


def test_rule_7_1_currencies_stand_side_by_side():
    table = MrrTable(NOW)
    table.add([order("2026-01-10")], [])
    table.add([msgspec.structs.replace(order("2026-02-10", of="2", customer="8"), currency="EUR")], [])
    rows = table.months()
    assert [(row["EUR"].mrr, row["USD"].mrr) for row in rows.values()][:3] == [(0, 4900), (4900, 4900), (4900, 4900)]


def test_rule_7_1_a_subscription_that_changes_its_currency_leaves_the_old_one():
    euro = msgspec.structs.replace(order("2026-02-10"), currency="EUR")
    table = MrrTable(NOW)
    table.add([order("2026-01-10"), euro], [])
    february = table.months()["2026-02"]
    assert (february["USD"].churn, february["EUR"].new) == (-4900, 4900)


def test_rule_7_2_the_running_month_is_looked_at_now():
    ends = [written("2026-06-02")]
    assert months([order("2026-05-10")], ends)["2026-06"]["mrr"] == 4900
    assert not MrrTable(NOW).months()


@pytest.mark.parametrize(
    ("days", "label"),
    [(0, "0-29"), (29, "0-29"), (30, "30-59"), (59, "30-59"), (60, "60-89"), (89, "60-89"), (90, "90+")],
)
def test_rule_7_1_ages_of_unpaid_orders(days, label):
    assert age_label(days) == label


def test_rule_7_1_mrr_that_rests_on_unpaid_orders():
    invoices = [
        order("2026-05-20", paid=None),
        order("2026-04-20", paid=None, of="2", customer="8", amount=1000),
        order("2026-05-20", of="3", customer="9"),
        order("2026-03-01", paid=None, of="4", customer="10"),
        order("2026-05-25", of="4", customer="10"),  # the latest is paid
        order("2026-02-01", paid=None, of="5", customer="11"),
    ]
    table = MrrTable(NOW)
    table.add(invoices, [written("2026-05-01", of="5", customer="11")])
    assert table.unpaid() == {"USD": {"0-29": 4900, "30-59": 1000}}
    late = msgspec.structs.replace(order("2026-02-20", paid=None), due_date=order("2026-05-20").date)
    table = MrrTable(NOW)
    table.add([late], [])
    assert table.unpaid() == {"USD": {"0-29": 4900}}
