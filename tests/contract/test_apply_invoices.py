"""Header, status, `disabled` and lines of invoices against the sandbox."""

from __future__ import annotations

import msgspec
import pytest

from target_chartmogul.apply.lanes import Applier
from target_chartmogul.billing.differences import invoice_changes
from tests.contract.chartmogul_target import Target
from tests.support.billing_objects import PLAN, invoice, line, on
from tests.support.memory_journal import MemoryJournal, create, root_of, update


@pytest.fixture
def target(sandbox):
    made = Target(sandbox)
    yield made
    made.client.close()


def test_written_off_is_set_refused_and_taken_back(target):
    """Rule 5.7: a refusal is reported and not an error; ChartMogul cannot take the status back, a new import can."""
    target.start()
    open_bill = invoice("500", transactions=())
    written_off = msgspec.structs.replace(open_bill, status="written_off")
    target.run([create("invoice", written_off)])
    assert target.held("invoice", "500").status == "written_off"
    target.change(written_off, open_bill)
    target.run([update("invoice", open_bill, written_off)])
    assert target.held("invoice", "500").status == "written_off"
    assert not target.journal.notices
    target.run([create("invoice", invoice("501", status="written_off"))])
    assert target.journal.notices == [("501", "status_refused")]
    assert not target.journal.refusals


def test_voided_is_set_kept_and_taken_back(target):
    target.start()
    voided = invoice("500", status="voided", transactions=())
    target.run([create("invoice", voided)])
    assert target.held("invoice", "500").status == "voided"
    forgetful = MemoryJournal()
    Applier(target.client, target.wire, forgetful, root_of).apply_lanes([(0, [create("invoice", voided)])])
    assert forgetful.notices == [("500", "adopted")]
    assert not forgetful.refusals
    target.change(voided, invoice("500"))
    assert target.held("invoice", "500").status is None
    written_off = invoice("501", status="written_off", transactions=())
    target.run([create("invoice", written_off)])
    target.change(written_off, msgspec.structs.replace(written_off, status="voided"))
    assert not target.journal.refusals


def test_an_invoice_that_cannot_be_voided_does_not_stay_as_one_that_counts(target):
    target.start()
    put = {"match": {"method": "PUT"}}
    target.sandbox.faults("chartmogul", script=[put | {"kind": "422_deep", "times": None}])
    target.run([create("invoice", invoice("500", status="voided", transactions=()))])
    ((change, refusal),) = target.journal.refusals
    assert (change.external_id, refusal.field) == ("500", "status")
    assert target.held("invoice", "500") is None


@pytest.mark.parametrize("status", ["voided", "written_off"])
def test_a_status_whose_answer_was_lost_is_set(target, status):
    """The second try is refused, since the invoice has that status."""
    target.start()
    lost = {"match": {"method": "PUT"}, "kind": "reset_after", "times": 1}
    target.sandbox.faults("chartmogul", script=[lost])
    target.run([create("invoice", invoice("500", status=status, transactions=()))])
    assert (target.journal.refusals, target.journal.notices) == ([], [])
    assert target.held("invoice", "500").status == status


def test_disabled_is_refused_by_name_and_never_dropped(target):
    """ChartMogul documents an error for data sources like ours; what was to be disabled must not count."""
    target.start()
    target.run([create("invoice", invoice("500", disabled=True))])
    ((change, refusal),) = target.journal.refusals
    assert (change.external_id, refusal.field) == ("500", "disabled")
    assert target.held("invoice", "500") is None
    target.run([create("invoice", invoice("501", disabled=True, status="voided", transactions=()))])
    assert target.journal.notices == [("501", "disabled_refused")]
    assert target.held("invoice", "501").status == "voided"
    target.journal.refusals.clear()
    held = invoice("502")
    target.run([create("invoice", held)])
    target.run([update("invoice", held, disabled=True)])
    assert target.journal.refused_ids() == ["502"]
    assert target.held("invoice", "502") is not None
    target.sandbox.control("POST", "chartmogul/edit", {"kind": "invoice", "external_id": "502", "disable": True})
    disabled = target.held("invoice", "502")
    assert disabled.disabled is True
    assert invoice_changes(disabled, held) == []
    target.journal.refusals.clear()
    target.run(invoice_changes(disabled, invoice("502", disabled=False)))
    assert [refusal.field for _, refusal in target.journal.refusals] == ["disabled"]


def test_a_disabled_invoice_is_left_alone(target):
    target.start()
    target.run([create("invoice", invoice("500"))])
    target.sandbox.control("POST", "chartmogul/edit", {"kind": "invoice", "external_id": "500", "disable": True})
    assert "disabled" in target.listing.find("invoice", "500").marks
    forgetful = MemoryJournal()
    Applier(target.client, target.wire, forgetful, root_of).apply_lanes(
        [(0, [create("invoice", invoice("500", date=on("2025-02-04")))])]
    )
    assert forgetful.notices == [("500", "disabled")]
    assert not forgetful.refusals


@pytest.mark.parametrize("orders", [(2**31 + 7, 2**31 + 9), (2**53 + 1, 2**53 + 2), (-1, 2**59), (0, 1)])
def test_rule_4_7_event_order_decides_whichever_came_first(target, orders):
    """Ids above four bytes, and above what a float can tell apart, are sent as they are."""
    target.start()
    low, high = orders
    first = invoice("500", line_items=(line("500", amount=9000, event_order=high),), transactions=())
    second = invoice("501", line_items=(line("501", amount=2000, event_order=low),), transactions=())
    target.run([create("invoice", first), create("invoice", second)])
    assert not target.journal.refusals
    assert target.held("invoice", "500").line_items[0].event_order == high
    assert target.held("invoice", "501").line_items[0].event_order == low

    def mrr():
        uuid = target.journal.uuid("customer", "1")
        return target.client.get(f"/customers/{uuid}/subscriptions")["entries"][0]["mrr"]

    assert mrr() == 9000
    swapped = invoice("500", line_items=(line("500", amount=9000, event_order=low - 1),), transactions=())
    target.change(first, swapped)
    assert mrr() == 2000
    target.change(swapped, invoice("500", line_items=(line("500", amount=9000),), transactions=()))
    assert target.held("invoice", "500").line_items[0].event_order is None


def test_header_and_lines_change_in_place(target):
    target.start()
    before = invoice("500", due_date=on("2025-02-15"))
    target.run([create("invoice", before)])
    uuid = target.journal.uuid("invoice", "500")
    plan = msgspec.structs.replace(PLAN, external_id="31-7-1year", interval_unit="year")
    target.applier.apply_plans([create("plan", plan)])
    after = invoice(
        "500",
        date=on("2025-02-02"),
        currency="EUR",
        line_items=(
            line(
                "500",
                plan_external_id=plan.external_id,
                subscription_external_id="902",
                service_period_end=on("2026-02-01"),
                tax_amount_in_cents=7,
            ),
        ),
    )
    target.change(before, after)
    one_time = invoice(
        "500", line_items=(line("500", type="one_time", subscription_external_id=None, description="Once"),)
    )
    target.change(after, one_time)
    target.change(one_time, before)
    assert target.listing.find("invoice", "500").uuid == uuid
