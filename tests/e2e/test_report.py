"""The report of real runs into the sandbox (rules 7.1 to 7.3): its figures against what ChartMogul holds."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.sandbox_process import Sandbox
from tests.support.singer_messages import account_messages
from tests.support.target_process import SOURCE, run_target, target_config
from tests.support.worked_accounts import Case, cases

ALL = list(cases())
SINGLE_CURRENCY = [case for case in ALL if case.id[:2] in {"05", "09", "10", "22", "23"} and "[" not in case.id]


def report_of(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def case_of(name: str) -> Case:
    return next(case for case in ALL if case.id.startswith(name))


def config_of(sandbox: Sandbox, tmp_path: Path, case: Case, now: str, **more: Any) -> dict[str, Any]:
    return target_config(
        sandbox,
        store_path=str(tmp_path / "store.sqlite"),
        report_path=str(tmp_path / "report.json"),
        now=now,
        **{**case.settings, **more},
    )


@pytest.mark.parametrize("case", SINGLE_CURRENCY, ids=lambda case: case.id)
def test_rules_7_1_and_6_9_figures_of_the_worked_accounts(sandbox: Sandbox, tmp_path: Path, case: Case) -> None:
    """MRR by month, counts and the rule of every cancellation, after each run and after one with nothing new."""
    sandbox.no_limits()
    for run in case.runs:
        now = run.now.isoformat()
        sandbox.clock(now)
        config = config_of(sandbox, tmp_path, case, now)
        messages = account_messages(run.keap)
        done = run_target(tmp_path, config, messages)
        assert done.code == 0, done.stderr
        found, content = report_of(tmp_path / "report.json"), sandbox.content(SOURCE, now)
        totals = {month: sum(row.values()) for month, row in content["mrr"].items()}
        assert {month: row["USD"]["mrr"] for month, row in found["mrr"]["months"].items()} == totals
        assert found["account"]["customers"] == len(content["customers"])
        assert found["account"]["invoices"] == len(content["invoices"])
        expected = {**run.expect["cancellations"], **run.expect.get("scheduled", {})}
        churn = {each["id"]: (each["rule"], each["source"]) for each in found["churn"]}
        assert churn == {name: (each["rule"], each["source"]) for name, each in expected.items()}
        for kind in {"cancellations_removed", "stale_end_dates"} & run.expect.get("report", {}).keys():
            listed = found["lists"].get(kind, {"entries": []})["entries"]
            assert sorted(each["id"] for each in listed) == run.expect["report"][kind]
    again = run_target(tmp_path, config, messages)
    assert again.code == 0, again.stderr
    repeated = report_of(tmp_path / "report.json")
    for name, counts in repeated["counts"].items():
        assert {key for key, number in counts.items() if number} <= {"unchanged"}, name
    assert repeated["counts"]["invoices"]["unchanged"] == len(content["invoices"])
    assert repeated["mrr"]["months"] == found["mrr"]["months"]
    assert repeated["churn"] == found["churn"]


def test_rule_7_3_a_dry_run_says_what_the_real_run_then_does(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.no_limits()
    case = case_of("09-late-payment")
    reports: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for run in case.runs:
        now = run.now.isoformat()
        sandbox.clock(now)
        for dry_run in (True, False):
            before = sandbox.writes()
            done = run_target(
                tmp_path,
                config_of(sandbox, tmp_path, case, now, dry_run=dry_run),
                account_messages(run.keap),
            )
            assert done.code == 0, done.stderr
            reports[dry_run].append(report_of(tmp_path / "report.json"))
            if dry_run:
                assert sandbox.writes() == before
                assert done.states == []
    for rehearsed, real in zip(reports[True], reports[False], strict=True):
        assert rehearsed["counts"] == real["counts"]
        assert rehearsed["mrr"]["months"] == real["mrr"]["months"]
        assert rehearsed["churn"] == real["churn"]
        assert rehearsed["account"] == real["account"]
    assert reports[True][0]["mrr"]["months_before"] == {}
    second = reports[True][1]
    assert second["mrr"]["months_before"]["2026-03"] == reports[False][0]["mrr"]["months"]["2026-03"]
    assert {(each["action"], each["kind"], each["id"]) for each in second["changes"]} >= {
        ("move", "event", "591-cancelled-2026-03-20"),
        ("create", "event", "591-cancelled-2026-04-10"),
        ("delete", "event", "592-cancelled-2026-03-20"),
        ("create", "invoice", "9087"),
    }


def broken(account: dict[str, Any]) -> dict[str, Any]:
    """One order in a currency that does not exist, one subscription that ends in the year 1."""
    account = copy.deepcopy(account)
    account["orders"][0]["total"]["currency_code"] = "XQX"
    account["subscriptions"][0]["end_date"] = "0001-01-01"
    return account


@pytest.mark.parametrize(("accepted", "code"), [([], 7), (["orders:9041", "subscriptions:551"], 0)])
def test_rules_1_5_and_7_1_rejects_with_field_reason_and_advice(
    sandbox: Sandbox, tmp_path: Path, accepted: list[str], code: int
) -> None:
    sandbox.no_limits()
    case = case_of("05-end-date")
    run = case.runs[-1]
    now = run.now.isoformat()
    sandbox.clock(now)
    config = config_of(sandbox, tmp_path, case, now, accepted_rejects=accepted)
    done = run_target(tmp_path, config, account_messages(broken(run.keap)))
    assert done.code == code, done.stderr
    found = report_of(tmp_path / "report.json")
    assert found["run"]["exit_code"] == code
    assert {(each["stream"], each["id"], each["field"]) for each in found["rejects"]} == {
        ("orders", "9041", "total.currency_code"),
        ("subscriptions", "551", "end_date"),
    }
    assert all(each["reason"] and each["what_to_do"] for each in found["rejects"])
    assert {each["accepted"] for each in found["rejects"]} == {bool(accepted)}
    content = sandbox.content(SOURCE, now)
    assert len(content["invoices"]) == len(run.expect["invoices"]) - 1
    assert content["cancellations"].keys() == run.expect["cancellations"].keys() - {"551-cancelled-2026-03-10"}


@pytest.mark.parametrize("name", ["07-invalid", "11-tax", "23-deleted"])
def test_rule_7_1_no_name_and_no_address_in_the_report(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    sandbox.no_limits()
    case = case_of(name)
    run = case.runs[-1]
    sandbox.clock(run.now.isoformat())
    config = config_of(sandbox, tmp_path, case, run.now.isoformat(), dry_run=True)
    done = run_target(tmp_path, config, account_messages(run.keap))
    assert done.code == 0, done.stderr
    text = (tmp_path / "report.json").read_text()
    assert "@" not in text
    personal = {each.get(key) for each in run.keap["contacts"] for key in ("given_name", "family_name")}
    words = set(re.findall(r"\w+", text + done.stderr))
    assert personal & words == set()
    assert sandbox.chartmogul_api_key not in text + done.stderr
