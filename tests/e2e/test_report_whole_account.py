"""A run's lists are the whole account's, whatever the run looked at (rule 7.2)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import Synced, all_rows
from tests.support.sandbox_process import Sandbox
from tests.support.singer_messages import account_messages, record, schema
from tests.support.target_process import run_target

NOW = "2026-11-05T08:00:00+00:00"
LATER = "2026-11-06T08:00:00+00:00"
OF_ONE_RUN = ("_added", "_moved", "_removed", "adopted", "settings_changed", "removed_invoices")


def lists(report: dict[str, Any]) -> dict[str, list[str]]:
    """List -> its entries, without what says since when."""
    found = {name: each["entries"] for name, each in report["lists"].items()}
    found |= {name: report[name] for name in ("rejects", "refusals", "waiting", "churn")}
    return {
        name: sorted(json.dumps({key: each[key] for key in sorted(each.keys() - {"since", "new"})}) for each in own)
        for name, own in found.items()
        if own and not name.endswith(OF_ONE_RUN)
    }


def some(rows: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Without the latest orders, and what was paid for them."""
    dates = sorted(row["order_time"] or row["creation_time"] for row in rows["orders"] if row.get("order_time"))
    border = dates[len(dates) * 3 // 4]
    orders = [row for row in rows["orders"] if (row.get("order_time") or "") < border]
    known = {row["id"] for row in orders}
    payments = [row for row in rows["payments"] if set(row.get("order_ids") or ()) <= known]
    return {**rows, "orders": orders, "payments": payments}


@pytest.fixture(name="rows", scope="module")
def fixture_rows() -> dict[str, list[dict[str, Any]]]:
    rows = all_rows()
    bad = {**rows["orders"][0], "id": "9991", "total": {"amount": "much"}}
    future = {**rows["orders"][0], "id": "9993", "order_time": "2027-02-01T08:00:00Z"}
    return {**rows, "orders": [*rows["orders"], future, bad]}


def test_rule_7_2_a_report_after_an_incremental_run_lists_what_one_after_a_full_run_lists(
    sandbox: Sandbox, tmp_path: Path, rows: dict[str, list[dict[str, Any]]]
) -> None:
    sandbox.no_limits()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    incremental = Synced(sandbox, tmp_path / "a", NOW, {"data_source_name": "A"})
    incremental.sync(some(rows))
    incremental.now = LATER
    incremental.sync(rows)
    full = Synced(sandbox, tmp_path / "b", LATER, {"data_source_name": "B"})
    full.sync(rows)
    found, expected = lists(incremental.report), lists(full.report)
    assert len(expected) > 12
    assert found == expected
    assert incremental.report["mrr"]["months"] == full.report["mrr"]["months"]
    assert incremental.report["account"] == full.report["account"]


def test_rule_7_2_a_quiet_run_lists_all_and_says_since_when(
    sandbox: Sandbox, tmp_path: Path, rows: dict[str, list[dict[str, Any]]]
) -> None:
    sandbox.no_limits()
    account = Synced(sandbox, tmp_path, NOW)
    account.sync(rows)
    first = account.report
    assert {each["since"][:10] for each in first["lists"]["excess"]["entries"]} == {NOW[:10]}
    assert all(each["new"] for each in first["lists"]["excess"]["entries"])
    account.now = LATER
    assert account.command("sync").code == 7
    second = account.report
    assert lists(second) == lists(first)
    for name in ("rejects", "waiting"):
        assert {(each["since"][:10], each["new"]) for each in second[name]} == {(NOW[:10], False)}, name
    order = {**rows["orders"][1], "id": "9992", "total": {"amount": 10.5}}
    account.sandbox.clock(LATER)
    run_target(tmp_path, account.config(), schema("orders") + record("orders", order))
    third = {each["id"]: (each["since"][:10], each["new"]) for each in account.report["rejects"]}
    assert third["9991"] == (NOW[:10], False)
    assert third["9992"] == (LATER[:10], True)


def test_rule_7_2_what_a_person_did_in_chartmogul_stays_listed(
    sandbox: Sandbox, tmp_path: Path, rows: dict[str, list[dict[str, Any]]]
) -> None:
    sandbox.no_limits()
    account = Synced(sandbox, tmp_path, NOW)
    account.sync(rows)
    invoices = iter(sandbox.content("Keap", NOW)["invoices"])
    gone, edited = next(invoices), next(invoices)
    sandbox.control("POST", "chartmogul/edit", {"kind": "invoice", "external_id": gone, "delete": True})
    sandbox.control(
        "POST", "chartmogul/edit", {"kind": "invoice", "external_id": edited, "changes": {"due_date": "2026-01-01"}}
    )
    account.command("sync", relist_days=0)
    for new in (True, False):
        found = account.report["lists"]
        assert [(each["id"], each["new"]) for each in found["deleted_in_chartmogul"]["entries"]] == [(gone, new)]
        assert [(each["id"], each["new"]) for each in found["edited"]["entries"]] == [(edited, new)]
        account.command("sync")


def test_rule_7_1_removed_invoices_are_listed_with_the_reason(
    sandbox: Sandbox, tmp_path: Path, rows: dict[str, list[dict[str, Any]]]
) -> None:
    sandbox.no_limits()
    account = Synced(sandbox, tmp_path, NOW)
    account.sync(rows)
    before = set(sandbox.content("Keap", NOW)["invoices"])
    account.command("sync", invoices_since="2025-01-01", force=True)
    removed = {each["id"]: each for each in account.report["lists"]["removed_invoices"]["entries"]}
    assert set(removed) == before - set(sandbox.content("Keap", NOW)["invoices"])
    assert {(each["rule"], each["reason"]) for each in removed.values()} == {
        ("8", "`invoices_since` leaves its order out")
    }
    draft = next(row for row in rows["orders"] if row["id"] in set(sandbox.content("Keap", NOW)["invoices"]))
    messages = schema("orders") + record("orders", {**draft, "status": "DRAFT"})
    run_target(tmp_path, account.config(invoices_since="2025-01-01"), messages)
    (entry,) = account.report["lists"]["removed_invoices"]["entries"]
    assert (entry["id"], entry["rule"]) == (draft["id"], "4.1")
    assert entry["reason"] == "its order is a draft, or has no items any more"
    gone = schema("orders") + record("orders", {**draft, "id": rows["orders"][-3]["id"], "_sdc_deleted_at": NOW})
    run_target(tmp_path, account.config(invoices_since="2025-01-01", hard_delete=True, force=True), gone)
    reasons = {each["reason"] for each in account.report["lists"]["removed_invoices"]["entries"]}
    assert "its order is gone from Keap" in reasons


def test_rule_7_2_the_page_shows_what_is_new_and_mrr_before_and_after(
    sandbox: Sandbox, tmp_path: Path, rows: dict[str, list[dict[str, Any]]]
) -> None:
    sandbox.no_limits()
    account = Synced(sandbox, tmp_path, NOW, {"report_path": str(tmp_path / "report.html")})
    run_target(tmp_path, account.config(), account_messages(rows))
    first = (tmp_path / "report.html").read_text()
    assert '<strong class="new">new</strong>' in first
    assert "MRR before" not in first
    account.command("sync", interval_source="subscription", force=True, now=LATER)
    second = (tmp_path / "report.html").read_text()
    assert "MRR before" in second
    assert "months change." in second
    assert "Records that wait (" in second
    assert "Account settings that change the figures" in second
