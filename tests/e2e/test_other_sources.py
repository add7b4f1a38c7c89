"""Rule 1.7, its last sentence: other data sources that hold the same contacts are named before anything is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.keap_rows import contact, order, payment, product, subscription, subscription_item
from tests.support.sandbox_process import Sandbox
from tests.support.singer_messages import account_messages
from tests.support.target_process import run_target, target_config

NOW = "2026-03-20T08:00:00Z"


def account() -> dict[str, list[dict[str, Any]]]:
    return {
        "products": [product()],
        "contacts": [contact("1207")],
        "subscriptions": [subscription("501", "1207")],
        "orders": [order("9000", [subscription_item("1", "501")], 4900)],
        "payments": [payment("8000", ["9000"], 49.0)],
    }


@pytest.mark.parametrize("dry_run", [True, False])
def test_rule_1_7_a_source_with_the_same_contacts_is_named(sandbox: Sandbox, tmp_path: Path, dry_run: bool) -> None:
    sandbox.no_limits()
    sandbox.clock(NOW)
    messages = account_messages(account())
    first = run_target(tmp_path, target_config(sandbox, now=NOW, data_source_name="Old connector"), messages)
    assert first.code == 0, first.stderr
    report = tmp_path / "report.json"
    config = target_config(sandbox, now=NOW, dry_run=dry_run, report_path=str(report))
    done = run_target(tmp_path, config, messages)
    assert done.code == 0, done.stderr
    assert "Old connector" in done.stderr
    findings = json.loads(report.read_text())["preflight"]["findings"]
    assert ["Old connector" in each["value"] for each in findings if each["setting"] == "data_source"] == [True]


def test_rule_1_7_nobody_is_named_where_there_is_nobody(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.no_limits()
    sandbox.clock(NOW)
    report = tmp_path / "report.json"
    done = run_target(tmp_path, target_config(sandbox, now=NOW, report_path=str(report)), account_messages(account()))
    assert done.code == 0, done.stderr
    findings = json.loads(report.read_text())["preflight"]["findings"]
    assert not [each for each in findings if each["setting"] == "data_source"]
