"""Objects that ChartMogul finds invalid after a bulk import was completed (case late-validation)."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.sandbox_process import ROOT, Sandbox
from tests.support.target_process import TargetRun, run_target, target_config

INPUT = (ROOT / "tests" / "cases" / "native" / "activate-version-unchanged" / "run-1.jsonl").read_bytes()
NOW = "2026-06-01T08:00:00Z"


class Shop:
    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        sandbox.no_limits()
        sandbox.clock(NOW)
        self.sandbox = sandbox
        self.folder = folder

    def fails_late(self, *external_ids: str, delay: float) -> None:
        self.sandbox.control(
            "PUT", "chartmogul/settings", {"late_failures": list(external_ids), "validation_delay": delay}
        )

    def run(self, **settings: Any) -> TargetRun:
        self.sandbox.clear_requests("chartmogul")
        files = {"store_path": str(self.folder / "store.sqlite"), "report_path": str(self.folder / "report.json")}
        fixed = {"data_source_name": "Shop", "external_id_prefix": "shop-", "load_method": "bulk", "now": NOW}
        return run_target(self.folder, target_config(self.sandbox, **fixed | files | settings), INPUT)

    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        return found

    def errors(self) -> dict[str, Any]:
        query = {"validation_type": "all"}
        key, url = self.sandbox.chartmogul_api_key, self.sandbox.chartmogul_url
        found = requests.get(f"{url}/invoices", params=query, auth=(key, ""), timeout=10).json()["invoices"]
        return {each["external_id"]: each["errors"] for each in found}


@pytest.fixture
def shop(sandbox: Sandbox, tmp_path: Path) -> Shop:
    return Shop(sandbox, tmp_path)


def test_what_fails_some_seconds_after_the_load_is_sent_again_by_that_run(shop: Shop) -> None:
    shop.fails_late("shop-A-2", delay=2.0)
    done = shop.run()
    assert done.code == 0, done.stderr
    assert "found it invalid later (currency: Currency must be supported); it is sent again" in done.stderr
    validation = shop.report()["validation"]
    assert validation["processing"]["failed"] == 1
    assert [each["external_id"] for each in validation["failed"]] == ["A-2"]
    assert shop.errors() == {"shop-A-1": {}, "shop-A-2": {}}
    assert shop.run().code == 0
    assert shop.sandbox.writes() == []
    assert shop.report()["validation"] == {"processing": {"processed": 2, "failed": 0, "pending": 0}, "failed": []}


def test_what_is_refused_when_it_is_sent_again_counts_as_refused(shop: Shop) -> None:
    shop.fails_late("shop-A-2", delay=2.0)
    refused = {"match": {"method": "POST", "path_regex": "/import/customers/"}, "kind": "422_deep", "times": None}
    shop.sandbox.faults("chartmogul", script=[refused])
    done = shop.run()
    assert done.code == 7, done.stderr
    refusals = [each["id"] for each in shop.report()["refusals"]]
    assert len(refusals) == 1
    assert "A-2" in refusals[0]


@pytest.mark.long
@pytest.mark.parametrize("with_store", [True, False])
def test_what_fails_long_after_the_load_is_sent_again_by_the_next_run(shop: Shop, with_store: bool) -> None:
    """A run waits a minute for validation."""
    shop.fails_late("shop-A-2", delay=70.0)
    done = shop.run()
    assert done.code == 0, done.stderr
    assert shop.report()["validation"]["processing"]["pending"] == 1
    time.sleep(12)
    assert shop.errors()["shop-A-2"]
    if not with_store:
        (shop.folder / "store.sqlite").unlink()
    done = shop.run()
    assert done.code == 0, done.stderr
    assert shop.errors() == {"shop-A-1": {}, "shop-A-2": {}}
