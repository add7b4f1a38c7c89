"""What tests set and see of the sandbox's ChartMogul: people's edits, settings, content, several sources."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.chartmogul_calls import Calls, invoice, payment
from tests.support.sandbox_process import Sandbox

NOW = "2026-06-15T12:00:00Z"


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[Calls]:
    sandbox.clock(NOW)
    with Calls(sandbox) as calls:
        yield calls


@pytest.fixture
def source(api: Calls) -> str:
    """A source with customer, plan, a paid invoice and a cancellation."""
    source = api.source()
    plan = api.plan(source)
    body = invoice(plan) | {"transactions": [payment("t1", 1000)]}
    api.invoice(api.customer(source, name="Mara"), body)
    api.cancelled(source, "2026-03-01", "e1")
    return source


def edit(api: Calls, kind: str, external_id: str, **order: Any) -> None:
    api.sandbox.control("POST", "chartmogul/edit", {"kind": kind, "external_id": external_id, **order})


def test_edits_leave_a_history(api: Calls, source: str) -> None:
    edit(api, "invoice", "i1", changes={"due_date": "2026-02-01"})
    edit(api, "line_item", "i1-1", changes={"amount_in_cents": 1500})
    edit(api, "line_item", "i1-1", changes={"amount_in_cents": 1700})
    edit(api, "subscription_event", "e1", changes={"effective_date": "2026-04-01T00:00:00Z"})
    query = {"data_source_uuid": source, "include_edit_histories": "true"}
    found = api.call("GET", "/invoices", **query)[1]["invoices"][0]
    assert found["edit_history_summary"]["values_changed"] == {
        "due_date": {"original_value": None, "edited_value": "2026-02-01"}
    }
    assert found["edit_history_summary"]["latest_edit_performed_at"] == "2026-06-15T12:00:00.000Z"
    changed = found["line_items"][0]["edit_history_summary"]["values_changed"]
    assert changed == {"amount_in_cents": {"original_value": 1000, "edited_value": 1700}}
    assert found["transactions"][0]["edit_history_summary"] == {}
    event = api.call("GET", "/subscription_events", **query)[1]["subscription_events"][0]
    assert list(event["edit_history_summary"]["values_changed"]) == ["effective_date"]
    assert "edit_history_summary" not in api.call("GET", "/invoices")[1]["invoices"][0]
    assert api.sandbox.content("Keap")["mrr"]["2026-03"] == {"c1": 1700}


def test_a_customer_and_a_plan_are_edited_too(api: Calls, source: str) -> None:
    edit(api, "customer", "c1", changes={"name": "Nobody", "lead_created_at": "2025-01-01"})
    edit(api, "plan", "p1", changes={"name": "Platinum", "interval_count": 2})
    content = api.sandbox.content("Keap")
    assert content["customers"]["c1"] == {"name": "Nobody", "lead_created_at": "2025-01-01T00:00:00Z"}
    assert content["plans"]["p1"]["name"] == "Platinum"
    assert content["mrr"]["2026-01"] == {"c1": 500}


def test_disabled_records_are_hidden_and_count_for_nothing(api: Calls, source: str) -> None:
    edit(api, "subscription_event", "e1", disable=True)
    assert api.call("GET", "/subscription_events")[1]["subscription_events"] == []
    assert len(api.call("GET", "/subscription_events", with_disabled="true")[1]["subscription_events"]) == 1
    assert api.sandbox.content("Keap")["mrr"]["2026-06"] == {"c1": 1000}
    edit(api, "invoice", "i1", disable=True)
    assert api.call("GET", "/invoices")[1]["invoices"] == []
    hidden = api.call("GET", "/invoices", with_disabled="true")[1]["invoices"][0]
    assert (hidden["disabled"], hidden["disabled_at"]) == (True, "2026-06-15T12:00:00.000Z")
    assert api.sandbox.content("Keap")["mrr"]["2026-01"] == {}
    edit(api, "invoice", "i1", disable=False)
    assert api.sandbox.content("Keap")["mrr"]["2026-01"] == {"c1": 1000}


@pytest.mark.parametrize(
    ("kind", "external_id", "section"),
    [("customer", "c1", "customers"), ("invoice", "i1", "invoices"), ("subscription_event", "e1", "cancellations")],
)
def test_deletions(api: Calls, source: str, kind: str, external_id: str, section: str) -> None:
    edit(api, kind, external_id, delete=True)
    assert api.sandbox.content("Keap")[section] == {}


def test_deletions_of_items(api: Calls, source: str) -> None:
    edit(api, "line_item", "i1-1", delete=True)
    edit(api, "transaction", "t1", delete=True)
    only = api.sandbox.content("Keap")["invoices"]["i1"]
    assert (only["line_items"], only["transactions"]) == ({}, {})


def test_merged_customers_are_found_by_both_ids(api: Calls, source: str) -> None:
    other = api.customer(source, "c2", name="Li")
    edit(api, "customer", "c1", merge_into="c2")
    for name in ("c1", "c2"):
        found = api.call("GET", "/customers", data_source_uuid=source, external_id=name)[1]["entries"]
        assert [c["uuid"] for c in found] == [other]
    listed = api.call("GET", "/customers", data_source_uuid=source)[1]["entries"]
    assert [c["uuid"] for c in listed] == [other]
    content = api.sandbox.content("Keap")
    assert content["customers"]["c1"] == content["customers"]["c2"] == {"name": "Li", "tags": ["merged-customer"]}
    assert content["invoices"]["i1"]["customer"] == "c1"
    assert content["mrr"]["2026-02"] == {"c1": 1000}
    assert content["mrr"]["2026-03"] == {}, "the cancellation applies to the merged customer too"


def test_cancellations_without_id_survive_a_merge(api: Calls) -> None:
    source = api.source()
    plan, other = api.plan(source), api.customer(source, "c2")
    api.invoice(api.customer(source), invoice(plan, cancelled_at="2026-03-01"))
    edit(api, "customer", "c1", merge_into="c2")
    known = api.call("GET", f"/import/customers/{other}/subscriptions")[1]["subscriptions"][0]
    assert known["cancellation_dates"] == ["2026-03-01T00:00:00.000Z"]
    assert api.sandbox.content("Keap")["mrr"]["2026-03"] == {}


def test_records_that_are_found_invalid_at_any_time(api: Calls, source: str) -> None:
    """Validation that comes late, without a bulk import."""
    order = {"kind": "invoice", "external_id": "i1", "errors": {"currency": ["Currency must be supported"]}}
    api.sandbox.control("POST", "chartmogul/invalid", order)
    assert api.call("GET", "/invoices")[1]["invoices"] == []
    found = api.call("GET", "/invoices", validation_type="invalid")[1]["invoices"][0]
    assert found["errors"] == order["errors"]
    status = api.call("GET", f"/data_sources/{source}", with_processing_status="true")[1]["processing_status"]
    assert (status["failed"], status["processed"]) == (1, 1)
    assert api.sandbox.content("Keap")["mrr"]["2026-01"] == {}
    api.sandbox.control("POST", "chartmogul/invalid", order | {"errors": {}})
    assert api.sandbox.content("Keap")["mrr"]["2026-01"] == {"c1": 1000}
    with pytest.raises(RuntimeError, match=": 400 "):
        api.sandbox.control("POST", "chartmogul/invalid", order | {"kind": "customer", "external_id": "c1"})


def test_orders_that_make_no_sense(api: Calls, source: str) -> None:
    for order, status in [
        ({"kind": "invoice", "external_id": "i9", "delete": True}, 404),
        ({"kind": "order", "external_id": "i1", "delete": True}, 400),
        ({"kind": "customer", "external_id": "c1", "disable": True}, 400),
        ({"kind": "customer", "external_id": "c1", "merge_into": "c1"}, 400),
        ({"kind": "invoice", "external_id": "i1", "changes": {"colour": "red"}}, 400),
        ({"kind": "invoice", "external_id": "i1", "changes": {"external_id": "i2"}}, 400),
    ]:
        with pytest.raises(RuntimeError, match=f": {status} "):
            api.sandbox.control("POST", "chartmogul/edit", order)


def test_unknown_settings_are_refused(api: Calls) -> None:
    for setting in ({"colour": 1}, {"account": {"colour": 1}}, {"account": {"churn_recognition": "never"}}):
        with pytest.raises(RuntimeError, match=": 400 "):
            api.sandbox.control("PUT", "chartmogul/settings", setting)


def test_sources_are_apart(api: Calls, source: str) -> None:
    before = api.sandbox.content("Keap")
    other = api.source("Other")
    api.invoice(api.customer(other), invoice(api.plan(other), amount_in_cents=7))
    assert api.sandbox.content("Keap") == before
    assert api.sandbox.content("Other")["mrr"]["2026-06"] == {"c1": 7}
    assert api.call("DELETE", f"/data_sources/{other}") == (204, None)
    assert api.sandbox.content("Keap") == before
    assert len(api.call("GET", "/invoices")[1]["invoices"]) == 1
    with pytest.raises(RuntimeError, match="no such data source"):
        api.sandbox.content("Other")


def test_a_source_that_is_emptied(api: Calls, source: str) -> None:
    assert api.call("DELETE", f"/data_sources/{source}/dependent") == (204, None)
    content = api.sandbox.content("Keap")
    assert list(content["customers"]) == ["c1"]
    assert [content[name] for name in ("plans", "invoices", "cancellations", "mrr")] == [{}, {}, {}, {}]
    assert api.call("DELETE", f"/data_sources/{source}/all") == (204, None)
    assert api.sandbox.content("Keap")["customers"] == {}


def test_content_by_prefix(api: Calls, source: str) -> None:
    api.invoice(api.customer(source, "k-1"), invoice(api.plan(source, "k-p"), "k-i", "2026-02-05"))
    content = api.sandbox.content("Keap", prefix="k-")
    assert [list(content[name]) for name in ("customers", "plans", "invoices")] == [["k-1"], ["k-p"], ["k-i"]]
    assert content["cancellations"] == {}
    assert list(content["mrr"]) == ["2026-02", "2026-03", "2026-04", "2026-05", "2026-06"]


def test_metrics_are_pending_for_a_while(api: Calls) -> None:
    api.sandbox.control("PUT", "chartmogul/settings", {"processing_delay": 0.3})
    source = api.source()
    api.invoice(api.customer(source), invoice(api.plan(source)))

    def pending() -> int:
        query = {"with_processing_status": "true"}
        count: int = api.call("GET", f"/data_sources/{source}", **query)[1]["processing_status"]["pending"]
        return count

    assert pending() == 2
    deadline = time.monotonic() + 10
    while pending():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_reset_forgets_everything(api: Calls, source: str) -> None:
    invoices = api.call("GET", "/invoices")[1]["invoices"]
    api.sandbox.reset()
    assert api.call("GET", "/data_sources")[1] == {"data_sources": []}
    again = api.source()
    api.invoice(api.customer(again), invoice(api.plan(again)))
    assert api.call("GET", f"/invoices/{invoices[0]['uuid']}")[0] == 404, "uuids are never used again"


def test_pages_of_invoices(api: Calls) -> None:
    source = api.source()
    customer, plan = api.customer(source), api.plan(source)
    bodies = [invoice(plan, f"i{number}") for number in range(450)]
    api.made(f"/import/customers/{customer}/invoices", {"invoices": bodies})
    sizes: list[int] = []
    found: list[str] = []
    query: dict[str, Any] = {"data_source_uuid": source, "per_page": 1000}
    while True:
        page = api.call("GET", "/invoices", **query)[1]
        sizes.append(len(page["invoices"]))
        found += [i["external_id"] for i in page["invoices"]]
        if len(sizes) == 1:
            assert api.call("DELETE", f"/invoices/{page['invoices'][-1]['uuid']}")[0] == 204
        if not page["has_more"]:
            break
        query["cursor"] = page["cursor"]
    assert sizes == [200, 200, 50], "a record deleted between two pages shifts nothing"
    assert sorted(found) == sorted(f"i{number}" for number in range(450))
