"""Why an invoice goes, for the report (rules 4.1, 4.10, §8)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from target_chartmogul.billing.changes import Change
from target_chartmogul.billing.decisions import Decision, Note
from target_chartmogul.plan.removals import removed_invoices
from tests.support.billing_objects import bare_invoice

DAY = datetime(2026, 3, 1, tzinfo=UTC)
INVOICE = bare_invoice(external_id="9-c7", customer_external_id="7", date=DAY, currency="USD")


def removed(*notes: Note, moved: bool = False) -> list[tuple[str, str]]:
    change = Change(
        action="delete", kind="invoice", external_id="9-c7", held=INVOICE, moved=moved, parent="7", rule="4.10"
    )
    found = list(removed_invoices([change], Decision(notes=list(notes)), lambda _, name: name.partition("-")[0]))
    assert {(each.kind, each.id) for each in found} <= {("removed_invoices", "9-c7")}
    return [(each.rule, each.detail["reason"]) for each in found]


@pytest.mark.parametrize(
    ("note", "rule", "words"),
    [
        (Note(kind="vanished_orders", id="9", rule="4.10"), "4.10", "gone from Keap"),
        (Note(kind="skipped_unpaid_orders", id="9", rule="4.1"), "4.1", "`unpaid_orders` is `skip`"),
        (Note(kind="excluded_orders", id="9", rule="8", detail={"setting": "invoices_since"}), "8", "`invoices_since`"),
        (Note(kind="filtered_contacts", id="7", rule="8"), "8", "a filter leaves its contact out"),
        (Note(kind="excluded_orders", id="8", rule="8", detail={"setting": "x"}), "4.1", "a draft"),
        (Note(kind="gone_rows", id="invoices:9", rule="1.8", detail={"stream": "invoices", "id": "9"}), "1.8", "row"),
    ],
)
def test_the_reason_is_what_the_decision_noted(note: Note, rule: str, words: str) -> None:
    ((found, reason),) = removed(note)
    assert found == rule
    assert words in reason


def test_an_invoice_that_is_written_again_is_not_removed() -> None:
    assert removed(moved=True) == []
