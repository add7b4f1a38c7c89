"""Inputs that went wrong once, piped into the target as they are (`tests/cases/native`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.sandbox_process import ROOT, Sandbox
from tests.support.target_process import TargetRun, run_target, target_config

CASES = ROOT / "tests" / "cases" / "native"
JUNE_1, JUNE_2, JUNE_11, JUNE_12, JUNE_20 = (f"2026-06-{day}T08:00:00Z" for day in ("01", "02", "11", "12", "20"))


class Case:
    """A case on a data source and a store of its own."""

    def __init__(self, sandbox: Sandbox, folder: Path, name: str) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.files = CASES / name
        self.settings: dict[str, Any] = json.loads((self.files / "config.json").read_text())
        self.now = JUNE_1
        sandbox.no_limits()

    def run(self, file: str, now: str, **settings: Any) -> TargetRun:
        """Pipe a file into the target at a time; it must end with 0."""
        self.now = now
        self.sandbox.clock(now)
        self.sandbox.clear_requests("chartmogul")
        config = target_config(
            self.sandbox,
            **self.settings,
            now=now,
            store_path=str(self.folder / "store.sqlite"),
            report_path=str(self.folder / "report.json"),
            **settings,
        )
        done = run_target(self.folder, config, (self.files / file).read_bytes())
        assert done.code == 0, done.stderr
        return done

    @property
    def writes(self) -> int:
        return len(self.sandbox.writes())

    def content(self) -> dict[str, Any]:
        return self.sandbox.content(str(self.settings["data_source_name"]), self.now)

    def mrr(self, month: str) -> int:
        return sum(self.content()["mrr"].get(month, {}).values())

    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        return found


@pytest.fixture
def case(request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path: Path) -> Case:
    return Case(sandbox, tmp_path, request.param)


def of(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [name], indirect=True)


@of("activate-version-unchanged")
def test_rule_1_8_a_version_that_is_not_new_says_nothing_of_rows_that_did_not_come(case: Case) -> None:
    case.run("run-1.jsonl", JUNE_1)
    before = case.content()["invoices"]
    case.run("run-2.jsonl", JUNE_2)
    after = case.content()["invoices"]
    assert after["shop-A-1"] == before["shop-A-1"]
    assert after["shop-A-2"] == {**before["shop-A-2"], "due_date": "2026-02-20T00:00:00Z"}


@of("waiting-row-forgotten")
def test_rule_1_5_an_invoice_of_a_later_day_is_sent_on_that_day(case: Case) -> None:
    done = case.run("run-1.jsonl", JUNE_1)
    assert done.state == {
        "bookmarks": {"invoices": {"replication_key": "updated_at", "replication_key_value": "2026-06-01"}}
    }
    assert case.content()["invoices"] == {}
    assert [(each["stream"], each["id"]) for each in case.report()["waiting"]] == [("invoices", "A-1")]
    case.run("run-2.jsonl", JUNE_11)
    assert list(case.content()["invoices"]) == ["shop-A-1"]
    assert case.report()["waiting"] == []
    case.run("run-2.jsonl", JUNE_12)
    assert case.writes == 0


@of("waiting-row-forgotten")
def test_rule_1_8_a_payment_waits_for_its_invoice(case: Case) -> None:
    case.run("payment-first-run-1.jsonl", JUNE_1)
    assert case.content()["invoices"] == {}
    case.run("payment-first-run-2.jsonl", JUNE_2)
    found = case.content()["invoices"]["shop-B-1"]["transactions"]
    assert {key: each["amount_in_cents"] for key, each in found.items()} == {"shop-T-1": 4900}


@of("deleted-row")
def test_rule_1_8_a_row_that_was_deleted_changes_nothing_and_is_reported(case: Case) -> None:
    case.run("run-1.jsonl", JUNE_1)
    before = case.content()
    case.run("run-2.jsonl", JUNE_2)
    assert case.writes == 0
    assert case.content() == before
    assert [each["id"] for each in case.report()["lists"]["gone_rows"]["entries"]] == ["customers:c1"]
    case.run("run-1.jsonl", JUNE_2)
    assert "gone_rows" not in case.report()["lists"], "it is no longer gone when it arrives again"
    assert case.writes == 0


@of("deleted-row")
def test_rule_1_8_with_hard_delete_a_customer_of_whom_nothing_is_left_is_deleted(case: Case) -> None:
    case.run("run-1.jsonl", JUNE_1, hard_delete=True)
    case.run("run-2.jsonl", JUNE_2, hard_delete=True)
    assert case.content()["customers"] == {}
    case.run("run-2.jsonl", JUNE_2, hard_delete=True)
    assert case.writes == 0


@of("dropped-fields")
def test_status_and_event_order_are_written(case: Case) -> None:
    case.run("run-1.jsonl", JUNE_1)
    assert (case.mrr("2026-01"), case.mrr("2026-02"), case.mrr("2026-03")) == (0, 0, 1000)
    assert case.content()["invoices"]["shop-A-1"]["status"] == "voided"
    months = case.report()["mrr"]["months"]
    assert months["2026-03"]["USD"]["mrr"] == 1000
    assert months.get("2026-01", {"USD": {"mrr": 0}})["USD"]["mrr"] == 0
    case.run("run-1.jsonl", JUNE_2)
    assert case.writes == 0


@of("mrr-of-native-plans")
def test_rule_7_2_the_reports_mrr_is_chartmoguls(case: Case) -> None:
    case.run("run-1.jsonl", JUNE_1)
    wanted = {
        "2026-01": 5900,
        "2026-02": 5900,
        "2026-03": 1000,
        "2026-04": 1000,
        "2026-05": 1000,
        "2026-06": 1000,
    }
    assert {month: case.mrr(month) for month in wanted} == wanted
    report = case.report()
    assert {month: row["USD"]["mrr"] for month, row in report["mrr"]["months"].items()} == wanted
    assert report["mrr"]["months"]["2026-03"]["USD"]["churn"] == -4900
    (churn,) = report["churn"]
    assert (churn["subscription"], churn["effective_date"][:10], churn["mrr"]) == ("s1", "2026-03-05", 4900)


@of("stream-alias")
def test_rule_1_8_a_version_is_heard_under_the_name_that_a_stream_map_gives(case: Case) -> None:
    case.run("run-1.jsonl", JUNE_1)
    assert case.mrr("2026-06") == 9800
    case.run("run-2.jsonl", JUNE_20)
    assert list(case.content()["cancellations"]) == ["502-cancelled-2026-06-04"]
    assert case.mrr("2026-06") == 4900
