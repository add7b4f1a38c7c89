"""`explain` and `reconcile` on the command line, after real runs into the sandbox (rule 7.2)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox_process import Sandbox
from tests.singer_messages import account_messages
from tests.target_process import SOURCE, TargetRun, run_target, target_config
from tests.worked_accounts import Case, cases


def case_of(name: str) -> Case:
    return next(case for case in cases() if case.id.startswith(name))


@pytest.fixture(name="synced")
def fixture_synced(sandbox: Sandbox, tmp_path: Path) -> Any:
    """Sync the last run of a worked account; returns its settings and messages."""

    def sync(name: str) -> tuple[dict[str, Any], str]:
        sandbox.no_limits()
        case = case_of(name)
        run = case.runs[-1]
        now = run.now.isoformat()
        sandbox.clock(now)
        ledger = str(tmp_path / "store.sqlite")
        config = target_config(
            sandbox, store_path=ledger, now=now, report_path=str(tmp_path / "report.json"), **case.settings
        )
        messages = account_messages(run.keap)
        done = run_target(tmp_path, config, messages)
        assert done.code == 0, done.stderr
        sandbox.clear_requests("chartmogul")
        return config, messages

    return sync


def explained(tmp_path: Path, config: dict[str, Any], subject: str) -> TargetRun:
    return run_target(tmp_path, config, "", "explain", subject)


def test_rule_7_2_explain_reads_the_ledger_and_asks_nobody(sandbox: Sandbox, tmp_path: Path, synced: Any) -> None:
    config, _ = synced("09-late")
    told = explained(tmp_path, config, "subscription:591")
    assert told.code == 0, told.stderr
    assert "591-cancelled-2026-04-10" in told.stdout
    assert "  6.4  the open order was paid after the date" in told.stdout
    assert "9082-failed-" in explained(tmp_path, config, "order:9082").stdout
    assert "explain subscription:591" in explained(tmp_path, config, "contact:1207").stdout
    assert sandbox.requests("chartmogul") == []


def test_rule_7_2_explain_says_what_a_run_remembered(tmp_path: Path, synced: Any) -> None:
    config, _ = synced("11-tax")
    told = explained(tmp_path, config, "order:9101").stdout
    assert "discounts, in the currency's smallest unit" in told
    assert "4.5  the order's tax" in told


def test_rule_1_5_explain_says_that_a_record_waits(sandbox: Sandbox, tmp_path: Path) -> None:
    """Order 9237 of this account is dated in the future of its first run."""
    sandbox.no_limits()
    case = case_of("24-filters")
    run = case.runs[0]
    now = run.now.isoformat()
    sandbox.clock(now)
    config = target_config(sandbox, store_path=str(tmp_path / "store.sqlite"), now=now, **case.settings)
    assert run_target(tmp_path, config, account_messages(run.keap)).code == 0
    told = explained(tmp_path, config, "order:9237")
    assert told.code == 0, told.stderr
    assert (
        told.stdout
        == "  1.5  Keap's record is kept: it waits for its day or was refused, and every run tries it again\n"
    )
    assert "excluded_items" not in explained(tmp_path, config, "order:9231").stdout
    assert "left out items" in explained(tmp_path, config, "order:9231").stdout


@pytest.mark.parametrize(
    ("subject", "ledger", "words"),
    [
        ("order:999999", True, "knows nothing of order:999999"),
        ("invoice:1", True, "`order:<id>`"),
        ("order:1", False, "store_path"),
    ],
)
def test_mistakes_of_explain(tmp_path: Path, synced: Any, subject: str, ledger: bool, words: str) -> None:
    config, _ = synced("01-monthly")
    done = explained(tmp_path, config if ledger else {**config, "store_path": None}, subject)
    assert done.code == 2
    assert words in done.last_line
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def reconciled(tmp_path: Path, config: dict[str, Any], messages: str) -> TargetRun:
    return run_target(tmp_path, config, messages, "reconcile")


@pytest.mark.parametrize("ledger", [True, False])
def test_rule_7_2_reconcile_after_a_sync_is_even(sandbox: Sandbox, tmp_path: Path, synced: Any, ledger: bool) -> None:
    config, messages = synced("16-refunds")
    before = (tmp_path / "store.sqlite").read_bytes()
    done = reconciled(tmp_path, config if ledger else {**config, "store_path": None}, messages)
    assert done.code == 0, done.stderr + done.stdout
    assert "no rule explains it" not in done.stdout
    assert "an excess and its refund (5.4)" in done.stdout
    assert sandbox.writes() == []
    assert (tmp_path / "store.sqlite").read_bytes() == before
    found = json.loads((tmp_path / "report.json").read_text())
    assert found["reconciliation"]["unexplained"] == found["reconciliation"]["pending"] == 0
    rows = {(row["what"], row["month"]): row["difference"] for row in found["reconciliation"]["rows"]}
    assert rows["orders", min(month for _, month in rows)] == 0


def test_rule_7_2_reconcile_names_what_a_person_deleted(sandbox: Sandbox, tmp_path: Path, synced: Any) -> None:
    config, messages = synced("01-monthly")
    sandbox.control("POST", "chartmogul/edit", {"kind": "invoice", "external_id": "9001", "delete": True})
    assert "9001" not in sandbox.content(SOURCE)["invoices"]
    done = reconciled(tmp_path, config, messages)
    assert done.code == 7, done.stderr
    assert "orders 9001 (orders 9001), 2026-01: Keap 49.00 USD, ChartMogul 0.00 USD: pending" in done.stdout
    assert "payments" in done.stdout
    found = json.loads((tmp_path / "report.json").read_text())
    entries = found["lists"]["reconciliation_differences"]["entries"]
    assert {(each["what"], each["difference"]) for each in entries} == {("orders", -4900), ("payments", -4900)}
    assert sandbox.writes() == []


def test_rule_7_2_reconcile_needs_all_orders(tmp_path: Path, synced: Any) -> None:
    config, messages = synced("01-monthly")
    partial = "".join(each + "\n" for each in messages.splitlines() if '"ACTIVATE_VERSION"' not in each)
    done = reconciled(tmp_path, config, partial)
    assert done.code == 2
    assert "needs all orders" in done.last_line


def test_rule_7_2_reconcile_without_a_data_source(sandbox: Sandbox, tmp_path: Path) -> None:
    case = case_of("01-monthly")
    done = reconciled(tmp_path, target_config(sandbox), account_messages(case.runs[-1].keap))
    assert done.code == 2
    assert "nothing to compare with" in done.last_line
    assert sandbox.writes() == []
