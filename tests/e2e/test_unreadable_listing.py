"""A listed object that cannot be read is neither missing nor different: it is named, and the run is as any other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.sandbox_process import ROOT, Sandbox
from tests.support.target_process import TargetRun, run_target, target_config

INPUT = (ROOT / "tests" / "cases" / "native" / "activate-version-unchanged" / "run-1.jsonl").read_bytes()


@pytest.mark.parametrize(("oddity", "place"), [("lists_null_in_row", "line_items"), ("row_without_id", "uuid")])
def test_an_object_that_cannot_be_read(sandbox: Sandbox, tmp_path: Path, oddity: str, place: str) -> None:
    sandbox.no_limits()

    def run(now: str, **settings: Any) -> TargetRun:
        sandbox.clock(now)
        sandbox.clear_requests("chartmogul")
        files = {"store_path": str(tmp_path / "store.sqlite"), "report_path": str(tmp_path / "report.json")}
        config = target_config(sandbox, data_source_name="Shop", external_id_prefix="shop-", now=now, **files)
        done = run_target(tmp_path, config | settings, INPUT)
        assert done.code == 0, done.stderr
        return done

    run("2026-06-01T08:00:00Z")
    match = {"method": "GET", "path_regex": "/invoices$"}
    sandbox.faults("chartmogul", script=[{"match": match, "kind": oddity, "times": None}])
    done = run("2026-06-20T08:00:00Z")
    assert f"cannot be read: GET /invoices: {place} of A-" in done.stderr
    assert sandbox.writes() == []
    lists = json.loads((tmp_path / "report.json").read_text())["lists"]
    assert not lists.keys() & {"deleted_in_chartmogul", "edited"}
