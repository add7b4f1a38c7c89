"""What ChartMogul should hold of an account, from all its rows and from what it holds (rules 1.1 to 1.8, 6.3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from types import SimpleNamespace

import msgspec
import pytest

from target_chartmogul.billing.decisions import Holdings
from target_chartmogul.billing.mrr import mrr_by_customer
from target_chartmogul.billing.objects import CANCELLATION_SCHEDULED, CANCELLED
from target_chartmogul.plan.figures import notes_with_mrr
from target_chartmogul.sources.native.streams import STREAMS, node_of
from target_chartmogul.sources.protocol import Context, StoredRecord
from tests.support.native_records import SOURCE, records, stored
from tests.support.native_rows import cancellation, customer, invoice, line_item, payment, plan, transaction

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)
GOLD = [plan()]


def decided(held=None, *, gone=None, hard_delete=False, now=NOW, plans=GOLD, memories=(), extra=(), **rows):
    """The decision of one account; `held`: an earlier decision, carried out."""
    holdings = Holdings(customers=held.customers, invoices=held.invoices, events=held.events) if held else Holdings()
    catalogue = SOURCE.catalogue(records({"plans": plans}), {})
    context = Context(settings=SimpleNamespace(hard_delete=hard_delete), now=now)
    return SOURCE.decide([*records(rows, gone), *extra], holdings, list(memories), catalogue, context)


def rows_of(**changes):
    rows = {
        "customers": [customer()],
        "invoices": [invoice(transactions=[payment()]), invoice("A-2", transactions=[])],
        "subscription_cancellations": [cancellation()],
    }
    return {stream: each for stream, each in {**rows, **changes}.items() if each is not None}


@pytest.fixture
def held():
    return decided(**rows_of())


def content(decision):
    return decision.customers, decision.invoices, decision.events


def waiting(decision):
    return [(each.stream, each.id, each.reason) for each in decision.waiting]


def rejected(decision):
    return [(each.stream, each.id, each.field) for each in decision.rejects]


def parts(decision):
    return {
        key: ([line.external_id for line in each.line_items], [row.external_id for row in each.transactions])
        for key, each in decision.invoices.items()
    }


def test_rule_1_1_the_same_rows_in_any_order_decide_the_same(held):
    whole = records(rows_of())
    for order in permutations(whole):
        assert content(decided(extra=order)) == content(held)
    assert held.plans == {"gold": SOURCE.catalogue(records({"plans": GOLD}), {}).plans["gold"]}
    assert content(decided(held, **rows_of())) == content(held)


def test_rule_1_4_what_is_held_without_any_row_stays(held):
    assert content(decided(held)) == content(held)
    assert content(decided(held, hard_delete=True)) == content(held)


def test_a_row_is_the_whole_object(held):
    assert decided(held, customers=[{"external_id": "acme/1"}]).customers["acme/1"].name is None
    due = rows_of(invoices=[invoice(due_date="2026-02-01")])
    assert decided(held, **due).invoices["A-1"].due_date is not None
    assert decided(held, **rows_of(invoices=[invoice()])).invoices["A-1"].due_date is None


@pytest.mark.parametrize(
    ("nested", "wanted"), [(None, ["ch_1"]), ([], []), ([payment("n")], ["n"]), ([payment(), payment("n")], 2)]
)
def test_transactions_of_an_invoice_that_changes(held, nested, wanted):
    more = {} if nested is None else {"transactions": nested}
    found = parts(decided(held, **rows_of(invoices=[invoice(**more)])))["A-1"][1]
    assert found == (wanted if isinstance(wanted, list) else ["ch_1", "n"])


@pytest.mark.parametrize("name", ["status", "disabled"])
def test_what_a_person_set_stays_until_a_row_says_otherwise(held, name):
    value = "written_off" if name == "status" else True
    held.invoices["A-1"] = msgspec.structs.replace(held.invoices["A-1"], **{name: value})
    silent = decided(held, **rows_of(invoices=[invoice()])).invoices["A-1"]
    assert getattr(silent, name) == value
    says = {"status": "open"} if name == "status" else {"disabled": False}
    assert getattr(decided(held, **rows_of(invoices=[invoice(**says)])).invoices["A-1"], name) is None


def test_voided_and_disabled_invoices_and_event_order_count_in_the_mrr():
    """The case `dropped-fields`: January 0, March 1000, the line with `event_order` 2."""
    march = {"service_period_start": "2026-03-05", "service_period_end": "2026-04-05"}

    def second(name, amount, order):
        item = line_item(f"{name}/1", amount, subscription_external_id="s2", event_order=order, **march)
        return invoice(name, date="2026-03-05", line_items=[item])

    rows = [invoice(status="voided", disabled=True), second("B-1", 1000, 2), second("B-2", 2000, 1)]
    found = decided(customers=[customer()], invoices=rows)
    mrr = mrr_by_customer(found.invoices.values(), found.events.values(), found.plans, NOW)
    assert (mrr["2026-01"], mrr["2026-03"]) == ({}, {"acme/1": 1000})


# --- what waits (rules 1.5, 1.8)


@pytest.mark.parametrize(
    ("rows", "stream", "reason", "due"),
    [
        ({"invoices": [invoice("B", "nobody")]}, "invoices", "its customer nobody has not arrived", None),
        ({"transactions": [transaction("t", "B")]}, "transactions", "its invoice B has not arrived", None),
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
            {"transactions": [transaction("t", date="2026-06-02")]},
            "transactions",
            "future",
            datetime(2026, 6, 2, tzinfo=UTC),
        ),
    ],
)
def test_rules_1_5_and_1_8_a_row_waits_for_its_day_or_for_what_it_needs(held, rows, stream, reason, due):
    found = decided(held, **rows)
    assert [(each.stream, each.reason, each.due) for each in found.waiting] == [(stream, reason, due)]
    assert found.next_due == due
    assert content(found) == content(held)


def test_rule_1_8_an_invoice_waits_for_its_plan_which_chartmogul_may_have(held):
    found = decided(held, plans=[], invoices=[invoice("A-3")])
    assert waiting(found) == [("invoices", "A-3", "the plan gold of its line A-3/1 has not arrived")]
    assert "A-3" not in found.invoices
    catalogue = SOURCE.catalogue([], held.plans)
    context = Context(settings=SimpleNamespace(hard_delete=False), now=NOW)
    found = SOURCE.decide(records(rows_of()), Holdings(), [], catalogue, context)
    assert sorted(found.invoices) == ["A-1", "A-2"]


def test_the_case_waiting_row_forgotten():
    """An invoice of 10 June is sent from then on; a payment waits for its invoice."""
    rows = {"customers": [customer()], "invoices": [invoice(date="2026-06-10")], "transactions": [transaction()]}
    early = decided(**rows)
    assert early.invoices == {}
    assert waiting(early) == [
        ("invoices", "A-1", "future"),
        ("transactions", "ch_1", "its invoice A-1 has not arrived"),
    ]
    late = decided(early, now=early.next_due, **rows)
    assert parts(late) == {"A-1": (["A-1/1"], ["ch_1"])}
    assert (late.waiting, late.next_due) == ([], None)


def test_a_held_transaction_whose_row_waits_stays_where_it_is(held):
    rows = rows_of(invoices=[invoice(), invoice("A-2")])
    for change in ({"date": "2026-07-01"}, {"of": "nowhere"}):
        found = decided(held, **rows, transactions=[transaction(**change)])
        assert parts(found)["A-1"][1] == ["ch_1"]
        assert len(found.waiting) == 1


def test_a_customers_date_to_come_is_left_out_until_its_day():
    rows = {"customers": [customer(free_trial_started_at="2026-06-05", lead_created_at="2026-05-01")]}
    found = decided(**rows)
    assert found.customers["acme/1"].free_trial_started_at is None
    assert found.customers["acme/1"].lead_created_at == datetime(2026, 5, 1, tzinfo=UTC)
    assert found.next_due == datetime(2026, 6, 5, tzinfo=UTC)
    assert decided(now=found.next_due, **rows).customers["acme/1"].free_trial_started_at == found.next_due


def test_rule_1_5_a_record_without_any_valid_version_leaves_what_is_held(held):
    blank = [
        StoredRecord(STREAMS.index(stream), 1, None, False, key)
        for stream, key in (("customers", "acme/1"), ("invoices", "A-1"), ("subscription_cancellations", "x"))
    ]
    assert content(decided(held, extra=blank, hard_delete=True)) == content(held)
    assert content(decided(extra=blank)) == ({}, {}, {})


# --- lines and transactions have one invoice


def claiming(name, line, date="2026-01-05", **fields):
    return invoice(name, date=date, line_items=[line_item(line)], **fields)


def test_a_line_of_two_invoices_is_rejected_and_named_in_any_order():
    rows = [claiming("B-1", "L"), claiming("A-9", "L", date="2026-01-06")]
    for order in (rows, rows[::-1]):
        found = decided(customers=[customer()], invoices=order)
        assert rejected(found) == [("invoices", "A-9", "line_items.0.external_id")]
        assert found.rejects[0].reason == "is also the id of a line of invoice B-1"
        assert parts(found) == {"B-1": (["L"], [])}


def test_the_invoice_that_has_a_line_in_chartmogul_keeps_it():
    held = decided(customers=[customer()], invoices=[claiming("late", "L", date="2026-03-05")])
    both = [claiming("early", "L"), claiming("late", "L", date="2026-03-05", due_date="2026-04-01")]
    found = decided(held, customers=[customer()], invoices=both)
    assert rejected(found) == [("invoices", "early", "line_items.0.external_id")]
    assert found.invoices["late"].due_date is not None
    assert "early" not in found.invoices


def test_a_line_that_moves_to_another_invoice_is_no_conflict():
    held = decided(customers=[customer()], invoices=[claiming("A", "L"), claiming("B", "M")])
    moved = [claiming("A", "N"), invoice("B", line_items=[line_item("M"), line_item("L")])]
    found = decided(held, customers=[customer()], invoices=moved)
    assert parts(found) == {"A": (["N"], []), "B": (["M", "L"], [])}
    assert (found.rejects, found.waiting) == ([], [])
    half = decided(held, customers=[customer()], invoices=[claiming("A", "L"), moved[1]])
    assert rejected(half) == [("invoices", "B", "line_items.1.external_id")]
    assert parts(half) == {"A": (["L"], []), "B": (["M"], [])}, "until the first invoice comes without it"


def test_a_line_waits_while_the_invoice_that_has_it_waits():
    held = decided(customers=[customer()], invoices=[claiming("A", "L")])
    rows = [claiming("A", "N", owner="nobody"), claiming("B", "L")]
    found = decided(held, customers=[customer()], invoices=rows)
    assert ("invoices", "B", "its line L is still on invoice A") in waiting(found)
    assert parts(found) == {"A": (["L"], [])}
    assert found.rejects == []


def test_a_transaction_of_two_invoices_is_rejected_and_named():
    rows = [invoice(transactions=[payment()]), invoice("A-2", date="2026-01-06", transactions=[payment()])]
    found = decided(customers=[customer()], invoices=rows)
    assert rejected(found) == [("invoices", "A-2", "transactions.0.external_id")]
    assert found.rejects[0].reason == "is also the id of a transaction of invoice A-1"


def test_a_nested_transaction_moves_with_the_lists_of_both_invoices(held):
    rows = [invoice(transactions=[]), invoice("A-2", transactions=[payment()])]
    assert parts(decided(held, **rows_of(invoices=rows))) == {"A-1": (["A-1/1"], []), "A-2": (["A-2/1"], ["ch_1"])}
    silent = [invoice(), invoice("A-2", transactions=[payment()])]
    assert parts(decided(held, **rows_of(invoices=silent)))["A-1"][1] == []


def test_a_transaction_of_the_stream_replaces_itself_and_leaves_its_earlier_invoice(held):
    rows = rows_of(invoices=[invoice(), invoice("A-2")])
    same = decided(held, **rows, transactions=[transaction(amount_in_cents=100)]).invoices
    assert [row.amount_in_cents for row in same["A-1"].transactions] == [100]
    other = decided(held, **rows, transactions=[transaction(of="A-2")])
    assert {key: each[1] for key, each in parts(other).items()} == {"A-1": [], "A-2": ["ch_1"]}
    without_rows = decided(held, transactions=[transaction(of="A-2")])
    assert {key: each[1] for key, each in parts(without_rows).items()} == {"A-1": [], "A-2": ["ch_1"]}


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (transaction("other"), "invoice_external_id"),
        (transaction(of="A-2"), "external_id"),
        (transaction(amount_in_cents=1), ""),
        (transaction(), None),
    ],
)
def test_a_transaction_beside_an_invoice_that_lists_its_own(row, field):
    found = decided(**rows_of(), transactions=[row])
    assert rejected(found) == ([] if field is None else [("transactions", row["external_id"], field)])
    assert {key: each[1] for key, each in parts(found).items()} == {"A-1": ["ch_1"], "A-2": []}


# --- what is gone (rule 1.8)


def test_rule_1_8_what_is_gone_goes_on_to_count_and_is_reported(held):
    found = decided(held, gone=rows_of())
    assert content(found) == content(held)
    notes = [each for each in found.notes if each.kind == "gone_rows"]
    assert [(each.kind, each.id) for each in notes] == [
        ("gone_rows", "customers:acme/1"),
        ("gone_rows", "invoices:A-1"),
        ("gone_rows", "invoices:A-2"),
        ("gone_rows", "subscription_cancellations:sub å1-cancelled-2026-03-01"),
    ]
    assert notes[0].detail == {"stream": "customers", "record": "acme/1"}


@pytest.mark.parametrize(
    ("gone", "invoices", "customers", "events", "noted"),
    [
        ((), 2, 1, 1, 0),
        (("invoices",), 0, 1, 1, 0),
        (("subscription_cancellations",), 2, 1, 0, 0),
        (("customers",), 2, 1, 1, 1),
        (("customers", "invoices"), 0, 1, 1, 1),
        (("customers", "invoices", "subscription_cancellations"), 0, 0, 0, 0),
    ],
)
def test_rule_1_8_with_hard_delete_it_goes_but_no_customer_of_whom_something_is_left(
    held, gone, invoices, customers, events, noted
):
    rows = rows_of()
    left = {stream: each for stream, each in rows.items() if stream not in gone}
    found = decided(held, hard_delete=True, gone={stream: rows[stream] for stream in gone}, **left)
    assert (len(found.invoices), len(found.customers), len(found.events)) == (invoices, customers, events)
    assert len([each for each in found.notes if each.kind == "gone_rows"]) == noted


def test_rule_1_8_a_customer_that_is_gone_stays_for_an_invoice_that_waits():
    found = decided(hard_delete=True, gone={"customers": [customer()]}, invoices=[invoice(date="2026-07-01")])
    assert sorted(found.customers) == ["acme/1"]


@pytest.mark.parametrize("kind", ["invoices", "events"])
def test_rule_1_8_a_customer_that_is_gone_stays_for_what_chartmogul_holds_without_a_row(held, kind):
    kept = {"customers": held.customers, "invoices": {}, "events": {}, kind: getattr(held, kind)}
    found = decided(SimpleNamespace(**kept), hard_delete=True, gone={"customers": [customer()]})
    assert sorted(found.customers) == ["acme/1"]
    assert getattr(found, kind) == getattr(held, kind)


def test_rule_1_8_a_transaction_that_is_gone(held):
    rows = rows_of(invoices=[invoice(), invoice("A-2")])
    gone = {"transactions": [transaction()]}
    assert parts(decided(held, gone=gone, **rows))["A-1"][1] == ["ch_1"]
    assert parts(decided(held, gone=gone, hard_delete=True, **rows))["A-1"][1] == []


def test_rule_1_8_a_transaction_whose_invoice_is_gone_is_said_to_wait_for_it(held):
    rows = rows_of(invoices=None)
    found = decided(held, hard_delete=True, gone={"invoices": [invoice()]}, transactions=[transaction()], **rows)
    assert waiting(found) == [("transactions", "ch_1", "its invoice A-1 is gone")]
    assert sorted(found.invoices) == ["A-2"]


def test_an_invoice_that_waits_is_not_gone(held):
    rows = [invoice(owner="nobody"), invoice("A-2")]
    assert sorted(decided(held, hard_delete=True, invoices=rows).invoices) == ["A-1", "A-2"]


# --- cancellations (rule 6.3)


def test_rule_6_3_a_cancellation_is_scheduled_until_its_day_and_back():
    rows = {"customers": [customer()], "subscription_cancellations": [cancellation("2026-06-10", external_id="end")]}
    first = decided(**rows)
    (event,) = first.events.values()
    assert (event.external_id, event.event_type) == ("end-scheduled", CANCELLATION_SCHEDULED)
    assert (event.event_date, first.next_due) == (NOW, event.effective_date)
    later = decided(first, now=NOW + timedelta(days=3), **rows)
    assert later.events == first.events, "the day on which it was first seen stays"
    for again in (rows, {}):
        due = decided(first, now=first.next_due, **again)
        (event,) = due.events.values()
        assert (event.external_id, event.event_type, due.next_due) == ("end", CANCELLED, None)
        assert event.event_date == event.effective_date
    put_off = {**rows, "subscription_cancellations": [cancellation("2026-07-10", external_id="end")]}
    assert list(decided(due, now=NOW + timedelta(days=20), **put_off).events) == ["end-scheduled"]


def noted(decision, ending=""):
    plans = SOURCE.catalogue(records({"plans": GOLD}), {}).plans
    return [
        (each.kind, each.id, each.detail.get("mrr"), each.detail["reason"])
        for each in notes_with_mrr(decision, plans)
        if each.kind.startswith(("cancellations", "scheduled")) and each.kind.endswith(ending)
    ]


def test_rule_7_1_each_cancellation_is_listed_with_the_mrr_that_ends():
    """The case `mrr-of-native-plans`: the churn of s1 is 4900."""
    rows = rows_of(subscription_cancellations=[cancellation(external_id="end")])
    found = decided(**rows)
    done = ("end", 4900, "current")
    assert noted(found) == [("cancellations", *done), ("cancellations_added", *done)]
    assert noted(decided(found, **rows)) == [("cancellations", *done)]
    gone = decided(found, **rows_of(subscription_cancellations=[cancellation(None, external_id="end")]))
    assert noted(gone) == [("cancellations_removed", "end", None, "withdrawn")]
    later = rows_of(subscription_cancellations=[cancellation("2026-06-10", external_id="end")])
    scheduled = decided(**later)
    assert noted(scheduled, "ns") == [("scheduled_cancellations", "end-scheduled", 4900, "current")]
    due = decided(scheduled, now=NOW + timedelta(days=20), **later)
    assert noted(due, "removed") == [("scheduled_cancellations_removed", "end-scheduled", None, "due")]


@pytest.mark.parametrize("day", ["2026-03-01", "2026-07-01"])
def test_a_cancellation_without_date_is_withdrawn_done_or_to_come(day):
    rows = {"customers": [customer()]}
    before = decided(**rows, subscription_cancellations=[cancellation(day, external_id="end")])
    assert len(before.events) == 1
    assert decided(before, **rows, subscription_cancellations=[cancellation(None, external_id="end")]).events == {}


def test_a_cancellation_whose_new_customer_has_not_arrived_stays_as_it_was(held):
    end = {"external_id": "end"}
    before = decided(**rows_of(subscription_cancellations=[cancellation(**end)]))
    moved = decided(before, **rows_of(subscription_cancellations=[cancellation("2026-04-01", owner="other", **end)]))
    assert moved.events == before.events
    assert len(moved.waiting) == 1


# --- addresses (rules 3.3, 9.9)


@pytest.mark.parametrize(
    ("address", "refused", "sent"),
    [("a@b.example.com", False, True), ("a@b.example.com", True, False), ("nobody", False, False)],
)
def test_rules_3_3_and_9_9_an_address_that_is_none_or_was_refused_is_left_out(address, refused, sent):
    memory = SOURCE.email_refused("acme/1", address)
    assert memory.node == node_of("customers", "acme/1")
    assert address.encode() not in memory.value
    memories = [memory] if refused else []
    found = decided(customers=[customer(email=address)], memories=memories)
    assert (found.customers["acme/1"].email is not None) is sent
    noted = ["dropped_emails"] if address == "nobody" else ["refused_emails"] if refused else []
    assert [note.kind for note in found.notes] == noted
    assert found.memories == memories
    other = decided(customers=[customer(email="new@b.example.com")], memories=memories)
    assert other.customers["acme/1"].email == "new@b.example.com"


def test_people_who_tag_customers_in_chartmogul_keep_their_tags(held):
    held.customers["acme/1"] = msgspec.structs.replace(held.customers["acme/1"], tags=("vip",))
    assert decided(held, **rows_of()).customers["acme/1"].tags == ("vip",)


def test_stored_rows_are_the_rows(held):
    assert stored("invoices", invoice()).payload == stored("invoices", dict(reversed(invoice().items()))).payload
