"""What differs between an invoice as it is held and as it is to be (rules 1.3, 4.7, 4.9)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from target_chartmogul.billing.differences import header_differs, invoice_changes
from target_chartmogul.billing.mrr import mrr_by_customer
from target_chartmogul.billing.normal import normal
from target_chartmogul.billing.objects import ONE_TIME, Invoice, LineItem
from tests.support.billing_objects import PLAN, bare_invoice, line, on, paid

HELD = bare_invoice(
    external_id="11",
    customer_external_id="7",
    date=on("2026-02-01"),
    currency="USD",
    line_items=(line("11", 1), line("11", 2)),
    transactions=(paid("11"),),
)
OTHERWISE: dict[str, Any] = {
    "external_id": "12",
    "customer_external_id": "8",
    "date": on("2026-02-02"),
    "currency": "EUR",
    "due_date": on("2026-03-01"),
    "status": "written_off",
    "disabled": True,
}


@pytest.mark.parametrize(
    "field", [each for each in Invoice.__struct_fields__ if each not in {"line_items", "transactions"}]
)
def test_rule_4_9_any_field_of_a_header_makes_it_another(field: str) -> None:
    assert header_differs(HELD, msgspec.structs.replace(HELD, **{field: OTHERWISE[field]}))
    assert not header_differs(HELD, msgspec.structs.replace(HELD, line_items=(), transactions=()))


@pytest.mark.parametrize(
    "change",
    [
        {"date": HELD.date + timedelta(microseconds=900)},
        {"disabled": False},
        {"status": "paid"},
        {"line_items": HELD.line_items[::-1]},
    ],
)
def test_rule_1_3_what_chartmogul_does_not_keep_is_no_difference(change: dict[str, Any]) -> None:
    assert invoice_changes(HELD, msgspec.structs.replace(HELD, **change)) == []


def test_rule_4_7_another_event_order_is_written() -> None:
    first, second = HELD.line_items
    changed = msgspec.structs.replace(first, event_order=11)
    (change,) = invoice_changes(HELD, msgspec.structs.replace(HELD, line_items=(changed, second)))
    assert (change.kind, change.external_id, change.desired) == ("line_item", "11-1", changed)


def test_rule_4_7_only_subscription_lines_have_an_event_order() -> None:
    plain = LineItem(external_id="11-1", type=ONE_TIME, amount_in_cents=1, event_order=11)
    assert normal(plain) == msgspec.structs.replace(plain, event_order=None)


@pytest.mark.parametrize("turned", [False, True])
def test_rule_4_7_of_lines_that_start_together_the_higher_order_counts_under_any_id(turned: bool) -> None:
    def invoice(external_id: str, amount: int, order: int) -> Invoice:
        sold = line(external_id, 1, amount, service_period_start=HELD.date, event_order=order)
        return msgspec.structs.replace(HELD, external_id=external_id, line_items=(sold,), transactions=())

    pair = [invoice("11-c7", 1000, 11), invoice("12", 2000, 12)]
    table = mrr_by_customer(pair[::-1] if turned else pair, (), {PLAN.external_id: PLAN}, on("2026-02-20"))
    assert table == {"2026-02": {"7": 2000}}
