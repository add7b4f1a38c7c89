"""A move that was broken off leaves invoices twice: their facts count once (rules 2.1, 4.9)."""

from __future__ import annotations

import msgspec
import pytest

from target_chartmogul.billing.objects import Invoice
from target_chartmogul.sources.keap.unrecorded_orders import moved, unrecorded_orders
from tests.support.billing_objects import bare_invoice, line, on, paid


def invoice(external_id: str, customer: str, *items: int) -> Invoice:
    return bare_invoice(
        external_id=external_id,
        customer_external_id=customer,
        date=on("2025-02-01"),
        currency="USD",
        line_items=tuple(line(external_id, item) for item in items),
        transactions=(paid(external_id, amount=4900 * len(items)),),
    )


@pytest.mark.parametrize(
    ("parts", "kept"),
    [
        ([("11", "1", 1)], ["11"]),
        ([("11", "1", 1), ("11-c2", "2", 2)], ["11", "11-c2"]),  # two owners, nothing is on its way
        ([("11", "1", 1), ("11-c2", "2", 1)], ["11"]),
        ([("11-c2", "2", 1), ("11-c3", "3", 1)], ["11-c2"]),
        ([("11", "1", 1, 2), ("11-c2", "2", 1)], ["11"]),  # the other new one is still to come
        ([("11", "1", 1, 2), ("11-c2", "2", 1), ("11-c3", "3", 2)], ["11"]),
        ([("11-c2", "2", 1), ("11-c3", "3", 2), ("11-c4", "4", 1, 2)], ["11-c4"]),
        ([("11", "1", 1), ("11-c2", "2", 2), ("11-c3", "3", 2)], ["11", "11-c2"]),
        ([("11", "1", 1), ("12", "1", 1)], ["11", "12"]),  # items of different orders
    ],
)
def test_rule_4_10_each_item_counts_once(parts: list[tuple[str, str, int]], kept: list[str]) -> None:
    held = {external_id: invoice(external_id, customer, *items) for external_id, customer, *items in parts}
    found = unrecorded_orders(held, ())
    assert sorted(part.external_id for order in found.values() for part in order.invoices) == kept


def test_rule_4_9_a_move_goes_on_where_it_was_broken_off() -> None:
    old = invoice("11", "1", 1)
    (new,) = moved(unrecorded_orders({"11": old}, ())["11"], lambda *_: "2")
    assert (new.external_id, new.line_items[0].external_id) == ("11-c2", "11-c2-1")
    both = unrecorded_orders({"11": old, "11-c2": new}, ())
    assert moved(both["11"], lambda *_: "2") == [new], "neither its line nor its payment doubled"


def test_an_invoice_without_lines_harms_nothing() -> None:
    held = {"11": invoice("11", "1", 1), "11-c2": msgspec.structs.replace(invoice("11-c2", "2"), line_items=())}
    assert len(unrecorded_orders(held, ())["11"].invoices) == 2


def test_rule_1_4_neither_recorded_orders_nor_others_objects_are_read_back() -> None:
    held = {name: invoice(name, "1", 1) for name in ("11", "12", "12-c3", "INV-7")}
    assert sorted(unrecorded_orders(held, {"12"})) == ["11"]
