"""Rows that are not done: kept by a ledger that lasts, else a reason to hold the STATE back (rule 1.5)."""

from __future__ import annotations

import json

import pytest

from target_chartmogul.billing.decisions import Reject
from target_chartmogul.ledger import settling
from target_chartmogul.ledger.ledger import Ledger
from target_chartmogul.singer.state import StateKeeper
from target_chartmogul.sources.native.grouping import ShapedGroups
from target_chartmogul.sources.native.inbox import ShapedInbox
from target_chartmogul.sources.native.planning import Outcome, ShapedSettling
from target_chartmogul.sources.native.rows import read
from tests.shaped_rows import customer, invoice, payment, plan, transaction

ROWS = {
    "plans": [plan()],
    "customers": [customer("a"), customer("b")],
    "invoices": [invoice("A", "a"), invoice("B", "b")],
    "transactions": [transaction("t", "A"), transaction("orphan", "C")],
}


@pytest.fixture
def ledger(tmp_path):
    opened = Ledger(tmp_path / "ledger.sqlite")
    assert opened.claim(shaped=True)
    yield opened
    opened.close()


@pytest.fixture
def inbox(tmp_path):
    made = ShapedInbox(tmp_path / "inbox.sqlite", "shop-")
    for stream, rows in ROWS.items():
        made.origins[stream] = {stream}
        for row in rows:
            made.put(stream, row, json.dumps(row).encode(), "2026-05-01")
    made.settle()
    yield made
    made.close()


def settled(inbox, ledger, lanes_done, *, lasting=True):
    groups = ShapedGroups(inbox, ledger.path, frozenset())
    state = StateKeeper()
    state.saw_record()
    state.take({"bookmarks": {stream: {"replication_key_value": "2026-06-01"} for stream in ROWS}})
    settling = ShapedSettling(inbox, ledger, lasting=lasting)
    for lane, group in enumerate(groups, 1):
        settling.take(Outcome(group, lane))
    return settling.settle(lanes_done, state), state


def kept(ledger):
    return sorted((row.stream, json.loads(row.raw)["external_id"]) for row in ledger.kept_rows())


def test_a_group_that_is_not_done_is_kept_whole_with_what_waits_and_plans_that_were_not_taken(inbox, ledger):
    assert settled(inbox, ledger, {1})[0] == 1
    rest = kept(ledger)
    assert ("plans", "gold") in rest
    assert ("transactions", "orphan") in rest
    assert len([each for each in rest if each[0] == "customers"]) == 1
    assert {each[1].lower() for each in rest if each[0] in {"customers", "invoices"}} in ({"a"}, {"b"})


def test_what_is_done_is_released(inbox, ledger):
    ledger.record([("plan", read("plans", plan(), "shop-"), "pl_1", {})])
    with ledger.transaction():
        ledger.keep([stored.kept() for stored, _ in inbox.rows("TRUE")])
    assert len(kept(ledger)) == 7
    assert settled(inbox, ledger, {1, 2})[0] == 0
    assert kept(ledger) == [("transactions", "orphan")]


@pytest.mark.parametrize("origin", ["transactions", "charges"])
def test_without_a_lasting_ledger_the_bookmark_of_the_taps_stream_stays_behind(inbox, ledger, origin):
    ledger.record([("plan", read("plans", plan(), "shop-"), "pl_1", {})])
    inbox.origins["transactions"] = {origin}
    _, state = settled(inbox, ledger, {1, 2}, lasting=False)
    state.take({"bookmarks": {origin: {"replication_key_value": "2026-06-01"}}})
    held = {"replication_key_value": "2026-05-01"} if origin == "transactions" else {}
    assert state.value() == {"bookmarks": {origin: held}}
    assert kept(ledger) == []


def test_too_much_that_is_not_done_is_not_kept_but_holds_the_state(inbox, ledger, monkeypatch):
    """But for plans and single rows that wait, and what an earlier run kept."""
    monkeypatch.setattr(settling, "MOST_UNSENT", 1)
    earlier = next(stored for stored, _ in inbox.rows("key = 'B'"))
    with ledger.transaction():
        ledger.keep([earlier.kept()])
    unfinished, state = settled(inbox, ledger, set())
    assert unfinished == 2
    assert kept(ledger) == [("invoices", "B"), ("plans", "gold"), ("transactions", "orphan")]
    held = {"replication_key_value": "2026-05-01"}
    goes_on = {"replication_key_value": "2026-06-01"}
    assert state.value() == {"bookmarks": {"plans": goes_on, "customers": held, "invoices": held, "transactions": held}}


def test_kept_rows_come_back_but_newer_ones_win(inbox, tmp_path):
    rows = [stored.kept() for stored, _ in inbox.rows("stream = 'plans'")]
    other = ShapedInbox(tmp_path / "other.sqlite", "shop-")
    newer = plan(name="Newer")
    other.put("plans", newer, json.dumps(newer).encode(), None)
    assert list(other.put_kept(rows)) == []
    assert [row.name for _, row in other.rows("TRUE")] == ["Newer"]
    other.close()


@pytest.mark.parametrize(
    ("rejected", "wanted"),
    [(None, {"plans", "customers"}), ("plans", {"customers"}), ("people", {"plans"}), ("(unknown)", set())],
)
def test_rule_4_10_a_read_is_complete_if_all_of_its_streams_said_so_and_no_row_was_rejected(inbox, rejected, wanted):
    inbox.origins = {"plans": {"plans"}, "customers": {"people", "firms"}, "invoices": {"invoices", "bills"}}
    inbox.read_completely |= {"plans", "people", "firms", "bills"}
    rejects = [Reject(stream=rejected, id="1", field="x", reason="y")] if rejected else []
    if rejected == "people":
        rejects = [Reject(stream="customers", id="1", field="x", reason="y")]
    assert inbox.whole(rejects) == wanted


def test_invoices_that_list_transactions_are_refused_beside_a_stream_of_them(inbox):
    nested = invoice("N", "a", transactions=[payment("n")])
    inbox.put("invoices", nested, json.dumps(nested).encode(), None)
    inbox.settle()
    assert [each.id for each in inbox.refuse_nested_transactions()] == ["N"]
    assert {stored.key for stored, _ in inbox.rows("stream = 'invoices'")} == {"A", "B"}
    del inbox.origins["transactions"]
    inbox.put("invoices", nested, json.dumps(nested).encode(), None)
    inbox.settle()
    assert list(inbox.refuse_nested_transactions()) == []
