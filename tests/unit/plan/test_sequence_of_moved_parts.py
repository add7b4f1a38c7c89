"""A line or transaction that comes into another invoice leaves its own first: ChartMogul takes no id twice."""

from __future__ import annotations

from itertools import permutations

import pytest

from target_chartmogul.plan.sequence import ordered
from tests.support.billing_objects import invoice, line, paid
from tests.support.memory_journal import create, delete, update


def shown(changes):
    return [(change.action, change.kind, change.external_id) for change in changes]


@pytest.mark.parametrize(
    ("kind", "part"), [("transaction", paid("1")), ("line_item", line("1"))], ids=["transaction", "line"]
)
def test_before_it_is_created_alone_or_in_a_new_invoice(kind, part):
    parts = {"transactions": (), "line_items": (line("2"),)}
    shelf = "transactions" if kind == "transaction" else "line_items"
    alone = [delete(kind, part, parent="9"), create(kind, part, parent="1")]
    whole = [delete(kind, part, parent="9"), create("invoice", invoice("2", **{**parts, shelf: (part,)}))]
    for lane in (alone, whole):
        for given in permutations(lane):
            assert [change.action for change in ordered(given)] == ["delete", "create"]


@pytest.mark.parametrize("moved", [False, True])
def test_an_invoice_that_is_deleted_gives_its_parts_free_first(moved):
    """Also one that is deleted and imported again, under another customer and without the part."""
    old = invoice("1")
    heir = invoice("2", line_items=(line("1"),), transactions=())
    again = [create("invoice", invoice("1", owner=2, line_items=(line("1", 9),), transactions=()))] if moved else []
    for given in permutations([delete("invoice", old), create("invoice", heir), *again]):
        assert ordered(given)[0].action == "delete"


def test_an_invoice_that_gives_a_line_away_has_another_one_and_no_money_that_it_would_not_cover():
    held = invoice("1")
    given = [
        create("invoice", invoice("2", line_items=held.line_items, transactions=())),
        create("transaction", paid("1", 7, 100), parent="1"),
        delete("line_item", held.line_items[0], parent="1"),
        create("line_item", line("1", 2, 100), parent="1"),
        delete("transaction", held.transactions[0], parent="1"),
        update("invoice", held, currency="EUR"),
    ]
    for lane in permutations(given):
        assert shown(ordered(lane)) == [
            ("delete", "transaction", "1-1"),
            ("create", "line_item", "1-2"),
            ("delete", "line_item", "1-1"),
            ("create", "invoice", "2"),
            ("update", "invoice", "1"),
            ("create", "transaction", "7-1"),
        ]


def test_parts_that_stay_in_their_invoice_are_sent_as_ever():
    held = invoice("1")
    lane = [create("invoice", invoice("3")), delete("line_item", held.line_items[0], parent="1")]
    assert shown(ordered(lane)) == shown(lane)
