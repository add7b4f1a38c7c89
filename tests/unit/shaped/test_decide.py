"""What ChartMogul should hold of a group of customers, from rows and from what it holds (rules 1.1, 1.2, 4.10, 6.3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from target_chartmogul.billing.decisions import Holdings
from target_chartmogul.billing.objects import CANCELLATION_SCHEDULED, CANCELLED
from target_chartmogul.sources.keap.customers.contacts import email_fingerprint
from target_chartmogul.sources.native.decide import ShapedGroup, decide
from target_chartmogul.sources.native.rows import key_of, read
from tests.shaped_rows import cancellation, customer, invoice, payment, transaction

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)
NOTHING: frozenset[str] = frozenset()
SHELVES = {"subscription_cancellations": "cancellations"}


def group(existing=None, *, apart=False, **rows):
    shelves = {}
    for stream, each in rows.items():
        found = [read(stream, row, "shop-") for row in each]
        shelves[SHELVES.get(stream, stream)] = {key_of(row): row for row in found}
    held = (
        Holdings(customers=existing.customers, invoices=existing.invoices, events=existing.events) if existing else None
    )
    return ShapedGroup(**shelves, existing=held or Holdings(), transactions_apart=apart)


def decided(existing=None, *, gone=NOTHING, now=NOW, plans=frozenset({"gold"}), apart=False, **rows):
    return decide(group(existing, apart=apart, **rows), plans, gone, now)


@pytest.fixture
def held():
    return decided(
        customers=[customer()],
        invoices=[invoice(transactions=[payment()]), invoice("A-2", transactions=[])],
        subscription_cancellations=[cancellation()],
    )


def test_rule_1_2_rows_that_do_not_come_again_change_nothing(held):
    again = decided(held)
    assert (again.customers, again.invoices, again.events) == (held.customers, held.invoices, held.events)


def test_a_row_is_the_whole_object(held):
    bare = {"external_id": "acme/1"}
    assert decided(held, customers=[bare]).customers["acme/1"].name is None
    assert decided(held, invoices=[invoice(due_date="2026-02-01")]).invoices["A-1"].due_date is not None
    assert decided(held, invoices=[invoice()]).invoices["A-1"].due_date is None


@pytest.mark.parametrize(
    ("nested", "apart", "wanted"),
    [
        (None, False, ["ch_1"]),
        ([], False, []),
        ([payment("n")], False, ["n"]),
        (None, True, ["ch_1"]),
        ([], True, ["ch_1"]),
    ],
)
def test_transactions_of_an_invoice_that_comes_again(held, nested, apart, wanted):
    more = {} if nested is None else {"transactions": nested}
    found = decided(held, apart=apart, invoices=[invoice(**more)]).invoices["A-1"]
    assert [row.external_id for row in found.transactions] == wanted


def test_a_status_that_a_person_set_stays(held):
    held.invoices["A-1"] = msgspec.structs.replace(held.invoices["A-1"], status="written_off")
    assert decided(held, invoices=[invoice()]).invoices["A-1"].status == "written_off"


def test_a_transaction_replaces_itself_and_leaves_its_earlier_invoice(held):
    same = decided(held, transactions=[transaction(amount_in_cents=100)]).invoices
    assert [row.amount_in_cents for row in same["A-1"].transactions] == [100]
    other = decided(held, transactions=[transaction(of="A-2")]).invoices
    assert other["A-1"].transactions == ()
    assert [row.external_id for row in other["A-2"].transactions] == ["ch_1"]


@pytest.mark.parametrize(
    ("rows", "stream", "reason", "due"),
    [
        ({"invoices": [invoice("B", "nobody")]}, "invoices", "its customer nobody has not arrived", None),
        ({"transactions": [transaction(of="B")]}, "transactions", "its invoice B has not arrived", None),
        (
            {"subscription_cancellations": [cancellation(owner="nobody")]},
            "subscription_cancellations",
            "its customer nobody has not arrived",
            None,
        ),
        ({"invoices": [invoice(date="2026-06-02")]}, "invoices", "future", datetime(2026, 6, 2, tzinfo=UTC)),
        (
            {"invoices": [invoice(transactions=[payment(date="2026-06-03")])]},
            "invoices",
            "future",
            datetime(2026, 6, 3, tzinfo=UTC),
        ),
        (
            {"transactions": [transaction(date="2026-06-02")]},
            "transactions",
            "future",
            datetime(2026, 6, 2, tzinfo=UTC),
        ),
    ],
)
def test_rules_1_5_and_1_8_a_row_waits_for_its_day_or_for_what_it_needs(held, rows, stream, reason, due):
    found = decided(held, **rows)
    assert [(each.stream, each.reason, each.due) for each in found.waiting] == [(stream, reason, due)]
    assert (found.customers, found.invoices, found.events) == (held.customers, held.invoices, held.events)


def test_rule_1_8_an_invoice_waits_for_its_plan(held):
    found = decided(held, plans=frozenset(), invoices=[invoice("A-3")])
    assert [each.reason for each in found.waiting] == ["the plan gold of its line A-3/1 has not arrived"]
    assert "A-3" not in found.invoices


@pytest.mark.parametrize(
    ("gone", "invoices", "customers", "events"),
    [
        (set(), 2, 1, 1),
        ({"invoices"}, 0, 1, 1),
        ({"subscription_cancellations"}, 2, 1, 0),
        ({"customers"}, 2, 1, 1),
        ({"customers", "invoices"}, 0, 1, 1),
        ({"customers", "invoices", "subscription_cancellations"}, 0, 0, 0),
    ],
)
def test_rule_4_10_what_complete_reads_did_not_bring_goes_but_no_customer_that_is_needed(
    held, gone, invoices, customers, events
):
    found = decided(held, gone=gone)
    assert (len(found.invoices), len(found.customers), len(found.events)) == (invoices, customers, events)


def test_rule_4_10_transactions_that_a_complete_read_did_not_bring_go(held):
    found = decided(held, gone={"transactions"}, apart=True, transactions=[transaction("new", "A-2")])
    assert {key: [row.external_id for row in each.transactions] for key, each in found.invoices.items()} == {
        "A-1": [],
        "A-2": ["new"],
    }


def test_a_waiting_invoice_is_not_gone(held):
    found = decided(held, gone={"invoices"}, invoices=[invoice(owner="nobody"), invoice("A-2")])
    assert sorted(found.invoices) == ["A-1", "A-2"]


def test_rule_6_3_a_cancellation_is_scheduled_until_its_day_and_back():
    rows = {"customers": [customer()], "subscription_cancellations": [cancellation("2026-06-10", external_id="end")]}
    first = decided(**rows)
    (event,) = first.events.values()
    assert (event.external_id, event.event_type) == ("end-scheduled", CANCELLATION_SCHEDULED)
    assert event.event_date == NOW
    later = decided(first, now=NOW + timedelta(days=3), **rows)
    assert later.events == first.events, "the day on which it was first seen stays"
    due = decided(first, now=NOW + timedelta(days=20))
    (event,) = due.events.values()
    assert (event.external_id, event.event_type) == ("end", CANCELLED)
    assert event == next(iter(decided(now=NOW + timedelta(days=20), **rows).events.values()))
    put_off = [cancellation("2026-07-10", external_id="end")]
    assert list(decided(due, now=NOW + timedelta(days=20), subscription_cancellations=put_off).events) == [
        "end-scheduled"
    ]


def test_a_cancellation_without_date_is_withdrawn_done_or_to_come(held):
    for day in ("2026-03-01", "2026-07-01"):
        before = decided(
            held, gone={"subscription_cancellations"}, subscription_cancellations=[cancellation(day, external_id="end")]
        )
        assert len(before.events) == 1
        assert decided(before, subscription_cancellations=[cancellation(None, external_id="end")]).events == {}


@pytest.mark.parametrize(
    ("address", "refused", "sent"),
    [("a@b.example.com", False, True), ("a@b.example.com", True, False), ("nobody", False, False)],
)
def test_rules_3_3_and_9_9_an_address_that_is_none_or_was_refused_is_left_out(address, refused, sent):
    rows = group(customers=[customer(email=address)])
    if refused:
        rows.refused_emails["acme/1"] = email_fingerprint(address)
    found = decide(rows, frozenset(), NOTHING, NOW)
    assert (found.customers["acme/1"].email is not None) is sent
    assert [note.kind for note in found.notes] == (["dropped_emails"] if address == "nobody" else [])
