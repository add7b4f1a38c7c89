"""ChartMogul's objects as JSON and back."""

from __future__ import annotations

import pytest

from target_chartmogul.chartmogul.fields import OddFieldError
from target_chartmogul.chartmogul.wire import Wire, changed
from tests.support.billing_objects import cancellation, customer, invoice, line, paid

WIRE = Wire("keap-", "ds_1", own_tags=frozenset({"vip"}), own_attributes=frozenset({"size"}))


def answer(bill):
    """An invoice as ChartMogul would answer it."""
    lines = [WIRE.line_item(each, {"plan_external_id": f"keap-{each.plan_external_id}"}) for each in bill.line_items]
    rows = [WIRE.transaction(each) for each in bill.transactions]
    return {**WIRE.new_invoice(bill), "status": bill.status, "line_items": lines, "transactions": rows}


@pytest.mark.parametrize(
    "bill",
    [
        invoice("500"),
        invoice("500", status="voided", transactions=()),
        invoice("500", line_items=(line("500", event_order=2**40), line("500", 2, event_order=0), line("500", 3))),
        invoice("500", transactions=(paid("500", amount=-1, type="refund"),)),
    ],
)
def test_there_and_back(bill):
    assert WIRE.read_invoice(answer(bill)) == bill


@pytest.mark.parametrize(("shown", "read"), [(True, True), ("true", True), (False, None), (None, None), ("?", None)])
def test_disabled_is_read(shown, read):
    assert WIRE.read_invoice({**answer(invoice("500")), "disabled": shown}).disabled is read


@pytest.mark.parametrize(
    ("status", "read"), [("voided", "voided"), ("written_off", "written_off"), ("paid", None), ("open", None)]
)
def test_statuses_that_chartmogul_computes_are_not_ours(status, read):
    assert WIRE.read_invoice({**answer(invoice("500")), "status": status}).status == read


def test_event_order_is_cleared_when_it_goes():
    with_order, without = (WIRE.line_item(line("500", event_order=order), {}) for order in (5, None))
    assert changed(with_order, without) == {"event_order": None}
    assert changed(without, with_order) == {"event_order": 5}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"date": None}, "date"),
        ({"date": "someday"}, "date"),
        ({"due_date": 7}, "due_date"),
        ({"currency": {}}, "currency"),
        ({"line_items": None}, "line_items"),
        ({"line_items": ["x"]}, "line_items[0]"),
        ({"transactions": {}}, "transactions"),
        ({"line_items": [{"external_id": "keap-1", "amount_in_cents": "x"}]}, "line_items[0].amount_in_cents"),
        ({"transactions": [{"external_id": "keap-1", "amount_in_cents": 1}]}, "transactions[0].date"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_place(change, place):
    with pytest.raises(OddFieldError) as caught:
        WIRE.read_invoice({**answer(invoice("500")), **change})
    assert caught.value.place == place


@pytest.mark.parametrize("foreign", [None, 12345678901234567890, "500", ["keap-1"], {}, "", True, "keap-"])
def test_foreign_objects_are_not_read_whatever_they_hold(foreign):
    row = {"external_id": foreign, "date": "someday", "event_date": 7, "interval_count": "x", "line_items": None}
    assert WIRE.read_invoice(row) is WIRE.read_event(row) is WIRE.read_plan(row) is None
    bill = {**answer(invoice("500")), "line_items": [row], "transactions": [row]}
    assert (WIRE.read_invoice(bill).line_items, WIRE.read_invoice(bill).transactions) == ((), ())


def test_attributes_of_an_odd_form_are_none():
    row = {**WIRE.customer(customer(1)), "zip": 85281}
    for odd in (
        None,
        7,
        [],
        "x",
        {"tags": None, "custom": ["size"]},
        {"tags": [7, "vip", None], "custom": {"size": None}},
    ):
        read = WIRE.read_customer({**row, "attributes": odd}, "1")
        assert read.custom == ()
        assert read.tags in {(), ("vip",)}
        assert read.zip == "85281"


def test_an_event_without_dates_is_named():
    event = WIRE.event(cancellation())
    assert WIRE.read_event(event) == cancellation()
    with pytest.raises(OddFieldError, match="effective_date"):
        WIRE.read_event({**event, "effective_date": None})
