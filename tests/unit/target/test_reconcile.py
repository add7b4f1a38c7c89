"""Reconciliation (rule 7.2): what is equal, what differs by a rule, and what nobody can explain."""

from __future__ import annotations

import msgspec
import pytest

from target_chartmogul.billing.decisions import Decision, Holdings
from target_chartmogul.checks.reconcile import Reconciliation
from target_chartmogul.sources.keap.account import Arrived, Remembered
from target_chartmogul.sources.keap.decide import decide
from tests.worked_accounts import Case, cases, catalog_of, group_of

CASES = [pytest.param(case, id=case.id) for case in cases()]


def settled(case: Case, tamper=None):
    """The account after its last run, read again: what Keap has against what ChartMogul holds."""
    run, held = case.runs[-1], Decision(remembered=Remembered())
    for _ in range(2):
        group = group_of(run.keap)
        group.existing = Holdings(customers=held.customers, invoices=held.invoices, events=held.events)
        group.remembered = held.remembered
        if tamper is not None and held.invoices:
            tamper(group)
        held = decide(
            group,
            catalog_of(run.keap),
            Arrived(subscriptions_whole=True, orders_whole=True),
            case.mapping,
            run.now,
        )
    reconciliation = Reconciliation(case.mapping, run.now)
    return reconciliation, reconciliation.add(group, held)


def case_of(name: str) -> Case:
    return next(each for each in cases() if each.id.startswith(name))


@pytest.mark.parametrize("case", CASES)
def test_rule_7_2_every_worked_account_is_even_or_says_why(case):
    reconciliation, found = settled(case)
    assert [each for each in found if not each.because] == []
    assert reconciliation.unexplained == 0
    differing = sum(each.chartmogul - each.keap for each in found)
    assert sum(row["difference"] for row in reconciliation.table()) == differing
    assert not any("pending" in each.because for each in found)


@pytest.mark.parametrize(
    ("name", "what", "about", "because"),
    [
        ("24-filters", "orders", "9231", "excluded_items (8)"),
        ("24-filters", "orders", "9232", "excluded_orders (8)"),
        ("24-filters", "payments", "17231", "excluded_items (8)"),
        ("16-refunds", "payments", "17152", "an excess and its refund (5.4)"),
    ],
)
def test_rule_7_2_a_difference_names_its_order_and_its_rule(name, what, about, because):
    _, found = settled(case_of(name))
    entry = next(each for each in found if (each.what, each.id) == (what, about))
    assert because in entry.because
    assert entry.keap > entry.chartmogul


def test_rule_7_2_to_the_cent_by_month_and_currency():
    reconciliation, found = settled(case_of("01-monthly"))
    assert found == []
    rows = {(row["what"], row["month"], row["currency"]): row for row in reconciliation.table()}
    assert {key: (row["keap"], row["chartmogul"]) for key, row in rows.items()} == {
        (what, month, "USD"): (4900, 4900)
        for what in ("orders", "payments")
        for month in ("2026-01", "2026-02", "2026-03")
    }


def drop_invoice(group):
    group.existing.invoices.pop(min(group.existing.invoices))


def one_cent_more(group):
    key = min(group.existing.invoices)
    invoice = group.existing.invoices[key]
    line = msgspec.structs.replace(invoice.line_items[0], amount_in_cents=invoice.line_items[0].amount_in_cents + 1)
    group.existing.invoices[key] = msgspec.structs.replace(invoice, line_items=(line, *invoice.line_items[1:]))


def another_month(group):
    key = min(group.existing.invoices)
    invoice = group.existing.invoices[key]
    group.existing.invoices[key] = msgspec.structs.replace(invoice, date=invoice.date.replace(year=2025))


def drop_payment(group):
    key = min(group.existing.invoices)
    group.existing.invoices[key] = msgspec.structs.replace(group.existing.invoices[key], transactions=())


@pytest.mark.parametrize(
    ("tamper", "expected"),
    [
        (drop_invoice, {("orders", -4900), ("payments", -4900)}),
        (one_cent_more, {("orders", 1)}),
        (another_month, {("orders", -4900), ("orders", 4900)}),
        (drop_payment, {("payments", -4900)}),
    ],
)
def test_rule_7_2_what_a_person_changed_is_found_and_pending(tamper, expected):
    reconciliation, found = settled(case_of("01-monthly"), tamper)
    assert {(each.what, each.chartmogul - each.keap) for each in found} == expected
    assert all(each.because == ["pending"] and each.orders for each in found)
    assert sum(row["difference"] for row in reconciliation.table()) == sum(amount for _, amount in expected)


def test_rule_7_2_orders_that_are_gone_from_keap():
    case = case_of("01-monthly")
    run, held = case.runs[-1], Decision(remembered=Remembered())
    group = group_of(run.keap)
    arrived = Arrived(subscriptions_whole=True)
    held = decide(group, catalog_of(run.keap), arrived, case.mapping, run.now)
    less = group_of(run.keap)
    gone = min(less.orders)
    del less.orders[gone]
    less.payments = {key: row for key, row in less.payments.items() if gone not in row.order_ids}
    less.existing = Holdings(customers=held.customers, invoices=held.invoices, events=held.events)
    again = decide(less, catalog_of(run.keap), arrived, case.mapping, run.now)
    found = Reconciliation(case.mapping, run.now).add(less, again)
    assert {(each.what, each.because[0]) for each in found} == {
        ("orders", "gone from Keap (4.10)"),
        ("payments", "gone from Keap (4.10)"),
    }
    assert {each.orders[0] for each in found} == {gone}


def test_rule_7_2_a_difference_without_a_reason_counts():
    """The mapping agrees with ChartMogul, but Keap's own total says otherwise."""
    case = case_of("01-monthly")
    run = case.runs[-1]
    group = group_of(run.keap)
    held = decide(group, catalog_of(run.keap), Arrived(), case.mapping, run.now)
    group.existing = Holdings(customers=held.customers, invoices=held.invoices, events=held.events)
    order = group.orders[min(group.orders)]
    order.total.amount += 100
    reconciliation = Reconciliation(case.mapping, run.now)
    found = reconciliation.add(group, held)
    assert [(each.what, each.id, each.chartmogul - each.keap) for each in found] == [("orders", order.id, -100)]
    assert reconciliation.unexplained == 1
