"""Rules 2.1, 4.9, 6.3: the order in which the changes of a lane are sent."""

from __future__ import annotations

import random

import pytest

from target_chartmogul.billing.differences import invoice_changes
from target_chartmogul.billing.normal import normal, same
from target_chartmogul.plan.sequence import ordered
from tests.support.billing_objects import PLAN, cancellation, customer, invoice, line, on, paid
from tests.support.memory_journal import create, delete, update


def ids(changes):
    return [f"{change.action} {change.external_id}" for change in changes]


def test_a_lane_from_customers_to_deletions():
    scheduled = cancellation(day="2025-05-01", event_type="subscription_cancellation_scheduled")
    lane = [
        delete("customer", customer(9)),
        delete("event", scheduled),
        delete("invoice", invoice("500"), moved=True),
        create("event", cancellation()),
        update("invoice", invoice("400"), date=on("2025-02-02")),
        create("invoice", invoice("500-c2", 2)),
        create("customer", customer(2)),
        create("plan", PLAN),
    ]
    assert ids(ordered(lane)) == [
        "create 31-7-1month",
        "create 2",
        "create 500-c2",
        "update 400",
        "delete 500",
        "create 901-cancelled-2025-04-01",
        "delete 901-cancelled-2025-05-01",
        "delete 9",
    ]


def test_an_id_that_is_used_again_is_freed_first():
    lane = [
        create("invoice", invoice("1", 2)),
        create("event", cancellation(owner=2)),
        create("invoice", invoice("2", 2)),
        delete("event", cancellation()),
        delete("invoice", invoice("2")),
        delete("invoice", invoice("1")),
    ]
    assert ids(ordered(lane)) == [
        "delete 1",
        "create 1",
        "delete 2",
        "create 2",
        "delete 901-cancelled-2025-04-01",
        "create 901-cancelled-2025-04-01",
    ]


def test_what_has_no_order_keeps_its_own():
    lane = [create("invoice", invoice(str(number))) for number in (5, 3, 9, 1)]
    assert ordered(lane) == lane


def by_id(bill):
    lines = {("line_item", part.external_id): part for part in bill.line_items}
    return lines | {("transaction", part.external_id): part for part in bill.transactions}


@pytest.mark.parametrize("seed", range(200))
def test_no_moment_at_which_transactions_exceed_the_lines(seed):
    """Rule 4.9, for random invoices: payments and refunds never pass the total, and a line is always left."""
    dice = random.Random(seed)

    def some():
        lines = [line("1", n, dice.choice([-300, 100, 500, 900])) for n in dice.sample(range(1, 6), dice.randint(1, 4))]
        total = sum(each.amount_in_cents for each in lines)
        if total <= 0:
            lines.append(line("1", 7, 1000 - total))
            total = 1000
        left, rows = total, []
        for number in dice.sample(range(1, 6), dice.randint(0, 4)):
            amount = dice.randint(0, left)
            left -= amount
            rows.append(paid("1", number, amount, result=dice.choice(["successful", "successful", "failed"])))
        successful = sum(row.amount_in_cents for row in rows if row.result == "successful")
        for number in dice.sample(range(6, 9), dice.randint(0, 2)):
            amount = dice.randint(0, successful)
            successful -= amount
            rows.append(paid("1", number, amount, type="refund"))
        return invoice("1", line_items=tuple(lines), transactions=tuple(rows))

    before, after = some(), some()
    parts = by_id(before)
    changes = invoice_changes(before, after)
    dice.shuffle(changes)
    for change in ordered(changes):
        if change.action == "delete":
            del parts[change.kind, change.external_id]
        else:
            parts[change.kind, change.external_id] = change.desired
        lines = [part for part in parts.values() if hasattr(part, "quantity")]
        good = [part for part in parts.values() if getattr(part, "result", "") == "successful"]
        total = sum(part.amount_in_cents for part in lines)
        payments = sum(part.amount_in_cents for part in good if part.type == "payment")
        refunds = sum(part.amount_in_cents for part in good if part.type == "refund")
        assert lines
        assert payments <= total
        assert refunds <= total
    assert parts == by_id(after)


def test_normal_forms_forget_what_chartmogul_drops():
    exact = customer(1, free_trial_started_at=on("2025-01-01", microsecond=123000))
    assert normal(customer(1)) == normal(exact)
    assert not same(customer(1), customer(1, free_trial_started_at=on("2025-01-01", microsecond=124000)))
    assert same(cancellation(), cancellation(event_date=on("2025-04-01", microsecond=999999)))
    assert same(line("1"), line("1", description="not kept on a subscription line", balance_transfer=False))
    assert same(invoice("1", line_items=(line("1"), line("1", 2))), invoice("1", line_items=(line("1", 2), line("1"))))
    assert not same(invoice("1"), invoice("1", due_date=on("2025-02-03")))
    assert same(customer(1, country="FR", state="NY"), customer(1, country="FR", state=None))
    assert not same(customer(1, state="NY"), customer(1, state=None))
